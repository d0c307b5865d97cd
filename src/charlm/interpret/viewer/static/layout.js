/* Rows of a text: where each begins, for a width in columns. */
const Layout = (() => {
  /** starts of the rows, and the end of the last, Int32Array.

      A row ends after a newline; a longer line is broken after a space, if one is near,
      and where it must be if not. A newline needs no column: it may hang over the edge. */
  function breakRows(ids, { widths, newline, space, columns }) {
    const starts = [0];
    let begin = 0, used = 0, breakAt = 0;
    for (let t = 0; t < ids.length; t++) {
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
    if (begin < ids.length) starts.push(ids.length);
    return Int32Array.from(starts);
  }

  /** The row of character t. */
  function findRow(starts, t) {
    let low = 0, high = starts.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= t) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  return { breakRows, findRow };
})();
