// The heat-map: arrow keys go from slot to slot, and a chosen slot is shown beside the map.

const grid = () => document.querySelector("[data-grid]");

document.addEventListener("click", (event) => {
  const square = event.target.closest("[data-grid] a");
  if (!square || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  choose(square, true);
});

document.addEventListener("keydown", (event) => {
  const square = event.target.closest?.("[data-grid] a");
  if (!square) return;
  const squares = [...grid().children];
  const index = squares.indexOf(square);
  const columns = getComputedStyle(grid()).gridTemplateColumns.split(" ").length;
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  let target = squares[index + moves[event.key]];
  if (event.key === "Home") target = squares[0];
  if (event.key === "End") target = squares.at(-1);
  if (!target) return;
  event.preventDefault();
  focusOnly(target);
  target.focus();
});

addEventListener("popstate", () => location.reload());

// One stop of the tabulator key for the whole map; the arrows do the rest.
function focusOnly(target) {
  for (const square of grid().children) square.tabIndex = square === target ? 0 : -1;
}

async function choose(square, push) {
  const response = await fetch(square.href);
  if (!response.ok) return location.assign(square.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("panel");
  if (!fresh) return location.assign(square.href);
  document.getElementById("panel").replaceWith(document.adoptNode(fresh));
  for (const other of grid().querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
  square.setAttribute("aria-current", "true");
  focusOnly(square);
  if (push) history.pushState(null, "", square.href);
  if (matchMedia("(max-width: 1100px)").matches) fresh.scrollIntoView({ behavior: "smooth" });
}

function begin() {
  if (grid()?.children.length) focusOnly(grid().querySelector("[aria-current]") ?? grid().children[0]);
}

document.addEventListener("ionmesh:region", begin);
begin();
