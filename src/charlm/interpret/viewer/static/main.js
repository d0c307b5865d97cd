/* The state of the page, and the controls that change it. */
const App = (() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const FRESH = {
    view: "dense", by: "unit", scheme: null, from: null, to: null,
    dragging: false, marking: false,
  };
  let state = { ...FRESH, ...Data.start, ...Link.read() };
  let looked = null;

  // ------------------------------------------------------------------- showing

  function says() {
    const cell = Lists.meaning(state);
    at("says-unit").textContent =
      `Unit ${state.unit}` + (Data.layers > 1 ? ` of layer ${state.layer}` : "");
    at("says-verb").textContent = cell ? " follows " : "";
    at("says-label").textContent = cell ? cell.label : "";
    const doubt = cell?.passed ? "" : "; a control does as well";
    at("says-score").textContent = cell
      ? `${cell.sign < 0 ? ", upside down" : ""} (${Math.abs(cell.score).toFixed(2)}${doubt})` : "";
  }

  const plain = (x) => String(+x.toFixed(2)).replace("-", "−");

  /** What the colours mean, in numbers. */
  function key() {
    const kind = { unit: "u", chance: "p", surprise: "s" }[state.by];
    const series = state.by === "unit" ? Units.series(state) : null;
    const ramp = at("ramp");
    ramp.replaceChildren();
    for (let step = 0; step <= Colors.steps(kind); step += 2)
      ramp.append(Object.assign(document.createElement("span"), {
        className: kind === "p" ? Colors.ofChance(step / 32) : kind + step,
      }));
    const ends = state.by === "unit" ? (series ? series.ends.map(plain) : ["", "", ""])
      : state.by === "chance" ? ["0%", "", "100%"] : ["0", "", `${Colors.MOST_NATS} nats or more`];
    at("lowest-color").textContent = ends[0];
    at("middle-color").textContent = ends[1];
    at("highest-color").textContent = ends[2];
    at("key-of").textContent = state.by === "unit"
      ? `${Units.SAYS[state.signal]}, once the character was read`
      : state.by === "chance" ? "chance the character was given" : "surprise, −ln of that chance";
    at("key-guesses").hidden = state.view !== "guesses";
  }

  function controls() {
    at("unit").value = state.unit;
    at("layer").value = state.layer;
    at("signal").value = state.signal;
    at("by").value = state.by;
    for (const input of document.querySelectorAll("[name=view]"))
      input.checked = input.value === state.view;
    at("mark").setAttribute("aria-pressed", state.marking);
    at("drop").hidden = state.from === null;
    if (state.scheme) document.documentElement.dataset.scheme = state.scheme;
    else delete document.documentElement.dataset.scheme;
    at("scheme").setAttribute("aria-pressed", Colors.dark());
  }

  let spoken = 0;

  function show(before) {
    controls();
    says();
    key();
    View.show(state, before);
    Strip.show(state, before);
    Lists.show(state);
    Writer.show(state, before);
    Inspect.show(state, looked ?? state.at);
    clearTimeout(spoken);
    spoken = setTimeout(() => {
      at("spoken").textContent = before ? Inspect.spoken(state, state.at) : "";
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

  /** The character under the mouse, or null: it is shown, and nothing else changes. */
  function look(t) {
    if (t === looked) return;
    looked = t;
    View.hover(t);
    Inspect.show(state, t ?? state.at);
  }

  // ------------------------------------------------------------------ controls

  const next = (all, value, by = 1) => all[(all.indexOf(value) + by + all.length) % all.length];
  const turn = (unit, by) => (unit + by + Data.features) % Data.features;
  const scheme = () => set({ scheme: Colors.dark() ? "light" : "dark" });
  const keys = () => (at("keys").open ? at("keys").close() : at("keys").showModal());
  const chosen = (event) => set({ [event.target.id]: event.target.value });

  const KEYS = {
    "[": () => set({ unit: turn(state.unit, -1), by: "unit" }),
    "]": () => set({ unit: turn(state.unit, 1), by: "unit" }),
    l: () => set({ layer: (state.layer + 1) % Data.layers }),
    s: () => set({ signal: next(Units.signals, state.signal), by: "unit" }),
    d: () => set({ view: state.view === "dense" ? "guesses" : "dense" }, true),
    c: () => set({ by: next(["unit", "surprise", "chance"], state.by) }),
    "/": () => { at("unit").focus(); at("unit").select(); },
    "?": keys,
    Escape: () => set({ from: null, to: null, marking: false }),
  };

  /** Whether a key is meant for the browser. Many keyboards have no [ of their own:
      there it takes Alt, or AltGr, which some machines call Control and Alt. */
  function commands({ key, altKey, ctrlKey, metaKey }) {
    if (altKey && "[]/?".includes(key)) return metaKey;
    return altKey || ctrlKey || metaKey;
  }

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const typing = target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
    if (at("keys").open && event.key !== "?") return;
    if (typing) {
      if (event.key === "Escape") View.scroller.focus();
      return;
    }
    const radio = target.matches("[type=radio]") && event.key.startsWith("Arrow");
    // Elsewhere than in the text, what scrolls the page goes on doing so.
    const reading = target === View.scroller || event.key.startsWith("Arrow");
    const other = radio || target.matches("pre") || event.altKey;
    if (reading && !other && Pointing.move(event)) return event.preventDefault();
    if (commands(event) || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  function option(select, value, text) {
    select.append(Object.assign(document.createElement("option"), { value, textContent: text }));
  }

  const size = (bytes) => bytes < 99500 ? `${Math.ceil(bytes / 1000)} kB`
    : bytes < 9.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;

  function prepare() {
    const { text, values, model, page } = Data.sizes;
    at("sizes-said").textContent =
      `One file that needs no other: the text and the guesses ${size(text)}, what the ` +
      `units did ${size(values)}, the model, which runs here, ${size(model)}, ` +
      `the page itself ${size(page)}.`;
    at("title").textContent = Data.title;
    at("about").textContent = Data.about;
    at("about").hidden = !Data.about;
    at("unit").max = Data.features - 1;
    at("of").textContent = `of ${Data.features}`;
    for (let n = 0; n < Data.layers; n++) option(at("layer"), n, n);
    at("layer").parentElement.hidden = Data.layers < 2;
    for (const name of Units.signals) option(at("signal"), name, Units.name(name));
    at("unit").addEventListener("input", () => {
      const text = at("unit").value;
      if (/^\d+$/.test(text) && +text < Data.features) set({ unit: +text, by: "unit" });
    });
    at("unit").addEventListener("blur", () => { at("unit").value = state.unit; });
    at("layer").addEventListener("input", () => set({ layer: +at("layer").value }));
    at("signal").addEventListener("input", chosen);
    at("by").addEventListener("input", chosen);
    for (const input of document.querySelectorAll("[name=view]"))
      input.addEventListener("input", () => set({ view: input.value }, true));
    at("before").addEventListener("click", KEYS["["]);
    at("after").addEventListener("click", KEYS["]"]);
    at("scheme").addEventListener("click", scheme);
    for (const id of ["help", "close"]) at(id).addEventListener("click", keys);
    at("mark").addEventListener("click", () => Pointing.mark());
    at("drop").addEventListener("click", KEYS.Escape);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(state));
    addEventListener("hashchange", () => set({ ...FRESH, ...Data.start, ...Link.read() }, true));
  }

  /** Shows the text at once, and its colours again once all of them have been read. */
  function open() {
    Colors.install();
    prepare();
    show(null);
    View.reveal(state.at);
    if (!Data.whole()) document.addEventListener("DOMContentLoaded", () => show(state));
  }

  return { set, look, open, state: () => state };
})();
App.open();
