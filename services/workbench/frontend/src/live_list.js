// The live list of the Now page: keeps the newest rows, pauses, and resumes where it paused.
// `data-live` is the element that connects; `data-live-rows` is where rows are added at the top.
const MAX_ROWS = 200;

let lastEventId = "";

function trim(list) {
  // The text between rows, too: it would add up.
  while (list.childElementCount > MAX_ROWS) list.lastChild.remove();
}

// The newest row of a message says how many decisions it stands for: most are counted rather than drawn.
function count(row) {
  for (const name of ["decisions", "flagged"]) {
    const shown = document.querySelector(`[data-count="${name}"]`);
    const total = Number(shown.dataset.total ?? 0) + Number(row?.dataset[name] ?? 0);
    shown.dataset.total = String(total);
    shown.textContent = total.toLocaleString(document.documentElement.lang);
  }
}

document.addEventListener("htmx:sse:after:message", (event) => {
  const message = event.detail.message;
  if (message.id) lastEventId = message.id;
  const list = document.querySelector("[data-live-rows]");
  if (!list) return;
  count(list.firstElementChild);
  trim(list);
});

document.addEventListener("htmx:sse:error", () => setState("reconnecting"));
document.addEventListener("htmx:sse:after:connection", () => setState("live"));

function setState(state) {
  const root = document.querySelector("[data-live]");
  if (root && root.dataset.state !== "paused") root.dataset.state = state;
}

function pause(root) {
  root.dataset.state = "paused";
  const connector = root.querySelector("[hx-sse\\:connect]");
  connector?.remove();
}

function resume(root) {
  root.dataset.state = "reconnecting";
  const template = root.querySelector("template[data-live-connector]");
  const connector = template.content.firstElementChild.cloneNode(true);
  if (lastEventId) {
    const url = new URL(connector.getAttribute("hx-sse:connect"), location.href);
    url.searchParams.set("from", lastEventId);
    connector.setAttribute("hx-sse:connect", url.pathname + url.search);
  }
  root.append(connector);
  window.htmx.process(connector);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-live-toggle]");
  if (!button) return;
  const root = button.closest("[data-live]");
  const isPaused = root.dataset.state === "paused";
  button.setAttribute("aria-pressed", String(!isPaused));
  if (isPaused) resume(root);
  else pause(root);
});
