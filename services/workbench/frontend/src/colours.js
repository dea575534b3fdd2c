// A colour token of style.css, such as `--link`, as the theme resolves it: for what is drawn on a canvas.
export function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
