// Time series: draws the table that an element names with `data-chart="id"`. The first column has days in
// `<time datetime>`, the others numbers in `data-value`; `data-columns="1 2"` chooses some of them. They are bars, of which
// the later ones are parts of the first, or with `data-lines` lines. The table stays, for screen readers and without scripts.
import uPlot from "uplot";
import { colour } from "./colours.js";

const COLOURS = ["--link", "--bad", "--good", "--warn"];
const HEIGHT = 180;
const DAY_SECONDS = 86_400;
const TICKS = [1, 2, 7, 14, 28, 91, 364].map((days) => days * DAY_SECONDS);

function formatDay(seconds, options) {
  return new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: "UTC", ...options }).format(seconds * 1000);
}

function read(table, chosen) {
  const head = [...table.tHead.rows[0].cells];
  const columns = chosen ? chosen.split(" ").map(Number) : head.map((_, index) => index).slice(1);
  const rows = [...table.tBodies[0].rows];
  const times = rows.map((row) => Date.parse(row.querySelector("time").getAttribute("datetime")) / 1000);
  const series = columns.map((column) => rows.map((row) => Number(row.cells[column].dataset.value)));
  return { titles: columns.map((column) => head[column].textContent.trim()), data: [times, ...series] };
}

function shape(element, index) {
  const stroke = colour(COLOURS[index % COLOURS.length]);
  if ("lines" in element.dataset) return { stroke, width: 2 };
  return { stroke, fill: stroke, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } };
}

function draw(element) {
  const table = document.getElementById(element.dataset.chart);
  if (!table || element.firstChild) return;
  const { titles, data } = read(table, element.dataset.columns);
  const [line, text] = [colour("--line"), colour("--muted")];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const chart = new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      series: [
        {
          label: table.tHead.rows[0].cells[0].textContent.trim(),
          value: (_, day) => (day == null ? "–" : formatDay(day, { dateStyle: "medium" })),
        },
        ...titles.map((label, index) => ({ label, ...shape(element, index) })),
      ],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [
        {
          ...axis,
          incrs: TICKS,
          values: (_, days) => days.map((day) => formatDay(day, { day: "numeric", month: "short" })),
        },
        { ...axis, size: 56 },
      ],
      scales: {
        // Of one day alone uPlot takes the end to be years later.
        x: { range: (_, first, last) => [first - DAY_SECONDS, (data[0].length > 1 ? last : first) + DAY_SECONDS] },
        y: { range: (_, __, most) => [0, Math.max(most, 1)] },
      },
      cursor: { drag: { x: false, y: false } },
    },
    data,
    element,
  );
  new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
}

function drawAll() {
  for (const element of document.querySelectorAll("[data-chart]")) draw(element);
}

drawAll();
document.addEventListener("htmx:after:swap", drawAll);
