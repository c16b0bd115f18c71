// Where the head looked: a map over a thumbnail, by a click, or over all by the key e. Needs pipeline/evidence/static/overlay.js.
let isLooking = false;

// A thumbnail as a button that shows its map, which is drawn when it is first shown; as it is where there is none.
function looked(run, row, image) {
  const map = image?.tagName === "IMG" ? mapOf(run.evidence, row) : null;
  if (!map) return image;
  const button = el("button", { type: "button", class: "look", "aria-label": `Where the head looked: ${image.alt}`, title: "Where the head looked (e: all)" }, image);
  const place = el("span", {}, button);
  button.show = (isShown) => {
    button.setAttribute("aria-pressed", String(isShown));
    if (isShown && !place.querySelector(".looked")) {
      const canvas = el("canvas", { "aria-hidden": "true" });
      button.append(canvas);
      place.append(mapLegend(run.evidence, map.k));
      image.decode().then(() => drawMap(canvas, image, map, run.evidence.fit), () => {});
    }
  };
  button.addEventListener("click", () => button.show(button.getAttribute("aria-pressed") !== "true"));
  button.show(isLooking);
  return place;
}

function evidenceNote(run) {
  if (!run.evidence) return null;
  if (run.evidence.note) return el("p", { class: "note" }, run.evidence.note);
  const { shape, how, finer, limit } = run.evidence;
  const some = limit ? `, for the ${limit} thumbnails that come first` : "";
  return el("p", { class: "note" }, "Where it looked: click an image, or ", el("button", { type: "button", class: "all", click: lookAtAll }, "all"),
    " (key ", el("kbd", {}, "e"), `). Orange speaks for the answer, blue against it: ${HOW[how]}. ${shape.join(" \u00d7 ")} places${some}. ${finer ?? ""}`);
}

function lookAtAll() {
  isLooking = !isLooking;
  document.querySelectorAll(".look").forEach((button) => button.show(isLooking));
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "e" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping) lookAtAll();
});
