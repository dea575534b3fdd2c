// The editor of rules. `textarea[data-editor]` stays the form's field, and is what there is without scripts.
//
// It is drawn in a shadow root: there CodeMirror adopts constructed style sheets, which the pages' policy allows, where
// in the document it would insert a <style>.
import { acceptCompletion, autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { linter, lintGutter, lintKeymap } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { makeCompletionSource } from "./editor_completion.js";

// A request begins this long after the last key: soon enough to seem immediate, and not one for each key.
const DELAY = 50;

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", border: "1px solid var(--line)", borderRadius: "6px", fontSize: "14px" },
  "&.cm-focused": { outline: "2px solid var(--link)" },
  ".cm-scroller": { fontFamily: 'ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace', minHeight: "320px", maxHeight: "65vh" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--muted)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--raised) 60%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--link) 30%, transparent)",
  },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)", maxWidth: "520px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { color: "inherit", fontStyle: "normal", marginLeft: "1em" },
  ".cm-diagnostic": { overflowWrap: "anywhere" },
});
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--link)" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--good)" },
  { tag: tags.comment, color: "var(--muted)" },
  { tag: [tags.punctuation, tags.separator, tags.bracket], color: "var(--muted)" },
]);

// Columns count characters, positions in the editor UTF-16 code units.
function position(doc, diagnostic) {
  const line = doc.line(Math.min(diagnostic.line, doc.lines));
  const before = [...line.text].slice(0, diagnostic.column - 1).join("").length;
  const from = line.from + Math.min(before, line.length);
  const word = /^[\w.-]+/.exec(line.text.slice(from - line.from));
  return { from, to: word ? from + word[0].length : line.to };
}

function show(area, diagnostics) {
  const form = area.form;
  const list = form.querySelector("[data-diagnostics]");
  list.replaceChildren(
    ...diagnostics.map((each) => {
      const item = document.createElement("li");
      item.className = each.severity;
      item.textContent = `${list.dataset.line} ${each.line}: ${each.message}`;
      return item;
    }),
  );
  form.querySelector("[data-accepted]").hidden = diagnostics.length > 0;
}

function open(area) {
  let names = [];
  let running = null;

  async function check(view) {
    running?.abort();
    running = new AbortController();
    const doc = view.state.doc;
    let answer;
    try {
      const response = await fetch(area.dataset.editor, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ content: doc.toString() }),
        signal: running.signal,
      });
      // A page instead of JSON: the session has ended, or the text is too large. Saving says which.
      if (!response.ok || !response.headers.get("content-type").startsWith("application/json")) return [];
      answer = await response.json();
    } catch {
      return []; // A later key has ended it, or the API is unavailable: the next key asks again.
    }
    names = answer.names ?? names;
    show(area, answer.diagnostics);
    return answer.diagnostics.map((each) => ({ ...position(doc, each), severity: each.severity, message: each.message }));
  }

  const host = document.createElement("div");
  host.className = "editor";
  const root = host.attachShadow({ mode: "open" });
  const blur = (view) => {
    view.contentDOM.blur();
    return true;
  };
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        bracketMatching(),
        indentUnit.of("  "),
        yaml(),
        syntaxHighlighting(colours),
        autocompletion({ icons: false, override: [makeCompletionSource(area.dataset.editorSchema, () => names)] }),
        linter(check, { delay: DELAY }),
        lintGutter(),
        EditorView.contentAttributes.of({ "aria-label": area.dataset.editorLabel, tabindex: "0" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) area.value = update.state.doc.toString();
        }),
        keymap.of([
          { key: "Mod-s", run: () => (area.form.requestSubmit(), true) },
          { key: "Tab", run: acceptCompletion },
          ...completionKeymap,
          ...lintKeymap,
          ...historyKeymap,
          ...defaultKeymap,
          // Last, when nothing else is to be closed: the page's own keys work again.
          { key: "Escape", run: blur },
        ]),
        theme,
      ],
    }),
  });
  // Outside, keys seem to be pressed on the host: the page's own ones must not take them.
  host.addEventListener("keydown", (event) => event.stopPropagation());
  area.hidden = true;
  area.after(host);
  document.querySelector(`label[for="${area.id}"]`)?.addEventListener("click", () => view.focus());
}

for (const area of document.querySelectorAll("textarea[data-editor]")) open(area);
