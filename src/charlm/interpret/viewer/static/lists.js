/* Lists of units to choose from: by what they follow, and by where they fire. */
const Lists = (() => {
  const { signed, whole } = Inspect, results = Data.unitResults ?? [];
  const place = ({ layer, unit, signal }) =>
    (Data.layers > 1 ? `layer ${layer}, ` : "") + `unit ${unit}, ${Units.label(signal)}`;
  const isSameUnit = (a, b) => a.layer === b.layer && a.unit === b.unit;
  const isSame = (a, b) => isSameUnit(a, b) && a.signal === b.signal;

  /** A button that chooses a unit, with a bar of a share in the color of value's sign. */
  function addEntry(list, { layer, unit, signal }, { title, note, share, value, number }) {
    const button = add(add(byId(list), "li"), "button");
    button.type = "button";
    add(button, "span", "title", title);
    add(button, "span", "number", number);
    Inspect.addBar(button, Colors.signClass(value), 0, 100 * Math.min(1, share));
    if (note) add(button, "span", "note", note);
    button.addEventListener("click", () => App.set({ layer, unit, signal, by: "unit" }));
    return [{ layer, unit, signal }, button];
  }

  const resultEntries = results.map((result) => {
    const { label: title, score: value, passed } = result, share = Math.abs(value);
    const note = place(result) + (passed ? "" : "; a control does as well");
    const options = { title, note, share, value, number: share.toFixed(2) };
    const entry = addEntry("results", result, options);
    entry[1].classList.toggle("doubtful", !passed);
    return entry;
  });
  if (!results.length) setText("score-note", Data.unitResults
    ? "No unit is listed: none passed the controls on text that did not choose it."
    : `Nothing was searched for. A search takes a text of ${whole(Data.minSearch)} ` +
      "characters or more.");

  let firingEntries = [], lastKey = "";

  /** Units that fire in the selection and not elsewhere. */
  function showFiring({ from, to, signal }) {
    byId("firing-section").hidden = from === null;
    const key = from !== null && Data.isComplete() ? `${from} ${to} ${signal}` : "";
    if (key === lastKey) return;
    lastKey = key;
    byId("firing").replaceChildren();
    const units = key ? Units.findFiring(signal, from, to) : [];
    const most = Math.max(...units.map(({ effect }) => Math.abs(effect)), 1e-6);
    firingEntries = units.map((unit) => addEntry("firing", unit, {
      title: place(unit), share: Math.abs(unit.effect) / most,
      value: unit.effect, number: signed(unit.effect),
    }));
    const label = units.length && Units.label(units[0].signal);
    setText("stretch", units.length
      ? `${label} over these ${whole(to - from)} characters less ${label} elsewhere, ` +
        "in standard deviations elsewhere."
      : "All of the text is selected: there is no elsewhere.");
  }

  function show(state) {
    if (!state.dragging) showFiring(state); // it takes a moment
    for (const [unit, button] of [...resultEntries, ...firingEntries])
      button.setAttribute("aria-current", isSame(unit, state));
  }

  /** What the chosen unit follows; undefined if it is not in the list. */
  const findResult = (state) =>
    results.find((result) => isSame(result, state)) ??
    results.find((result) => isSameUnit(result, state));

  return { show, findResult };
})();
