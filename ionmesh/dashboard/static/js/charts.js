// A client's signal and traffic over time.

const card = document.querySelector("[data-charts]");
const REFRESH_MS = 30000;
const HEIGHTS = { power: 200, quality: 140, traffic: 180 };
const HOUR_S = 3600;
const DAY_S = 86400;
// Spacing from which on a label is so, and what is added where a day begins.
const TIMES = [
  [DAY_S, "{D} {MMM}", null, null, null, null, null, null, 1],
  [HOUR_S, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];
const UNITS = ["B/s", "kB/s", "MB/s", "GB/s"];
let charts = [];
let range = "24h";
let last = null;

if (card) begin();

function begin() {
  for (const button of card.querySelectorAll("[data-range]")) {
    button.addEventListener("click", () => choose(button));
  }
  new ResizeObserver(() => resize()).observe(card);
  document.addEventListener("ionmesh:theme", () => last && draw(last));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => last && draw(last));
  setInterval(() => document.hidden || load(), REFRESH_MS);
  load();
}

function choose(button) {
  range = button.dataset.range;
  for (const other of card.querySelectorAll("[data-range]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  load();
}

async function load() {
  const url = new URL(card.dataset.charts, location);
  url.searchParams.set("range", range);
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.ok) draw((last = await response.json()));
  } catch {
    // The connection's own sign says that the server is away.
  }
}

function draw(series) {
  for (const chart of charts) chart.destroy();
  charts = [];
  const { times_s: times, values } = series;
  const rate = (name) => values[name].map((bytes) => (bytes === null ? null : bytes / series.step_s));
  const colour = (name) => probe(`var(--${name})`);
  const base = { series, colour };
  make(base, "power", [times, values.rsrp_dbm, values.rssi_dbm], ["RSRP", "RSSI"], (value) => `${value.toFixed(0)} dBm`);
  make(base, "quality", [times, values.sinr_db, values.rsrq_db], ["SINR", "RSRQ"], (value) => `${value.toFixed(0)} dB`);
  const { textReceived, textSent } = card.dataset;
  make(base, "traffic", [times, rate("rx_bytes"), rate("tx_bytes")], [textReceived, textSent], speed, true);
  table(series);
}

function make({ series, colour }, name, data, labels, format, filled = false) {
  const place = card.querySelector(`[data-chart="${name}"]`);
  place.replaceChildren();
  if (!data.slice(1).some((column) => column.some((value) => value !== null))) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = card.dataset.textEmpty;
    place.append(empty);
    return;
  }
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const font = `12px ${getComputedStyle(card).fontFamily}`;
  const strokes = [colour("accent"), colour("problem")];
  const options = {
    width: place.clientWidth,
    height: HEIGHTS[name],
    cursor: { sync: { key: "client" }, points: { size: 6 } },
    scales: { x: { min: series.from_s, max: series.until_s }, y: filled ? { range: (_, low, high) => [0, high * 1.1 || 1] } : {} },
    axes: [
      { ...axis, font, grid: { show: false }, values: TIMES, size: 44 },
      { ...axis, font, size: 66, space: 34, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      { value: (_, at) => (at === null ? "–" : new Date(at * 1000).toLocaleString()) },
      ...labels.map((label, index) => ({
        label,
        stroke: strokes[index],
        width: 1.5,
        // The second line is dashed: colour alone tells nothing.
        dash: index ? [5, 3] : undefined,
        fill: filled && !index ? translucent(strokes[0]) : undefined,
        points: { show: false },
        value: (_, value) => (value === null || value === undefined ? "–" : format(value)),
      })),
    ],
  };
  charts.push(new uPlot(options, data, place));
}

function resize() {
  for (const chart of charts) {
    const width = chart.root.parentElement.clientWidth;
    if (Math.abs(chart.width - width) > 1) chart.setSize({ width, height: chart.height });
  }
}

function probe(value) {
  // Colours of the style sheet are pairs; a real element says which of the two holds.
  const element = card.appendChild(document.createElement("i"));
  element.style.color = value;
  const found = getComputedStyle(element).color;
  element.remove();
  return found;
}

function translucent(colour) {
  return colour.replace("rgb(", "rgba(").replace(")", ", .12)");
}

function speed(bytes) {
  let unit = 0;
  while (bytes >= 1000 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${bytes.toFixed(unit && bytes < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

function table(series) {
  const body = card.querySelector("[data-chart-table] tbody");
  const names = ["rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db"];
  const rows = series.times_s.map((at, index) => {
    const row = document.createElement("tr");
    const cells = [new Date(at * 1000).toLocaleString()];
    for (const name of names) cells.push(series.values[name][index] ?? "–");
    for (const name of ["rx_bytes", "tx_bytes"]) {
      const bytes = series.values[name][index];
      cells.push(bytes === null ? "–" : speed(bytes / series.step_s));
    }
    cells.forEach((text, column) => {
      const cell = document.createElement("td");
      if (column) cell.className = "number";
      cell.textContent = text;
      row.append(cell);
    });
    return row;
  });
  body.replaceChildren(...rows.reverse());
}
