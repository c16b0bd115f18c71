// Axes, scales and marks. A chart is redrawn when its width changes, so that its text keeps its size on a phone.
function chart(label, draw) {
  const box = el("div", { class: "chart" });
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    if (now && now !== width) {
      width = now;
      const drawing = draw(width);
      build(drawing, { role: "img", "aria-label": label }, []);
      box.replaceChildren(drawing);
    }
  }).observe(box);
  return box;
}

// Where an event is on an element, in pixels.
function placeOf(event, element) {
  const { left, top } = element.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function ticksOf(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) ticks.push(k * step);
  return ticks;
}

function logTicksOf(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of high / low < 300 ? [1, 2, 5] : [1]) ticks.push(factor * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

// An axis: low, high, label, text(tick), log. Returns the drawing, and functions from values to coordinates.
function axes(width, height, x, y) {
  const [left, right, top, bottom] = [56, 26, 22, 44];
  const scale = (axis, from, to) => {
    const [low, high] = axis.log ? [Math.log(axis.low), Math.log(axis.high)] : [axis.low, axis.high];
    return (value) => from + (((axis.log ? Math.log(value) : value) - low) / (high - low)) * (to - from);
  };
  const [atX, atY] = [scale(x, left, width - right), scale(y, height - bottom, top)];
  const ticksX = x.ticks ?? (x.log ? logTicksOf(x.low, x.high) : ticksOf(x.low, x.high, Math.max(2, Math.floor(width / 90))));
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` },
    ticksOf(y.low, y.high, 5).map((tick) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: atY(tick), y2: atY(tick) }),
      svg("text", { x: left - 8, y: atY(tick) + 4, "text-anchor": "end" }, y.text(tick)),
    ]),
    ticksX.map((tick) => svg("text", { x: atX(tick), y: height - bottom + 18, "text-anchor": "middle" }, x.text(tick))),
    svg("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, x.label),
    svg("text", { x: 12, y: (top + height - bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 12 ${(top + height - bottom) / 2})` }, y.label));
  return { root, x: atX, y: atY, left, right: width - right, top, bottom: height - bottom };
}

// Shapes as well as colours tell kinds apart.
const SHAPES = {
  circle: (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  square: (x, y, r) => `M${x - r * 0.9} ${y - r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}z`,
  triangle: (x, y, r) => `M${x} ${y - r * 1.2}L${x + r * 1.1} ${y + r * 0.8}H${x - r * 1.1}z`,
  diamond: (x, y, r) => `M${x} ${y - r * 1.25}L${x + r * 1.25} ${y}L${x} ${y + r * 1.25}L${x - r * 1.25} ${y}z`,
};

function mark(shape, colour, x, y, { r = 6, hollow = false, title = null } = {}) {
  return svg("path", { class: `mark c-${colour}${hollow ? " hollow" : ""}`, d: SHAPES[shape](x, y, r) },
    title === null ? null : svg("title", {}, title));
}

function whisker(plot, colour, x, [low, high]) {
  const [a, b] = [plot.y(low), plot.y(high)];
  return svg("path", { class: `whisker c-${colour}`, d: `M${x} ${a}V${b}M${x - 4} ${a}h8M${x - 4} ${b}h8` });
}

const path = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

function legend(entries) {
  return el("ul", { class: "legend" }, entries.map(([shape, colour, text, hollow]) => el("li", {},
    svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, shape === "line" || shape === "dashes"
      ? svg("line", { class: `line c-${colour}${shape === "dashes" ? " dashed" : ""}`, x1: 0, x2: 16, y1: 8, y2: 8 })
      : mark(shape, colour, 8, 8, { r: 5, hollow })), text)));
}
