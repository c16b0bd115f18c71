// One class for each image: the confusion matrix (a press on a cell lists its images), and the curves of two classes.
const MAX_CLASSES = 40;

function confusion(run, gallery, split) {
  const { confusion: cells, listed } = run.splits[split];
  const counts = new Map(cells.map(([i, j, n]) => [`${i} ${j}`, n]));
  const pane = el("div", { "aria-live": "polite" });
  const buttons = [];

  function open(button, label, predicted) {
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const [rows, number] = [rowsOf(run, gallery, split, label, predicted), counts.get(`${label} ${predicted}`)];
    const shown = rows.slice(0, MAX_LISTED);
    const order = label === predicted ? "the least confident first" : "the most confident first";
    const text = shown.length < number ? `${shown.length} of ${number} ${split} images, ${order}` : `${plural(number, `${split} image`)}, ${order}`;
    pane.replaceChildren(
      el("h3", {}, `${gallery.classes[label]}, ${label === predicted ? "recognised" : `predicted as ${gallery.classes[predicted]}`}`),
      el("p", { class: "note" }, text), images(run, gallery, shown, true));
  }

  function cellOf(label, predicted, text) {
    const number = counts.get(`${label} ${predicted}`) ?? 0;
    const share = number / totals[label] || 0;
    const [from, to] = [gallery.classes[label], gallery.classes[predicted]];
    const button = el("button", { type: "button", class: `cell${share > 0.5 ? " dark" : ""}`, "--part": width(share),
      disabled: number === 0, "aria-pressed": "false", "aria-label": `${plural(number, "image")} of ${from} predicted as ${to}`,
      title: `${from} predicted as ${to}: ${number}, ${percent(share)} of ${from}`, click: () => open(button, label, predicted) }, text ?? String(number));
    buttons.push(button);
    return button;
  }

  const totals = gallery.classes.map(() => 0);
  cells.forEach(([i, , n]) => { totals[i] += n; });
  const isMatrix = gallery.classes.length <= MAX_CLASSES;
  const table = isMatrix ? matrix(gallery.classes, cellOf) : worst(gallery.classes, cells, cellOf);
  const first = cells.filter(([i, j]) => i !== j).sort((a, b) => b[2] - a[2])[0] ?? cells[0];
  const start = buttons.find((button) => button.getAttribute("aria-label") === `${plural(first[2], "image")} of ${gallery.classes[first[0]]} predicted as ${gallery.classes[first[1]]}`);
  if (start) open(start, first[0], first[1]);
  const total = cells.reduce((sum, [, , n]) => sum + n, 0);
  return el("section", {}, el("h3", {}, isMatrix ? "Confusion matrix" : "Most frequent confusions"),
    el("p", { class: "note" }, `${count(total)} ${split} images; a cell's colour is its share of the true class. Press a cell to see its images.`,
      listed < total ? ` ${count(listed)} of them are listed on this page.` : ""),
    gallery.note ? el("p", { class: "note" }, gallery.note) : missing(gallery),
    el("div", { class: `beside${isMatrix && gallery.classes.length > 10 ? " stacked" : ""}` }, el("div", { class: "scroll" }, table), pane));
}

function missing(gallery) {
  const shown = Object.keys(gallery.thumbnails).length;
  if (shown >= gallery.names.length) return null;
  const why = shown < gallery.limit ? "the others are not where they were, or have changed" : `a page has at most ${count(data.max_thumbnails)}${data.galleries.length > 1 ? " of all its data sets" : ""}, mistakes first`;
  return el("p", { class: "note" }, `Thumbnails of ${count(shown)} of ${count(gallery.total)} images are inside this page: ${why}.`);
}

function matrix(classes, cellOf) {
  const short = (text) => el("span", { class: "short", title: text }, text);
  const cell = classes.length <= 4 ? "5.5rem" : classes.length <= 7 ? "2.9rem" : "2.4rem";
  const longest = Math.max(...classes.map((name) => name.length));
  return el("table", { class: `matrix${classes.length > 4 && longest > 3 ? " many" : ""}`, "--cell": cell },
    el("thead", {}, el("tr", {}, el("th", { class: "axis" }, "true ↓ predicted →"), classes.map((name) => el("th", { scope: "col" }, short(name))))),
    el("tbody", {}, classes.map((name, i) => el("tr", {}, el("th", { scope: "row" }, short(name)), classes.map((_, j) => el("td", {}, cellOf(i, j)))))));
}

function worst(classes, cells, cellOf) {
  const rows = cells.filter(([i, j]) => i !== j).sort((a, b) => b[2] - a[2]).slice(0, MAX_CLASSES);
  return el("table", { class: "wide", "--cell": "3.4rem" },
    el("thead", {}, el("tr", {}, ["true", "predicted", "images"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map(([i, j]) => el("tr", {}, el("td", {}, long(classes[i])), el("td", {}, long(classes[j])), el("td", {}, cellOf(i, j))))));
}

function perClass(run, gallery, split) {
  const { recall, precision, confusion: cells } = run.splits[split];
  const totals = gallery.classes.map(() => 0);
  cells.forEach(([i, , n]) => { totals[i] += n; });
  const bar = (share) => [el("span", { class: "share", "--part": width(share), "aria-hidden": "true" }), el("span", { class: "figure" }, percent(share))];
  const rows = gallery.classes.map((name, k) => ({ name, recall: recall[k], precision: precision[k], n: totals[k] }));
  return el("section", {}, el("h3", {}, "By class"),
    el("p", { class: "note" }, "Recall: share of the images of a class that are predicted as this class. Precision: share of the predictions of a class that are right."),
    sortable("Recall and precision by class", [
      { name: "class", value: (row) => row.name, cell: (row) => long(row.name) },
      { name: "recall", value: (row) => row.recall, cell: (row) => bar(row.recall), number: true, lowFirst: true },
      { name: "precision", value: (row) => row.precision, cell: (row) => bar(row.precision), number: true, lowFirst: true },
      { name: "images", value: (row) => row.n, cell: (row) => count(row.n), number: true },
    ], rows, rows.length > 10 ? "recall" : "class"));
}

// In the order in which Python chose thumbnails: the most confident mistakes, the least confident right predictions.
function rowsOf(run, gallery, split, label, predicted) {
  const number = SPLITS.indexOf(split);
  const sign = label === predicted ? 1 : -1;
  return gallery.names.map((_, row) => row)
    .filter((row) => gallery.splits[row] === number && gallery.labels[row] === label && run.predicted[row] === predicted)
    .sort((a, b) => sign * (run.confidence[a] - run.confidence[b]) || a - b);
}

function mistakes(run, gallery, split) {
  const rows = run.splits[split].mistakes;
  const wrong = run.splits[split].confusion.reduce((sum, [i, j, n]) => sum + (i === j ? 0 : n), 0);
  return el("section", {}, el("h3", {}, "Most confident mistakes"),
    rows.length
      ? el("p", { class: "note" }, `${rows.length === wrong ? plural(wrong, "mistake") : `${rows.length} of ${plural(wrong, "mistake")}`} on the ${split} images, the most confident first. Look here for wrong labels, and for what the features do not show.`)
      : el("p", { class: "note" }, `None on the ${split} images.`),
    rows.length ? images(run, gallery, rows) : null);
}

const CLASSES = {
  figures: () => [],
  answer: (task) => (task.names.length === 2 ? "one of two classes" : `one of ${task.names.length} classes`),
  quote: (task, scores) => `${percent(scores.main)} of ${count(scores.n)}`,
  label: (gallery, row) => gallery.classes[gallery.labels[row]],
  prediction(run, gallery, row) {
    const [label, predicted] = [gallery.labels[row], run.predicted[row]];
    const confidence = percent(run.confidence[row], 0);
    return label === predicted
      ? [el("b", {}, gallery.classes[predicted]), ` ${confidence}`]
      : [el("b", { class: "wrong" }, `✗ ${gallery.classes[predicted]}`), ` ${confidence}`, el("br"), `is ${gallery.classes[label]}`];
  },
  judged: (run, gallery, split) => [
    confusion(run, gallery, split), mistakes(run, gallery, split),
    el("div", { class: "pair" }, perClass(run, gallery, split), calibration(run.splits[split], split)),
    decision(run, gallery, split),
  ],
  kinds: (run, gallery) => ({
    label: { names: gallery.classes, of: (row) => gallery.labels[row] },
    split: { names: SPLITS, of: (row) => gallery.splits[row] },
    error: { names: ["right", "wrong"], of: (row) => Number(run.predicted[row] !== gallery.labels[row]), colours: ["soft", "red"] },
  }),
};
