// Draws each chart from the table beside it, so that both always say the same.
const dark = matchMedia("(prefers-color-scheme: dark)");
const palette = () => dark.matches
  ? ["#6cb6ff", "#f0a868", "#7ee2a8", "#e59bd8", "#d9d466", "#b8b8c6"]
  : ["#0b63c5", "#b35300", "#157347", "#9a2c8c", "#6b6500", "#5b5b6a"];

function read(table) {
  const rows = [...table.tBodies[0].rows];
  const names = [...table.tHead.rows[0].cells].slice(1).map(cell => cell.textContent.trim());
  const times = rows.map(row => Number(row.cells[0].dataset.at) / 1000);
  const figures = names.map((_, column) => rows.map(row => {
    const text = row.cells[column + 1].textContent.trim();
    return text === "–" ? null : Number(text);
  }));
  return { names, data: [times, ...figures] };
}

function draw(place) {
  const { names, data } = read(document.getElementById(place.dataset.chart));
  const colours = palette();
  const style = getComputedStyle(document.documentElement);
  const text = style.getPropertyValue("--pico-muted-color").trim();
  const line = style.getPropertyValue("--pico-muted-border-color").trim();
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const time = seconds => new Date(seconds * 1000).toISOString().slice(11, 16);
  const day = seconds => new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  // Hours as 18:00, and the day where it begins. If a step is a day or longer, only the day.
  const moments = (_, splits, axis, space, step) => splits.map((at, number) =>
    step >= 86400 ? day(at) : number === 0 || at % 86400 === 0 ? `${time(at)}\n${day(at)}` : time(at));
  place.replaceChildren();
  return new uPlot({
    width: place.clientWidth,
    height: 200,
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [{ ...axis, values: moments }, { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e7] }],
    legend: { live: false },
    cursor: { drag: { x: false, y: false } },
    series: [{}, ...names.map((name, number) => ({
      label: name,
      stroke: colours[number % colours.length],
      width: 2,
      fill: names.length === 1 ? colours[0] + "22" : undefined,
      points: { show: data[0].length <= 30, size: 5 },
    }))],
  }, data, place);
}

const charts = new Map();
function drawAll() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    charts.get(place)?.destroy();
    charts.set(place, draw(place));
  }
}
drawAll();
dark.addEventListener("change", drawAll);
const resized = new ResizeObserver(entries => {
  for (const { target } of entries) {
    const chart = charts.get(target);
    if (chart && chart.width !== target.clientWidth) chart.setSize({ width: target.clientWidth, height: 200 });
  }
});
for (const place of charts.keys()) resized.observe(place);
