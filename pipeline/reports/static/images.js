// Images with their predictions.
const MAX_LISTED = 60;

function thumbnail(gallery, row) {
  const jpeg = gallery.thumbnails[row];
  if (!jpeg && gallery.note) return null;
  return jpeg
    ? el("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: gallery.names[row], width: 112, height: 112, decoding: "async" })
    : el("span", { class: "absent" }, "no thumbnail");
}

function photo(run, gallery, row, above = null, below = TASKS[gallery.kind].prediction(run, gallery, row)) {
  return el("div", { class: "photo" }, looked(run, row, thumbnail(gallery, row)), alikeButton(run, gallery, row), above, el("span", { class: "prediction" }, below),
    el("span", { class: "file", title: gallery.names[row] }, gallery.names[row].split("/").at(-1)));
}

function images(run, gallery, rows, boxed = false) {
  return el("ul", { class: `images${boxed ? " boxed" : ""}`, tabindex: boxed ? "0" : null, "aria-label": boxed ? "Images" : null },
    rows.map((row) => el("li", {}, photo(run, gallery, row))));
}

function sides(run, gallery, rows) {
  return el("div", { class: "side" }, rows.map((row) => photo(run, gallery, row, SPLITS[gallery.splits[row]])));
}

function conflicts(run, gallery, map) {
  const found = map.conflicts.slice(0, 24);
  const names = (rows) => [...new Set(rows.map((row) => TASKS[gallery.kind].label(gallery, row)))].join(", ");
  return el("section", {}, el("h3", {}, "Images under two labels"),
    el("p", { class: "note" }, found.length
      ? `${plural(map.conflicts.length, "image")} with the same bytes under more than one label${found.length < map.conflicts.length ? `, ${found.length} of them shown` : ""}: at most one of the labels is right. Remove the others.`
      : "No image has the same bytes under two labels."),
    found.length ? el("ul", { class: "twins" }, found.map((rows) => el("li", {}, el("p", {}, names(rows)), sides(run, gallery, rows)))) : null);
}

function twins(run, gallery, map) {
  const exact = map.exact.slice(0, 24);
  const near = map.near?.pairs ?? [];
  const parts = [el("h3", {}, "Images in two splits"),
    el("p", { class: "note" }, exact.length
      ? `${plural(map.exact.length, "image")} with the same bytes in more than one split${exact.length < map.exact.length ? `, ${exact.length} of them shown` : ""}: scores may be too good.`
      : "No image has the same bytes in two splits.")];
  if (exact.length) parts.push(el("ul", { class: "twins" }, exact.map((rows) => el("li", {}, el("p", {}, "same bytes"), sides(run, gallery, rows)))));
  if (map.near) {
    const shown = near.length < map.near.count ? `, the nearest ${near.length} of them shown` : "";
    parts.push(el("p", { class: "note" }, near.length
      ? `${plural(map.near.count, "pair")} across splits whose pooled features have a cosine of ${map.near.threshold} or more${shown}. Most often these are copies at another size; in a very uniform data set they may only look similar.`
      : `No pair across splits has pooled features with a cosine of ${map.near.threshold} or more.`));
    if (near.length) parts.push(el("ul", { class: "twins" }, near.map(([a, b, cosine]) => el("li", {}, el("p", {}, `cosine ${cosine.toFixed(4)}`), sides(run, gallery, [a, b])))));
  } else {
    parts.push(el("p", { class: "note" }, `There was no search for near duplicates. ${map.note}`));
  }
  return el("section", {}, parts);
}
