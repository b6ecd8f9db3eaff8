// A bank as a small picture: one square a slot, from a letter for each. The figures beside it say the same.

const SIDE = 7;
const GAP = 1;
const NAMES = { o: "ok", p: "problem", c: "critical", u: "held", f: "idle", r: "deactivated", d: "unknown" };

export function drawMaps() {
  for (const canvas of document.querySelectorAll("canvas[data-slots]")) draw(canvas);
  listen();
}

let listening = false;
function listen() {
  if (listening) return;
  listening = true;
  addEventListener("resize", () => drawMaps());
  document.addEventListener("ionmesh:theme", () => drawMaps());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMaps());
}

function draw(canvas) {
  const slots = canvas.dataset.slots;
  const width = canvas.clientWidth || 280;
  const across = Math.max(1, Math.floor((width + GAP) / (SIDE + GAP)));
  const height = Math.ceil(slots.length / across) * (SIDE + GAP);
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const colours = palette(canvas);
  [...slots].forEach((letter, index) => {
    context.fillStyle = colours[letter] ?? colours.f;
    const x = (index % across) * (SIDE + GAP);
    const y = Math.floor(index / across) * (SIDE + GAP);
    context.fillRect(x, y, SIDE, SIDE);
  });
}

function palette(canvas) {
  // Colours of the style sheet are pairs; a real element says which of the two holds.
  const probe = canvas.parentElement.appendChild(document.createElement("i"));
  const colours = {};
  for (const [letter, name] of Object.entries(NAMES)) {
    probe.className = `map-${name}`;
    colours[letter] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}
