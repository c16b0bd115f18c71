// The section of one run; its content is made when it is opened.
function runSection(run, isOpen) {
  const scores = run.scores.test ?? run.scores.validation;
  const inside = el("div", { class: "inside" });
  const section = el("details", { class: "run", id: run.name, open: isOpen, toggle: fill },
    el("summary", {}, el("h2", {}, run.name),
      el("span", {}, `${run.head} on ${run.base}, ${TASKS[run.task.kind].quote(run.task, scores)} ${run.scores.test ? "test" : "validation"} images`)),
    inside);
  function fill() {
    if (section.open && !inside.hasChildNodes()) inside.append(...parts(run));
  }
  if (isOpen) fill();
  return section;
}

function parts(run) {
  if (run.gallery === undefined) {
    return [figures(run), el("p", { class: "note" }, `Only the best ${data.max_detailed} runs of a page are shown with all details. For this run: bottleneck report ${run.name}`)];
  }
  const [gallery, map] = [data.galleries[run.gallery], data.maps[run.map]];
  const splits = SPLITS.filter((split) => run.splits[split]);
  const judged = el("div", { class: "inside flush" });
  const judge = (split) => judged.replaceChildren(...TASKS[run.task.kind].judged(run, gallery, split).filter(Boolean));
  judge(splits[0]);
  return [
    figures(run),
    el("section", {}, choice("split", splits, splits[0], judge), judged),
    run.history.length ? curves(run) : null,
    run.sweep.length ? sweepTable(run) : null,
    novelty(run, gallery),
    featureMap(run, gallery, map),
    conflicts(run, gallery, map),
    twins(run, gallery, map),
    made(run),
  ].filter(Boolean);
}

function figures(run) {
  const figure = (name, value, more) => el("div", {}, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, more) : null));
  const ece = SPLITS.map((split) => run.splits?.[split]).find(Boolean)?.reliability?.ece;
  return el("dl", { class: "figures" },
    SPLITS.filter((split) => run.scores[split]).map((split) =>
      figure(`${split} ${run.task.score}`, mainText(run.task, run.scores[split].main), `${mainInterval(run.task, run.scores[split].ci95)}, ${plural(run.scores[split].n, "image")}`)),
    TASKS[run.task.kind].figures(run).map((entry) => figure(...entry)),
    ece === undefined ? null : figure("calibration error", percent(ece), "expected (ECE), see below"),
    figure("training", seconds(run.seconds), run.parameters ? `${count(run.parameters)} trained parameters` : null));
}

function sweepTable(run) {
  return el("section", {}, el("h3", {}, "The sweep"),
    el("p", { class: "note" }, `${plural(run.sweep.length, "head")}, ranked by validation ${run.task.score}, equal ones by ${run.task.score === "accuracy" ? "log loss" : "loss"}. The best became this run; only it was scored on the test split.${run.sweep.some((row) => row.head === "softmax") ? " softmax: one dense output layer without hidden layers, trained by gradient descent." : ""}`),
    sortable("Heads of the sweep", [
      { name: "head", value: (row) => row.head, cell: (row) => long(row.head) },
      { name: "validation", value: (row) => row.main, cell: (row) => withInterval(run.task, row), number: true },
      { name: "loss", value: (row) => row.loss, cell: (row) => row.loss.toFixed(4), number: true, lowFirst: true },
      { name: "trained parameters", value: (row) => row.params, cell: (row) => count(row.params), number: true, lowFirst: true },
      { name: "seconds", value: (row) => row.seconds, cell: (row) => row.seconds.toFixed(2), number: true, lowFirst: true },
      { name: "settings", value: (row) => row.settings, cell: (row) => long(row.settings) },
    ], run.sweep, "validation"));
}

function made(run) {
  const skipped = run.skipped.length
    ? [el("dt", {}, "skipped"), el("dd", {}, run.skipped.slice(0, 20).join("\n"), run.skipped.length > 20 ? `\nand ${run.skipped.length - 20} more` : "")] : [];
  return el("section", {}, el("h3", {}, "How it was made"),
    el("dl", { class: "made" }, run.made.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]), skipped));
}
