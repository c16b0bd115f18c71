// The confusion matrix; a press on a field lists its photographs.
const MOST_CLASSES = 40;

function confusion(run, gallery, split) {
  const { confusion: fields, listed } = run.splits[split];
  const counts = new Map(fields.map(([i, j, n]) => [`${i} ${j}`, n]));
  const pane = el("div", { "aria-live": "polite" });
  const buttons = [];

  function open(button, label, answer) {
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const [rows, number] = [rowsOf(run, gallery, split, label, answer), counts.get(`${label} ${answer}`)];
    const shown = rows.slice(0, MOST_LISTED);
    const order = label === answer ? "the least sure first" : "the surest first";
    const text = shown.length < number ? `${shown.length} of ${number} ${split} images, ${order}` : `${plural(number, `${split} image`)}, ${order}`;
    pane.replaceChildren(
      el("h3", {}, `${gallery.classes[label]}, ${label === answer ? "recognised" : `taken for ${gallery.classes[answer]}`}`),
      el("p", { class: "note" }, text), pictures(run, gallery, shown, true));
  }

  function field(label, answer, text) {
    const number = counts.get(`${label} ${answer}`) ?? 0;
    const share = number / totals[label] || 0;
    const [from, to] = [gallery.classes[label], gallery.classes[answer]];
    const button = el("button", { type: "button", class: `cell${share > 0.5 ? " dark" : ""}`, "--part": width(share),
      disabled: number === 0, "aria-pressed": "false", "aria-label": `${plural(number, "image")} of ${from} called ${to}`,
      title: `${from} called ${to}: ${number}, ${percent(share)} of ${from}`, click: () => open(button, label, answer) }, text ?? String(number));
    buttons.push(button);
    return button;
  }

  const totals = gallery.classes.map(() => 0);
  fields.forEach(([i, , n]) => { totals[i] += n; });
  const isMatrix = gallery.classes.length <= MOST_CLASSES;
  const table = isMatrix ? matrix(gallery.classes, field) : worst(gallery.classes, fields, field);
  const first = fields.filter(([i, j]) => i !== j).sort((a, b) => b[2] - a[2])[0] ?? fields[0];
  const start = buttons.find((button) => button.getAttribute("aria-label") === `${plural(first[2], "image")} of ${gallery.classes[first[0]]} called ${gallery.classes[first[1]]}`);
  if (start) open(start, first[0], first[1]);
  const total = fields.reduce((sum, [, , n]) => sum + n, 0);
  return el("section", {}, el("h3", {}, isMatrix ? "Confusion matrix" : "Most frequent confusions"),
    el("p", { class: "note" }, `${count(total)} ${split} images; a field's colour is its share of the true class. Press a field to see its photographs.`,
      listed < total ? ` ${count(listed)} of them are listed on this page.` : ""),
    gallery.note ? el("p", { class: "note" }, gallery.note) : missing(gallery),
    el("div", { class: `beside${isMatrix && gallery.classes.length > 12 ? " stacked" : ""}` }, el("div", { class: "scroll" }, table), pane));
}

function missing(gallery) {
  const shown = Object.keys(gallery.thumbnails).length;
  return shown < gallery.names.length
    ? el("p", { class: "note" }, `Thumbnails of ${count(shown)} of ${count(gallery.total)} photographs are inside this page (at most ${count(data.most_thumbnails)}): those of mistakes first.`)
    : null;
}

function matrix(classes, field) {
  const short = (text) => el("span", { class: "short", title: text }, text);
  const cell = classes.length <= 4 ? "5.5rem" : classes.length <= 10 ? "2.9rem" : "2.3rem";
  const longest = Math.max(...classes.map((name) => name.length));
  return el("table", { class: `matrix${classes.length > 4 && longest > 3 ? " many" : ""}`, "--cell": cell },
    el("thead", {}, el("tr", {}, el("th", { class: "axis" }, "true ↓ said →"), classes.map((name) => el("th", { scope: "col" }, short(name))))),
    el("tbody", {}, classes.map((name, i) => el("tr", {}, el("th", { scope: "row" }, short(name)), classes.map((_, j) => el("td", {}, field(i, j)))))));
}

function worst(classes, fields, field) {
  const rows = fields.filter(([i, j]) => i !== j).sort((a, b) => b[2] - a[2]).slice(0, MOST_CLASSES);
  return el("table", { class: "wide", "--cell": "3.4rem" },
    el("thead", {}, el("tr", {}, ["true", "said", "images"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map(([i, j]) => el("tr", {}, el("td", {}, long(classes[i])), el("td", {}, long(classes[j])), el("td", {}, field(i, j))))));
}

function perClass(run, gallery, split) {
  const { recall, precision, confusion: fields } = run.splits[split];
  const totals = gallery.classes.map(() => 0);
  fields.forEach(([i, , n]) => { totals[i] += n; });
  const bar = (share) => [el("span", { class: "share", "--part": width(share), "aria-hidden": "true" }), el("span", { class: "figure" }, percent(share))];
  const rows = gallery.classes.map((name, k) => ({ name, recall: recall[k], precision: precision[k], n: totals[k] }));
  return el("section", {}, el("h3", {}, "By class"),
    el("p", { class: "note" }, "Recall: the share of a class that is recognised. Precision: the share of what is called so that is so."),
    sortable("Recall and precision by class", [
      { name: "class", value: (row) => row.name, cell: (row) => long(row.name) },
      { name: "recall", value: (row) => row.recall, cell: (row) => bar(row.recall), number: true, lowFirst: true },
      { name: "precision", value: (row) => row.precision, cell: (row) => bar(row.precision), number: true, lowFirst: true },
      { name: "images", value: (row) => row.n, cell: (row) => count(row.n), number: true },
    ], rows, rows.length > 10 ? "recall" : "class"));
}
