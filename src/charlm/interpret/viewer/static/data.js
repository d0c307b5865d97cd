/* What the page holds, as it lies in its script elements.

   A signal's values are one text, unit after unit, a character for each moment: code 94
   is 0, one more is 1/32. So nothing is decoded until it is looked at. */
const Data = (() => {
  "use strict";
  const textOf = (id) => document.getElementById(id)?.textContent ?? "";
  const given = JSON.parse(textOf("data"));
  const length = given.ids.length, unit = given.vocab.unit;
  const idOf = new Map(given.vocab.codes.map((code, id) => [code, id]));
  const texts = {};

  /** The text of a signal; "" while the page is still being read. */
  function signal(name) {
    if (texts[name]) return texts[name];
    const text = textOf(name);
    return text.length === length * given.features ? (texts[name] = text) : "";
  }

  /** Values of one unit in 1/32, Int8Array [t]; filled into `out` if it is given. */
  function column(name, unit, out = new Int8Array(length)) {
    const text = signal(name);
    for (let t = 0, n = unit * length; t < length; t++, n++) out[t] = text.charCodeAt(n) - 94;
    return out;
  }

  const level = (name, unit, t) => signal(name).charCodeAt(unit * length + t) - 94;

  const once = (make) => {
    let made;
    return () => (made ??= make());
  };

  const integers = (text, Type) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Type(bytes.buffer);
  };

  const model = once(() => Charlm.unpack(JSON.parse(textOf("weights"))));

  const states = once(() => {
    const { h, c } = JSON.parse(textOf("states"));
    return { h: integers(h, Int8Array), c: c && integers(c, Int16Array) };
  });

  /** The last state kept at or before moment t: { state, next }, next yet to be read. */
  function stateBefore(t) {
    const state = Charlm.zero(model());
    const n = Math.floor((t + 1) / given.every);
    if (n === 0) return { state, next: 0 };
    const { h, c } = states(), { layers, features } = given;
    for (let layer = 0; layer < layers; layer++) {
      const from = ((n - 1) * layers + layer) * features;
      for (let u = 0; u < features; u++) {
        state.layers[layer].h[u] = h[from + u] / 127;
        if (c) state.layers[layer].c[u] = c[from + u] / 256;
      }
    }
    return { state, next: n * given.every };
  }

  /** ids of a text, and the characters that are none: { ids, unknown }. */
  function encode(text) {
    const codes = unit === "byte"
      ? [...new TextEncoder().encode(text)]
      : Array.from(text, (character) => character.codePointAt(0));
    const unknown = new Set(codes.filter((code) => !idOf.has(code)));
    const ids = codes.filter((code) => idOf.has(code)).map((code) => idOf.get(code));
    return { ids, unknown: [...unknown] };
  }

  const whole = () => document.readyState !== "loading";
  return {
    ...given, sizes: JSON.parse(textOf("sizes")),
    length, idOf, signal, column, level, model, stateBefore, encode, whole,
    gates: { lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"], rnn: [] }[given.cell],
  };
})();
