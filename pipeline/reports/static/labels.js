// Several labels for each image: a row for each label; a press on it shows its images. Labels are texts such as "10?".
const labelNames = (gallery, text, sign) => gallery.classes.filter((_, k) => text[k] === sign);

function labelTable(run, gallery, split) {
  const { labels, listed } = run.splits[split];
  const pane = el("div", { "aria-live": "polite" });
  const rows = labels.map((entry, k) => ({ ...entry, k, name: gallery.classes[k] }));
  const buttons = new Map();
  const open = (row) => {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === row.k)));
    pane.replaceChildren(...labelPane(run, gallery, split, row).filter(Boolean));
  };
  const bar = (share) => (share === null ? null : [el("span", { class: "share", "--part": width(share), "aria-hidden": "true" }), el("span", { class: "figure" }, percent(share))]);
  const nameOf = (row) => {
    const button = el("button", { type: "button", class: "link", "aria-pressed": "false", click: () => open(row) }, row.name);
    buttons.set(row.k, button);
    return button;
  };
  const share = (key) => ({ value: (row) => row[key], cell: (row) => (row[key] === null ? null : percent(row[key])), number: true, lowFirst: true });
  const table = sortable("Scores by label", [
    { name: "label", value: (row) => row.name, cell: nameOf },
    { name: "images", value: (row) => row.positive, cell: (row) => count(row.positive), number: true },
    { name: "average precision", value: (row) => row.average_precision, cell: (row) => bar(row.average_precision), number: true, lowFirst: true },
    { name: "F1", value: (row) => row.f1, cell: (row) => bar(row.f1), number: true, lowFirst: true },
    { name: "precision", ...share("precision") },
    { name: "recall", ...share("recall") },
    { name: "threshold", value: (row) => row.threshold, cell: (row) => row.threshold.toFixed(3), number: true, lowFirst: true },
    { name: "missed", value: (row) => row.missed.count, cell: (row) => count(row.missed.count), number: true },
    { name: "false", value: (row) => row.false.count, cell: (row) => count(row.false.count), number: true },
  ], rows, rows.length > 12 ? "average precision" : "label");
  open([...rows].sort((a, b) => b.missed.count + b.false.count - a.missed.count - a.false.count)[0]);
  return el("section", {}, el("h3", {}, "By label"),
    el("p", { class: "note" }, `${count(run.scores[split].n)} ${split} images. A label is predicted from its threshold on, which was chosen on validation. Precision and recall are at that threshold; average precision is over all thresholds. Press a label to see its images.`,
      listed < run.scores[split].n ? ` ${count(listed)} of the images are listed on this page.` : ""),
    gallery.note ? el("p", { class: "note" }, gallery.note) : missing(gallery), table, pane);
}

function labelPane(run, gallery, split, row) {
  const parts = [["missed", `Missed: ${row.name} is not predicted`], ["false", `False: ${row.name} is predicted and is not there`], ["found", `Found: ${row.name}`]];
  const unknown = run.scores[split].n - row.images;
  const tell = ([threshold, recall, precision]) => `from ${threshold.toFixed(2)}: recall ${percent(recall, 0)}, precision ${percent(precision, 0)}`;
  const at = row.points.length ? row.points.filter(([threshold]) => threshold >= row.threshold).at(-1) : null;
  const galleries = parts.filter(([what]) => row[what].count).map(([what, text]) => {
    const rows = row[what].rows;
    const more = rows.length < row[what].count ? `${rows.length} of ${plural(row[what].count, "image")}` : plural(row[what].count, "image");
    return el("div", { class: "answers" }, el("h4", {}, text), el("p", { class: "note" }, `${more}, ${what === "false" ? "the most" : "the least"} probable first.`),
      el("ul", { class: "images boxed", tabindex: "0", "aria-label": text },
        rows.map(([image, p]) => el("li", {}, photo(run, gallery, image, p === null ? null : el("span", { class: "above" }, `${percent(p, 0)} ${row.name}`))))));
  });
  return [
    el("h3", { class: "chosen" }, row.name),
    unknown ? el("p", { class: "note" }, `The answer is not known for ${plural(unknown, "image")}, which count for nothing here.`) : null,
    el("div", { class: row.points.length ? "beside curve" : "" }, row.points.length ? el("figure", {}, curveChart(`Precision-recall curve of ${row.name}`, "recall", "precision", row.points, at, ([, recall, precision]) => [recall, precision], tell)) : null,
      el("div", {}, galleries.length ? galleries : el("p", { class: "note" }, `No ${split} image has this label, and it is predicted for none.`))),
  ];
}

function labelMistakes(run, gallery, split) {
  const rows = run.splits[split].mistakes;
  return el("section", {}, el("h3", {}, "Most confident mistakes"),
    el("p", { class: "note" }, rows.length
      ? `${plural(rows.length, "image")} of the ${split} images with a wrong answer, those farthest from a threshold first. Look here for wrong and missing labels.`
      : `None on the ${split} images.`),
    rows.length ? images(run, gallery, rows) : null);
}

function labelRight(run, gallery, row) {
  return [...gallery.labels[row]].every((sign, k) => sign === "?" || sign === run.predicted[row][k]);
}

const LABELS = {
  figures: () => [],
  answer: (task) => `any of ${task.names.length} labels`,
  quote: (task, scores) => `${task.score} ${percent(scores.main)} on ${count(scores.n)}`,
  label: (gallery, row) => labelNames(gallery, gallery.labels[row], "1").join(", ") || "(none)",
  prediction(run, gallery, row) {
    const [label, predicted] = [gallery.labels[row], run.predicted[row]];
    const given = gallery.classes.flatMap((name, k) => (predicted[k] === "1" ? [el("b", { class: label[k] === "0" ? "wrong" : null }, `${label[k] === "0" ? "✗ " : ""}${name}`), " "] : []));
    const lost = gallery.classes.filter((_, k) => label[k] === "1" && predicted[k] === "0");
    return [given.length ? given : el("b", {}, "(none)"), lost.length ? [el("br"), `misses ${lost.join(", ")}`] : null];
  },
  judged: (run, gallery, split) => [
    labelTable(run, gallery, split), labelMistakes(run, gallery, split),
    calibration(run.splits[split], split, "answer", " Every known answer counts, with the probability of its label."),
  ],
  kinds: (run, gallery) => ({
    answers: { names: ["all right", "some wrong"], of: (row) => Number(!labelRight(run, gallery, row)), colours: ["soft", "red"] },
    split: { names: SPLITS, of: (row) => gallery.splits[row] },
    ...Object.fromEntries(gallery.classes.slice(0, 8).map((name, k) => [name, {
      names: ["no", "yes", "not known"], of: (row) => "01?".indexOf(gallery.labels[row][k]), colours: ["soft", "blue", "orange"] }])),
  }),
};
