/* The whole text in one line: what the unit did, and which part of it is in sight. */
const Strip = (() => {
  const canvas = byId("strip"), box = canvas.parentElement;
  const { length, nats } = Data;
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
    const levels = state && width && computeLevels();
    if (!levels) return;
    const pen = canvas.getContext("2d"), scheme = Colors.isDark() ? "dark" : "light";
    pen.scale(ratio, ratio);
    const zero = state.by === "unit" ? height / 2 : height, scale = zero / 32;
    const [off, on] = [0, Colors.STEPS[state.by]].map((step) =>
      Colors.css(Colors.color(scheme, state.by, step)));
    for (let x = 0; x < width; x++) {
      const begin = Math.floor((x * length) / width);
      const end = Math.max(begin + 1, Math.floor(((x + 1) * length) / width));
      const column = levels.subarray(begin, end), n = end - begin;
      let low = 0, high = 0, above = 0, below = 0;
      for (const level of column) {
        if (level > 0) above += level;
        else below += level;
        high = Math.max(high, level);
        low = Math.min(low, level);
      }
      // Faint to the extremes, full to the mean of each sign.
      for (const [color, extreme, mean] of [[on, high, above / n], [off, low, below / n]]) {
        pen.fillStyle = color;
        pen.globalAlpha = 0.35;
        pen.fillRect(x, zero, 1, -extreme * scale);
        pen.globalAlpha = 1;
        pen.fillRect(x, zero, 1, -mean * scale);
      }
    }
  }

  function place(element, begin, end) {
    element.style.left = (100 * begin) / length + "%";
    element.style.width = (100 * (end - begin)) / length + "%";
  }

  const showWindow = (begin, end) => place(byId("window"), begin, end);

  function show(next, before) {
    state = next;
    const keys = ["layer", "unit", "signal", "by", "scheme"];
    const isSame = before && before !== next && keys.every((key) => before[key] === next[key]);
    byId("selection").hidden = state.from === null;
    place(byId("selection"), state.from, state.to);
    if (!isSame) draw(); // not at every step of a selection
  }

  function jump(event) {
    const { left, width } = box.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
    App.set({ at: Math.min(length - 1, Math.floor(share * length)) }, true);
  }
  box.addEventListener("pointerdown", (event) => {
    box.setPointerCapture(event.pointerId);
    jump(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (box.hasPointerCapture(event.pointerId)) jump(event);
  });
  new ResizeObserver(draw).observe(canvas);

  return { show, showWindow };
})();
