// Pages come from the network; without one, the last copy is shown with its age. Push messages become notices.

const SHELL = `shell ${SETTINGS.version}`;
const PAGES = "pages";
const KEPT_AT = "X-Kept-At";
const MARK = "<!--stale-->";

self.addEventListener("install", (event) => {
  const ready = caches.open(SHELL).then((cache) => cache.addAll([...SETTINGS.shell, SETTINGS.offline]));
  event.waitUntil(ready.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const drop = async () => {
    for (const name of await caches.keys()) {
      if (name !== SHELL && name !== PAGES) await caches.delete(name);
    }
    await self.clients.claim();
  };
  event.waitUntil(drop());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && SETTINGS.ending.includes(url.pathname)) {
    // What was kept is of the person who signs out, or whom another one replaces.
    event.waitUntil(caches.delete(PAGES));
    return;
  }
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(page(request, url));
  else if (SETTINGS.shell.includes(url.pathname)) event.respondWith(shell(request));
});

async function shell(request) {
  return (await caches.match(request, { cacheName: SHELL })) ?? fetch(request);
}

async function page(request, url) {
  try {
    const response = await fetch(request);
    if (response.ok && !response.redirected && SETTINGS.kept.includes(url.pathname) && !url.search) {
      await keep(url.pathname, response.clone());
    }
    return response;
  } catch {
    return stale(url.pathname);
  }
}

async function keep(path, response) {
  const headers = new Headers(response.headers);
  headers.set(KEPT_AT, new Date().toISOString());
  const cache = await caches.open(PAGES);
  await cache.put(path, new Response(await response.blob(), { headers }));
}

async function stale(path) {
  const cache = await caches.open(PAGES);
  const kept = await cache.match(path);
  if (kept) return marked(kept);
  const empty = await caches.match(SETTINGS.offline, { cacheName: SHELL });
  const lines = [];
  for (const request of await cache.keys()) {
    const other = await cache.match(request);
    const path = new URL(request.url).pathname;
    lines.push(`<li><a href="${escaped(path)}">${escaped(path)}</a>${age(other)}</li>`);
  }
  const text = (await empty.text()).replace(MARK, `<ul class="timeline">${lines.join("")}</ul>`);
  return new Response(text, { headers: empty.headers });
}

async function marked(kept) {
  const note = `<p class="notice bad" role="status" data-stale>${escaped(SETTINGS.texts.stale)} ${age(kept)} ${escaped(SETTINGS.texts.ago)}.</p>`;
  const text = (await kept.text()).replace(MARK, note);
  return new Response(text, { headers: kept.headers });
}

function age(response) {
  const at = escaped(response.headers.get(KEPT_AT) ?? "");
  return `<time data-ago datetime="${at}">${at}</time>`;
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

self.addEventListener("push", (event) => {
  let news = {};
  try {
    news = event.data?.json() ?? {};
  } catch {
    // A message that is none still has to be shown: browsers take the right to push away otherwise.
  }
  const name = SETTINGS.kinds[news.kind] ?? "IonMesh";
  const count = Number(news.count) || 1;
  const state = SETTINGS.texts[news.state === "resolved" ? "resolved" : "firing"];
  const shown = self.registration.showNotification(name, {
    body: news.kind === "test" ? "" : `${state}: ${count}`,
    tag: `${news.kind}`,
    renotify: news.state === "firing",
    icon: SETTINGS.icon,
    badge: SETTINGS.icon,
    timestamp: Date.parse(news.at) || Date.now(),
  });
  event.waitUntil(shown.then(() => tell(news)));
});

async function tell(news) {
  for (const client of await self.clients.matchAll()) client.postMessage({ kind: "push", news });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const open = async () => {
    for (const client of await self.clients.matchAll({ type: "window" })) {
      if (!client.focused) await client.focus();
      return client.navigate(SETTINGS.alerts);
    }
    return self.clients.openWindow(SETTINGS.alerts);
  };
  event.waitUntil(open());
});
