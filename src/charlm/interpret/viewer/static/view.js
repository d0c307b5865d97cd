/* The text: rows of one height, of which only those in sight are in the document. */
const View = (() => {
  const scroller = byId("text"), sheet = byId("sheet"), caret = byId("caret");
  const { ids, length, nats, guesses, chances, guessCount, newline, space } = Data;
  const AHEAD = 4; // rows beyond the edges
  const rows = new Map();
  let state = null, shape = null, series = null;
  const isDense = () => state.view === "dense";

  /** Columns of whole pixels, so that no seam shows between colors. */
  function measure() {
    const style = getComputedStyle(scroller), probe = add(sheet, "span", "", "0".repeat(50));
    probe.style.cssText = "position:absolute;visibility:hidden;white-space:pre";
    const advance = probe.getBoundingClientRect().width / 50;
    probe.remove();
    const columnWidth = Math.max(1, Math.round(advance * (isDense() ? 1 : 1.45)));
    const height = +style.getPropertyValue(isDense() ? "--dense-row" : "--guess-row");
    const room = scroller.clientWidth - parseFloat(style.paddingLeft);
    return { columnWidth, height, columns: Math.max(8, Math.floor(room / columnWidth) - 1) };
  }

  /** starts of the rows, and the end of the last, Int32Array.

      A row ends after a newline; a longer line is broken after a space, if one is near,
      and where it must be if not. A newline needs no column: it may hang over the edge. */
  function breakRows(widths, columns) {
    const starts = [0];
    let begin = 0, used = 0, breakAt = 0;
    for (let t = 0; t < length; t++) {
      const id = ids[t], width = widths[id];
      if (id === newline) {
        starts.push((begin = t + 1));
        used = breakAt = 0;
        continue;
      }
      if (used + width > columns && t > begin) {
        // A word longer than half a row is not worth a half-empty one.
        const back = breakAt > begin && 2 * (t - breakAt) < columns ? breakAt : t;
        starts.push((begin = back));
        used = breakAt = 0;
        for (let k = begin; k < t; k++) used += widths[ids[k]];
      }
      used += width;
      if (id === space) breakAt = t + 1;
    }
    if (begin < length) starts.push(length);
    return Int32Array.from(starts);
  }

  function layOut() {
    const first = shape?.starts[Math.floor(scroller.scrollTop / shape.height)];
    const sizes = measure(), widths = Uint8Array.from(Data.vocab.codes, (code, id) =>
      code !== 9 ? Glyphs.glyphs[id].columns : isDense() ? 4 : 1);
    const starts = breakRows(widths, sizes.columns);
    shape = { ...sizes, starts, widths, count: starts.length - 1 };
    sheet.style.setProperty("--column-width", sizes.columnWidth + "px");
    sheet.style.height = shape.count * shape.height + "px";
    for (const row of rows.values()) row.remove();
    rows.clear();
    if (first === undefined) return;
    const row = findRow(Math.min(first, length - 1));
    scroller.scrollTop = row * shape.height; // the same text stays in sight
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
    for (let n = t * guessCount; n < (t + 1) * guessCount; n++) {
      const chance = chances[n] / 1000, id = guesses[n];
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
      const { text } = Glyphs.before(ids[t], ids[t + 1]), columns = shape.widths[ids[t]];
      const box = add(row, "span", "", isDense() ? text : "");
      if (columns > 1) box.style.width = `calc(${columns} * var(--column-width))`;
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
  function findRow(t) {
    let low = 0, high = shape.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (shape.starts[middle] <= t) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function findPlace(t) {
    const row = findRow(t);
    let column = 0;
    for (let k = shape.starts[row]; k < t; k++) column += shape.widths[ids[k]];
    return { row, column };
  }

  /** The character of a row at a column, or the nearest. */
  function findInRow(row, column) {
    const n = Math.max(0, Math.min(shape.count - 1, row));
    let t = shape.starts[n], right = shape.widths[ids[t]];
    while (t + 1 < shape.starts[n + 1] && right <= column) right += shape.widths[ids[++t]];
    return t;
  }

  /** The character under a pointer. */
  function findUnder({ clientX, clientY }) {
    const { left, top } = sheet.getBoundingClientRect();
    const row = Math.floor((clientY - top) / shape.height);
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

  function show(next, before) {
    state = next;
    series = state.by === "unit" ? Units.series(state) : null;
    scroller.dataset.view = state.view;
    if (state.view !== before?.view) layOut();
    else for (const [n, row] of rows) paint(row, n);
    render();
    frame(caret, state.at);
  }

  const hover = (t) => frame(byId("hover"), t);

  let request = 0;
  scroller.addEventListener("scroll", () => {
    request ||= requestAnimationFrame(() => {
      request = 0;
      render();
    });
  }, { passive: true });

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
