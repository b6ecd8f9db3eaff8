// Events as they happen: one stream for all tabs of a browser, and questions every few seconds where there is none.
//
// Everything received becomes an "ionmesh:event" or "ionmesh:counts" of the document.

const POLL_MS = 2000;
const POLL_MOST_MS = 30000;
const STREAM_AGAIN_MS = 60000;
const REMEMBERED = 400;
const STATES = { live: "state-ok", polling: "state-problem", stale: "state-critical" };

const seen = new Set();
let after = 0;
let channel = null;

export function follow() {
  after = Number(document.body.dataset.after) || 0;
  if (!("locks" in navigator && "BroadcastChannel" in window)) {
    lead();
    return;
  }
  // Browsers open six connections to a server; a stream in each tab would use them up.
  channel = new BroadcastChannel(`ionmesh ${document.body.dataset.live}`);
  channel.addEventListener("message", ({ data }) => receive(data.kind, data.document));
  navigator.locks.request("ionmesh live", () => new Promise(lead));
  channel.postMessage({ kind: "hello" });
}

function lead() {
  channel?.addEventListener("message", ({ data }) => {
    if (data.kind === "hello") tell("connection", document.body.dataset.connection ?? "stale");
  });
  stream();
}

function stream() {
  const url = new URL(document.body.dataset.live, location);
  if (after) url.searchParams.set("after", after);
  const source = new EventSource(url);
  let opened = false;
  source.addEventListener("open", () => {
    opened = true;
    tell("connection", "live");
  });
  for (const type of document.body.dataset.eventTypes.split(" ")) {
    source.addEventListener(type, (message) => tell("event", JSON.parse(message.data)));
  }
  source.addEventListener("counts", (message) => tell("counts", JSON.parse(message.data)));
  source.addEventListener("error", () => {
    // A stream that was open and ended is opened again by the browser. One that is refused is not.
    if (opened && source.readyState === EventSource.CONNECTING) return;
    source.close();
    poll(Date.now() + STREAM_AGAIN_MS, POLL_MS);
  });
}

async function poll(until, wait) {
  let next = POLL_MS;
  try {
    const url = new URL(document.body.dataset.poll, location);
    url.searchParams.set("after", after);
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.status === 401) return location.reload();
    if (!response.ok) throw new Error(response.statusText);
    const news = await response.json();
    tell("connection", "polling");
    for (const event of news.events) tell("event", event);
    after = Math.max(after, news.after);
    tell("counts", news.counts);
  } catch {
    tell("connection", "stale");
    next = Math.min(wait * 2, POLL_MOST_MS);
  }
  setTimeout(() => (Date.now() < until ? poll(until, next) : stream()), next);
}

function tell(kind, document) {
  channel?.postMessage({ kind, document });
  receive(kind, document);
}

function receive(kind, detail) {
  if (kind === "connection") return connection(detail);
  if (kind === "event") {
    if (seen.has(detail.id)) return;
    seen.add(detail.id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    after = Math.max(after, detail.id);
  }
  if (kind === "event" || kind === "counts") {
    document.dispatchEvent(new CustomEvent(`ionmesh:${kind}`, { detail }));
  }
}

function connection(state) {
  const { dataset } = document.body;
  if (dataset.connection === state) return;
  dataset.connection = state;
  const text = { live: dataset.textLive, polling: dataset.textPolling, stale: dataset.textStale }[state];
  for (const element of document.querySelectorAll("[data-connection]")) {
    if (element === document.body) continue;
    element.className = `connection ${state}`;
    element.querySelector("span").textContent = text;
    const use = element.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${STATES[state]}`));
  }
}
