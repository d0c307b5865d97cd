/* The text: rows of one height, of which only those that are seen are in the document. */
const View = (() => {
  "use strict";
  const scroller = document.getElementById("text"), sheet = document.getElementById("sheet");
  const hover = document.getElementById("hover"), caret = document.getElementById("caret");
  const { ids, length, nats, guesses, chances, top } = Data;
  const AHEAD = 4; // rows beyond the edges
  const rows = new Map();
  let state = null, shape = null, series = null;

  // ---------------------------------------------------------------------- rows

  /** Cells of whole pixels, so that no seam shows between colours. */
  function measure() {
    const dense = state.view === "dense";
    const style = getComputedStyle(scroller);
    const probe = document.createElement("span");
    probe.textContent = "0".repeat(50);
    probe.style.cssText = "position:absolute;visibility:hidden;white-space:pre";
    sheet.append(probe);
    const advance = probe.getBoundingClientRect().width / 50;
    probe.remove();
    const cell = Math.max(1, Math.round(advance * (dense ? 1 : 1.45)));
    const height = parseFloat(style.getPropertyValue(dense ? "--dense-row" : "--guess-row"));
    const sides = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const room = scroller.clientWidth - sides;
    return { cell, height, columns: Math.max(8, Math.floor(room / cell) - 1) };
  }

  function columnsOf(id) {
    const tab = Data.vocab.codes[id] === 9;
    return tab ? (state.view === "dense" ? 4 : 1) : Glyphs.glyphs[id].columns;
  }

  function lay() {
    const first = shape ? shape.starts[Math.floor(scroller.scrollTop / shape.height)] : null;
    const sizes = measure();
    const widths = Uint8Array.from(Data.vocab.codes, (_, id) => columnsOf(id));
    const starts = Layout.rows(ids, {
      columnsOf: widths, newline: Data.idOf.get(10), space: Data.idOf.get(32),
      columns: sizes.columns,
    });
    shape = { ...sizes, starts, widths, count: starts.length - 1 };
    sheet.style.setProperty("--cell", sizes.cell + "px");
    sheet.style.height = shape.count * shape.height + "px";
    for (const row of rows.values()) row.remove();
    rows.clear();
    if (first == null) return;
    const row = Layout.rowOf(starts, Math.min(first, length - 1));
    scroller.scrollTop = row * shape.height; // the same text stays in sight
  }

  function colorOf(t) {
    if (state.by === "unit") return series ? Colors.ofLevel(series.levels[t]) : "";
    if (nats[t] === null) return "";
    return state.by === "chance" ? Colors.ofChance(Math.exp(-nats[t])) : Colors.ofNats(nats[t]);
  }

  const isIn = (t) => state.from !== null && t >= state.from && t < state.to;

  function paint(row, n) {
    const begin = shape.starts[n], dense = state.view === "dense";
    for (let k = 0; k < row.children.length; k++) {
      const cell = row.children[k], t = begin + k, glyph = Glyphs.before(ids[t], ids[t + 1]);
      cell.className = `ch ${isIn(t) ? "in " : ""}${dense ? `${glyph.kind} ${colorOf(t)}` : ""}`;
      if (!dense) cell.firstChild.className = `${glyph.kind} ${colorOf(t)}`;
    }
  }

  /** The likeliest next characters beneath one, the redder the likelier. */
  function addGuesses(cell, t) {
    for (let k = 0; k < top; k++) {
      const chance = chances[t * top + k] / 1000;
      if (chance < 0.001) break;
      const guess = document.createElement("i"), id = guesses[t * top + k];
      Glyphs.put(guess, id, true);
      // A longer number would be cut to one that means another; Inspect says it whole.
      if (Glyphs.glyphs[id].columns > Math.max(2, shape.widths[ids[t]])) guess.textContent = "▯";
      guess.className += " " + Colors.ofChance(chance);
      cell.append(guess);
    }
  }

  function make(n) {
    const row = document.createElement("div");
    row.className = "row";
    row.style.top = n * shape.height + "px";
    for (let t = shape.starts[n]; t < shape.starts[n + 1]; t++) {
      const cell = document.createElement("span"), columns = shape.widths[ids[t]];
      if (columns > 1) cell.style.width = `calc(${columns} * var(--cell))`;
      const { text } = Glyphs.before(ids[t], ids[t + 1]);
      if (state.view === "dense") cell.textContent = text;
      else {
        cell.append(document.createElement("b"));
        cell.firstChild.textContent = text; // its colour is painted below
        addGuesses(cell, t);
      }
      row.append(cell);
    }
    paint(row, n);
    return row;
  }

  /** The rows that are in sight, [first, last). */
  function inSight() {
    const first = Math.floor(scroller.scrollTop / shape.height);
    const last = Math.ceil((scroller.scrollTop + scroller.clientHeight) / shape.height);
    return [Math.max(0, first), Math.min(shape.count, last)];
  }

  function render() {
    if (!shape) return;
    const [first, last] = inSight();
    const from = Math.max(0, first - AHEAD), to = Math.min(shape.count, last + AHEAD);
    for (const [n, row] of rows)
      if (n < from || n >= to) {
        row.remove();
        rows.delete(n);
      }
    for (let n = from; n < to; n++)
      if (!rows.has(n)) {
        rows.set(n, make(n));
        sheet.append(rows.get(n));
      }
    Strip.mark(shape.starts[first] ?? 0, shape.starts[last] ?? length);
  }

  // -------------------------------------------------------------------- places

  function placeOf(t) {
    const n = Layout.rowOf(shape.starts, t);
    let column = 0;
    for (let k = shape.starts[n]; k < t; k++) column += shape.widths[ids[k]];
    return { row: n, column, columns: shape.widths[ids[t]] };
  }

  /** The character of a row at a column, or the nearest; null of an empty row. */
  function inRow(n, column) {
    n = Math.max(0, Math.min(shape.count - 1, n));
    const begin = shape.starts[n], end = shape.starts[n + 1];
    let t = begin, right = shape.widths[ids[t]];
    while (t + 1 < end && right <= column) right += shape.widths[ids[++t]];
    return t;
  }

  /** The character under a pointer. */
  function hit({ clientX, clientY }) {
    const box = sheet.getBoundingClientRect();
    const row = Math.floor((clientY - box.top) / shape.height);
    return inRow(row, Math.max(0, (clientX - box.left) / shape.cell));
  }

  function frame(box, t) {
    box.hidden = t === null || !shape;
    if (box.hidden) return;
    const { row, column, columns } = placeOf(t);
    box.style.transform = `translate(${column * shape.cell}px, ${row * shape.height}px)`;
    box.style.width = columns * shape.cell + "px";
  }

  /** Brings a character into sight: at a third of the height if it was out of it. */
  function reveal(t) {
    const { paddingTop, paddingBottom } = getComputedStyle(scroller);
    const above = parseFloat(paddingTop);
    const room = scroller.clientHeight - above - parseFloat(paddingBottom);
    const top = placeOf(t).row * shape.height;
    const away = top < scroller.scrollTop - shape.height || top > scroller.scrollTop + room;
    const third = Math.floor(room / 3 / shape.height) * shape.height;
    if (away) scroller.scrollTop = top - third + (third ? above : 0); // no sliver of a row
    else if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + shape.height > scroller.scrollTop + room)
      scroller.scrollTop = top + Math.min(shape.height, room) - room;
    render();
  }

  /** The character some rows away, in the same column. */
  function beside(t, rowsAway) {
    const { row, column } = placeOf(t);
    const to = row + rowsAway;
    return to < 0 ? 0 : to >= shape.count ? length - 1 : inRow(to, column);
  }

  /** Rows that are in sight at once. */
  const page = () => Math.max(1, Math.floor(scroller.clientHeight / shape.height) - 1);

  function edge(t, end) {
    const row = Layout.rowOf(shape.starts, t);
    return end ? shape.starts[row + 1] - 1 : shape.starts[row];
  }

  // --------------------------------------------------------------------- showing

  function show(next, before) {
    state = next;
    series = state.by === "unit" ? Units.series(state) : null;
    scroller.dataset.view = state.view;
    if (!before || state.view !== before.view) lay();
    else for (const [n, row] of rows) paint(row, n);
    render();
    frame(caret, state.at);
  }

  let waiting = 0;
  scroller.addEventListener("scroll", () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      render();
    });
  }, { passive: true });

  new ResizeObserver(() => {
    if (!state) return;
    const { cell, columns } = measure();
    if (cell !== shape.cell || columns !== shape.columns) lay();
    render();
    frame(caret, state.at);
    frame(hover, null);
  }).observe(scroller);

  return { show, hit, reveal, beside, page, edge, hover: (t) => frame(hover, t), scroller, sheet };
})();
