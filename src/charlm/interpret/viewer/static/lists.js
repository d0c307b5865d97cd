/* Lists of units to choose from: by what they follow, and by where they fire. */
const Lists = (() => {
  const { signed, whole } = Inspect, results = Data.unitResults ?? [];
  const place = ({ layer, unit, signal }) =>
    (Data.layers > 1 ? `layer ${layer}, ` : "") + `unit ${unit}, ${Units.label(signal)}`;
  const isSameUnit = (a, b) => a.layer === b.layer && a.unit === b.unit;

  /** A button that chooses a unit, with a bar of a share in the color of value's sign. */
  function addEntry(list, { layer, unit, signal }, { title, note, share, value, number }) {
    const button = add(add(byId(list), "li"), "button");
    Object.assign(button, { type: "button", value: Units.key({ layer, unit, signal }) });
    add(button, "span", "title", title);
    add(button, "span", "number", number);
    Inspect.addBar(button, Colors.signClass(value), 0, 100 * Math.min(1, share));
    if (note) add(button, "span", "note", note);
    button.addEventListener("click", () => App.set({ layer, unit, signal, by: "unit" }));
    return button;
  }

  for (const result of results) {
    const { label: title, score: value, passed } = result, share = Math.abs(value);
    const note = place(result) + (passed ? "" : "; a control does as well");
    const options = { title, note, share, value, number: share.toFixed(2) };
    addEntry("results", result, options).classList.toggle("doubtful", !passed);
  }
  if (!results.length) setText("score-note", Data.unitResults
    ? "No unit is listed: none passed the controls on text that did not choose it."
    : `Nothing was searched for. A search takes a text of ${whole(Data.minSearch)} ` +
      "characters or more.");

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
      addEntry("firing", unit, { title: place(unit), share, value, number: signed(value) });
    }
    const label = units.length && Units.label(units[0].signal);
    setText("stretch", units.length
      ? `${label} over these ${whole(to - from)} characters less ${label} elsewhere, ` +
        "in standard deviations elsewhere."
      : "All of the text is selected: there is no elsewhere.");
  }

  function show(state) {
    if (!state.dragging) showFiring(state); // it takes a moment
    for (const button of document.querySelectorAll(".units button"))
      button.setAttribute("aria-current", button.value === Units.key(state));
  }

  /** What the chosen unit follows; undefined if it is not in the list. */
  const findResult = (state) =>
    results.find((result) => Units.key(result) === Units.key(state)) ??
    results.find((result) => isSameUnit(result, state));

  return { show, findResult };
})();
