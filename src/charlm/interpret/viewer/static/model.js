/* The model, run by the page that shows it: what charlm.model computes, by plain loops.

   Shapes as there: h hidden width, v vocabulary, m inputs of a product, k blocks of h
   rows: i f g o of an LSTM, r z n of a GRU, n of an RNN. Matrices lie row by row, a row
   for each output, as charlm.interpret.viewer.quantize packs them. No DOM, no dependencies. */
const Charlm = (() => {
  "use strict";

  const GATES = { lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"], rnn: ["n"] };

  const once = (make) => {
    let made;
    return () => (made ??= make());
  };

  function bytesOf(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let n = 0; n < bytes.length; n++) bytes[n] = binary.charCodeAt(n);
    return bytes.buffer; // little-endian, as is every machine with a browser
  }

  const vectorOf = (text) => new Float32Array(bytesOf(text));

  /** Float32Array [outputs * inputs] of a packed matrix [inputs, outputs]. */
  function matrixOf({ shape: [inputs, outputs], scale, ints }) {
    const scales = vectorOf(scale);
    const packed = new Int16Array(bytesOf(ints));
    const rows = new Float32Array(packed.length);
    for (let k = 0, n = 0; k < outputs; k++) {
      const unit = scales[k];
      for (const end = n + inputs; n < end; n++) rows[n] = packed[n] * unit;
    }
    return rows;
  }

  /** The model of what packed(params) gave.

      cell, layers, features (h), vocab (v), embedding, and `last`: of each layer the
      gates of the latest step, by name, Float32Arrays [h] that the next one overwrites.
      Weights are read at their first use. */
  function unpack(packed) {
    const { params, ...model } = packed;
    const h = model.features;
    const matrix = (part) => once(() => matrixOf(part));
    const vector = (part) => once(() => vectorOf(part));
    const layers = Array.from({ length: model.layers }, (_, n) => params[`layer_${n}`]);
    const { w, b } = params.head;
    model.embed = params.embed && matrix(params.embed);
    model.inputs = new Array(model.vocab); // see inputOf
    model.weights = layers.map(({ wx, wh, b }) => (
      { wx: matrix(wx), wh: matrix(wh), b: vector(b) }
    ));
    model.head = { w: matrix(w), b: vector(b) };
    model.sums = layers.map(() => new Float32Array(GATES[model.cell].length * h));
    model.last = model.sums.map((sums) => Object.fromEntries(
      GATES[model.cell].map((name, k) => [name, sums.subarray(k * h, (k + 1) * h)]),
    ));
    return model;
  }

  /** What the first layer adds up of symbol `id` alone, its biases too: [k h]. */
  function inputOf(model, id) {
    if (model.inputs[id]) return model.inputs[id];
    const { vocab: v, embedding: e } = model;
    const { wx, b } = model.weights[0];
    const row = b().slice();
    if (model.embed) {
      const vector = new Float32Array(e); // a column: rows are of outputs
      for (let j = 0; j < e; j++) vector[j] = model.embed()[j * v + id];
      addProducts(row, wx(), vector, 0, row.length);
    } else {
      for (let k = 0; k < row.length; k++) row[k] += wx()[k * v + id];
    }
    return (model.inputs[id] = row);
  }

  /** sums[k] += row k of w times x, for rows k from `from` and before `to`. */
  function addProducts(sums, w, x, from, to) {
    const m = x.length;
    let k = from;
    for (; k + 4 <= to; k += 4) { // four rows at a time, for each x that is read
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
    for (; k < to; k++) {
      let a = 0;
      for (let j = 0; j < m; j++) a += w[k * m + j] * x[j];
      sums[k] += a;
    }
  }

  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  const activationOf = (name) => (name === "g" || name === "n" ? Math.tanh : sigmoid);

  function activate(gates, names) {
    for (const name of names) {
      const gate = gates[name], activation = activationOf(name);
      for (let u = 0; u < gate.length; u++) gate[u] = activation(gate[u]);
    }
  }

  /** layers: of each h and, of an LSTM, c: the zero state of a model. */
  function zero(model) {
    const names = model.cell === "lstm" ? ["h", "c"] : ["h"];
    const zeros = (name) => [name, new Float32Array(model.features)];
    const layer = () => Object.fromEntries(names.map(zeros));
    return { layers: Array.from({ length: model.layers }, layer) };
  }

  /** The same state, of which a step changes nothing in the other. */
  function copy(state) {
    const layer = ({ h, c }) => (c ? { h: h.slice(), c: c.slice() } : { h: h.slice() });
    return { layers: state.layers.map(layer) };
  }

  /** logits Float32Array [v] after symbol `id`; the state becomes the one after it.

      clamps: [{ layer, unit, value }], layers from 0. Once its layer has stepped, an
      LSTM's c of the unit is value and its h = o tanh(c); another cell's h is value.
      The layer above and the next step read it so. */
  function step(model, state, id, clamps = []) {
    const advance = { lstm, gru, rnn }[model.cell];
    let x = null;
    for (let n = 0; n < model.layers; n++) {
      const layer = state.layers[n], gates = model.last[n], sums = model.sums[n];
      const { wx, wh, b } = model.weights[n];
      if (n) {
        sums.set(b());
        addProducts(sums, wx(), x, 0, sums.length);
      } else {
        sums.set(inputOf(model, id));
      }
      advance(layer, gates, sums, wh());
      for (const { layer: at, unit, value } of clamps) {
        if (at !== n) continue;
        if (layer.c) layer.c[unit] = value;
        layer.h[unit] = layer.c ? gates.o[unit] * Math.tanh(value) : value;
      }
      x = layer.h;
    }
    const logits = model.head.b().slice();
    addProducts(logits, model.head.w(), x, 0, logits.length);
    return logits;
  }

  /** c' = f c + i g, h' = o tanh(c'). */
  function lstm({ h, c }, gates, sums, wh) {
    addProducts(sums, wh, h, 0, sums.length);
    activate(gates, GATES.lstm);
    const { i, f, g, o } = gates;
    for (let u = 0; u < h.length; u++) {
      c[u] = f[u] * c[u] + i[u] * g[u];
      h[u] = o[u] * Math.tanh(c[u]);
    }
  }

  /** h' = h + z (n - h), n = tanh(wx x + wh (r h) + b): char-rnn's. */
  function gru({ h }, gates, sums, wh) {
    const { r, z, n } = gates;
    addProducts(sums, wh, h, 0, 2 * h.length);
    activate(gates, ["r", "z"]);
    addProducts(sums, wh, h.map((value, u) => r[u] * value), 2 * h.length, sums.length);
    activate(gates, ["n"]);
    for (let u = 0; u < h.length; u++) h[u] += z[u] * (n[u] - h[u]);
  }

  /** h' = tanh(wx x + wh h + b). */
  function rnn({ h }, gates, sums, wh) {
    addProducts(sums, wh, h, 0, sums.length);
    activate(gates, GATES.rnn);
    h.set(gates.n);
  }

  /** The symbol drawn from the softmax of logits / temperature; at 0 the likeliest.

      As charlm.sample: symbols in their order, that one at which their probabilities,
      added up, pass random() of their sum. */
  function choose(logits, temperature, random) {
    let best = 0;
    for (let k = 1; k < logits.length; k++) if (logits[k] > logits[best]) best = k;
    if (!(temperature > 0)) return best;
    const most = logits[best], sums = new Float64Array(logits.length);
    let sum = 0;
    for (let k = 0; k < sums.length; k++) {
      sum += Math.exp((logits[k] - most) / Math.max(temperature, 1e-6));
      sums[k] = sum;
    }
    const point = random() * sum;
    const drawn = sums.findIndex((part) => part > point);
    return drawn < 0 ? best : drawn;
  }

  /** A function that gives uniforms in [0, 1), the same for the same seed, an integer.

      mulberry32, by Tommy Ettinger, in the public domain. */
  function generator(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  return { unpack, zero, copy, step, choose, generator, GATES, inputOf, activate };
})();
