/* The whole text in one line: what the unit did, and which part of it is in sight. */
const Strip = (() => {
  const canvas = byId("strip"), box = canvas.parentElement, { length, nats } = Data;
  let state = null;

  /** Levels from -32 to 32; of chances and surprises from 0. */
  function computeLevels() {
    if (state.by === "unit") return Units.series(state)?.levels;
    const max = Colors.MAX_NATS;
    const share = state.by === "chance" ? (x) => Math.exp(-x) : (x) => Math.min(x, max) / max;
    return Float32Array.from(nats, (x) => (x === null ? 0 : 32 * share(x)));
  }

  function draw() {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const levels = width && computeLevels();
    if (!levels) return;
    const pen = canvas.getContext("2d"), ramp = byId("ramp");
    pen.scale(ratio, ratio);
    const zero = state.by === "unit" ? height / 2 : height, scale = zero / 32;
    const [off, on] = [ramp.firstChild, ramp.lastChild].map((end) =>
      getComputedStyle(end).backgroundColor);
    for (let x = 0; x < width; x++) {
      const begin = Math.floor((x * length) / width);
      const end = Math.max(begin + 1, Math.floor(((x + 1) * length) / width));
      let low = 0, high = 0, above = 0, below = 0;
      for (const level of levels.subarray(begin, end)) {
        above += Math.max(0, level);
        below += Math.min(0, level);
        high = Math.max(high, level);
        low = Math.min(low, level);
      }
      const fill = (color, alpha, level) => {
        pen.fillStyle = color;
        pen.globalAlpha = alpha;
        pen.fillRect(x, zero, 1, -level * scale);
      };
      fill(on, 0.35, high); // faint to the extremes, full to the mean of each sign
      fill(on, 1, above / (end - begin));
      fill(off, 0.35, low);
      fill(off, 1, below / (end - begin));
    }
  }

  function place(element, begin, end) {
    element.style.left = (100 * begin) / length + "%";
    element.style.width = (100 * (end - begin)) / length + "%";
  }

  const showWindow = (begin, end) => place(byId("window"), begin, end);

  function show(next, isRecolored) {
    state = next;
    byId("selection").hidden = state.from === null;
    place(byId("selection"), state.from, state.to);
    if (isRecolored) draw(); // not at every step of a selection
  }

  function jump(event) {
    if (event.type === "pointerdown") box.setPointerCapture(event.pointerId);
    if (!box.hasPointerCapture(event.pointerId)) return;
    const { left, width } = box.getBoundingClientRect();
    const t = Math.floor(((event.clientX - left) / width) * length);
    App.set({ at: Math.max(0, Math.min(length - 1, t)) }, true);
  }
  for (const type of ["pointerdown", "pointermove"]) box.addEventListener(type, jump);
  new ResizeObserver(draw).observe(canvas);

  return { show, showWindow };
})();
