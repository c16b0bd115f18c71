// The charts of a page: accuracy against seconds, learning curves, calibration.
const KINDS = {
  linear: ["circle", "blue"], dense: ["square", "orange"], "fine-tuning": ["triangle", "green"], "end to end": ["diamond", "red"],
};
const kindOf = (name) => KINDS[name] ?? ["circle", "pink"];

function tradeoff(runs, totals) {
  const heads = runs.flatMap((run) => run.sweep.map((entry) => ({ ...entry, run })));
  const all = [...runs.map((run) => [run.seconds, run.scores.validation]), ...heads.map((head) => [head.seconds, head])];
  const times = [...all.map(([time]) => Math.max(time, 0.01)), ...runs.map((run) => totals.get(run.name) ?? Math.max(run.seconds, 0.01))];
  const x = { low: Math.min(...times) / 1.6, high: Math.max(...times) * 1.6, log: true, label: "seconds of training (logarithmic)",
    text: (tick) => String(Number(tick.toPrecision(1))) };
  const lows = all.map(([, scores]) => scores.ci95[0]);
  const { task } = runs[0];
  const y = { low: Math.max(task.is_share ? 0 : -1, Math.min(...lows) - 0.01), high: Math.min(1, Math.max(...all.map(([, scores]) => scores.ci95[1])) + 0.01),
    label: `validation ${task.score}`, text: (tick) => mainText(task, tick, 0) };
  const draw = (width) => {
    const plot = axes(width, Math.min(380, Math.max(260, width * 0.5)), x, y);
    const at = (time) => plot.x(Math.max(time, 0.01));
    // R2 has no lower end: what is far below 0 is drawn at the border.
    const up = (score) => plot.y(Math.max(y.low, score));
    const ends = (ci95) => ci95.map((end) => Math.max(y.low, end));
    plot.root.append(
      ...heads.flatMap((head) => [whisker(plot, "faint", at(head.seconds), ends(head.ci95)), mark("circle", "soft", at(head.seconds), up(head.main),
        { r: 4, hollow: true, title: `${head.head}: ${mainText(task, head.main)} (sweep of ${head.run.name})` })]),
      ...runs.flatMap((run, index) => {
        const [shape, colour] = kindOf(run.kind);
        const scores = run.scores.validation;
        const [px, py] = [at(run.seconds), up(scores.main)];
        const total = totals.get(run.name);
        return [
          total && total > run.seconds * 1.05
            ? svg("line", { class: `line dashed c-${colour}`, x1: px, x2: at(total), y1: py, y2: py }) : null,
          total && total > run.seconds * 1.05 ? mark(shape, colour, at(total), py, { r: 5, hollow: true, title: `${run.name}, with stage one` }) : null,
          whisker(plot, colour, px, ends(scores.ci95)),
          mark(shape, colour, px, py, { title: `${run.name}: ${mainText(task, scores.main)}, ${mainInterval(task, scores.ci95)}` }),
          svg("text", { class: "name", x: px + 9, y: py - 7 }, String(index + 1)),
        ].filter(Boolean);
      }));
    return plot.root;
  };
  const kinds = [...new Set(runs.map((run) => run.kind))].map((kind) => [...kindOf(kind), kind]);
  if (heads.length) kinds.push(["circle", "soft", "a head of a sweep", true]);
  if (runs.some((run) => (totals.get(run.name) ?? 0) > run.seconds * 1.05)) kinds.push(["dashes", "soft", "with the seconds of stage one"]);
  return el("figure", {}, legend(kinds),
    chart(`Validation ${task.score} of ${plural(runs.length, "run")} against seconds of training; the table has the numbers.`, draw));
}

function curves(run) {
  const history = run.history;
  const epochs = history.map((row) => row.epoch);
  const ends = run.phases.slice(0, -1).map((phase) => phase.epochs);
  const one = (key, label, text) => {
    const values = history.flatMap((row) => [row[key], row[`val_${key}`]]);
    const pad = (Math.max(...values) - Math.min(...values)) * 0.06 || 0.05;
    const x = { low: epochs[0] - (epochs.length === 1 ? 0.5 : 0), high: Math.max(epochs.at(-1), epochs[0] + 0.5), label: "epoch", text: String };
    x.ticks = ticksOf(x.low, x.high, 6).filter(Number.isInteger);
    const y = { low: Math.max(run.task.is_share || key === "loss" ? 0 : -1, Math.min(...values) - pad), high: Math.max(...values) + pad, label, text };
    if (key === "accuracy") y.high = Math.min(1, y.high);
    return chart(`${label} by epoch`, (width) => {
      const plot = axes(width, 250, x, y);
      const up = (value) => plot.y(Math.max(y.low, value));
      const line = (name) => path(history.map((row) => [plot.x(row.epoch), up(row[name])]));
      plot.root.append(
        ...ends.map((end) => svg("line", { class: "ideal", x1: plot.x(end + 0.5), x2: plot.x(end + 0.5), y1: plot.top, y2: plot.bottom })),
        svg("path", { class: "line dashed c-orange", d: line(key) }),
        svg("path", { class: "line c-blue", d: line(`val_${key}`) }),
        ...(history.length > 40 ? [] : history.flatMap((row) => [
          mark("circle", "orange", plot.x(row.epoch), up(row[key]), { r: 3, title: `epoch ${row.epoch}, training: ${row[key].toFixed(4)}` }),
          mark("square", "blue", plot.x(row.epoch), up(row[`val_${key}`]), { r: 3, title: `epoch ${row.epoch}, validation: ${row[`val_${key}`].toFixed(4)}` }),
        ])));
      return plot.root;
    });
  };
  const phases = ends.length ? `Left of the dotted line: ${run.phases[0].name}. Right of it: ${run.phases.at(-1).name}.` : null;
  return el("section", {}, el("h3", {}, "Learning curves"),
    legend([["dashes", "orange", "training"], ["line", "blue", "validation"]]),
    phases ? el("p", { class: "note" }, phases) : null,
    el("div", { class: "pair" }, one("loss", run.task.history[0], (tick) => String(Number(tick.toPrecision(3)))), one("accuracy", run.task.history[1], (tick) => (run.task.is_share ? `${Number((100 * tick).toFixed(1))}\u00a0%` : String(Number(tick.toFixed(2)))))));
}

function calibration(split, name, unit = "image", note = null) {
  if (!split.reliability) return null;
  const { ece, bins } = split.reliability;
  const x = { low: 0, high: 1, label: "confidence", text: (tick) => percent(tick, 0), ticks: [0, 0.25, 0.5, 0.75, 1] };
  const y = { low: 0, high: 1, label: "accuracy", text: (tick) => percent(tick, 0) };
  const max = Math.max(...bins.map((bin) => bin.n));
  return el("section", {}, el("h3", {}, "Calibration"),
    el("p", { class: "note" }, `Expected calibration error (ECE) ${percent(ece)} on the ${name} images: the mean distance of the points from the line, weighted by number of images (Guo et al. 2017, equation 3; 10 bins). Larger points are more ${unit}s.`, note),
    chart(`Reliability diagram: accuracy against confidence in ${bins.length} bins`, (width) => {
      const plot = axes(Math.min(width, 460), 320, x, y);
      plot.root.append(svg("line", { class: "ideal", x1: plot.x(0), y1: plot.y(0), x2: plot.x(1), y2: plot.y(1) }),
        ...bins.flatMap((bin) => [
          whisker(plot, "blue", plot.x(bin.confidence), bin.ci95),
          mark("circle", "blue", plot.x(bin.confidence), plot.y(bin.accuracy), { r: 3.5 + 6 * Math.sqrt(bin.n / max),
            title: `${plural(bin.n, unit)}: confidence ${percent(bin.confidence)}, accuracy ${percent(bin.accuracy)}` }),
        ]));
      return plot.root;
    }));
}
