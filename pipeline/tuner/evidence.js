// Where the head looked: over an image by a click, over all by the key e. The server gives the maps when they are asked for.
// Needs pipeline/evidence/static/overlay.js and, of NiceGUI, emitEvent.
// An image can be in a list that is hidden, too.
const figuresOf = (row) => document.querySelectorAll(`.image[data-row="${row}"]`);

function lookAway(figure) {
  figure.classList.remove("looking");
  figure.querySelectorAll(":scope > canvas, :scope > .looked").forEach((element) => element.remove());
}

window.lookAt = (evidence) => evidence.rows.forEach((row) => figuresOf(row).forEach((figure) => {
  const image = figure.querySelector("img");
  if (!image) return;
  lookAway(figure);
  const [canvas, map] = [make("canvas", { "aria-hidden": "true" }), mapOf(evidence, row)];
  const legend = mapLegend(evidence, map.k);
  legend.title += `: ${HOW[evidence.how]}`;
  image.after(canvas, legend);
  figure.classList.add("looking");
  image.loading = "eager";
  image.decode().then(() => drawMap(canvas, image, map, evidence.fit), () => {});
}));

window.lookAwayFromAll = () => document.querySelectorAll(".image.looking").forEach(lookAway);

document.addEventListener("click", (event) => {
  const figure = event.target.closest?.(".image[data-row] > img")?.parentElement;
  if (!figure) return;
  if (figure.classList.contains("looking")) lookAway(figure);
  else emitEvent("look", Number(figure.dataset.row));
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "e" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping) emitEvent("look", null);
});
