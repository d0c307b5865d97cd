/* Mouse, finger and keys on the text: which character is meant, and which stretch. */
const Pointing = (() => {
  const { scroller, sheet } = View;
  const REST_TIME = 400; // milliseconds of a finger that rests before it selects
  const isDragging = () => App.state().dragging;
  let restTimer = 0;

  /** Selects up to t, from the other end of what is selected or from the marked
      character; a single character is no selection. */
  function extend(t, dragging = false) {
    const { at, from, to } = App.state();
    const anchor = from === null ? at : at === from ? to - 1 : from;
    const ends = { from: Math.min(anchor, t), to: Math.max(anchor, t) + 1 };
    App.set({ at: t, dragging, ...(t === anchor ? { from: null } : ends) }, dragging);
  }
  const begin = (t, dragging = false) => App.set({ at: t, from: null, dragging });

  sheet.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const t = View.findUnder(event), select = () => begin(t, true);
    if (event.pointerType === "touch") restTimer = setTimeout(select, REST_TIME);
    else if (event.shiftKey) extend(t);
    else {
      sheet.setPointerCapture(event.pointerId);
      select();
    }
  });
  sheet.addEventListener("pointermove", (event) => {
    const { at, dragging } = App.state(), t = View.findUnder(event);
    if (!dragging) clearTimeout(restTimer); // a finger that moves scrolls
    if (dragging && t !== at) extend(t, true);
    else if (!dragging && event.pointerType === "mouse") App.hover(t);
  });
  function end() {
    clearTimeout(restTimer);
    if (isDragging()) App.set({ dragging: false });
  }
  sheet.addEventListener("pointerup", (event) => {
    const isTap = event.pointerType === "touch" && !isDragging();
    end();
    if (!isTap) return;
    (App.state().marking ? extend : begin)(View.findUnder(event));
    App.set({ marking: false });
  });
  sheet.addEventListener("pointercancel", end);
  sheet.addEventListener("pointerleave", () => App.hover(null));
  const keepStill = (event) => isDragging() && event.preventDefault();
  scroller.addEventListener("touchmove", keepStill, { passive: false });
  scroller.addEventListener("contextmenu", keepStill);

  const MOVES = {
    ArrowLeft: (t) => t - 1, ArrowRight: (t) => t + 1,
    ArrowUp: (t) => View.findBeside(t, -1), ArrowDown: (t) => View.findBeside(t, 1),
    PageUp: (t) => View.findBeside(t, -View.pageRows()),
    PageDown: (t) => View.findBeside(t, View.pageRows()),
    Home: (t, isControl) => (isControl ? 0 : View.rowEnds(t)[0]),
    End: (t, isControl) => (isControl ? Data.length - 1 : View.rowEnds(t)[1]),
  };

  /** Moves the marked character; with shift, selects what it passes. True if it did. */
  function move({ key, shiftKey, ctrlKey, metaKey }) {
    if (!Object.hasOwn(MOVES, key)) return false;
    const { at, marking } = App.state();
    const t = Math.max(0, Math.min(Data.length - 1, MOVES[key](at, ctrlKey || metaKey)));
    (shiftKey || marking ? extend : begin)(t);
    View.reveal(t);
    return true;
  }

  /** From here on the next character that is chosen ends a selection. */
  const mark = () => App.set({ from: null, marking: !App.state().marking });

  scroller.addEventListener("copy", (event) => {
    const { from, to } = App.state();
    if (from === null) return;
    event.preventDefault();
    const symbols = Data.ids.slice(from, to).map((id) =>
      String.fromCodePoint(Data.vocab.codes[id]));
    event.clipboardData.setData("text/plain", symbols.join(""));
  });

  return { move, mark };
})();
