// More like this: a window with the images whose features are nearest, each of which leads on.
const alikeWindow = el("dialog", { class: "alike" });

function alikeButton(run, gallery, row) {
  const place = placeAlike(run, row);
  return place < 0 ? null : el("button", { type: "button", class: "like", title: "More like this",
    "aria-label": `More like ${gallery.names[row]}`, click: () => openAlike(run, gallery, row) }, "≈");
}

// The place of a row among the images that have neighbours, or -1.
function placeAlike(run, row) {
  const map = data.maps[run.map];
  if (!map?.alike) return -1;
  map.places ??= new Map(map.alike.rows.map((each, place) => [each, place]));
  return map.places.get(row) ?? -1;
}

function openAlike(run, gallery, row) {
  const { alike, features } = data.maps[run.map];
  const place = placeAlike(run, row);
  const near = alike.near[place].map((other, k) => el("li", {}, photo(run, gallery, alike.rows[other], `cosine ${(alike.cosines[place][k] / 1000).toFixed(3)}, ${SPLITS[gallery.splits[alike.rows[other]]]}`)));
  const among = alike.rows.length < gallery.total ? `the ${count(alike.rows.length)} images that have a thumbnail` : "all images";
  alikeWindow.setAttribute("aria-label", `More like ${gallery.names[row]}`);
  alikeWindow.replaceChildren(
    el("header", {}, el("h3", {}, `Like ${gallery.names[row]}`), el("button", { type: "button", class: "close", click: () => alikeWindow.close() }, "Close")),
    el("p", { class: "note" }, `The nearest of ${among}, by the cosine of the features: ${features}.`),
    el("ul", { class: "images" }, el("li", {}, photo(run, gallery, row, "this image")), near));
  if (!alikeWindow.isConnected) document.body.append(alikeWindow);
  if (!alikeWindow.open) alikeWindow.showModal();
  alikeWindow.scrollTop = 0;
  alikeWindow.querySelector(".close").focus();
}
