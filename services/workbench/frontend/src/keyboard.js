// Keys: an element with `data-key="n"` is clicked (or focused, when it takes text) by that key, one with `data-key="f1"`
// by both, one after the other; `?` shows all keys.
// Keys do nothing while a person types, and with Ctrl, Alt or Meta.
const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable]";

const PREFIX_MS = 2000;
let prefix = "";
let forget;

function find(selector) {
  for (const element of document.querySelectorAll(selector)) {
    if (!element.disabled && element.offsetParent !== null) return element;
  }
  return null;
}

function setPrefix(keys) {
  clearTimeout(forget);
  prefix = keys;
  if (keys) document.body.dataset.keys = keys;
  else delete document.body.dataset.keys;
  if (keys) forget = setTimeout(() => setPrefix(""), PREFIX_MS);
}

function showKeys() {
  const dialog = document.getElementById("keys");
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  const seen = new Set();
  for (const element of document.querySelectorAll("[data-key]")) {
    const key = element.dataset.key;
    if (seen.has(key) || element.offsetParent === null) continue;
    seen.add(key);
    const name = document.createElement("dt");
    const shown = document.createElement("kbd");
    shown.textContent = key;
    name.append(shown);
    const meaning = document.createElement("dd");
    meaning.textContent = element.dataset.keyLabel ?? element.textContent.trim();
    list.append(name, meaning);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.key === "Escape" && event.target.matches?.(TYPING)) return event.target.blur();
  if (event.target.closest?.(TYPING)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    event.preventDefault();
    return showKeys();
  }
  if (event.key.length > 1) return;
  const keys = prefix + event.key;
  const target = find(`[data-key="${CSS.escape(keys)}"]`);
  const isPrefix = !target && find(`[data-key^="${CSS.escape(keys)}"]`) !== null;
  setPrefix(isPrefix ? keys : "");
  if (!target) return;
  event.preventDefault();
  if (target.matches(TYPING)) target.focus();
  else target.click();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-keys]")) showKeys();
});
