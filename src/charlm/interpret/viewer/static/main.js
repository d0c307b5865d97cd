/* The state of the page, the address that keeps it, and the controls that change it. */
const App = (() => {
  const DEFAULTS = { view: "dense", by: "unit", scheme: null, from: null, marking: false };
  const list = (count) => [...Array(count).keys()];
  // What an address or a control may say, in the order of the address.
  const VALUES = {
    layer: list(Data.layers), unit: list(Data.features), signal: Data.signals,
    view: ["dense", "guesses"], by: ["unit", "surprise", "chance"],
    at: list(Data.length), scheme: ["light", "dark"],
  };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  let state = readState(), hovered = null, timer = 0;

  /** The change of the state that a text asks for; none if it makes no sense. */
  function parse(name, text) {
    const value = VALUES[name].find((value) => String(value) === text);
    return value === undefined ? {} : { [name]: value };
  }

  /** The state of the address: #layer=0&unit=137&signal=h&select=3-90 and so on. */
  function readState() {
    const address = new URLSearchParams(location.hash.slice(1));
    const said = Object.keys(VALUES).map((name) => parse(name, address.get(name)));
    const stretch = /^(\d{1,9})-(\d{1,9})$/.exec(address.get("select")) ?? [];
    const [from, to] = stretch.slice(1).map(Number);
    if (from < to && to <= Data.length) said.push({ from, to });
    return Object.assign({ ...DEFAULTS, ...Data.initialView }, ...said);
  }

  /** Says and keeps the state once it rests: browsers refuse an address at every key. */
  function settle() {
    setText("announcement", Aside.describe(state, state.at));
    const names = Object.keys(VALUES).filter((name) => state[name] !== null);
    const address = new URLSearchParams(names.map((name) => [name, state[name]]));
    if (state.from !== null) address.set("select", `${state.from}-${state.to}`);
    // A page inside another (about:srcdoc) has no address of its own.
    try {
      history.replaceState(null, "", "#" + address);
    } catch { /* then there is none to keep */ }
  }

  const isDark = () => (state.scheme ? state.scheme === "dark" : systemDark.matches);
  const short = (x) => String(+x.toFixed(2)).replace("-", "−");

  function showHeading() {
    const result = Aside.findResult(state);
    setText("heading-unit", Units.title(state) + (result ? " follows " : ""));
    setText("heading-label", result?.label ?? "");
    const doubt = result?.passed ? "" : "; a control does as well";
    const sign = result?.score < 0 ? ", upside down" : "";
    setText("heading-score",
      result ? `${sign} (${Math.abs(result.score).toFixed(2)}${doubt})` : "");
  }

  /** What the colors mean, in numbers. */
  function showLegend() {
    const { by, signal, view } = state, ramp = byId("ramp"), steps = Colors.STEPS[by];
    ramp.replaceChildren();
    for (let step = 0; step <= steps; step += 2)
      add(ramp, "span", by === "chance" ? Colors.chanceClass(step / steps) : `${by}-${step}`);
    const [text, low, high] = {
      unit: () => [`${Units.DESCRIPTIONS[signal]}, once the character was read`,
        ...(Units.series(state)?.ends.map(short) ?? ["", ""])],
      chance: () => ["chance the character was given", "0%", "100%"],
      surprise: () => ["surprise, −ln of that chance", "0", `${Colors.MAX_NATS} nats or more`],
    }[by]();
    setText("legend-text", text);
    setText("lowest-color", low);
    setText("highest-color", high);
    byId("legend-guesses").hidden = view !== "guesses";
  }

  function showControls() {
    for (const id of ["unit", "layer", "signal", "by"]) byId(id).value = state[id];
    byId(state.view).checked = true;
    byId("mark").setAttribute("aria-pressed", state.marking);
    byId("drop").hidden = state.from === null;
    document.documentElement.style.colorScheme = state.scheme ?? "";
    byId("scheme").setAttribute("aria-pressed", isDark());
  }

  function show(before = {}) {
    showControls();
    showHeading();
    showLegend();
    const isRecolored = ["layer", "unit", "signal", "by", "scheme"]
      .some((key) => before[key] !== state[key]);
    View.show(state);
    Strip.show(state, isRecolored);
    Aside.showUnits(state);
    Writer.show(state, isRecolored);
    Aside.showCharacter(state, hovered ?? state.at);
  }

  /** Changes the state, and all that shows it. */
  function set(changes, reveal = false) {
    const before = state;
    state = { ...state, ...changes };
    show(before);
    if (reveal) View.reveal(state.at);
    clearTimeout(timer);
    timer = setTimeout(settle, 200);
  }

  /** Shows the character under the mouse, or null, and changes nothing else. */
  function hover(t) {
    if (t === hovered) return;
    hovered = t;
    View.hover(t);
    Aside.showCharacter(state, t ?? state.at);
  }

  /** The next value of a part of the state, or another so many on. */
  function turn(name, by = 1) {
    const values = VALUES[name], n = values.indexOf(state[name]) + by;
    return { [name]: values.at(n % values.length) };
  }

  const toggleKeys = () => (byId("keys").open ? byId("keys").close() : byId("keys").showModal());

  const KEYS = {
    "[": () => set({ ...turn("unit", -1), by: "unit" }),
    "]": () => set({ ...turn("unit"), by: "unit" }),
    l: () => set(turn("layer")),
    s: () => set({ ...turn("signal"), by: "unit" }),
    d: () => set(turn("view"), true),
    c: () => set(turn("by")),
    "/": () => { byId("unit").focus(); byId("unit").select(); },
    "?": toggleKeys,
    Escape: () => set({ from: null, marking: false }),
  };

  document.addEventListener("keydown", (event) => {
    const { key, target, altKey, ctrlKey, metaKey } = event;
    if (byId("keys").open && key !== "?") return;
    if (target.matches("input:not([type=radio], [type=checkbox]), textarea, select")) {
      if (key === "Escape") View.scroller.focus();
      return;
    }
    // Elsewhere than in the text, what scrolls the page goes on doing so.
    const isMove = target === View.scroller
      || (key.startsWith("Arrow") && !target.matches("pre, [type=radio]"));
    if (isMove && !altKey && Pointing.move(event)) return event.preventDefault();
    // Many keyboards have no [ of their own: there it takes Alt, or AltGr, which some
    // machines call Control and Alt.
    const isTyped = altKey && "[]/?".includes(key);
    if (metaKey || ((altKey || ctrlKey) && !isTyped) || !Object.hasOwn(KEYS, key)) return;
    event.preventDefault();
    KEYS[key]();
  });

  const formatSize = (bytes) => bytes < 99500 ? `${Math.ceil(bytes / 1000)} kB`
    : bytes < 9.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;

  for (const part in Data.sizes) setText(`${part}-size`, formatSize(Data.sizes[part]));
  setText("title", Data.title);
  setText("about", Data.about);
  byId("unit").max = Data.features - 1;
  setText("unit-count", `of ${Data.features}`);
  for (const n of VALUES.layer) add(byId("layer"), "option", "", n);
  byId("layer").parentElement.hidden = Data.layers < 2;
  for (const name of Data.signals)
    add(byId("signal"), "option", "", Units.label(name)).value = name;
  for (const id of ["layer", "signal", "by"])
    on(id, "input", (event) => set(parse(id, event.target.value)));
  on("unit", "input", (event) => {
    const change = parse("unit", event.target.value);
    if ("unit" in change) set({ ...change, by: "unit" });
  });
  on("unit", "blur", () => { byId("unit").value = state.unit; });
  for (const view of VALUES.view) on(view, "input", () => set({ view }, true));
  on("before", "click", KEYS["["]);
  on("after", "click", KEYS["]"]);
  on("scheme", "click", () => set({ scheme: isDark() ? "light" : "dark" }));
  on("help", "click", toggleKeys);
  on("close", "click", toggleKeys);
  on("mark", "click", Pointing.mark);
  on("drop", "click", KEYS.Escape);
  systemDark.addEventListener("change", () => show());
  addEventListener("hashchange", () => set(readState(), true));
  // The text is shown at once, and its colors again once all of them have been read.
  show();
  View.reveal(state.at);
  if (!Data.isComplete()) document.addEventListener("DOMContentLoaded", () => show());

  return { set, hover, state: () => state };
})();
