// Elements from values. Text is set as text and never read as HTML, so a class name that looks like an element stays text.
const data = JSON.parse(document.getElementById("data").textContent);
const SPLITS = ["test", "validation", "train"];

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const el = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}\u00a0%`;
const width = (share) => `${(100 * share).toFixed(1)}%`;
const count = (number) => number.toLocaleString("en");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const interval = ([low, high]) => `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;

// The main score of a task: a share in per cent, or R2.
const mainText = (task, value, digits = 1) => (task.is_share ? percent(value, digits) : value.toFixed(Math.max(2, digits + 2)));
const mainInterval = (task, ends) => (task.is_share ? interval(ends) : `${ends[0].toFixed(3)} to ${ends[1].toFixed(3)}`);

function seconds(value) {
  if (value < 60) return `${value.toFixed(value < 10 ? 2 : 1)} s`;
  return value < 3600 ? `${(value / 60).toFixed(1)} min` : `${(value / 3600).toFixed(1)} h`;
}

// A group of buttons, one of which is pressed.
function choice(label, names, chosen, choose) {
  const buttons = names.map((name) => el("button", {
    type: "button",
    "aria-pressed": String(name === chosen),
    click: () => {
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === name)));
      choose(name);
    },
  }, name));
  return el("div", { class: "choose" }, el("span", { class: "label" }, label),
    el("div", { class: "choice", role: "group", "aria-label": label }, buttons));
}
