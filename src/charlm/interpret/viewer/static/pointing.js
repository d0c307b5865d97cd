/* Mouse, finger and keys on the text: which character is meant, and which stretch. */
const Pointing = (() => {
  "use strict";
  const { scroller, sheet } = View;
  const LONG = 400; // milliseconds of a finger that rests before it selects
  let anchor = null, selecting = false, resting = 0;

  const stretch = (a, b) => ({ from: Math.min(a, b), to: Math.max(a, b) + 1 });

  /** Selects from the anchor to t; a single character is no stretch. */
  function extend(t, dragging = false) {
    const none = t === anchor ? { from: null, to: null } : stretch(anchor, t);
    App.set({ at: t, ...none, dragging });
  }

  function begin(t) {
    anchor = t;
    App.set({ at: t, from: null, to: null });
  }

  sheet.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const t = View.hit(event);
    if (event.pointerType === "touch") {
      const rest = () => {
        selecting = true;
        begin(t);
      };
      resting = setTimeout(rest, LONG);
      return;
    }
    if (event.shiftKey) {
      anchor ??= App.state().at;
      return extend(t);
    }
    selecting = true;
    sheet.setPointerCapture(event.pointerId);
    begin(t);
  });
  sheet.addEventListener("pointermove", (event) => {
    const t = View.hit(event);
    if (event.pointerType === "touch") clearTimeout(selecting ? 0 : resting);
    if (selecting) {
      if (t !== App.state().at) extend(t, true);
      Edge.follow(event);
    } else if (event.pointerType === "mouse") App.look(t);
  });
  const end = () => {
    clearTimeout(resting);
    Edge.stop();
    if (selecting) App.set({ dragging: false });
    selecting = false;
  };
  sheet.addEventListener("pointerup", (event) => {
    const tap = event.pointerType === "touch" && !selecting;
    end();
    if (tap) App.state().marking ? extend(View.hit(event)) : begin(View.hit(event));
    if (tap) App.set({ marking: false });
  });
  sheet.addEventListener("pointercancel", end);
  sheet.addEventListener("pointerleave", () => App.look(null));
  const keep = (event) => selecting && event.preventDefault();
  scroller.addEventListener("touchmove", keep, { passive: false });
  scroller.addEventListener("contextmenu", keep);

  /** Scrolls while a selection is drawn beyond the edge. */
  const Edge = (() => {
    let timer = 0;
    const stop = () => clearInterval(timer);
    function follow(event) {
      stop();
      const { top, bottom } = scroller.getBoundingClientRect();
      const away = event.clientY < top ? -1 : event.clientY > bottom ? 1 : 0;
      if (away) timer = setInterval(() => {
        scroller.scrollTop += 12 * away;
        extend(View.hit(event), true);
      }, 30);
    }
    return { follow, stop };
  })();

  // ---------------------------------------------------------------------- keys

  const last = Data.length - 1;
  const MOVES = {
    ArrowLeft: (t) => t - 1, ArrowRight: (t) => t + 1,
    ArrowUp: (t) => View.beside(t, -1), ArrowDown: (t) => View.beside(t, 1),
    PageUp: (t) => View.beside(t, -View.page()), PageDown: (t) => View.beside(t, View.page()),
    Home: (t, all) => (all ? 0 : View.edge(t, false)),
    End: (t, all) => (all ? last : View.edge(t, true)),
  };

  /** Moves the marked character; with shift, selects what it passes. True if it did. */
  function move(event) {
    const to = MOVES[event.key];
    if (!to) return false;
    const { at, from } = App.state();
    const t = Math.max(0, Math.min(last, to(at, event.ctrlKey || event.metaKey)));
    if (event.shiftKey || App.state().marking) {
      if (from === null || anchor === null) anchor = at;
      extend(t);
    } else begin(t);
    View.reveal(t);
    return true;
  }

  /** From here on the next character that is chosen ends a stretch. */
  function mark() {
    anchor = App.state().at;
    App.set({ marking: !App.state().marking });
  }

  scroller.addEventListener("copy", (event) => {
    const { from, to } = App.state();
    if (from === null) return;
    event.preventDefault();
    const symbols = Data.ids.slice(from, to).map((id) => String.fromCodePoint(Data.vocab.codes[id]));
    event.clipboardData.setData("text/plain", symbols.join(""));
  });

  return { move, mark };
})();
