// Parts of a page that follow what happens. A region names what concerns it in data-region:
//   client:ID   bank:N   type:TYPE   any
// and is fetched again from the page's own address when such an event comes, or every data-every seconds. What
// concerns everybody's region at once has data-spread, the seconds over which the questions are spread.

import { refreshAges } from "./ages.js";
import { drawMaps } from "./maps.js";
import { countSelected } from "./select.js";

const LEAST_S = 1;
const fetched = new Map();

export function keepRegions() {
  document.addEventListener("ionmesh:event", ({ detail }) => {
    const keys = keysOf(detail);
    for (const region of document.querySelectorAll("[data-region]")) {
      if (shows(region, detail)) later(region.id, LEAST_S);
      else if (concerns(region, keys)) later(region.id, Number(region.dataset.spread) || LEAST_S);
    }
  });
  setInterval(everySecond, 1000);
}

function everySecond() {
  if (document.hidden) return;
  for (const region of document.querySelectorAll("[data-every]")) {
    const due = Number(region.dataset.every) * 1000;
    const last = fetched.get(region.id)?.at ?? performance.timeOrigin + performance.now();
    if (!fetched.has(region.id)) fetched.set(region.id, { at: Date.now(), timer: 0, spread_s: 0 });
    else if (Date.now() - last >= due) later(region.id, LEAST_S);
  }
}

function keysOf(event) {
  const keys = new Set(["any", `type:${event.type}`, `client:${event.client_id}`]);
  for (const name of ["bank_id", "from_bank_id"]) {
    if (event.details?.[name] !== undefined) keys.add(`bank:${event.details[name]}`);
  }
  return keys;
}

function concerns(region, keys) {
  return region.dataset.region.split(" ").some((key) => keys.has(key));
}

function shows(region, event) {
  return [...region.querySelectorAll("[data-client]")].some((row) => row.dataset.client === event.client_id);
}

function later(id, spread_s) {
  const state = fetched.get(id) ?? { at: 0, timer: 0, spread_s: 0 };
  fetched.set(id, state);
  if (state.timer && spread_s >= state.spread_s) return;
  clearTimeout(state.timer);
  state.spread_s = spread_s;
  // Two hundred dashboards must not ask in the same moment, nor one of them all the time.
  const spread = 1000 * spread_s;
  const wait = Math.max(state.at + spread - Date.now(), 0) + (Math.random() * spread) / 4;
  state.timer = setTimeout(() => fetchRegion(id, state), wait);
}

async function fetchRegion(id, state) {
  state.timer = 0;
  state.at = Date.now();
  const old = document.getElementById(id);
  if (!old || old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
  try {
    const response = await fetch(location.href, { headers: { "X-Region": id } });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById(id);
    const still = document.getElementById(id);
    if (!fresh || !still) return;
    keepChecked(still, fresh);
    markChanged(still, fresh);
    still.replaceWith(document.adoptNode(fresh));
    refreshAges();
    drawMaps();
    countSelected();
    document.dispatchEvent(new CustomEvent("ionmesh:region", { detail: id }));
  } catch {
    // The connection's own sign says that the server is away.
  }
}

function keepChecked(old, fresh) {
  const checked = new Set([...old.querySelectorAll("input:checked[name]")].map((box) => box.value));
  for (const box of fresh.querySelectorAll("input[type=checkbox][name]")) box.checked = checked.has(box.value);
}

function markChanged(old, fresh) {
  const before = new Map([...old.querySelectorAll("tr[data-client]")].map((row) => [row.dataset.client, row]));
  for (const row of fresh.querySelectorAll("tr[data-client]")) {
    const was = before.get(row.dataset.client)?.querySelector(".state")?.textContent;
    if (was !== undefined && was !== row.querySelector(".state")?.textContent) row.classList.add("changed");
  }
}
