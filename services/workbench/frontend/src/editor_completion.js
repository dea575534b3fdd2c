// Completion in rules: keys and their values from the JSON Schema of rule files, names from the draft itself.
const OPERATORS = ["and", "or", "not", "in", "not in", "is None", "is not None"].map((label) => ({ label, type: "keyword" }));
const WORD = /[A-Za-z_][\w.]*$/;
const NAME_TYPES = { field: "property", feature: "variable", attribute: "property", parameter: "constant", list: "enum" };

// What the schema says of an element of a list or of a named entry, whichever it is.
function inner(schema) {
  return schema?.items ?? (typeof schema?.additionalProperties === "object" ? schema.additionalProperties : null) ?? Object.values(schema?.patternProperties ?? {})[0];
}

function keysOf(schema) {
  return Object.entries(schema?.properties ?? {}).map(([label, about]) => ({
    label, apply: `${label}: `, type: "property", detail: about.enum?.join(", ") ?? "", info: about.description,
  }));
}

// The section of the file that a line belongs to, and the key of which the line is the continuation.
function surroundings(doc, number) {
  let key = null;
  for (let at = number; at >= 1; at -= 1) {
    const text = doc.line(at).text;
    const top = /^([a-z_]+):/.exec(text);
    key ??= /^\s*(?:- )?([a-z_]+):/.exec(text)?.[1] ?? null;
    if (top) return { section: top[1], key };
  }
  return { section: null, key };
}

function completeNames(context, names, before) {
  const word = WORD.exec(before);
  if (!word && !context.explicit) return null;
  const options = names.map(({ name, kind, meaning }) => ({
    label: name, type: NAME_TYPES[kind], detail: `${kind}, ${meaning.length > 40 ? `${meaning.slice(0, 40)}…` : meaning}`,
  }));
  return { from: context.pos - (word?.[0].length ?? 0), options: [...options, ...OPERATORS], validFor: /^[\w.]*$/ };
}

export function makeCompletionSource(schemaUrl, knownNames) {
  let schema = null;
  const loading = fetch(schemaUrl).then((response) => response.json()).then((found) => { schema = found; }).catch(() => {});
  return async (context) => {
    await loading;
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const { section, key } = surroundings(context.state.doc, line.number);
    if (/\bdescription:.*\{[A-Za-z_]\w*$/.test(before)) return completeNames(context, knownNames(), before);
    if (/\b(when|where):\s.*$/.test(before)) return completeNames(context, knownNames(), before);
    const isStart = /^\s*(?:- )?([a-z_]*)$/.exec(before);
    const entry = inner(schema?.properties?.[section]);
    if (isStart && !(key === "when" && line.number > 1 && !/^\s*-? ?[a-z_]*$/.test(before))) {
      const typed = isStart[1];
      if (!typed && !context.explicit) return null;
      const isTop = /^[a-z_]*$/.test(before);
      const names = key === "when" && !isTop ? knownNames().map(({ name, kind }) => ({ label: name, type: NAME_TYPES[kind], detail: kind })) : [];
      return { from: context.pos - typed.length, options: [...keysOf(isTop ? schema : entry), ...names], validFor: /^[a-z_]*$/ };
    }
    const value = /([a-z_]+):\s*([\w-]*)$/.exec(before);
    const choices = entry?.properties?.[value?.[1]]?.enum ?? schema?.properties?.[value?.[1]]?.enum;
    if (value && choices) {
      return { from: context.pos - value[2].length, options: choices.map((label) => ({ label: String(label), type: "enum" })) };
    }
    const flow = /[{,]\s*([a-z_]*)$/.exec(before);
    if (flow && entry) return { from: context.pos - flow[1].length, options: keysOf(entry), validFor: /^[a-z_]*$/ };
    if (key === "when" || key === "where") return completeNames(context, knownNames(), before);
    return null;
  };
}
