// How far the images are from the training images: a histogram, and the farthest ones.
const DISTANCE_LINES = { test: ["line", "blue"], validation: ["dashes", "orange"] };

function novelty(run, gallery) {
  const found = run.novelty;
  if (!found) return null;
  const splits = SPLITS.filter((split) => found.splits[split]);
  const list = el("div");
  const show = (split) => list.replaceChildren(strange(run, gallery, split));
  show(splits[0]);
  const shares = splits.map((split) => `${percent(found.splits[split].refused / found.splits[split].n)} of the ${split} images`);
  const beyond = found.edge === null
    ? "There are too few validation images to tell which distances are unusual at that level."
    : `Right of the dotted line an image is farther than all but ${percent(found.level, 0)} of the validation images (p-value at most ${found.level}): predict --abstain ${found.level} labels it unknown. Those are ${shares.join(" and ")}. Many more than ${percent(found.level, 0)} of the test images mean that these are unlike the others.`;
  return el("section", { class: "novelty" }, el("h3", {}, "Unlike the training images"),
    el("p", { class: "note" }, `The distance of an image is 1 minus the cosine between its features and the nearest centre of the training images; labels and the head play no part. ${beyond}`),
    legend(splits.map((split) => [...DISTANCE_LINES[split], split])),
    distances(found, splits),
    el("h4", {}, "The strangest images"),
    splits.length > 1 ? choice("split", splits, splits[0], show) : null, list);
}

function distances(found, splits) {
  const { ends } = found;
  const share = (split, k) => found.splits[split].counts[k] / found.splits[split].n;
  const shares = splits.flatMap((split) => found.splits[split].counts.map((_, k) => share(split, k)));
  const x = { low: ends[0], high: ends.at(-1), label: "distance to the training images", text: (tick) => String(Number(tick.toFixed(3))) };
  const y = { low: 0, high: Math.max(...shares) * 1.08, label: "share of the images", text: (tick) => percent(tick, 0) };
  const steps = (plot, split) => path(ends.slice(0, -1).flatMap((end, k) => [[plot.x(end), plot.y(share(split, k))], [plot.x(ends[k + 1]), plot.y(share(split, k))]]));
  return chart(`Histogram of the distances of ${splits.map((split) => plural(found.splits[split].n, `${split} image`)).join(" and ")}`, (width) => {
    const plot = axes(width, Math.min(300, Math.max(220, width * 0.45)), x, y);
    if (found.edge !== null) {
      const at = plot.x(found.edge);
      plot.root.append(svg("line", { class: "ideal", x1: at, x2: at, y1: plot.top, y2: plot.bottom }));
    }
    plot.root.append(...[...splits].reverse().map((split) => {
      const [shape, colour] = DISTANCE_LINES[split];
      return svg("path", { class: `line${shape === "dashes" ? " dashed" : ""} c-${colour}`, d: steps(plot, split), fill: "none" });
    }));
    return plot.root;
  });
}

function strange(run, gallery, split) {
  const rows = run.novelty.splits[split].strange;
  return el("div", {},
    el("p", { class: "note" }, `The ${split} images that are farthest from the training images, the farthest first: ${plural(rows.length, "image")}. Look here for images that do not belong, and for what the training images lack.`),
    el("ul", { class: "images" }, rows.map(([row, p]) => el("li", {}, photo(run, gallery, row, el("span", { class: "file" }, `p-value ${Number(p.toPrecision(2))}`))))));
}
