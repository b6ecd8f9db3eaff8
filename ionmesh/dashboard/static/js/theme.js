// The colours: as the system has them, light or dark. The server reads the cookie, so that no page flickers.

const THEMES = ["auto", "light", "dark"];
const YEAR_S = 31536000;

export function switchTheme() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  name(button);
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    root.dataset.theme = next;
    document.cookie = `ionmesh_theme=${next}; path=/; max-age=${YEAR_S}; samesite=lax`;
    name(button);
    document.dispatchEvent(new CustomEvent("ionmesh:theme"));
  });
}

function name(button) {
  const text = button.dataset[document.documentElement.dataset.theme];
  button.querySelector("[data-theme-name]").textContent = text;
  button.setAttribute("aria-label", `${button.dataset.label}: ${text}`);
}
