// Numbers for each image: predicted against true ones and errors, with the images behind the points.
const round = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))));
const span = (ends) => (ends ? `${round(ends[0])} to ${round(ends[1])}` : "");

// Points (x, y) of rows on axes; `under` draws below them.
function scatter(run, gallery, label, rows, pairOf, x, y, under) {
  const tip = el("div", { class: "tip", hidden: true, role: "status" });
  const box = chart(label, (width) => {
    const plot = axes(width, Math.min(430, Math.max(300, width)), x, y);
    const at = (k) => { const [a, b] = pairOf(rows[k]); return [plot.x(a), plot.y(b)]; };
    const ring = svg("path", { class: "ring", d: "" });
    under(plot);
    plot.root.append(...rows.map((row, k) => svg("path", { class: `dot${NUMBERS.isOutside(run, gallery, row) ? " far" : ""}`, d: SHAPES.circle(...at(k), rows.length > 500 ? 3 : 4.5) })), ring);
    tip.hidden = true;
    explore(plot.root, tip, {
      count: rows.length, at, isShown: () => true, size: () => [width, plot.bottom + 44],
      content: (k) => photo(run, gallery, rows[k]),
      draw: (k) => ring.setAttribute("d", k === null ? "" : SHAPES.circle(...at(k), 9)),
    });
    plot.root.setAttribute("tabindex", "0");
    return plot.root;
  });
  return el("div", { class: "map plain" }, box, tip);
}

function spread(values, extra = 0.04) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * extra || Math.abs(high) * 0.1 || 1;
  return { low: low - room, high: high + room };
}

function numberCharts(run, gallery, split, k) {
  const found = run.splits[split];
  const name = gallery.classes[k];
  const rows = found.points.filter((row) => gallery.labels[row][k] !== null).reverse();
  if (!rows.length) return el("p", { class: "note" }, `No ${split} image has a known number.`);
  const half = found.half_widths[k];
  const [truth, guess] = [(row) => gallery.labels[row][k], (row) => run.predicted[row][k]];
  const both = spread(rows.flatMap((row) => [truth(row), guess(row)]));
  const far = Math.max(...rows.map((row) => Math.abs(guess(row) - truth(row))), half ?? 0) * 1.06 || 1;
  const area = (plot, corners) => half === undefined ? "" : svg("path", { class: "interval-band", d: `${path(corners.map(([a, b]) => [plot.x(a), Math.min(plot.bottom, Math.max(plot.top, plot.y(b)))]))}Z` });
  const { low, high } = both;
  const steps = Array.from({ length: 101 }, (_, n) => low + ((high - low) * n) / 100);
  const text = (tick) => round(tick);
  const guesses = spread(rows.map(guess));
  return el("div", { class: "pair" },
    scatter(run, gallery, `Predicted against true ${name}, ${plural(rows.length, "image")}`, rows, (row) => [truth(row), guess(row)],
      { ...both, label: `true ${name}`, text }, { ...both, label: `predicted ${name}`, text },
      (plot) => plot.root.append(area(plot, [...steps.map((v) => [v, v + half]), ...steps.reverse().map((v) => [v, v - half])]),
        svg("line", { class: "ideal", x1: plot.x(low), y1: plot.y(low), x2: plot.x(high), y2: plot.y(high) }))),
    scatter(run, gallery, `Errors against predicted ${name}`, rows, (row) => [guess(row), guess(row) - truth(row)],
      { ...guesses, label: `predicted ${name}`, text }, { low: -far, high: far, label: "predicted minus true", text },
      (plot) => plot.root.append(area(plot, [[guesses.low, half], [guesses.high, half], [guesses.high, -half], [guesses.low, -half]]),
        svg("line", { class: "ideal", x1: plot.left, x2: plot.right, y1: plot.y(0), y2: plot.y(0) }))));
}

function numberTable(run, gallery, split) {
  const { columns } = run.splits[split];
  const rows = gallery.classes.flatMap((name, k) => (columns[k] ? [{ name, ...columns[k] }] : []));
  const score = (name, key, more) => ({ name, value: (row) => row[key] ?? null, number: true, lowFirst: true,
    cell: (row) => (row[key] === null ? null : [round(row[key]), more ? el("span", { class: "interval" }, span(row[more])) : null]) });
  return sortable("Scores by column", [
    { name: "column", value: (row) => row.name, cell: (row) => long(row.name) },
    { name: "images", value: (row) => row.images, cell: (row) => count(row.images), number: true },
    score("mean absolute error", "mae", "mae_ci95"), score("of the mean", "mean_mae"), score("RMSE", "rmse", "rmse_ci95"),
    score("R2", "r2", "r2_ci95"), score("Spearman", "spearman", "spearman_ci95"),
    { name: "inside the interval", value: (row) => row.coverage, cell: (row) => (row.coverage === null ? null : percent(row.coverage)), number: true },
  ], rows, "column");
}

function numbers(run, gallery, split) {
  const found = run.splits[split];
  const charts = el("div");
  const draw = (name) => charts.replaceChildren(numberCharts(run, gallery, split, gallery.classes.indexOf(name)));
  draw(gallery.classes[0]);
  const total = run.scores[split].n;
  const level = percent(found.level, 0);
  const halves = found.half_widths.map((half, k) => `${gallery.classes.length > 1 ? `${gallery.classes[k]} ` : ""}±${round(half)}`).join(", ");
  return el("section", {}, el("h3", {}, "Predicted and true numbers"),
    el("p", { class: "note" }, `${count(total)} ${split} images. Point at a dot, or use the arrow keys, to see its image.`,
      found.points.length < total && found.points.length >= 1500 ? ` ${count(found.points.length)} of them are drawn: the largest errors, and others at random.` : "",
      halves ? ` The band is the interval that is made to hold ${level} of new numbers (${halves}); red dots are outside.` : ""),
    gallery.note ? el("p", { class: "note" }, gallery.note) : missing(gallery),
    gallery.classes.length > 1 ? choice("column", gallery.classes, gallery.classes[0], draw) : null,
    charts, numberTable(run, gallery, split),
    el("p", { class: "note" }, "Small figures are 95 % intervals by a bootstrap. Of the mean: the error of always predicting the mean of these numbers. Inside the interval: share of the numbers that are inside the interval of their prediction."));
}

function largest(run, gallery, split) {
  const rows = run.splits[split].mistakes;
  return el("section", {}, el("h3", {}, "Largest errors"),
    el("p", { class: "note" }, rows.length ? `${plural(rows.length, "image")} of the ${split} images, the largest error first. Look here for wrong numbers, and for what the features do not show.` : `No ${split} image has a known number.`),
    rows.length ? images(run, gallery, rows) : null);
}

const NUMBERS = {
  figures(run) {
    const split = SPLITS.find((name) => run.splits?.[name]);
    const column = split && run.task.names.length === 1 ? run.splits[split].columns[0] : null;
    if (!column) return [];
    const covered = column.coverage === null ? [] : [["inside the interval", percent(column.coverage), `${split}, made for ${percent(run.splits[split].level, 0)}`]];
    return [[`${split} mean absolute error`, round(column.mae), `${span(column.mae_ci95)}; of the mean ${round(column.mean_mae)}`], ...covered];
  },
  answer: (task) => (task.names.length === 1 ? "a number" : `${task.names.length} numbers`),
  quote: (task, scores) => `${task.score} ${scores.main.toFixed(3)} on ${count(scores.n)}`,
  label: (gallery, row) => gallery.labels[row].map(round).join(", "),
  // Whether a number is outside the interval of its prediction.
  isOutside: (run, gallery, row) => {
    const half = Object.values(run.splits)[0].half_widths;
    return gallery.labels[row].some((value, k) => value !== null && half[k] !== undefined && Math.abs(value - run.predicted[row][k]) > half[k]);
  },
  prediction: (run, gallery, row) => gallery.classes.map((name, k) => {
    const [value, predicted] = [gallery.labels[row][k], run.predicted[row][k]];
    const isFar = NUMBERS.isOutside(run, gallery, row);
    return [k ? el("br") : null, gallery.classes.length > 1 ? `${name} ` : null, el("b", { class: isFar ? "wrong" : null }, round(predicted)), value === null ? null : `, is ${round(value)}`];
  }),
  judged: (run, gallery, split) => [numbers(run, gallery, split), largest(run, gallery, split)],
  kinds(run, gallery) {
    const known = gallery.labels.map(([value]) => value).filter((value) => value !== null).sort((a, b) => a - b);
    const ends = [1, 2, 3, 4].map((n) => known[Math.floor((n * known.length) / 5)] ?? 0);
    const names = ["lowest", ...ends].map((end, n) => (n === 0 ? `below ${round(ends[0])}` : `from ${round(end)}`));
    return {
      number: { names: [...names, "not known"], of: (row) => (gallery.labels[row][0] === null ? 5 : ends.filter((end) => gallery.labels[row][0] >= end).length), colours: ["blue", "sky", "green", "orange", "red", "soft"] },
      split: { names: SPLITS, of: (row) => gallery.splits[row] },
      error: { names: ["inside the interval", "outside"], of: (row) => Number(NUMBERS.isOutside(run, gallery, row)), colours: ["soft", "red"] },
    };
  },
};
