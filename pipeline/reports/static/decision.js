// What every threshold would find: ROC and precision-recall curves. A point is [threshold, recall, precision, false positive rate].
const SHARE_AXIS = (label) => ({ low: 0, high: 1, label, text: (tick) => percent(tick, 0), ticks: [0, 0.25, 0.5, 0.75, 1] });

// A curve through pairs (x, y) of points, a ring at the point in use, and a line that says what is under the pointer.
function curveChart(label, x, y, points, at, pairOf, tell) {
  return chart(label, (width) => {
    const plot = axes(Math.min(width, 440), 330, SHARE_AXIS(x), SHARE_AXIS(y));
    const place = (point) => { const [a, b] = pairOf(point); return [plot.x(a), plot.y(b)]; };
    const spot = svg("path", { class: "mark c-blue", d: "" });
    plot.root.append(svg("path", { class: "line c-blue", d: path(points.map(place)) }),
      at ? mark("circle", "red", ...place(at), { r: 6, hollow: true, title: tell(at) }) : "", spot);
    const show = (event) => {
      const [px, py] = placeOf(event, plot.root);
      const distance = (point) => { const [a, b] = place(point); return Math.hypot(a - px, b - py); };
      const nearest = points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
      spot.setAttribute("d", SHAPES.circle(...place(nearest), 5));
      said.textContent = tell(nearest);
    };
    const said = svg("text", { class: "name", x: plot.right - 8, y: plot.bottom - 10, "text-anchor": "end" }, at ? tell(at) : "");
    plot.root.append(said);
    build(plot.root, { pointermove: show, pointerdown: show }, []);
    return plot.root;
  });
}

function decision(run, gallery, split) {
  const found = run.splits[split].decision;
  if (!found) return null;
  const [, second] = gallery.classes;
  const tell = ([threshold, recall, precision, fallOut]) =>
    `threshold ${threshold.toFixed(3)}: recall ${percent(recall)}, precision ${percent(precision)}, false positives ${percent(fallOut)}`;
  const short = ([threshold, recall, precision, fallOut], isRoc) =>
    `from ${threshold.toFixed(2)}: recall ${percent(recall, 0)}, ${isRoc ? `false positives ${percent(fallOut, 0)}` : `precision ${percent(precision, 0)}`}`;
  const area = run.scores[split].roc_auc;
  return el("section", {}, el("h3", {}, `Thresholds of ${second}`),
    el("p", { class: "note" }, `What each threshold on the probability of ${second} gives on the ${split} images; the ring is the threshold in use, ${Number(found.threshold.toFixed(4))}. `,
      found.at ? `There, ${tell(found.at).replace(/^threshold [^:]*: /, "")}.` : "No image reaches it.", " Point at a curve to read other thresholds."),
    el("div", { class: "pair" },
      el("div", {}, el("p", { class: "note" }, `ROC${area === undefined ? "" : `, area ${area.toFixed(3)}`}`),
        curveChart("ROC curve", "false positive rate", "recall", [[1, 0, 1, 0], ...found.points], found.at, ([, recall, , fallOut]) => [fallOut, recall], (point) => short(point, true))),
      el("div", {}, el("p", { class: "note" }, `Precision and recall, average precision ${found.average_precision.toFixed(3)}`),
        curveChart("Precision-recall curve", "recall", "precision", found.points, found.at, ([, recall, precision]) => [recall, precision], (point) => short(point, false)))));
}
