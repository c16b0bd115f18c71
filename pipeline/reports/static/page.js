// The page: the leaderboard of each task, comparisons, and the runs.
function leaderboard(runs) {
  const rank = new Map(runs.map((run, index) => [run, index + 1]));
  return sortable("Leaderboard", [
    { name: "#", value: (run) => rank.get(run), number: true, lowFirst: true },
    { name: "run", value: (run) => run.name, cell: (run) => el("a", { href: `#${encodeURIComponent(run.name)}` }, long(run.name)) },
    { name: "validation", value: (run) => run.scores.validation.main, cell: (run) => withInterval(run.task, run.scores.validation), number: true },
    { name: "test", value: (run) => run.scores.test?.main ?? null, cell: (run) => withInterval(run.task, run.scores.test), number: true },
    { name: "head", value: (run) => run.head, cell: (run) => long(run.head) },
    { name: "base", value: (run) => run.base, cell: (run) => `${run.base}${run.size ? `, ${run.size} px` : ""}` },
    { name: "kind", value: (run) => run.kind },
    { name: "loss", value: (run) => run.scores.validation.loss ?? null, cell: (run) => run.scores.validation.loss?.toFixed(4) ?? null, number: true, lowFirst: true },
    { name: "seconds", value: (run) => run.seconds, cell: (run) => run.seconds.toFixed(2), number: true, lowFirst: true },
    { name: "trained parameters", value: (run) => run.parameters ?? null, cell: (run) => (run.parameters ? count(run.parameters) : null), number: true, lowFirst: true },
    { name: "made", value: (run) => run.created ?? null, cell: (run) => run.created?.slice(0, 10) ?? null },
  ], runs, "#");
}

function task({ title, runs: indices }, totals) {
  const runs = indices.map((index) => data.runs[index]);
  const several = runs.length > 1;
  if (!several && !runs[0].sweep.length && data.runs.length === 1) return null;
  return el("section", {},
    el("h2", {}, `${data.runs.length > 1 ? "Leaderboard" : `${capital(runs[0].task.score)} and seconds`}: ${title}`),
    el("p", { class: "note" }, several
      ? `${runs.length} runs on the same images, labels and splits, ranked by validation${runs[0].task.score === "accuracy" ? "" : ` ${runs[0].task.score}`}. Bars are 95 % intervals; numbers are ranks. Nothing is chosen on the test split.`
      : `${runs[0].sweep.length ? "Bars" : "The small figures"} are 95 % intervals, ${runs[0].task.score === "accuracy" ? "by Wilson's formula" : "by a bootstrap over the images"}.`),
    several || runs[0].sweep.length ? tradeoff(runs, totals) : null,
    several || data.runs.length > 1 ? leaderboard(runs) : null);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Several questions that were asked of the same images: the best run of each.
function questions(entries) {
  const rows = entries.map((entry) => ({ ...entry, best: data.runs[entry.runs[0]] }));
  return el("section", {}, el("h2", {}, `Questions asked of ${rows[0].best.data}`),
    el("p", { class: "note" }, "The best run of each question, by validation. Scores of different questions cannot be compared."),
    sortable("Questions", [
      { name: "question", value: ({ data: [, column], best }) => column ?? best.task.names.slice(0, 4).join(", ") },
      { name: "answer", value: ({ best }) => TASKS[best.task.kind].answer(best.task) },
      { name: "best run", value: ({ best }) => best.name, cell: ({ best }) => el("a", { href: `#${encodeURIComponent(best.name)}` }, long(best.name)) },
      { name: "score", value: ({ best }) => best.task.score },
      { name: "validation", value: ({ best }) => best.scores.validation.main, cell: ({ best }) => withInterval(best.task, best.scores.validation), number: true },
      { name: "test", value: ({ best }) => best.scores.test?.main ?? null, cell: ({ best }) => withInterval(best.task, best.scores.test), number: true },
      { name: "runs", value: ({ runs }) => runs.length, number: true },
    ], rows, "question"));
}

// Each group of tasks of the same data, the questions of several first.
function grouped(entries) {
  const together = new Map();
  entries.forEach((entry) => together.set(entry.data[0], [...(together.get(entry.data[0]) ?? []), entry]));
  return [...together.values()].flatMap((group) => [group.length > 1 ? questions(group) : null, ...group.map((entry) => task(entry, totals))]);
}

function comparison({ rows, sentences, command }) {
  const compared = data.runs.find((run) => rows.some((row) => row.run === run.name));
  const title = compared?.data;
  const shown = (value) => (compared ? mainText(compared.task, value) : percent(value));
  return el("section", {}, el("h2", {}, `Comparison of regimes${title ? `: ${title}` : ""}`),
    sentences.length ? el("ul", {}, sentences.map((sentence) => el("li", {}, sentence))) : null,
    sortable("Regimes", [
      { name: "regime", value: (row) => row.regime },
      { name: "what is trained", value: (row) => row.what },
      { name: "validation", value: (row) => row.validation, cell: (row) => shown(row.validation), number: true },
      { name: "test", value: (row) => row.test, cell: (row) => (row.test === null ? null : shown(row.test)), number: true },
      { name: "training", value: (row) => row.training_seconds, cell: (row) => seconds(row.training_seconds), number: true, lowFirst: true },
      { name: "with stage one", value: (row) => row.total_seconds, cell: (row) => seconds(row.total_seconds), number: true, lowFirst: true },
      { name: "run", value: (row) => row.run, cell: (row) => el("a", { href: `#${encodeURIComponent(row.run)}` }, long(row.run)) },
    ], rows, "validation"),
    command ? el("p", { class: "note mono" }, command) : null);
}

function openLinked() {
  if (location.hash.length < 2) return;
  const section = document.querySelector(`details.run#${CSS.escape(decodeURIComponent(location.hash.slice(1)))}`);
  if (!section) return;
  section.open = true;
  section.scrollIntoView();
}

// Before there are sections: a run may be called "footer".
document.getElementById("footer").append(`Written by ${data.written}. Everything is inside this file; it sends no request.`);
const totals = new Map(data.comparisons.flatMap(({ rows }) => rows.map((row) => [row.run, row.total_seconds])));
document.getElementById("main").append(...[
  ...grouped(data.tasks),
  ...data.comparisons.map(comparison),
  data.runs.length > 1 ? el("h2", {}, "Runs") : null,
  ...data.runs.map((run, index) => runSection(run, index === 0)),
].filter(Boolean));
addEventListener("hashchange", openLinked);
openLinked();
