/* What the page holds, in its script elements.

   A signal's values are one text, unit after unit, a character for each moment: code 94
   is 0, one more is 1/32. So nothing is decoded until it is looked at. */
const Data = (() => {
  const readText = (id) => byId(id)?.textContent ?? "";
  const readJSON = (id) => JSON.parse(readText(id));
  const data = readJSON("data"), length = data.ids.length;
  const { cell, layers, features, vocab, stateInterval } = data;
  const idsByCode = new Map(vocab.codes.map((code, id) => [code, id]));
  const signals = {};

  /** The text of a signal of a layer; "" while the page is still being read. */
  function signal(layer, name) {
    const id = `layer_${layer}/${name}`;
    if (signals[id]) return signals[id];
    const text = readText(id);
    return text.length === length * features ? (signals[id] = text) : "";
  }

  const level = (layer, name, unit, t) =>
    signal(layer, name).charCodeAt(unit * length + t) - 94;

  /** Values of one unit in 1/32, written to an array [t], which is returned. */
  function levels(layer, name, unit, array = new Int8Array(length)) {
    const text = signal(layer, name);
    for (let t = 0, n = unit * length; t < length; t++, n++) array[t] = text.charCodeAt(n) - 94;
    return array;
  }

  let loadedModel, loadedStates;
  const model = () => (loadedModel ??= Charlm.makeModel(readJSON("weights")));

  function states() {
    if (!loadedStates) {
      const { h, c } = readJSON("states");
      loadedStates = { h: Charlm.decode(h, Int8Array), c: c && Charlm.decode(c, Int16Array) };
    }
    return loadedStates;
  }

  /** The last state stored at or before moment t: { state, next }, next yet to be read. */
  function stateBefore(t) {
    const state = Charlm.makeState(model()), count = Math.floor((t + 1) / stateInterval);
    if (count) {
      const { h, c } = states();
      for (let layer = 0, n = (count - 1) * layers * features; layer < layers; layer++)
        for (let u = 0; u < features; u++, n++) {
          state[layer].h[u] = h[n] / 127;
          if (c) state[layer].c[u] = c[n] / 256;
        }
    }
    return { state, next: count * stateInterval };
  }

  /** ids of a text, and the codes of its characters that are none: { ids, unknown }. */
  function encode(text) {
    const codes = vocab.unit === "byte" ? [...new TextEncoder().encode(text)]
      : Array.from(text, (character) => character.codePointAt(0));
    const unknown = new Set(codes.filter((code) => !idsByCode.has(code)));
    const ids = codes.filter((code) => !unknown.has(code)).map((code) => idsByCode.get(code));
    return { ids, unknown: [...unknown] };
  }

  return {
    ...data, length, signal, level, levels, model, stateBefore, encode,
    sizes: readJSON("sizes"), newline: idsByCode.get(10), space: idsByCode.get(32),
    memory: cell === "lstm" ? "c" : "h", // what an LSTM, or another, remembers by
    isComplete: () => document.readyState !== "loading",
  };
})();
