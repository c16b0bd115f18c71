// Labels that may be wrong: each image judged without itself, with the neighbours that have another label.
function suspects(run, gallery, map) {
  if (map.suspects === null) return null; // not of this kind of task
  const title = el("h3", {}, "Labels that may be wrong");
  if (map.suspects.note) return el("section", { class: "suspects" }, title, el("p", { class: "note" }, `No label was judged. ${map.suspects.note}`));
  const { judged, accuracy, chosen, count: found, conflicting, checked, listed } = map.suspects;
  const twice = conflicting ? ` ${plural(conflicting, "image")} under two labels ${conflicting === 1 ? "is" : "are"} in the next section.` : "";
  const known = checked ? ` ${plural(checked, "more label")} ${checked === 1 ? "is" : "are"} left out, because a user checked ${checked === 1 ? "it" : "them"}.` : "";
  const how = `Each of ${count(judged)} images was judged by ridge (${chosen}) that has not seen it or its copies; for ${percent(accuracy)} the label is the most likely class.`;
  const what = found
    ? `${plural(found, "label")} may be wrong${listed.length < found ? `, the ${listed.length} most suspect are shown` : ", the most suspect first"}; beside each, the nearest images with another label. Look at each: where the likely class is right, correct the label in the data, or with bottleneck tune; bottleneck audit lists all.`
    : "No other label looks wrong.";
  return el("section", { class: "suspects" }, title, el("p", { class: "note" }, `${how} ${what}${known}${twice}`),
    listed.length ? el("ul", { class: "twins" }, listed.map((entry) => el("li", {}, suspect(run, gallery, entry)))) : null);
}

function suspect(run, gallery, [row, likely, given, other, disagree, near]) {
  const nameOf = (each) => TASKS[gallery.kind].label(gallery, each);
  // A long name is cut below an image, so that numbers come first, and the likely class stands above.
  const own = photo(run, gallery, row, SPLITS[gallery.splits[row]], [`${percent(given, 0)} `, el("span", { class: "wrong", title: nameOf(row) }, `✗ ${nameOf(row)}`)]);
  const others = near.length ? `${percent(disagree, 0)} of its nearest images have another label` : "none of its nearest images has another label, so none is shown";
  return [el("p", {}, "Likely ", el("b", {}, gallery.classes[likely]), ` (${percent(other, 0)}); ${others}`),
    el("div", { class: "side" }, own, near.map(([each, cosine]) => photo(run, gallery, each, `cosine ${cosine.toFixed(3)}`, el("b", { title: nameOf(each) }, nameOf(each)))))];
}
