/* What the page holds, in its script elements.

   A signal's values are one text, unit after unit, a character for each moment: code 94
   is 0, one more is 1/32. So nothing is decoded until it is looked at. */
const Data = (() => {
  const readText = (id) => byId(id)?.textContent ?? "";
  const readJSON = (id) => JSON.parse(readText(id));
  const data = readJSON("data"), length = data.ids.length;
  const { layers, features, vocab, stateInterval, guesses, guessCount } = data;
  const idsByCode = new Map(vocab.codes.map((code, id) => [code, id]));
  const signals = {};
  let loadedModel;
  const model = () => (loadedModel ??= Charlm.makeModel(readJSON("weights")));

  /** The text of a signal of a layer; "" while the page is still being read. */
  function signal(layer, name) {
    const id = `layer_${layer}/${name}`, text = signals[id] ?? readText(id);
    return text.length === length * features ? (signals[id] = text) : "";
  }

  /** Values of one unit in 1/32, from moment `begin` and before `end`. */
  function levels(layer, name, unit, begin = 0, end = length) {
    const text = signal(layer, name), array = new Int8Array(end - begin);
    for (let t = 0, n = unit * length + begin; t < array.length; t++, n++)
      array[t] = text.charCodeAt(n) - 94;
    return array;
  }

  /** The last state stored before symbol t is read, and the first that is to be read. */
  function stateBefore(t) {
    const state = Charlm.makeState(model()), count = Math.floor(t / stateInterval);
    const stored = readJSON("states");
    for (const name of count ? Object.keys(state[0]) : []) {
      const ints = Charlm.decode(stored[name], name === "c" ? Int16Array : Int8Array);
      let n = (count - 1) * layers * features;
      for (const layer of state)
        for (let u = 0; u < features; u++, n++)
          layer[name][u] = ints[n] / (name === "c" ? 256 : 127);
    }
    return { state, next: count * stateInterval };
  }

  /** The likeliest characters after t, the likeliest first: [{ id, chance }]. */
  const guessesAfter = (t) => guesses.slice(t * guessCount, (t + 1) * guessCount)
    .map((id, n) => ({ id, chance: data.chances[t * guessCount + n] / 1000 }));

  /** ids of a text, and the codes of its characters that are none: { ids, unknown }. */
  function encode(text) {
    const codes = vocab.unit === "byte" ? [...new TextEncoder().encode(text)]
      : Array.from(text, (character) => character.codePointAt(0));
    const unknown = [...new Set(codes)].filter((code) => !idsByCode.has(code));
    return { ids: codes.map((code) => idsByCode.get(code)), unknown };
  }

  return {
    ...data, length, signal, levels, model, stateBefore, guessesAfter, encode,
    sizes: readJSON("sizes"), newline: idsByCode.get(10), space: idsByCode.get(32),
    isComplete: () => document.readyState !== "loading",
  };
})();
