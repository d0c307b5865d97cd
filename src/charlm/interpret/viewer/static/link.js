/* The address keeps what is shown: #layer=0&unit=137&signal=h and so on. */
const Link = (() => {
  "use strict";
  const whole = (text, end) => (/^\d{1,9}$/.test(text ?? "") && +text < end ? +text : undefined);
  const among = (text, all) => (all.includes(text) ? text : undefined);

  /** What an address says of the state; what makes no sense is left out. */
  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const stretch = /^(\d{1,9})-(\d{1,9})$/.exec(given.get("select") ?? "");
    const [from, to] = stretch ? [+stretch[1], +stretch[2]] : [0, 0];
    const good = from < to && to <= Data.length;
    const found = {
      layer: whole(given.get("layer"), Data.layers),
      unit: whole(given.get("unit"), Data.features),
      signal: among(given.get("signal"), Units.signals),
      view: among(given.get("view"), ["guesses", "dense"]),
      by: among(given.get("by"), ["unit", "surprise", "chance"]),
      at: whole(given.get("at"), Data.length),
      scheme: among(given.get("scheme"), ["light", "dark"]),
      from: good ? from : undefined,
      to: good ? to : undefined,
    };
    return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
  }

  let timer = 0, latest = null;

  function flush() {
    timer = 0;
    const { layer, unit, signal, view, by, at, scheme, from, to } = latest;
    const all = { layer, unit, signal, view, by, at };
    if (scheme) all.scheme = scheme;
    if (from !== null) all.select = `${from}-${to}`;
    // A page inside another (about:srcdoc) has no address of its own.
    try {
      history.replaceState(null, "", "#" + new URLSearchParams(all));
    } catch { /* then there is none to keep */ }
  }

  /** Browsers refuse an address that changes at every key. */
  function write(state) {
    latest = state;
    timer ||= setTimeout(flush, 200);
  }

  return { read, write };
})();
