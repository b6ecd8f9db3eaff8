// Choosing rows for an action on all of them.

let listening = false;

export function countSelected() {
  show();
  if (listening) return;
  listening = true;
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-all]")) {
      for (const box of document.querySelectorAll("[data-one]")) box.checked = target.checked;
    }
    if (target.matches("[data-all], [data-one]")) show();
  });
}

function show() {
  const bar = document.querySelector("[data-bulk]");
  if (!bar) return;
  const boxes = [...document.querySelectorAll("[data-one]")];
  const chosen = boxes.filter((box) => box.checked).length;
  bar.classList.toggle("shown", chosen > 0);
  bar.querySelector("[data-chosen]").textContent = chosen;
  const all = document.querySelector("[data-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
}
