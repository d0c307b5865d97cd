/* Lists of units to choose from: by what they follow, and by where they fire. */
const Lists = (() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const { add, signed } = Inspect;
  const where = ({ layer, unit, signal }) =>
    (Data.layers > 1 ? `layer ${layer}, ` : "") + `unit ${unit}, ${Units.name(signal)}`;
  const same = (a, b) => a.layer === b.layer && a.unit === b.unit && a.signal === b.signal;

  function entry(list, unit, { title, note, share, color, value }) {
    const button = add(add(list, "li"), "button", unit.passed === false ? "doubtful" : "");
    button.type = "button";
    add(button, "span", "title", title);
    add(button, "span", "number", value);
    const track = add(button, "span", "track");
    add(track, "span", "bar " + color).style.width = 100 * Math.min(1, share) + "%";
    if (note) add(button, "span", "note", note);
    button.addEventListener("click", () => {
      App.set({ layer: unit.layer, unit: unit.unit, signal: unit.signal, by: "unit" });
    });
    return [unit, button];
  }

  const meanings = Data.cells.map((cell) =>
    entry(at("cells"), cell, {
      title: cell.label,
      note: where(cell) + (cell.passed ? "" : "; a control does as well"),
      share: Math.abs(cell.score),
      color: cell.sign < 0 ? "u8" : "u56",
      value: Math.abs(cell.score).toFixed(2),
    }));
  at("cells").hidden = !meanings.length;
  if (!meanings.length) at("scored").textContent = Data.searched
    ? "No unit is listed: none passed the controls on text that did not choose it."
    : "Nothing was searched for. A search takes a text of " +
      `${Inspect.whole(Data.least)} characters or more.`;

  let found = [], last = "";

  /** Units that fire in the stretch and not elsewhere; computed once it stands. */
  function fire(state) {
    const none = state.from === null;
    at("fires").hidden = none;
    const wanted = none || !Data.whole() ? "" : `${state.from} ${state.to} ${state.signal}`;
    if (wanted === last) return;
    last = wanted;
    found = [];
    at("firing").replaceChildren();
    if (!wanted) return;
    const units = Units.firing(state.signal, state.from, state.to);
    const most = Math.max(...units.map(({ effect }) => Math.abs(effect)), 1e-6);
    found = units.map((unit) =>
      entry(at("firing"), unit, {
        title: where(unit), share: Math.abs(unit.effect) / most,
        color: unit.effect < 0 ? "u8" : "u56", value: signed(unit.effect),
      }));
    if (!units.length) {
      at("stretch").textContent = "All of the text is selected: there is no elsewhere.";
      return;
    }
    const shown = Units.name(units[0].signal);
    at("stretch").textContent =
      `${shown} over these ${Inspect.whole(state.to - state.from)} characters less ` +
      `${shown} elsewhere, in standard deviations elsewhere.`;
  }

  function show(state) {
    if (!state.dragging) fire(state);
    for (const [unit, button] of [...meanings, ...found])
      button.setAttribute("aria-current", same(unit, state));
  }

  /** What the chosen unit follows, of the list; undefined if it is not in it. */
  const meaning = (state) =>
    Data.cells.find((cell) => same(cell, state)) ??
    Data.cells.find((cell) => cell.layer === state.layer && cell.unit === state.unit);

  return { show, meaning };
})();
