// Maps over thumbnails: orange speaks for the answer, blue against it. Needs nothing else of a page.
// evidence: { how, unit, fit, rows, names, answers, against, totals, largest, height, width, cells }; see pipeline/evidence/page.py.
const FOR = [226, 116, 26];
const AGAINST = [46, 143, 218];
const OPACITY = 0.8;
const LEVELS = 127;
const HOW = {
  exact: "exactly what each place adds to the answer; the mean over the places and the bias are the answer",
  gradient: "gradient times input: what each place adds near these features",
  blank: "what is lost if a place is blanked",
};

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

function mapOf(evidence, row) {
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
  const small = make("canvas", { width, height });
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

// Draw a map on a canvas that lies over an image; the image is loaded.
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

const sized = (size) => (size >= 1000 ? Math.round(size).toLocaleString("en") : String(Number(size.toPrecision(3))));
const signed = (value) => `${value < 0 ? "\u2212" : "+"}${sized(Math.abs(value))}`;

function mapLegend({ names, answers, against, totals, largest, unit }, k) {
  const [name, other] = [names[answers[k]], against[k] === null ? null : names[against[k]]];
  const text = unit === name ? `${name} ${signed(totals[k])}` : `${name}${other === null ? "" : ` against ${other}`} ${signed(totals[k])} ${unit}`;
  return make("span", { class: "looked", title: text }, make("span", { class: "bar" }),
    make("span", { class: "ends" }, make("span", {}, signed(-largest[k])), make("span", {}, "0"), make("span", {}, signed(largest[k]))),
    make("span", { class: "sum" }, text));
}
