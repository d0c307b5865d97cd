/* One character: how it surprised, what is expected next, and what the unit did. */
const Inspect = (() => {
  const { ids, nats, guesses, chances, guessCount, symbolNames, vocab, length } = Data;
  const whole = (n) => n.toLocaleString("en-US");
  const signed = (x) => (x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
  const percent = (p) =>
    (p >= 0.0995 ? (100 * p).toFixed(0) : (100 * p).toPrecision(p < 0.001 ? 1 : 2)) + "%";

  /** Adds a bar on a track, from one percentage of its width to another. */
  function addBar(parent, className, from, to, trackClass = "track") {
    const bar = add(add(parent, "span", trackClass), "span", `bar ${className}`);
    bar.style.left = from + "%";
    bar.style.width = to - from + "%";
  }

  function showExpected(t) {
    byId("expected").replaceChildren();
    for (let n = t * guessCount; n < (t + 1) * guessCount; n++) {
      const chance = chances[n] / 1000, row = add(byId("expected"), "li");
      Glyphs.write(add(row, "b"), guesses[n]);
      addBar(row, Colors.chanceClass(Math.max(chance, 0.3)), 0, 100 * chance);
      add(row, "span", "number", chance < 0.001 ? "<0.1%" : percent(chance));
    }
  }

  /** A value on its axis, from low to high, as a bar from 0. */
  function addDial(label, value, [low, high], isCurrent) {
    const row = add(byId("dials"), "li", isCurrent ? "current" : "");
    add(row, "b", "", label);
    const place = (x) => Math.max(0, Math.min(100, (100 * (x - low)) / (high - low)));
    const [from, to] = [place(0), place(value)].sort((a, b) => a - b);
    const color = Colors.signClass(low < 0 ? value : value - high / 2);
    addBar(row, color, from, to, low < 0 ? "track centered" : "track");
    add(row, "span", "number", signed(value));
  }

  function showDials(state, t) {
    byId("dials").replaceChildren();
    if (!Data.isComplete()) return;
    const { layer, unit, signal } = state, values = Units.valuesAt(layer, unit, t);
    if (signal === "c") values.c = Units.series(state).values[t];
    for (const name of Data.signals.filter((name) => name in values)) {
      const ends = Units.range({ layer, unit, signal: name });
      addDial(Units.label(name), values[name], ends, name === signal);
    }
  }

  function show(state, t) {
    const id = ids[t];
    Glyphs.write(byId("glyph"), id);
    setText("symbol-name", symbolNames[id]);
    const number = Glyphs.number(vocab.codes[id]);
    setText("code", `${number}, character ${whole(t)} of ${whole(length)}`);
    setText("surprise", nats[t] === null ? "Nothing was read before it."
      : `It was given ${percent(Math.exp(-nats[t]))}: a surprise of ${nats[t].toFixed(2)} nats.`);
    showExpected(t);
    setText("unit-title", Units.title(state));
    showDials(state, t);
  }

  /** What a screen reader says of a character. */
  function describe(state, t) {
    const series = Units.series(state);
    const value = series ? `, unit ${state.unit} at ${signed(series.values[t])}` : "";
    return symbolNames[ids[t]] + value;
  }

  return { show, describe, addBar, signed, whole };
})();
