/* One character: how it surprised, what is expected next, and what the unit did. */
const Inspect = (() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const { ids, nats, guesses, chances, top, names, vocab, length } = Data;
  const whole = (n) => n.toLocaleString("en-US");
  const signed = (x) => (x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
  const percent = (p) =>
    (p >= 0.0995 ? (100 * p).toFixed(0) : (100 * p).toPrecision(p < 0.001 ? 1 : 2)) + "%";

  function add(parent, tag, name, text) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  function expected(t) {
    const list = at("expected");
    list.replaceChildren();
    for (let k = 0; k < top; k++) {
      const chance = chances[t * top + k] / 1000, row = add(list, "li");
      Glyphs.put(add(row, "b"), guesses[t * top + k], true);
      const color = Colors.ofChance(Math.max(chance, 0.3));
      const bar = add(add(row, "span", "track"), "span", "bar " + color);
      bar.style.width = 100 * chance + "%";
      add(row, "span", "number", chance < 0.001 ? "<0.1%" : percent(chance));
    }
  }

  /** A value on its axis, from low to high, as a bar from the middle of them or from 0. */
  function dial(list, label, value, low, high, current) {
    const row = add(list, "li", current ? "current" : "");
    add(row, "b", "", label);
    const zero = (100 * (0 - low)) / (high - low), end = (100 * (value - low)) / (high - low);
    const bar = add(add(row, "span", low < 0 ? "track centred" : "track"), "span", "bar");
    const middle = low < 0 ? 0 : 0.5 * high;
    bar.classList.add(value < middle ? "u8" : "u56");
    bar.style.left = Math.max(0, Math.min(zero, end)) + "%";
    bar.style.width = Math.min(100, Math.abs(end - zero)) + "%";
    add(row, "span", "number", signed(value));
  }

  function dials(state, t) {
    const list = at("dials"), { layer, unit, signal } = state;
    list.replaceChildren();
    const missing = Data.stored.some((name) => !Data.signal(`layer_${layer}/${name}`));
    if (missing || !Data.whole()) return;
    for (const name of Data.stored) {
      if (name === "n") continue; // it stands among the gates
      const value = Data.level(`layer_${layer}/${name}`, unit, t) / 32;
      dial(list, Units.name(name), value, -1, 1, name === signal);
    }
    if (signal === "c") {
      const most = Units.mostOf(layer, unit, "c");
      dial(list, "c", Units.series(state).real(t), -most, most, true);
    }
    for (const [name, value] of Units.gatesAt(layer, unit, t))
      dial(list, name, value, Units.isGate(name) ? 0 : -1, 1, name === signal);
  }

  function show(state, t) {
    const id = ids[t];
    Glyphs.put(at("glyph"), id, true);
    at("named").textContent = names[id];
    at("code").textContent =
      `${Glyphs.number(vocab.codes[id])}, character ${whole(t)} of ${whole(length)}`;
    at("surprise").textContent = nats[t] === null
      ? "Nothing was read before it."
      : `It was given ${percent(Math.exp(-nats[t]))}: a surprise of ${nats[t].toFixed(2)} nats.`;
    expected(t);
    at("whose").textContent =
      `Unit ${state.unit}` + (Data.layers > 1 ? ` of layer ${state.layer}` : "");
    dials(state, t);
  }

  /** What a screen reader says of a character. */
  function spoken(state, t) {
    const series = Units.series(state);
    const value = series ? `, unit ${state.unit} at ${signed(series.real(t))}` : "";
    return `${names[ids[t]]}${value}`;
  }

  return { show, spoken, add, percent, signed, whole };
})();
