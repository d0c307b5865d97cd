/* What stands beside the text: units to choose from, and one character. */
const Aside = (() => {
  const { ids, nats, symbolNames, vocab, length } = Data;
  const results = Data.unitResults ?? [];
  const whole = (n) => n.toLocaleString("en-US");
  const signed = (x) => (x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
  const percent = (p) =>
    (p >= 0.0995 ? (100 * p).toFixed(0) : (100 * p).toPrecision(p < 0.001 ? 1 : 2)) + "%";
  const place = ({ layer, unit, signal }) =>
    (Data.layers > 1 ? `layer ${layer}, ` : "") + `unit ${unit}, ${Units.label(signal)}`;

  /** Adds a bar on a track, from one percentage of its width to another. */
  function addBar(parent, className, from, to, trackClass = "track") {
    const bar = add(add(parent, "span", trackClass), "span", `bar ${className}`);
    bar.style.left = from + "%";
    bar.style.width = to - from + "%";
  }

  /** Adds a button that chooses a unit, with a bar in the color of value's sign. */
  function addUnit(list, { layer, unit, signal }, { title, note, share, value, number }) {
    const button = add(add(byId(list), "li"), "button");
    Object.assign(button, { type: "button", value: Units.key({ layer, unit, signal }) });
    add(button, "span", "title", title);
    add(button, "span", "number", number);
    addBar(button, Colors.signClass(value), 0, 100 * Math.min(1, share));
    if (note) add(button, "span", "note", note);
    button.addEventListener("click", () => App.set({ layer, unit, signal, by: "unit" }));
    return button;
  }

  for (const result of results) {
    const { label: title, score: value, passed } = result, share = Math.abs(value);
    const note = place(result) + (passed ? "" : "; a control does as well");
    const options = { title, note, share, value, number: share.toFixed(2) };
    addUnit("results", result, options).classList.toggle("doubtful", !passed);
  }
  if (!results.length) setText("score-note", Data.unitResults
    ? "No unit is listed: none passed the controls on text that did not choose it."
    : `Nothing was searched for. A search takes a text of ${whole(Data.minSearch)} ` +
      "characters or more.");

  /** What the chosen unit follows; undefined if it is not in the list. */
  const findResult = (state) =>
    results.find(({ layer, unit }) => layer === state.layer && unit === state.unit);

  let lastKey = "";

  /** Units that fire in the selection and not elsewhere. */
  function showFiring({ from, to, signal }) {
    byId("firing-section").hidden = from === null;
    const key = from !== null && Data.isComplete() ? `${from} ${to} ${signal}` : "";
    if (key === lastKey) return;
    lastKey = key;
    byId("firing").replaceChildren();
    const units = key ? Units.findFiring(signal, from, to) : [];
    const most = Math.max(...units.map(({ effect }) => Math.abs(effect)), 1e-6);
    for (const unit of units) {
      const value = unit.effect, share = Math.abs(value) / most;
      addUnit("firing", unit, { title: place(unit), share, value, number: signed(value) });
    }
    const label = units.length && Units.label(units[0].signal);
    setText("stretch", units.length
      ? `${label} over these ${whole(to - from)} characters less ${label} elsewhere, ` +
        "in standard deviations elsewhere."
      : "All of the text is selected: there is no elsewhere.");
  }

  function showUnits(state) {
    showFiring(state.dragging ? { from: null } : state); // it takes a moment
    for (const button of document.querySelectorAll(".units button"))
      button.setAttribute("aria-current", button.value === Units.key(state));
  }

  function showExpected(t) {
    byId("expected").replaceChildren();
    for (const { id, chance } of Data.guessesAfter(t)) {
      const row = add(byId("expected"), "li");
      Glyphs.write(add(row, "b"), id);
      addBar(row, Colors.chanceClass(Math.max(chance, 0.3)), 0, 100 * chance);
      add(row, "span", "number", chance < 0.001 ? "<0.1%" : percent(chance));
    }
  }

  /** The values of a unit, each on its axis as a bar from 0. */
  function showDials(state, t) {
    byId("dials").replaceChildren();
    const values = Data.isComplete() ? Units.valuesAt(state, t) : {};
    for (const name of Data.signals.filter((name) => name in values)) {
      const value = values[name], [low, high] = Units.range({ ...state, signal: name });
      const row = add(byId("dials"), "li", name === state.signal ? "current" : "");
      add(row, "b", "", Units.label(name));
      const place = (x) => Math.max(0, Math.min(100, (100 * (x - low)) / (high - low)));
      const [from, to] = [place(0), place(value)].sort((a, b) => a - b);
      const color = Colors.signClass(low < 0 ? value : value - high / 2);
      addBar(row, color, from, to, low < 0 ? "track centered" : "track");
      add(row, "span", "number", signed(value));
    }
  }

  function showCharacter(state, t) {
    const id = ids[t], number = Glyphs.number(vocab.codes[id]);
    Glyphs.write(byId("glyph"), id);
    setText("symbol-name", symbolNames[id]);
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

  return { showUnits, findResult, showCharacter, describe, signed };
})();
