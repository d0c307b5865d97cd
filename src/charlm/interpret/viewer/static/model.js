/* The model, run by the page that shows it: what charlm.model computes, by plain loops.

   Shapes as there: h hidden width, v vocabulary, m inputs of a product. A layer adds up h
   rows for each gate: i f g o of an LSTM, r z n of a GRU, n of an RNN. Matrices lie row
   by row, a row for each output, as charlm.interpret.viewer.quantize writes them. No
   other script knows the names of parameters. No DOM, no dependencies. */
const Charlm = (() => {
  const GATES = { lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"], rnn: ["n"] };

  /** A typed array of base64; little-endian, as is every machine with a browser. */
  function decode(text, Type) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let n = 0; n < bytes.length; n++) bytes[n] = binary.charCodeAt(n);
    return new Type(bytes.buffer);
  }

  /** Float32Array of a quantized array: a vector, or a matrix [outputs * inputs]. */
  function dequantize(array) {
    if (typeof array === "string") return decode(array, Float32Array);
    const [inputs, outputs] = array.shape;
    const scales = decode(array.scale, Float32Array), ints = decode(array.ints, Int16Array);
    const rows = new Float32Array(ints.length);
    for (let k = 0, n = 0; k < outputs; k++)
      for (const end = n + inputs; n < end; n++) rows[n] = ints[n] * scales[k];
    return rows;
  }

  /** A function that gives the array, which is read at its first call. */
  const lazy = (array, values) => () => (values ??= dequantize(array));

  /** The model of what quantize(params) gave. Its `gates`: of each layer the gates of the
      latest step, by name, Float32Arrays [h] that the next step overwrites. */
  function makeModel({ params, ...model }) {
    const names = GATES[model.cell], h = model.features;
    const layers = Array.from({ length: model.layers }, (_, n) => params[`layer_${n}`]);
    model.embed = params.embed && lazy(params.embed);
    model.projections = new Array(model.vocab_size); // see project
    model.weights = layers.map(({ wx, wh, b }) => ({ wx: lazy(wx), wh: lazy(wh), b: lazy(b) }));
    model.head = { w: lazy(params.head.w), b: lazy(params.head.b) };
    model.sums = layers.map(() => new Float32Array(names.length * h));
    model.gates = model.sums.map((sums) => Object.fromEntries(
      names.map((name, k) => [name, sums.subarray(k * h, (k + 1) * h)])));
    return model;
  }

  /** What the first layer adds up of symbol `id` alone, its biases too. */
  function project(model, id) {
    if (model.projections[id]) return model.projections[id];
    const { vocab_size: v, embedding: e } = model, { wx, b } = model.weights[0];
    const sums = b().slice();
    if (model.embed) {
      const vector = new Float32Array(e); // a column: rows are of outputs
      for (let j = 0; j < e; j++) vector[j] = model.embed()[j * v + id];
      addProducts(sums, wx(), vector);
    } else for (let k = 0; k < sums.length; k++) sums[k] += wx()[k * v + id];
    return (model.projections[id] = sums);
  }

  /** sums[k] += row k of w times x. */
  function addProducts(sums, w, x) {
    const m = x.length;
    let k = 0;
    for (; k + 4 <= sums.length; k += 4) { // four rows at a time, for each x that is read
      const p = k * m, q = p + m, r = q + m, s = r + m;
      let a = 0, b = 0, c = 0, d = 0;
      for (let j = 0; j < m; j++) {
        const y = x[j];
        a += w[p + j] * y;
        b += w[q + j] * y;
        c += w[r + j] * y;
        d += w[s + j] * y;
      }
      sums[k] += a;
      sums[k + 1] += b;
      sums[k + 2] += c;
      sums[k + 3] += d;
    }
    for (; k < sums.length; k++) {
      let a = 0;
      for (let j = 0; j < m; j++) a += w[k * m + j] * x[j];
      sums[k] += a;
    }
  }

  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  const activate = (gates, names) => names.forEach((name) => {
    const gate = gates[name], activation = "gn".includes(name) ? Math.tanh : sigmoid;
    for (let u = 0; u < gate.length; u++) gate[u] = activation(gate[u]);
  });

  /** The zero state: of each layer h and, of an LSTM, c, Float32Arrays [h]. */
  function makeState(model) {
    const zeros = () => new Float32Array(model.features), hasMemory = model.cell === "lstm";
    return Array.from({ length: model.layers }, () =>
      hasMemory ? { h: zeros(), c: zeros() } : { h: zeros() });
  }

  /** logits Float32Array [v] after symbol `id`; the state becomes the one after it.

      holds: [{ layer, unit, value }], layers from 0. Once its layer has stepped, an
      LSTM's c of the unit is value and its h = o tanh(c); another cell's h is value.
      The layer above and the next step read it so. */
  function step(model, state, id, holds = []) {
    const advance = { lstm, gru, rnn }[model.cell];
    let x = null;
    for (const [n, layer] of state.entries()) {
      const gates = model.gates[n], sums = model.sums[n], { wx, wh, b } = model.weights[n];
      sums.set(n ? b() : project(model, id));
      if (n) addProducts(sums, wx(), x);
      advance(layer, gates, sums, wh());
      for (const { unit, value } of holds.filter((hold) => hold.layer === n)) {
        if (layer.c) layer.c[unit] = value;
        layer.h[unit] = layer.c ? gates.o[unit] * Math.tanh(value) : value;
      }
      x = layer.h;
    }
    const logits = model.head.b().slice();
    addProducts(logits, model.head.w(), x);
    return logits;
  }

  /** c' = f c + i g, h' = o tanh(c'). */
  function lstm({ h, c }, gates, sums, wh) {
    addProducts(sums, wh, h);
    activate(gates, GATES.lstm);
    const { i, f, g, o } = gates;
    for (let u = 0; u < h.length; u++) {
      c[u] = f[u] * c[u] + i[u] * g[u];
      h[u] = o[u] * Math.tanh(c[u]);
    }
  }

  /** h' = h + z (n - h), n = tanh(wx x + wh (r h) + b): char-rnn's. */
  function gru({ h }, gates, sums, wh) {
    const { r, z, n } = gates, size = h.length;
    addProducts(sums.subarray(0, 2 * size), wh, h);
    activate(gates, ["r", "z"]);
    addProducts(n, wh.subarray(2 * size * size), h.map((value, u) => r[u] * value));
    activate(gates, ["n"]);
    for (let u = 0; u < h.length; u++) h[u] += z[u] * (n[u] - h[u]);
  }

  /** h' = tanh(wx x + wh h + b). */
  function rnn({ h }, gates, sums, wh) {
    addProducts(sums, wh, h);
    activate(gates, GATES.rnn);
    h.set(gates.n);
  }

  /** Gates of one unit after each symbol of a text: an object of Float32Arrays [t].

      No step is taken: with x and h known at all times, a gate is a sum of columns, of
      m + h products a symbol (m = 0 for layer 0). Not n of a GRU, which reads every r.

      ids: read from the zero state. Of a stretch of a text, begin one symbol early and
        drop the first value: h before the first symbol is taken to be 0.
      read: (layer, j) -> h of unit j of a layer after each symbol, an array of numbers
        worth `scale` each, which is read before the next is asked for. */
  function computeGates(model, { layer, unit, names, ids, read, scale }) {
    const h = model.features, { wx, wh, b } = model.weights[layer];
    const rows = names.map((name) => GATES[model.cell].indexOf(name) * h + unit);
    const sums = rows.map((row) =>
      Float32Array.from(ids, (id) => (layer ? b() : project(model, id))[row]));

    const addColumns = (weights, inputLayer, delay) => {
      for (let j = 0; j < h; j++) {
        const column = read(inputLayer, j);
        for (const [n, sum] of sums.entries()) {
          const weight = weights[rows[n] * h + j] * scale;
          for (let t = delay; t < sum.length; t++) sum[t] += weight * column[t - delay];
        }
      }
    };
    if (layer) addColumns(wx(), layer - 1, 0);
    addColumns(wh(), layer, 1);
    const gates = Object.fromEntries(names.map((name, n) => [name, sums[n]]));
    activate(gates, names);
    return gates;
  }

  /** The symbol drawn from the softmax of logits / temperature; at 0 the likeliest.

      As charlm.sample: the first at which the sum of probabilities passes random(). */
  function drawSymbol(logits, temperature, random) {
    const best = logits.indexOf(Math.max(...logits));
    if (!(temperature > 0)) return best;
    let sum = 0;
    const sums = Float64Array.from(logits, (logit) =>
      (sum += Math.exp((logit - logits[best]) / Math.max(temperature, 1e-6))));
    const point = random() * sum, drawn = sums.findIndex((part) => part > point);
    return drawn < 0 ? best : drawn;
  }

  /** Uniforms in [0, 1) of an integer seed: mulberry32, by Tommy Ettinger, public domain. */
  function makeRandom(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  return { decode, makeModel, makeState, step, computeGates, drawSymbol, makeRandom };
})();
