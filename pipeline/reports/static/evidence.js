// Where the head looked: a map over a thumbnail, by a click, or over all by the key e. Orange speaks for the answer, blue against it.
// evidence of a run: { note } or { how, unit, fit, rows, names, answers, against, totals, largest, height, width, cells, shape, finer }; see pipeline/reports/evidence.py.
const FOR = [226, 116, 26];
const AGAINST = [46, 143, 218];
const OPACITY = 0.8;
const LEVELS = 127;
const HOW = {
  exact: "exactly what each place adds to the answer; the mean over the places and the bias are the answer",
  gradient: "gradient times input: what each place adds near these features",
  blank: "what is lost if a place is blanked",
};
let isLooking = false;

function mapOf(run, row) {
  const evidence = run.evidence;
  if (!evidence?.rows) return null;
  evidence.at ??= new Map(evidence.rows.map((each, k) => [each, k]));
  evidence.bytes ??= new Int8Array(Uint8Array.from(atob(evidence.cells), (letter) => letter.charCodeAt(0)).buffer);
  const k = evidence.at.get(row);
  if (k === undefined) return null;
  const { height, width } = evidence;
  return { k, height, width, cells: evidence.bytes.subarray(k * height * width, (k + 1) * height * width) };
}

// The map as pixels, one for each cell; the browser makes it smooth when it enlarges them.
function tinted({ height, width, cells }) {
  const small = el("canvas", { width, height });
  const pixels = new ImageData(width, height);
  cells.forEach((value, cell) => {
    pixels.data.set([...(value < 0 ? AGAINST : FOR), Math.round(255 * OPACITY * Math.abs(value) / LEVELS)], 4 * cell);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  return small;
}

// Where the square that the network saw is, in a box of side 1 that holds a whole thumbnail; and where the thumbnail is.
function placed(image, fit) {
  const longest = Math.max(image.naturalWidth, image.naturalHeight) || 1;
  const [w, h] = [image.naturalWidth / longest, image.naturalHeight / longest];
  const whole = [(1 - w) / 2, (1 - h) / 2, w, h];
  if (fit === "stretch") return [whole, whole];
  const side = fit === "crop" ? Math.min(w, h) : Math.max(w, h);
  return [[(1 - side) / 2, (1 - side) / 2, side, side], whole];
}

function drawMap(canvas, image, map, fit) {
  const side = 2 * image.width || 224;
  [canvas.width, canvas.height] = [side, side];
  const [seen, whole] = placed(image, fit).map((box) => box.map((share) => share * side));
  const context = canvas.getContext("2d");
  context.beginPath();
  context.rect(...whole);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(tinted(map), ...seen);
}

const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toPrecision(3)}`;

function mapLegend({ names, answers, against, totals, largest, unit }, k) {
  const [name, other] = [names[answers[k]], against[k] === null ? null : names[against[k]]];
  const text = unit === name ? `${name} ${signed(totals[k])}` : `${name}${other === null ? "" : ` against ${other}`} ${signed(totals[k])} ${unit}`;
  return el("span", { class: "looked", title: text }, el("span", { class: "bar" }),
    el("span", { class: "ends" }, el("span", {}, signed(-largest[k])), el("span", {}, "0"), el("span", {}, signed(largest[k]))),
    el("span", { class: "sum" }, text));
}

// A thumbnail as a button that shows its map, which is drawn when it is first shown; as it is where there is none.
function looked(run, row, image) {
  const map = image?.tagName === "IMG" ? mapOf(run, row) : null;
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
  const { shape, how, finer } = run.evidence;
  return el("p", { class: "note" }, "Where it looked: click an image, or ", el("button", { type: "button", class: "all", click: lookAtAll }, "all"),
    " (key ", el("kbd", {}, "e"), `). Orange speaks for the answer, blue against it: ${HOW[how]}. ${shape.join(" \u00d7 ")} places. ${finer ?? ""}`);
}

function lookAtAll() {
  isLooking = !isLooking;
  document.querySelectorAll(".look").forEach((button) => button.show(isLooking));
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "e" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping) lookAtAll();
});
