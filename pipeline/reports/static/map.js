// A map of the features: hover, tap or use the arrow keys to see an image.
const MAP_COLOURS = ["blue", "orange", "green", "pink", "red", "sky", "yellow", "soft"];
const MAP_SHAPES = Object.values(SHAPES);
const GRID = 4095;

function featureMap(run, gallery, map) {
  if (!map.pca) return el("section", {}, el("h3", {}, "Map of the features"), el("p", { class: "note" }, map.note));
  const rows = map.rows ?? gallery.names.map((_, row) => row);
  const [canvas, tip, legendBox] = [el("canvas", { tabindex: "0", role: "img", "aria-label": "Map of the features. Arrow keys go from image to image." }),
    el("div", { class: "tip", hidden: true, role: "status" }), el("div")];
  const state = { points: map.pca, by: null, only: null, at: null };

  const kinds = TASKS[gallery.kind].kinds(run, gallery);
  state.by = Object.keys(kinds)[0];
  const colourOf = (kind, value) => (kind.colours ?? MAP_COLOURS)[value % (kind.colours ?? MAP_COLOURS).length];
  const shapeOf = (value) => MAP_SHAPES[(value + Math.floor(value / MAP_COLOURS.length)) % MAP_SHAPES.length];
  const at = (k) => [18 + (state.points.x[k] / GRID) * (canvas.clientWidth - 36), 18 + (1 - state.points.y[k] / GRID) * (canvas.clientHeight - 36)];

  function draw() {
    const [kind, scale, style] = [kinds[state.by], window.devicePixelRatio || 1, getComputedStyle(canvas)];
    [canvas.width, canvas.height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.strokeStyle = style.getPropertyValue("--paper");
    const radius = rows.length > 2000 ? 2.5 : rows.length > 600 ? 3.5 : 5;
    // In a scattered order, so that no class hides another. Mistakes are few, and are drawn on top.
    const scattered = (k) => Math.imul(k, 2654435761) >>> 0;
    const order = rows.map((_, k) => k).sort((a, b) =>
      (state.by === "error" ? kind.of(rows[a]) - kind.of(rows[b]) : 0) || scattered(a) - scattered(b));
    for (const k of order) {
      const value = kind.of(rows[k]);
      context.globalAlpha = state.only !== null && state.only !== value ? 0.08 : state.by === "error" && value === 0 ? 0.45 : 0.85;
      context.fillStyle = style.getPropertyValue(`--${colourOf(kind, value)}`);
      const shape = new Path2D(shapeOf(value)(...at(k), radius));
      context.fill(shape);
      if (rows.length <= 2000) context.stroke(shape);
    }
    if (state.at !== null) {
      context.globalAlpha = 1;
      context.strokeStyle = style.getPropertyValue("--ink");
      context.lineWidth = 2;
      context.stroke(new Path2D(SHAPES.circle(...at(state.at), radius + 4)));
    }
  }

  const tour = explore(canvas, tip, {
    count: rows.length, at, isShown: (k) => state.only === null || state.only === kinds[state.by].of(rows[k]),
    content: (k) => photo(run, gallery, rows[k], SPLITS[gallery.splits[rows[k]]]),
    size: () => [canvas.clientWidth, canvas.clientHeight],
    draw: (k) => { state.at = k; draw(); },
  });

  function listKinds() {
    const kind = kinds[state.by];
    legendBox.replaceChildren(el("ul", { class: "legend" }, kind.names.map((name, value) => el("li", {},
      el("button", { type: "button", "aria-pressed": String(state.only === value), title: "Show only these", click: () => {
        state.only = state.only === value ? null : value;
        listKinds();
        legendBox.querySelectorAll("button")[value].focus();
        draw();
      } }, svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, svg("path", { class: `mark c-${colourOf(kind, value)}`, d: shapeOf(value)(8, 8, 5) })), name)))));
  }

  const change = (name, value) => { state[name] = value; state.only = null; state.at = null; tour.forget(); listKinds(); draw(); };
  const ways = { PCA: map.pca, ...(map.umap ? { UMAP: map.umap } : {}) };
  const about = `${map.features}; two principal components explain ${percent(map.pca.share, 0)} of the variance.${map.umap ? " With UMAP, neighbours are similar, and long distances mean little." : ""}`;
  listKinds();
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return el("section", {}, el("h3", {}, "Map of the features"),
    el("p", { class: "note" }, about, map.rows ? ` ${count(rows.length)} images, chosen at random.` : "", " Point at an image, or use the arrow keys. Press an entry of the legend to show only that.", map.alike ? " On any image of this run, ≈ shows those like it." : null),
    Object.keys(ways).length > 1 ? choice("map", Object.keys(ways), "PCA", (name) => change("points", ways[name])) : null,
    choice("colour by", Object.keys(kinds), state.by, (name) => change("by", name)),
    legendBox, el("div", { class: "map" }, canvas, tip));
}
