/* The whole text in one line: what the unit did, and which part of it is in sight. */
const Strip = (() => {
  "use strict";
  const canvas = document.getElementById("strip"), window_ = document.getElementById("window");
  const chosen = document.getElementById("chosen"), box = canvas.parentElement;
  const { length, nats } = Data;
  let state = null;

  /** Levels from -32 to 32; of chances and surprises from 0. */
  function levelsOf() {
    if (state.by === "unit") return Units.series(state)?.levels;
    const most = Colors.MOST_NATS;
    const share = state.by === "chance" ? (x) => Math.exp(-x) : (x) => Math.min(x, most) / most;
    return Float32Array.from(nats, (x) => (x === null ? 0 : 32 * share(x)));
  }

  function draw() {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const levels = state && width && levelsOf();
    if (!levels) return;
    const pen = canvas.getContext("2d"), scheme = Colors.dark() ? "dark" : "light";
    pen.scale(ratio, ratio);
    const unit = state.by === "unit", kind = unit ? "u" : state.by === "chance" ? "p" : "s";
    const zero = unit ? height / 2 : height, tall = zero / 32;
    const colorOf = (step) => Colors.css(Colors.color(scheme, kind, step));
    const on = colorOf(Colors.steps(kind)), off = colorOf(0);
    for (let x = 0; x < width; x++) {
      const begin = Math.floor((x * length) / width);
      const end = Math.max(begin + 1, Math.floor(((x + 1) * length) / width));
      let low = 0, high = 0, above = 0, below = 0;
      for (let t = begin; t < Math.min(end, length); t++) {
        const level = levels[t];
        if (level > 0) above += level;
        else below += level;
        if (level > high) high = level;
        if (level < low) low = level;
      }
      const n = end - begin;
      // Faint to the extremes, full to the mean of each sign.
      for (const [color, most, mean] of [[on, high, above / n], [off, low, below / n]]) {
        pen.fillStyle = color;
        pen.globalAlpha = 0.35;
        pen.fillRect(x, zero, 1, -most * tall);
        pen.globalAlpha = 1;
        pen.fillRect(x, zero, 1, -mean * tall);
      }
    }
  }

  const percent = (t) => (100 * t) / length + "%";

  function span(element, begin, end) {
    element.style.left = percent(begin);
    element.style.width = percent(end - begin);
  }

  const mark = (begin, end) => span(window_, begin, end);

  function show(next, before) {
    state = next;
    const keys = ["layer", "unit", "signal", "by", "scheme"];
    const same = before && before !== next && keys.every((key) => before[key] === next[key]);
    chosen.hidden = state.from === null;
    if (!chosen.hidden) span(chosen, state.from, state.to);
    if (!same) draw(); // not at every step of a selection
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

  return { show, mark };
})();
