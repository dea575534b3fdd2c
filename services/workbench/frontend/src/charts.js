// Time series: draws as bars the table that an element names with `data-chart="id"`. The first column has days in
// `<time datetime>`, the others numbers in `data-value`. The table stays, for screen readers and without scripts.
import uPlot from "uplot";
import { colour } from "./colours.js";

const COLOURS = ["--link", "--bad", "--good", "--warn"];
const HEIGHT = 180;
const DAY_SECONDS = 86_400;

function read(table) {
  const titles = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies[0].rows];
  const times = rows.map((row) => Date.parse(row.querySelector("time").getAttribute("datetime")) / 1000);
  const series = titles.map((_, index) => rows.map((row) => Number(row.cells[index + 1].dataset.value)));
  return { titles, data: [times, ...series] };
}

function draw(element) {
  const table = document.getElementById(element.dataset.chart);
  if (!table) return;
  const { titles, data } = read(table);
  const [line, text] = [colour("--line"), colour("--muted")];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const chart = new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      series: [
        { label: table.tHead.rows[0].cells[0].textContent.trim() },
        ...titles.map((label, index) => ({
          label,
          stroke: colour(COLOURS[index % COLOURS.length]),
          fill: colour(COLOURS[index % COLOURS.length]),
          paths: uPlot.paths.bars({ size: [0.7, 40] }),
          points: { show: false },
        })),
      ],
      axes: [axis, { ...axis, size: 56 }],
      scales: {
        x: { range: (_, first, last) => [first - DAY_SECONDS, last + DAY_SECONDS] },
        y: { range: (_, __, most) => [0, Math.max(most, 1)] },
      },
      cursor: { drag: { x: false, y: false } },
    },
    data,
    element,
  );
  new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
}

for (const element of document.querySelectorAll("[data-chart]")) draw(element);
