/* The model writes: from a prompt, or on from the text, and with a unit held beside it. */
const Writer = (() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const SLICE = 12; // milliseconds of work between two looks at the mouse
  const CONTEXT = 48; // characters of the text shown before what follows them
  const newline = Data.idOf.get(10);
  let state = null, pens = [], timer = 0;

  // ----------------------------------------------------------------- colouring

  /** What was seen at a character: gates and h in 1/127, c as it is. */
  function recordOf(model, { layers }) {
    const bytes = (values) => Int8Array.from(values, (x) => Math.round(127 * x));
    return layers.map(({ h, c }, n) => {
      const seen = Object.entries(model.last[n]).map(([name, values]) => [name, bytes(values)]);
      return { h: bytes(h), ...(c && { c: c.slice() }), ...Object.fromEntries(seen) };
    });
  }

  function levelIn(record, { layer, unit, signal }) {
    const seen = record[layer];
    const value = signal === "tanh_c" ? Math.tanh(seen.c[unit])
      : signal === "c" ? seen.c[unit] : seen[signal][unit] / 127;
    return Units.levelOf(signal, value, Units.mostOf(layer, unit, signal));
  }

  function colorOf({ record, moment, nats }) {
    if (state.by === "chance") return nats === undefined ? "" : Colors.ofChance(Math.exp(-nats));
    if (state.by === "surprise") return nats === undefined ? "" : Colors.ofNats(nats);
    if (record) return Colors.ofLevel(levelIn(record, state));
    const series = Units.series(state);
    return series ? Colors.ofLevel(series.levels[moment]) : "";
  }

  /** What is written of a symbol once the next is known. */
  function blankOr({ id, span }, next) {
    const glyph = Glyphs.before(id, next);
    return glyph === Glyphs.glyphs[id] ? span.textContent : " ";
  }

  function put(pen, seen) {
    const span = document.createElement("span");
    const { text, kind } = Glyphs.glyphs[seen.id];
    const ends = seen.id === newline, space = Data.vocab.codes[seen.id] === 32;
    span.textContent = ends ? "↵\n" : space ? " " : text;
    const tab = Data.vocab.codes[seen.id] === 9 ? " tab" : "";
    seen.kind = `${kind}${tab}${seen.given ? " given" : ""}`;
    span.className = `${seen.kind} ${colorOf(seen)}`;
    seen.span = span;
    const last = pen.seen.at(-1);
    if (last) last.span.textContent = blankOr(last, seen.id);
    pen.seen.push(seen);
    const atEnd = pen.box.scrollHeight - pen.box.scrollTop - pen.box.clientHeight < 40;
    pen.box.append(span);
    if (atEnd) pen.box.scrollTop = pen.box.scrollHeight;
  }

  // ------------------------------------------------------------------- writing

  const nats = (logits, id) => {
    const most = logits.reduce((a, b) => Math.max(a, b));
    return Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most - logits[id];
  };

  /** All the work, a step at a time. The last given character is read by each pen for
      itself: a held unit is held from there on. */
  function* work({ from, ids, shown, temperature, seed, length }) {
    const model = Data.model(), last = ids.length - 1;
    yield;
    for (let n = 0; n < last; n++) {
      at("progress").textContent = last - n > 200 ? `reading, ${last - n} characters to go` : "";
      Charlm.step(model, from, ids[n]);
      if (shown === "read")
        for (const pen of pens) put(pen, { id: ids[n], record: recordOf(model, from), given: true });
      yield;
    }
    at("progress").textContent = "";
    for (const pen of pens) {
      pen.state = Charlm.copy(from);
      pen.random = Charlm.generator(seed);
      pen.logits = last < 0 ? new Float32Array(Data.vocab.codes.length)
        : Charlm.step(model, pen.state, ids[last], pen.clamps);
      if (shown === "read")
        put(pen, { id: ids[last], record: recordOf(model, pen.state), given: true });
    }
    for (let n = 0; n < length; n++)
      for (const pen of pens) {
        const id = Charlm.choose(pen.logits, temperature, pen.random);
        const cost = nats(pen.logits, id);
        pen.logits = Charlm.step(model, pen.state, id, pen.clamps);
        put(pen, { id, record: recordOf(model, pen.state), nats: cost });
        yield;
      }
  }

  function run(job) {
    const begin = performance.now();
    while (performance.now() - begin < SLICE) if (job.next().done) return stop();
    timer = setTimeout(run, 0, job);
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    at("progress").textContent = "";
    at("stop").hidden = true;
    at("written").setAttribute("aria-busy", "false");
  }

  const bounded = (input, low, high, fallback) => {
    const value = input.value.trim() === "" ? NaN : Number(input.value);
    return Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : fallback;
  };

  function start(given) {
    stop();
    at("written").replaceChildren();
    const { layer, unit } = state, value = held();
    pens = [{ title: "As it is", clamps: [] }];
    if (at("hold").checked) {
      const title = `Unit ${unit} held at ${memory()} = ${Inspect.signed(value)}`;
      pens.push({ title, clamps: [{ layer, unit, value }] });
    }
    for (const pen of pens) {
      const section = Inspect.add(at("written"), "section");
      if (pens.length > 1) Inspect.add(section, "h3", "", pen.title);
      pen.box = Inspect.add(section, "pre");
      pen.box.tabIndex = 0;
      pen.box.setAttribute("aria-label", `written: ${pen.title}`);
      pen.seen = [];
      for (const seen of given.before ?? []) put(pen, { ...seen, given: true });
    }
    at("stop").hidden = false;
    at("written").setAttribute("aria-busy", "true");
    const temperature = Number(at("temperature").value);
    const seed = Math.floor(bounded(at("seed"), 0, 2 ** 32 - 1, 0));
    const length = Math.floor(bounded(at("length"), 1, 2000, 400));
    run(work({ ...given, temperature, seed, length }));
  }

  function fromPrompt() {
    const { ids, unknown } = Data.encode(at("prompt").value.replace(/\r\n?/g, "\n"));
    const names = unknown.slice(0, 5).map((code) =>
      `“${Glyphs.glyph(code).text}” (${Glyphs.number(code)})`);
    const more = unknown.length > 5 ? " and others" : "";
    at("wrong").textContent = unknown.length
      ? `The model has never seen ${names.join(", ")}${more}; write others in their place.` : "";
    if (unknown.length) return;
    // Without a prompt it starts as after a newline, as charlm.sample does.
    const silent = !ids.length;
    const read = silent ? (newline === undefined ? [] : [newline]) : ids;
    start({ from: Charlm.zero(Data.model()), ids: read, shown: silent ? "" : "read" });
  }

  function fromText() {
    at("wrong").textContent = "";
    const t = state.at;
    let { state: from, next } = Data.stateBefore(t - 1);
    const before = [];
    for (let k = Math.max(0, t + 1 - CONTEXT); k <= t; k++)
      before.push({ id: Data.ids[k], moment: k });
    start({ from, ids: Data.ids.slice(next, t + 1), before, shown: "" });
  }

  // ------------------------------------------------------------------- holding

  const memory = () => (Data.cell === "lstm" ? "c" : "h");
  const held = () => Number(at("value").value);

  function range(next) {
    const { low, high } = Data.ranges, { layer, unit } = next;
    const [from, to] = [low[layer][unit], high[layer][unit]], slider = at("value");
    slider.min = from;
    slider.max = to;
    slider.step = Math.max((to - from) / 200, 0.001);
    slider.value = Math.abs(from) > Math.abs(to) ? from : to;
    at("lowest").textContent = Inspect.signed(from);
    at("highest").textContent = Inspect.signed(to);
    say();
  }

  function say() {
    at("whom").textContent =
      `unit ${state.unit}` + (Data.layers > 1 ? ` of layer ${state.layer}` : "");
    at("held").textContent = `${memory()} = ${Inspect.signed(held())}`;
    at("warmth").textContent = Number(at("temperature").value).toFixed(2);
    at("holding").hidden = !at("hold").checked;
  }

  function show(next, before) {
    state = next;
    if (!before || before.unit !== next.unit || before.layer !== next.layer) range(next);
    const keys = ["layer", "unit", "signal", "by"];
    if (before && keys.every((key) => before[key] === next[key])) return;
    for (const pen of pens)
      for (const seen of pen.seen) seen.span.className = `${seen.kind} ${colorOf(seen)}`;
  }

  // No form is sent: a sandboxed frame may forbid it.
  at("go").addEventListener("click", fromPrompt);
  at("continue").addEventListener("click", fromText);
  at("stop").addEventListener("click", stop);
  for (const id of ["value", "hold", "temperature"]) at(id).addEventListener("input", say);

  return { show, stop };
})();
