/* The text: rows of one height, of which only those in sight are in the document. */
const View = (() => {
  const scroller = byId("text"), sheet = byId("sheet"), caret = byId("caret");
  const { ids, length, nats, newline, space } = Data;
  const AHEAD = 4; // rows beyond the edges
  const rows = new Map();
  let state = null, shape = null, series = null;
  const isDense = () => state.view === "dense";

  /** Columns of whole pixels, so that no seam shows between colors. */
  function measure() {
    const style = getComputedStyle(scroller), probe = add(sheet, "span", "", "0".repeat(50));
    const advance = probe.getBoundingClientRect().width / 50;
    probe.remove();
    const columnWidth = Math.max(1, Math.round(advance * (isDense() ? 1 : 1.45)));
    const height = +style.getPropertyValue(isDense() ? "--dense-row" : "--guess-row");
    const columns = Math.max(8, Math.floor(sheet.clientWidth / columnWidth) - 1);
    return { columnWidth, height, columns };
  }

  /** starts of the rows, and the end of the last.

      A row ends after a newline; a longer line is broken after a space, if one is near,
      and where it must be if not. A newline needs no column: it may hang over the edge. */
  function breakRows(widths, columns) {
    const starts = [0];
    let begin = 0, used = 0, breakAt = 0;
    for (const [t, id] of ids.entries()) {
      if (used + widths[id] > columns && t > begin && id !== newline) {
        // A word longer than half a row is not worth a half-empty one.
        const isNear = breakAt > begin && 2 * (t - breakAt) < columns;
        starts.push((begin = isNear ? breakAt : t));
        used = countColumns(widths, begin, t);
      }
      used += widths[id];
      if (id === space) breakAt = t + 1;
      if (id !== newline) continue;
      starts.push((begin = t + 1));
      used = 0;
    }
    if (begin < length) starts.push(length);
    return starts;
  }

  /** Columns of the characters from one and before another. */
  const countColumns = (widths, from, to) =>
    ids.slice(from, to).reduce((sum, id) => sum + widths[id], 0);

  function layOut() {
    const first = shape?.starts[Math.floor(scroller.scrollTop / shape.height)];
    const sizes = measure(), widths = Data.vocab.codes.map((code, id) =>
      code !== 9 ? Glyphs.glyphs[id].columns : isDense() ? 4 : 1);
    const starts = breakRows(widths, sizes.columns);
    shape = { ...sizes, view: state.view, starts, widths, count: starts.length - 1 };
    sheet.style.height = shape.count * shape.height + "px";
    for (const row of rows.values()) row.remove();
    rows.clear();
    // The same text stays in sight.
    if (first !== undefined) scroller.scrollTop = findRow(first) * shape.height;
  }

  /** The class of the color of character t. */
  function colorClass(t) {
    if (state.by !== "unit") return Colors.natsClass(state.by, nats[t]);
    return series ? Colors.unitClass(series.levels[t]) : "";
  }

  function paint(row, n) {
    for (const [k, box] of [...row.children].entries()) {
      const t = shape.starts[n] + k, glyph = Glyphs.before(ids[t], ids[t + 1]);
      const className = `${glyph.className} ${colorClass(t)}`;
      const isSelected = state.from !== null && t >= state.from && t < state.to;
      box.className = `ch ${isSelected ? "selected" : ""} ${isDense() ? className : ""}`;
      if (!isDense()) box.firstChild.className = className;
    }
  }

  /** The likeliest next characters beneath one, the redder the likelier. */
  function addGuesses(box, t) {
    for (const { id, chance } of Data.guessesAfter(t)) {
      if (chance < 0.001) break;
      const guess = add(box, "i");
      Glyphs.write(guess, id);
      // A longer number would be cut to one that means another; the panel says it whole.
      if (Glyphs.glyphs[id].columns > Math.max(2, shape.widths[ids[t]])) guess.textContent = "▯";
      guess.className += " " + Colors.chanceClass(chance);
    }
  }

  function addRow(n) {
    const row = add(sheet, "div", "row");
    row.style.top = n * shape.height + "px";
    for (let t = shape.starts[n]; t < shape.starts[n + 1]; t++) {
      const { text } = Glyphs.before(ids[t], ids[t + 1]);
      const box = add(row, "span", "", isDense() ? text : "");
      box.style.width = shape.widths[ids[t]] * shape.columnWidth + "px";
      if (isDense()) continue;
      add(box, "b", "", text);
      addGuesses(box, t);
    }
    paint(row, n);
    rows.set(n, row);
  }

  /** Puts the rows in sight, and some beyond the edges, into the document. */
  function render() {
    const { scrollTop, clientHeight } = scroller, { height, count, starts } = shape;
    const first = Math.max(0, Math.floor(scrollTop / height));
    const last = Math.min(count, Math.ceil((scrollTop + clientHeight) / height));
    const from = Math.max(0, first - AHEAD), to = Math.min(count, last + AHEAD);
    for (const [n, row] of rows)
      if (n < from || n >= to) {
        row.remove();
        rows.delete(n);
      }
    for (let n = from; n < to; n++) if (!rows.has(n)) addRow(n);
    Strip.showWindow(starts[first] ?? 0, starts[last] ?? length);
  }

  /** The row of character t. */
  const findRow = (t) => shape.starts.findLastIndex((start) => start <= t);

  function findPlace(t) {
    const row = findRow(t);
    return { row, column: countColumns(shape.widths, shape.starts[row], t) };
  }

  /** The character of a row at a column, or the nearest. */
  function findInRow(row, column) {
    const n = Math.max(0, Math.min(shape.count - 1, row));
    let t = shape.starts[n], right = shape.widths[ids[t]];
    while (t + 1 < shape.starts[n + 1] && right <= column) right += shape.widths[ids[++t]];
    return t;
  }

  /** The character under a pointer; in the next row of one beyond the edge. */
  function findUnder({ clientX, clientY }) {
    const { left, top } = sheet.getBoundingClientRect(), edges = scroller.getBoundingClientRect();
    const y = Math.max(edges.top - 1, Math.min(edges.bottom + 1, clientY));
    const row = Math.floor((y - top) / shape.height);
    return findInRow(row, Math.max(0, (clientX - left) / shape.columnWidth));
  }

  /** The character some rows away, in the same column. */
  function findBeside(t, rowsAway) {
    const { row, column } = findPlace(t), to = row + rowsAway;
    return to < 0 ? 0 : to >= shape.count ? length - 1 : findInRow(to, column);
  }

  /** The first and the last character of the row of one. */
  function rowEnds(t) {
    const row = findRow(t);
    return [shape.starts[row], shape.starts[row + 1] - 1];
  }

  /** Rows that are in sight at once. */
  const pageRows = () => Math.max(1, Math.floor(scroller.clientHeight / shape.height) - 1);

  function frame(element, t) {
    element.hidden = t === null;
    if (element.hidden) return;
    const { row, column } = findPlace(t), { columnWidth, height, widths } = shape;
    element.style.transform = `translate(${column * columnWidth}px, ${row * height}px)`;
    element.style.width = widths[ids[t]] * columnWidth + "px";
  }

  /** Brings a character into sight: at a third of the height if it was out of it. */
  function reveal(t) {
    const { paddingTop, paddingBottom } = getComputedStyle(scroller);
    const above = parseFloat(paddingTop), { height } = shape;
    const room = scroller.clientHeight - above - parseFloat(paddingBottom);
    const top = findPlace(t).row * height;
    const isAway = top < scroller.scrollTop - height || top > scroller.scrollTop + room;
    const third = Math.floor(room / 3 / height) * height;
    if (isAway) scroller.scrollTop = top - third + (third ? above : 0); // no sliver of a row
    else if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height > scroller.scrollTop + room)
      scroller.scrollTop = top + Math.min(height, room) - room;
    render();
  }

  function show(next) {
    state = next;
    series = state.by === "unit" ? Units.series(state) : null;
    scroller.dataset.view = state.view;
    if (state.view !== shape?.view) layOut();
    else for (const [n, row] of rows) paint(row, n);
    render();
    frame(caret, state.at);
  }

  const hover = (t) => frame(byId("hover"), t);

  scroller.addEventListener("scroll", render); // once a frame
  new ResizeObserver(() => {
    const { columnWidth, columns } = measure();
    if (columnWidth !== shape.columnWidth || columns !== shape.columns) layOut();
    render();
    frame(caret, state.at);
    hover(null);
  }).observe(scroller);

  return {
    show, colorClass, findUnder, findBeside, rowEnds, pageRows, reveal, hover, scroller, sheet,
  };
})();
