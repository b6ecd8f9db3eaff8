// How long ago: the server wrote it for the moment it rendered the page, this keeps it true.

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const INTERVAL_MS = 1000;

export function keepAges() {
  refreshAges();
  setInterval(refreshAges, INTERVAL_MS);
}

export function refreshAges() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = age(Date.now() - Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [size, unit] = STEPS.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}
