/* What a unit did along the text, whatever the signal; and which units fire where. */
const Units = (() => {
  const { length, features, layers, signals, storedSignals, memoryRanges } = Data;
  const DESCRIPTIONS = {
    h: "h, what the layer above reads", tanh_c: "tanh c, the memory",
    c: "c, the memory itself", i: "input gate i", f: "forget gate f", o: "output gate o",
    g: "candidate g", r: "reset gate r", z: "update gate z", n: "candidate n",
  };
  const computedGates = signals.filter((name) => ![...storedSignals, "c"].includes(name));

  const title = ({ layer, unit }) => `Unit ${unit}${layers > 1 ? ` of layer ${layer}` : ""}`;
  const key = ({ layer, unit, signal }) => `${layer} ${unit} ${signal}`;
  const label = (signal) => (signal === "tanh_c" ? "tanh c" : signal);

  /** Gates of a unit at each moment, Float32Arrays by name, from the stored h. */
  function computeGates(layer, unit, names, begin = 0, end = length) {
    const read = (n, j) => Data.levels(n, "h", j, begin, end), scale = 1 / 32;
    const ids = Data.ids.slice(begin, end);
    return Charlm.computeGates(Data.model(), { layer, unit, names, ids, read, scale });
  }

  /** The values of a unit at moment t, by signal; c, of all moments before, if chosen. */
  function valuesAt(state, t) {
    const { layer, unit, signal } = state;
    // Gates read the h of the moment before.
    const values = computeGates(layer, unit, computedGates, Math.max(0, t - 1), t + 1);
    for (const name of computedGates) values[name] = values[name].at(-1);
    for (const name of storedSignals)
      values[name] = Data.levels(layer, name, unit, t, t + 1)[0] / 32;
    if (signal === "c") values.c = series(state).values[t];
    return values;
  }

  function computeMemory(layer, unit) {
    const { i, f, g } = computeGates(layer, unit, ["i", "f", "g"]);
    let c = 0;
    return i.map((input, t) => (c = Math.fround(f[t] * c + input * g[t])));
  }

  /** The least and largest values of a signal: of c, those that the text has. */
  function range({ layer, unit, signal }) {
    if (signal !== "c") return ["iforz".includes(signal) ? 0 : -1, 1];
    const { low, high } = memoryRanges;
    const most = Math.max(-low[layer][unit], high[layer][unit], 1 / 256);
    return [-most, most];
  }

  /** The step of a color, from -32 to 32, of a value within a range. */
  const toLevel = (value, [low, high]) =>
    Math.max(-32, Math.min(32, Math.round((32 * (2 * value - low - high)) / (high - low))));

  const cache = new Map(); // the latest few, as a gate takes a moment to compute

  /** { values Float32Array [t], levels Int8Array [t], ends: [low, high] }, or null while
      the page is still being read. */
  function series(state) {
    const { layer, unit, signal } = state, id = key(state);
    if (cache.has(id)) return cache.get(id);
    const isStored = storedSignals.includes(signal);
    if (isStored ? !Data.signal(layer, signal) : !Data.isComplete()) return null;
    const values = signal === "c" ? computeMemory(layer, unit)
      : isStored ? Float32Array.from(Data.levels(layer, signal, unit), (x) => x / 32)
      : computeGates(layer, unit, [signal])[signal];
    const ends = range(state);
    const levels = Int8Array.from(values, (value) => toLevel(value, ends));
    if (cache.size > 12) cache.delete(cache.keys().next().value);
    cache.set(id, { values, levels, ends });
    return cache.get(id);
  }

  /** The sum of a part of a signal's text, in 1/32, and the sum of its squares. */
  function addUp(text, from, to) {
    let sum = 0, squares = 0;
    for (let n = from; n < to; n++) {
      const x = text.charCodeAt(n) - 94;
      sum += x;
      squares += x * x;
    }
    return [sum, squares];
  }

  /** The ten units that differ most in a stretch from the rest of the text; none if there
      is no rest. effect: the mean inside less that outside, in deviations outside. */
  function findFiring(signal, begin, end) {
    const stored = storedSignals.includes(signal) ? signal : signal === "c" ? "tanh_c" : "h";
    const units = [], inside = end - begin, outside = length - inside;
    for (let layer = 0; outside && layer < layers; layer++) {
      const text = Data.signal(layer, stored);
      for (let unit = 0, n = 0; unit < features; unit++, n += length) {
        const [all, allSquares] = addUp(text, n, n + length);
        const [sum, squares] = addUp(text, n + begin, n + end);
        const mean = (all - sum) / outside;
        const variance = (allSquares - squares) / outside - mean * mean;
        // 1/12: what rounding adds, so that a unit that never moves is no infinity.
        const effect = (sum / inside - mean) / Math.sqrt(Math.max(0, variance) + 1 / 12);
        units.push({ layer, unit, signal: stored, effect });
      }
    }
    return units.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, 10);
  }

  return { DESCRIPTIONS, title, key, label, series, valuesAt, range, toLevel, findFiring };
})();
