/* Gates of one unit over a whole text, from what is stored of it: see model.js.

   Shapes as there. No DOM; of model.js alone. */
const Gates = (() => {
  "use strict";
  const { GATES, inputOf, activate } = Charlm;

  /** Gates of one unit after each symbol of a text.

      No step is taken: with x and h known at all times, a gate is a sum of columns. It
      costs m + h multiplications a symbol (m = 0 for layer 0). Only n of a GRU costs
      h times that, since it reads the r of every unit, if `resets` does not give them.

      layer, unit: whose.
      ids: of the text, read from the zero state. Of a stretch of it, begin one symbol
        early and drop the first value: h before the first symbol is taken to be 0.
      below, own: (j) -> h of unit j of the layer below (unused of layer 0) and of this
        one after each symbol, an array of numbers worth `scale` each. The array is read
        before the next is asked for, so that it may be the same one, filled again.
      names: which gates; all of the cell if not given.
      resets: (j) -> r of unit j, its real values; of a GRU whose r is stored.

      Returns an object of Float32Arrays [t], by name. */
  function of(model, { layer, unit, ids, below, own, scale = 1, names, resets }) {
    const h = model.features, all = GATES[model.cell];
    const { wx, wh, b } = model.weights[layer];
    names ??= all;
    resets ??= (j) =>
      of(model, { layer, unit: j, ids, below, own, scale, names: ["r"] }).r;
    const parts = names.map((name) => {
      const row = all.indexOf(name) * h + unit;
      const sums = new Float32Array(ids.length);
      if (layer) sums.fill(b()[row]);
      else for (let t = 0; t < sums.length; t++) sums[t] = inputOf(model, ids[t])[row];
      return { name, row, sums, reset: model.cell === "gru" && name === "n" };
    });
    for (let j = 0; layer && j < h; j++) {
      const column = below(j);
      for (const { row, sums } of parts) {
        const w = wx()[row * h + j] * scale;
        for (let t = 0; t < sums.length; t++) sums[t] += w * column[t];
      }
    }
    for (let j = 0; j < h; j++) {
      const r = parts.some(({ reset }) => reset) ? resets(j) : null;
      const column = own(j);
      for (const { row, sums, reset } of parts) {
        const w = wh()[row * h + j] * scale, end = sums.length;
        if (reset) for (let t = 1; t < end; t++) sums[t] += w * r[t] * column[t - 1];
        else for (let t = 1; t < end; t++) sums[t] += w * column[t - 1];
      }
    }
    const found = Object.fromEntries(parts.map(({ name, sums }) => [name, sums]));
    activate(found, names);
    return found;
  }

  return { of };
})();
