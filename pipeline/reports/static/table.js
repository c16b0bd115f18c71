// A table that is sorted by a click, or Enter, on a column's head.
// A column: name; value(row), to sort by; cell(row), to show (default: the value); number, whether high comes first.
function sortable(label, columns, rows, sortedBy) {
  const body = el("tbody");
  const heads = columns.map((column) =>
    el("th", { scope: "col", class: column.number ? "number" : null },
      el("button", { type: "button", click: () => sort(column, next(column)) }, column.name)));

  function next(column) {
    const now = heads[columns.indexOf(column)].getAttribute("aria-sort");
    if (now) return now === "descending" ? "ascending" : "descending";
    return column.number && !column.lowFirst ? "descending" : "ascending";
  }

  function sort(column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    // Rows without a value come last, in either direction.
    const compare = (a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
    };
    body.replaceChildren(...[...rows].sort(compare).map(line));
    heads.forEach((head, index) =>
      columns[index] === column ? head.setAttribute("aria-sort", direction) : head.removeAttribute("aria-sort"));
  }

  function line(row) {
    return el("tr", {}, columns.map((column) => {
      const value = column.cell ? column.cell(row) : column.value(row);
      return el("td", { class: column.number ? "number" : null }, value === null ? "–" : value);
    }));
  }

  const first = columns.find((column) => column.name === sortedBy) ?? columns[0];
  sort(first, next(first));
  return el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" },
    el("table", { class: "wide" }, el("thead", {}, el("tr", {}, heads)), body));
}

const long = (text) => el("span", { class: "long", title: text }, text);
const withInterval = (task, scores) => (scores ? [mainText(task, scores.main), el("span", { class: "interval" }, mainInterval(task, scores.ci95))] : null);
