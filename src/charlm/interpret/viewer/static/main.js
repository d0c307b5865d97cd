/* The state of the page, and the controls that change it. */
const App = (() => {
  const DEFAULTS = {
    view: "dense", by: "unit", scheme: null, from: null, to: null, dragging: false,
    marking: false,
  };
  const readState = () => ({ ...DEFAULTS, ...Data.initialView, ...Link.read() });
  let state = readState(), hovered = null, timer = 0;

  // ------------------------------------------------------------------- showing

  function showHeading() {
    const result = Lists.findResult(state);
    byId("heading-unit").textContent = Units.title(state);
    byId("heading-verb").textContent = result ? " follows " : "";
    byId("heading-label").textContent = result?.label ?? "";
    const doubt = result?.passed ? "" : "; a control does as well";
    const sign = result?.score < 0 ? ", upside down" : "";
    byId("heading-score").textContent =
      result ? `${sign} (${Math.abs(result.score).toFixed(2)}${doubt})` : "";
  }

  const short = (x) => String(+x.toFixed(2)).replace("-", "−");

  /** What the colors mean, in numbers. */
  function showLegend() {
    const { by, signal, view } = state, ramp = byId("ramp"), steps = Colors.STEPS[by];
    ramp.replaceChildren();
    for (let step = 0; step <= steps; step += 2)
      add(ramp, "span", by === "chance" ? Colors.chanceClass(step / steps) : `${by}-${step}`);
    const [text, ends] = {
      unit: () => [`${Units.DESCRIPTIONS[signal]}, once the character was read`,
        Units.series(state)?.ends.map(short) ?? ["", ""]],
      chance: () => ["chance the character was given", ["0%", "100%"]],
      surprise: () => ["surprise, −ln of that chance", ["0", `${Colors.MAX_NATS} nats or more`]],
    }[by]();
    byId("legend-text").textContent = text;
    byId("lowest-color").textContent = ends[0];
    byId("highest-color").textContent = ends[1];
    byId("legend-guesses").hidden = view !== "guesses";
  }

  function showControls() {
    for (const id of ["unit", "layer", "signal", "by"]) byId(id).value = state[id];
    for (const input of document.getElementsByName("view"))
      input.checked = input.value === state.view;
    byId("mark").setAttribute("aria-pressed", state.marking);
    byId("drop").hidden = state.from === null;
    if (state.scheme) document.documentElement.dataset.scheme = state.scheme;
    else delete document.documentElement.dataset.scheme;
    byId("scheme").setAttribute("aria-pressed", Colors.isDark());
  }

  function show(before) {
    showControls();
    showHeading();
    showLegend();
    View.show(state, before);
    Strip.show(state, before);
    Lists.show(state);
    Writer.show(state, before);
    Inspect.show(state, hovered ?? state.at);
    clearTimeout(timer);
    timer = setTimeout(() => {
      byId("announcement").textContent = before ? Inspect.describe(state, state.at) : "";
    }, 250);
  }

  /** Changes the state, and all that shows it. */
  function set(changes, reveal = false) {
    const before = state;
    state = { ...state, ...changes };
    show(before);
    if (reveal) View.reveal(state.at);
    Link.write(state);
  }

  /** Shows the character under the mouse, or null, and changes nothing else. */
  function hover(t) {
    if (t === hovered) return;
    hovered = t;
    View.hover(t);
    Inspect.show(state, t ?? state.at);
  }

  // ------------------------------------------------------------------ controls

  const cycle = (values, value) => values[(values.indexOf(value) + 1) % values.length];
  const turn = (by) =>
    set({ unit: (state.unit + by + Data.features) % Data.features, by: "unit" });
  const toggleKeys = () => (byId("keys").open ? byId("keys").close() : byId("keys").showModal());

  const KEYS = {
    "[": () => turn(-1),
    "]": () => turn(1),
    l: () => set({ layer: (state.layer + 1) % Data.layers }),
    s: () => set({ signal: cycle(Data.signals, state.signal), by: "unit" }),
    d: () => set({ view: state.view === "dense" ? "guesses" : "dense" }, true),
    c: () => set({ by: cycle(["unit", "surprise", "chance"], state.by) }),
    "/": () => { byId("unit").focus(); byId("unit").select(); },
    "?": toggleKeys,
    Escape: () => set({ from: null, to: null, marking: false }),
  };

  /** Whether a key is meant for the browser. Many keyboards have no [ of their own:
      there it takes Alt, or AltGr, which some machines call Control and Alt. */
  function isForBrowser({ key, altKey, ctrlKey, metaKey }) {
    if (altKey && "[]/?".includes(key)) return metaKey;
    return altKey || ctrlKey || metaKey;
  }

  document.addEventListener("keydown", (event) => {
    const { key, target, altKey } = event;
    if (byId("keys").open && key !== "?") return;
    if (target.matches("input:not([type=radio], [type=checkbox]), textarea, select")) {
      if (key === "Escape") View.scroller.focus();
      return;
    }
    const isArrow = key.startsWith("Arrow");
    // Elsewhere than in the text, what scrolls the page goes on doing so.
    const isReading = target === View.scroller || isArrow;
    const isOther = altKey || target.matches("pre") || (target.matches("[type=radio]") && isArrow);
    if (isReading && !isOther && Pointing.move(event)) return event.preventDefault();
    if (isForBrowser(event) || !Object.hasOwn(KEYS, key)) return;
    event.preventDefault();
    KEYS[key]();
  });

  const formatSize = (bytes) => bytes < 99500 ? `${Math.ceil(bytes / 1000)} kB`
    : bytes < 9.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;

  const addOption = (select, value, text) => { add(select, "option", "", text).value = value; };
  const onClick = (id, act) => byId(id).addEventListener("click", act);
  const onInput = (id, change) => byId(id).addEventListener("input", (event) => {
    const changes = change(event.target.value);
    if (changes) set(changes);
  });

  function prepare() {
    const [text, values, model, page] = ["text", "values", "model", "page"]
      .map((name) => formatSize(Data.sizes[name]));
    byId("sizes-text").textContent =
      `One file that needs no other: the text and the guesses ${text}, what the ` +
      `units did ${values}, the model, which runs here, ${model}, the page itself ${page}.`;
    byId("title").textContent = Data.title;
    byId("about").textContent = Data.about;
    byId("about").hidden = !Data.about;
    byId("unit").max = Data.features - 1;
    byId("unit-count").textContent = `of ${Data.features}`;
    for (let n = 0; n < Data.layers; n++) addOption(byId("layer"), n, n);
    byId("layer").parentElement.hidden = Data.layers < 2;
    for (const name of Data.signals) addOption(byId("signal"), name, Units.label(name));
    onInput("unit", (value) =>
      /^\d+$/.test(value) && +value < Data.features && { unit: +value, by: "unit" });
    byId("unit").addEventListener("blur", () => { byId("unit").value = state.unit; });
    onInput("layer", (layer) => ({ layer: +layer }));
    onInput("signal", (signal) => ({ signal }));
    onInput("by", (by) => ({ by }));
    for (const input of document.getElementsByName("view"))
      input.addEventListener("input", () => set({ view: input.value }, true));
    onClick("before", KEYS["["]);
    onClick("after", KEYS["]"]);
    onClick("scheme", () => set({ scheme: Colors.isDark() ? "light" : "dark" }));
    onClick("help", toggleKeys);
    onClick("close", toggleKeys);
    onClick("mark", Pointing.mark);
    onClick("drop", KEYS.Escape);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(state));
    addEventListener("hashchange", () => set(readState(), true));
  }

  /** Shows the text at once, and its colors again once all of them have been read. */
  function open() {
    prepare();
    show(null);
    View.reveal(state.at);
    if (!Data.isComplete()) document.addEventListener("DOMContentLoaded", () => show(state));
  }

  return { set, hover, open, state: () => state };
})();
App.open();
