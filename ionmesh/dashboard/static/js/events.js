// The list of what happened, and the counters, without asking for the page again.

const GOOD = new Set(["client_recovered", "alert_resolved"]);

export function showEvents() {
  document.addEventListener("ionmesh:counts", ({ detail }) => {
    // On the icon of the installed application. Browsers that cannot, or may not, leave it out.
    navigator.setAppBadge?.(detail.alerts ?? 0).catch(() => {});
    for (const element of document.querySelectorAll("[data-count]")) {
      const value = String(detail[element.dataset.count] ?? 0);
      if (element.textContent !== value) element.textContent = value;
    }
  });
  document.addEventListener("ionmesh:event", ({ detail }) => {
    for (const list of document.querySelectorAll("[data-events]")) {
      const wanted = list.dataset.events;
      if (wanted && wanted !== detail.client_id) continue;
      add(list, detail);
    }
  });
}

function add(list, event) {
  const template = document.getElementById("event-line");
  if (!template || list.querySelector(`[data-event="${Number(event.id)}"]`)) return;
  const line = template.content.firstElementChild.cloneNode(true);
  line.dataset.event = event.id;
  line.className = GOOD.has(event.type) ? "good" : event.severity;
  const link = line.querySelector("a");
  link.textContent = event.client_id;
  // Alerts of banks and pools name those, which no client_id can look like.
  if (event.client_id.includes(" ")) link.replaceWith(event.client_id);
  else link.href = list.dataset.clientUrl.replace("CLIENT", encodeURIComponent(event.client_id));
  const names = JSON.parse(list.dataset.names);
  line.querySelector("[data-what]").textContent = names[event.type] ?? event.type;
  line.querySelector("time").dateTime = event.at;
  list.prepend(line);
  document.getElementById("no-events")?.remove();
  while (list.children.length > Number(list.dataset.most)) list.lastElementChild.remove();
}
