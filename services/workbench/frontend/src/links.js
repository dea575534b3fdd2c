// The graph of links, drawn from the two tables beside it: rows with `data-node` and with `data-source`, `data-target`.
// "Expand" fetches the node's own page, and adds the rows of it that are not here yet to the tables and to the graph.
import cytoscape from "cytoscape";
import { colour } from "./colours.js";

const MOST_SHOWN = 24;
const SHAPES = { order: "star", user: "ellipse", device: "round-rectangle", address: "diamond", voucher: "tag" };

const container = document.querySelector("[data-graph]");
const nodes = document.getElementById("nodes").tBodies[0];
const links = document.getElementById("node-links").tBodies[0];

function short(text) {
  const characters = [...text];
  return characters.length > MOST_SHOWN ? `${characters.slice(0, MOST_SHOWN - 1).join("")}…` : text;
}

function elementOfNode(row) {
  const { node, kind, id, flagged, listed } = row.dataset;
  const classes = [kind, Number(flagged) ? "flagged" : "", listed ? "listed" : "", row.hasAttribute("data-start") ? "start" : ""];
  return { group: "nodes", data: { id: node, label: short(id), shape: SHAPES[kind] }, classes: classes.filter(Boolean) };
}

function elementOfLink(row) {
  const { source, target, orders, flagged } = row.dataset;
  return {
    group: "edges",
    data: { id: linkKey(row), source, target, width: 1 + Math.min(5, Math.log2(Number(orders))) },
    classes: Number(flagged) ? ["flagged"] : [],
  };
}

// The same whichever end the search began at.
function linkKey(row) {
  return [row.dataset.source, row.dataset.target].sort().join("\n");
}

function style() {
  const [text, line, surface, bad, good, link] = ["--text", "--muted", "--surface", "--bad", "--warn", "--link"].map(colour);
  return [
    {
      selector: "node",
      style: {
        shape: "data(shape)", label: "data(label)", color: text, "font-size": 11, "background-color": surface,
        "border-width": 2, "border-color": line, "text-valign": "bottom", "text-margin-y": 4, width: 26, height: 26,
      },
    },
    { selector: "node.flagged", style: { "border-color": bad, "border-width": 4 } },
    { selector: "node.listed", style: { "background-color": good } },
    { selector: "node.start", style: { width: 40, height: 40, "font-weight": "bold" } },
    { selector: "node:selected", style: { "border-color": link, "border-width": 6 } },
    { selector: "edge", style: { width: "data(width)", "line-color": line, "curve-style": "haystack", opacity: 0.7 } },
    { selector: "edge.flagged", style: { "line-color": bad } },
  ];
}

const graph = cytoscape({
  container,
  elements: [...[...nodes.rows].map(elementOfNode), ...[...links.rows].map(elementOfLink)],
  style: style(),
  layout: { name: "cose", animate: false, padding: 20, nodeRepulsion: 9000 },
  minZoom: 0.2,
  maxZoom: 3,
});
// A few nodes would fill the frame.
if (graph.zoom() > 1) {
  graph.zoom(1);
  graph.center();
}

function findRow(key) {
  return [...nodes.rows].find((row) => row.dataset.node === key);
}

function mark(row) {
  for (const each of nodes.rows) each.removeAttribute("aria-current");
  row?.setAttribute("aria-current", "true");
}

graph.on("tap", "node", (event) => {
  const row = findRow(event.target.id());
  mark(row);
  row?.scrollIntoView({ block: "nearest" });
});

nodes.addEventListener("focusin", (event) => {
  const row = event.target.closest("tr");
  graph.elements().unselect();
  graph.getElementById(row.dataset.node).select();
  mark(row);
});

async function expand(link) {
  const row = link.closest("tr");
  const response = await fetch(link.href);
  if (!response.ok) return location.assign(link.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = [...page.querySelectorAll("#nodes [data-node]")].filter((each) => !findRow(each.dataset.node));
  for (const each of found) {
    const steps = each.querySelector("[data-steps]");
    steps.textContent = String(Number(row.querySelector("[data-steps]").textContent) + Number(steps.textContent));
    each.removeAttribute("data-start");
  }
  const known = new Set([...links.rows].map(linkKey));
  const added = [...page.querySelectorAll("#node-links [data-source]")].filter((each) => !known.has(linkKey(each)));
  nodes.append(...found);
  links.append(...added);
  graph.add([...found.map(elementOfNode), ...added.map(elementOfLink)]);
  graph.layout({ name: "cose", animate: false, padding: 20, nodeRepulsion: 9000 }).run();
  document.querySelector("[data-added]").textContent = String(found.length);
  link.remove();
}

nodes.addEventListener("click", (event) => {
  const link = event.target.closest("[data-expand]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  expand(link);
});
