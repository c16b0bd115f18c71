// Images behind points: hover, tap or arrow keys show the image of a point.
// options: count; at(k), its [x, y] in pixels; isShown(k); content(k), what the tip has; draw(k or null), called when the point changes;
// size(), [width, height] of the surface.
function explore(surface, tip, options) {
  let current = null;
  const show = (k) => {
    if (k === current) return;
    current = k;
    tip.hidden = k === null;
    if (k !== null) {
      const [[x, y], [w, h]] = [options.at(k), options.size()];
      tip.replaceChildren(options.content(k));
      tip.style.left = `${Math.min(x + 14, w - 136) < x && x > 150 ? x - 144 : Math.min(x + 14, w - 136)}px`;
      tip.style.top = `${Math.max(4, Math.min(y - 40, h - tip.offsetHeight - 4))}px`;
    }
    options.draw(k);
  };
  const nearest = (distance, limit) => {
    let [best, least] = [null, limit];
    for (let k = 0; k < options.count; k += 1) {
      if (!options.isShown(k)) continue;
      const far = distance(...options.at(k), k);
      if (far < least) [best, least] = [k, far];
    }
    return best;
  };
  const point = (event) => {
    const [px, py] = placeOf(event, surface);
    show(nearest((x, y) => Math.hypot(x - px, y - py), 24));
  };
  // A lifted finger leaves too, but its image must stay.
  const leave = (event) => { if (event.pointerType === "mouse") show(null); };
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const walk = (event) => {
    if (event.key === "Escape") show(null);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [dx, dy] = steps[event.key];
    const [fromX, fromY] = current === null ? options.size().map((side) => side / 2) : options.at(current);
    const next = nearest((x, y, k) => {
      const [along, across] = [(x - fromX) * dx + (y - fromY) * dy, Math.abs((x - fromX) * dy) + Math.abs((y - fromY) * dx)];
      return k === current || (current !== null && along <= 0) ? Infinity : Math.abs(along) + 2 * across;
    }, Infinity);
    if (next !== null) show(next);
  };
  build(surface, { pointermove: point, pointerdown: point, pointerleave: leave, blur: () => show(null), keydown: walk }, []);
  return { show, current: () => current, forget: () => { current = null; tip.hidden = true; } };
}
