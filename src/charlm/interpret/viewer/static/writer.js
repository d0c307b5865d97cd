/* The model writes: from a prompt, or on from the text, and with a unit held beside it. */
const Writer = (() => {
  const SLICE = 12; // milliseconds of work between two looks at the mouse
  const CONTEXT = 48; // characters of the text shown before what follows them
  const { newline } = Data, memory = Data.cell === "lstm" ? "c" : "h";
  // Each sample: its holds, box, state, random, logits, and characters: of each its id and
  // span, whether it was read (or else drawn), and what colors it.
  let state = null, samples = [], timer = 0;

  /** What every unit did at a character: of each layer its state and its gates. */
  const recordUnits = (layers) => structuredClone(
    layers.map((layer, n) => ({ ...layer, ...Data.model().gates[n] })));

  function unitClass(record) {
    const { layer, unit, signal } = state, signals = record[layer];
    const value = signal === "tanh_c" ? Math.tanh(signals.c[unit]) : signals[signal][unit];
    return Colors.unitClass(Units.toLevel(value, Units.range(state)));
  }

  /** Colors a character by its record, or by its place `t` in the page's text. */
  function paint({ span, className, record, t, nats }) {
    const color = state.by !== "unit" ? Colors.natsClass(state.by, nats)
      : record ? unitClass(record) : View.colorClass(t);
    span.className = `${className} ${color}`;
  }

  function write(sample, character) {
    const { box, characters } = sample, { id, isRead } = character, last = characters.at(-1);
    const { text, className } = Glyphs.glyphs[id], isTab = Data.vocab.codes[id] === 9;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    // A carriage return before a newline is a blank.
    if (last && Glyphs.before(last.id, id) !== Glyphs.glyphs[last.id]) last.span.textContent = " ";
    character.span = add(box, "span", "", id === newline ? "↵\n" : id === Data.space ? " " : text);
    character.className = `${className}${isTab ? " tab" : ""}${isRead ? " read" : ""}`;
    paint(character);
    characters.push(character);
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  function surprise(logits, id) {
    const max = logits.reduce((a, b) => Math.max(a, b));
    return Math.log(logits.reduce((sum, x) => sum + Math.exp(x - max), 0)) + max - logits[id];
  }

  /** All the work, a step at a time. A held unit is held from the last id on. */
  function* work({ ids, isShown, temperature, length }) {
    for (let n = 0; n < ids.length + length; n++)
      for (const sample of samples) {
        const { state, logits, random } = sample, isRead = n < ids.length;
        const id = isRead ? ids[n] : Charlm.drawSymbol(logits, temperature, random);
        const nats = isRead ? undefined : surprise(logits, id);
        const holds = n < ids.length - 1 ? [] : sample.holds;
        sample.logits = Charlm.step(Data.model(), state, id, holds);
        if (isShown || !isRead) write(sample, { id, record: recordUnits(state), nats, isRead });
        yield;
      }
  }

  function run(job) {
    const begin = performance.now();
    while (performance.now() - begin < SLICE) if (job.next().done) return setBusy(false);
    timer = setTimeout(run, 0, job);
  }

  /** Ends what is being written; says whether something else is. */
  function setBusy(isBusy) {
    clearTimeout(timer);
    byId("stop").hidden = !isBusy;
    byId("samples").setAttribute("aria-busy", isBusy);
  }

  /** The integer in a field, within its bounds; its first value if there is none. */
  function readInteger(id) {
    const { value, min, max, defaultValue } = byId(id);
    return Math.floor(Math.max(+min, Math.min(+max, value === "" ? defaultValue : value)));
  }

  /** from: the state before ids, which are read, and shown if isShown, after `before`. */
  function start({ from, ids, isShown = false, before = [] }) {
    setBusy(true);
    byId("samples").replaceChildren();
    const { layer, unit } = state, value = heldValue(), hold = { layer, unit, value };
    const held = [`Unit ${unit} held at ${memory} = ${Aside.signed(value)}`, [hold]];
    const variants = [["As it is", []], ...(byId("hold").checked ? [held] : [])];
    const [seed, length] = ["seed", "length"].map(readInteger);
    samples = variants.map(([title, holds]) => {
      const section = add(byId("samples"), "section");
      if (variants.length > 1) add(section, "h3", "", title);
      const box = add(section, "pre");
      Object.assign(box, { tabIndex: 0, ariaLabel: `written: ${title}` });
      return { holds, box, state: structuredClone(from), random: Charlm.makeRandom(seed),
        logits: new Float32Array(Data.vocab.codes.length), characters: [] };
    });
    for (const sample of samples)
      for (const t of before) write(sample, { id: Data.ids[t], t, isRead: true });
    run(work({ ids, isShown, length, temperature: Number(byId("temperature").value) }));
  }

  function writeFromPrompt() {
    const { ids, unknown } = Data.encode(byId("prompt").value.replace(/\r\n?/g, "\n"));
    const names = unknown.slice(0, 5).map((code) =>
      `“${Glyphs.makeGlyph(code).text}” (${Glyphs.number(code)})`);
    const more = unknown.length > 5 ? " and others" : "";
    setText("error", unknown.length
      ? `The model has never seen ${names.join(", ")}${more}; write others in their place.` : "");
    if (unknown.length) return;
    // Without a prompt it starts as after a newline, as charlm.sample does.
    const first = newline === undefined ? [] : [newline], isShown = ids.length > 0;
    start({ from: Charlm.makeState(Data.model()), ids: isShown ? ids : first, isShown });
  }

  function continueText() {
    setText("error", "");
    const end = state.at + 1, begin = Math.max(0, end - CONTEXT);
    const { state: from, next } = Data.stateBefore(state.at);
    const before = Array.from({ length: end - begin }, (_, n) => begin + n);
    start({ from, ids: Data.ids.slice(next, end), before });
  }

  const heldValue = () => Number(byId("value").value);

  function setRange() {
    const { layer, unit } = state, { low, high } = Data.memoryRanges;
    const [min, max] = [low[layer][unit], high[layer][unit]];
    const step = Math.max((max - min) / 200, 0.001);
    const value = Math.abs(min) > Math.abs(max) ? min : max;
    Object.assign(byId("value"), { min, max, step, value });
    setText("lowest", Aside.signed(min));
    setText("highest", Aside.signed(max));
    showSettings();
  }

  function showSettings() {
    setText("held-unit", Units.title(state).toLowerCase());
    setText("held-value", `${memory} = ${Aside.signed(heldValue())}`);
    setText("temperature-value", Number(byId("temperature").value).toFixed(2));
    byId("holding").hidden = !byId("hold").checked;
  }

  function show(next, isRecolored) {
    const isOther = state?.unit !== next.unit || state.layer !== next.layer;
    state = next;
    if (isOther) setRange();
    if (isRecolored) for (const { characters } of samples) characters.forEach(paint);
  }

  // No form is sent: a sandboxed frame may forbid it.
  on("go", "click", writeFromPrompt);
  on("continue", "click", continueText);
  on("stop", "click", () => setBusy(false));
  for (const id of ["value", "hold", "temperature"]) on(id, "input", showSettings);

  return { show };
})();
