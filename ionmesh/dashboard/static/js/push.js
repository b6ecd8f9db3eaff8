// Telling this browser of alerts: asking the person, then the browser, then the server.

import { say } from "./forms.js";
import { registerWorker } from "./worker.js";

const card = document.querySelector("[data-push]");
const on = card?.querySelector("[data-push-on]");
const off = card?.querySelector("[data-push-off]");

if (card) begin();

async function begin() {
  const worker = await registerWorker();
  if (!worker?.pushManager) return show("none");
  on.addEventListener("click", () => attempt(subscribe, worker));
  off.addEventListener("click", () => attempt(unsubscribe, worker));
  await look(worker);
}

async function attempt(action, worker) {
  try {
    await action(worker);
  } catch (error) {
    say(error.message || document.body.dataset.textFailed);
  }
  await look(worker);
}

async function look(worker) {
  if (Notification.permission === "denied") return show("denied");
  show((await worker.pushManager.getSubscription()) ? "on" : "off");
}

function show(state) {
  const texts = { on: "textOn", off: "textOff", denied: "textDenied", none: "textNone" };
  card.querySelector("[data-push-state]").textContent = card.dataset[texts[state]];
  on.hidden = state !== "off";
  off.hidden = state !== "on";
}

async function subscribe() {
  const worker = await navigator.serviceWorker.ready;
  if ((await Notification.requestPermission()) !== "granted") return;
  const { key } = await (await fetch(card.dataset.push, { headers: { Accept: "application/json" } })).json();
  const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  const { endpoint, keys } = made.toJSON();
  const min_severity = card.querySelector("[data-push-severity]").value;
  try {
    await post(card.dataset.subscribe, { endpoint, ...keys, min_severity });
  } catch (error) {
    // A browser that believes it is told and is not would be worse than one that knows.
    await made.unsubscribe();
    throw error;
  }
}

async function unsubscribe(worker) {
  const found = await worker.pushManager.getSubscription();
  if (!found) return;
  await post(`${card.dataset.subscribe}/end`, { endpoint: found.endpoint });
  await found.unsubscribe();
}

async function post(url, fields) {
  const response = await fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { Accept: "application/json", "X-CSRF-Token": document.body.dataset.csrf },
  });
  if (!response.ok) throw new Error((await response.json()).message);
}

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
