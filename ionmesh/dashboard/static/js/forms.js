// Forms marked data-send go by fetch, so that what was typed stays when something is wrong with it.

export function sendForms() {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.dataset.confirm && !confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    if (!("send" in form.dataset)) return;
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("button");
    if (button?.getAttribute("aria-busy") === "true") return;
    button?.setAttribute("aria-busy", "true");
    try {
      await send(form, event.submitter);
    } catch {
      say(document.body.dataset.textFailed);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  });
}

async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  // Not form.action: a field of that name would hide it.
  const response = await fetch(form.getAttribute("action"), {
    method: "POST",
    body,
    headers: { Accept: "application/json" },
  });
  const answer = await response.json();
  if (!response.ok) return say(answer.message);
  const here = location.pathname + location.search;
  location.assign(answer.location);
  // The same address with another fragment would not be loaded again.
  if (answer.location === here) location.reload();
}

export function say(text) {
  const problem = document.querySelector("[data-problem]");
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}
