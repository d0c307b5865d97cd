/* What a unit did along the text, whatever the signal; and which units fire where. */
const Units = (() => {
  "use strict";
  const { length, features, stored, gates } = Data;
  const signals = [
    ...stored.filter((name) => name !== "n"),
    ...(Data.cell === "lstm" ? ["c"] : []),
    ...gates,
  ];
  const SAYS = {
    h: "h, what the layer above reads", tanh_c: "tanh c, the memory", c: "c, the memory itself",
    i: "input gate i", f: "forget gate f", g: "candidate g", o: "output gate o",
    r: "reset gate r", z: "update gate z", n: "candidate n",
  };
  const NAMES = { tanh_c: "tanh c" };
  const name = (signal) => NAMES[signal] ?? signal;
  const isGate = (signal) => ["i", "f", "o", "r", "z"].includes(signal);
  const nameOf = (layer, signal) => `layer_${layer}/${signal}`;
  const from = { own: new Int8Array(length), below: new Int8Array(length) };

  /** Gates of a unit at each moment, Float32Arrays by name, from the stored h. */
  function gatesOf(layer, unit, names) {
    return Gates.of(Data.model(), {
      layer, unit, names, ids: Data.ids, scale: 1 / 32,
      below: (j) => Data.column(nameOf(layer - 1, "h"), j, from.below),
      own: (j) => Data.column(nameOf(layer, "h"), j, from.own),
    });
  }

  /** The same at moment t alone: of two moments, which costs nothing. */
  function gatesAt(layer, unit, t) {
    const first = Math.max(0, t - 1), at = t - first;
    const two = (n) => (j) => [first, t].map((k) => Data.level(nameOf(n, "h"), j, k));
    const found = Gates.of(Data.model(), {
      layer, unit, names: gates.filter((gate) => gate !== "n"), scale: 1 / 32,
      ids: Data.ids.slice(first, t + 1), below: two(layer - 1), own: two(layer),
    });
    const values = Object.entries(found).map(([gate, all]) => [gate, all[at]]);
    if (gates.includes("n")) values.push(["n", Data.level(nameOf(layer, "n"), unit, t) / 32]);
    return values;
  }

  function memory(layer, unit) {
    const { i, f, g } = gatesOf(layer, unit, ["i", "f", "g"]);
    const c = new Float32Array(length);
    for (let t = 0; t < length; t++) c[t] = (t ? f[t] * c[t - 1] : 0) + i[t] * g[t];
    return c;
  }

  /** The step of a colour, from -32 to 32, of a value of a signal whose ends are ±most. */
  const levelOf = (signal, value, most = 1) =>
    Math.max(-32, Math.min(32, Math.round(32 * (isGate(signal) ? 2 * value - 1 : value / most))));

  /** The largest |c| that a unit reached on the text; 1 of all that knows a bound. */
  function mostOf(layer, unit, signal) {
    if (signal !== "c") return 1;
    const { low, high } = Data.ranges;
    return Math.max(-low[layer][unit], high[layer][unit], 1 / 256);
  }

  const kept = new Map(); // the latest few, as a gate takes a moment to compute

  /** { levels Int8Array [t], real: (t) => value, ends: [low, middle, high] }, or null
      while the page is still being read. */
  function series({ layer, unit, signal }) {
    const key = `${layer} ${unit} ${signal}`;
    if (kept.has(key)) return kept.get(key);
    const isStored = stored.includes(signal);
    if (isStored ? !Data.signal(nameOf(layer, signal)) : !Data.whole()) return null;
    const most = mostOf(layer, unit, signal);
    let found;
    if (isStored) {
      const levels = Data.column(nameOf(layer, signal), unit);
      found = { levels, real: (t) => levels[t] / 32 };
    } else {
      const values = signal === "c" ? memory(layer, unit) : gatesOf(layer, unit, [signal])[signal];
      const levels = Int8Array.from(values, (x) => levelOf(signal, x, most));
      found = { levels, real: (t) => values[t] };
    }
    found.ends = isGate(signal) ? [0, 0.5, 1] : [-most, 0, most];
    if (kept.size > 12) kept.delete(kept.keys().next().value);
    kept.set(key, found);
    return found;
  }

  /** Of all units, those that differ most in a stretch from the rest of the text; none
      if there is no rest.

      effect: the mean inside less the mean outside, in standard deviations outside. */
  function firing(signal, begin, end, count = 10) {
    const shown = stored.includes(signal) ? signal : signal === "c" ? "tanh_c" : "h";
    const found = [], inside = end - begin, outside = length - inside;
    if (!outside) return found;
    for (let layer = 0; layer < Data.layers; layer++) {
      const text = Data.signal(nameOf(layer, shown));
      for (let unit = 0; unit < features; unit++) {
        const from = unit * length;
        let sum = 0, squares = 0, within = 0, withinSquares = 0;
        for (let t = 0; t < length; t++) {
          const x = text.charCodeAt(from + t) - 94;
          sum += x;
          squares += x * x;
        }
        for (let t = begin; t < end; t++) {
          const x = text.charCodeAt(from + t) - 94;
          within += x;
          withinSquares += x * x;
        }
        const mean = (sum - within) / outside;
        const variance = (squares - withinSquares) / outside - mean * mean;
        // 1/12: what rounding adds, so that a unit that never moves is no infinity.
        const effect = (within / inside - mean) / Math.sqrt(Math.max(0, variance) + 1 / 12);
        found.push({ layer, unit, signal: shown, effect });
      }
    }
    found.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
    return found.slice(0, count);
  }

  return { signals, SAYS, name, isGate, series, gatesAt, levelOf, mostOf, firing };
})();
