/* The address keeps what is shown: #layer=0&unit=137&signal=h and so on. */
const Link = (() => {
  const number = (text, end) => (/^\d{1,9}$/.test(text ?? "") && +text < end ? +text : undefined);
  const among = (text, values) => (values.includes(text) ? text : undefined);

  /** What an address says of the state; what makes no sense is left out. */
  function read() {
    const address = new URLSearchParams(location.hash.slice(1));
    const [from, to] = (/^(\d{1,9})-(\d{1,9})$/.exec(address.get("select") ?? "") ?? [])
      .slice(1).map(Number);
    const changes = {
      layer: number(address.get("layer"), Data.layers),
      unit: number(address.get("unit"), Data.features),
      signal: among(address.get("signal"), Data.signals),
      view: among(address.get("view"), ["guesses", "dense"]),
      by: among(address.get("by"), ["unit", "surprise", "chance"]),
      at: number(address.get("at"), Data.length),
      scheme: among(address.get("scheme"), ["light", "dark"]),
      ...(from < to && to <= Data.length && { from, to }),
    };
    return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  }

  let timer = 0, state = null;

  function flush() {
    timer = 0;
    const { layer, unit, signal, view, by, at, scheme, from, to } = state;
    const address = { layer, unit, signal, view, by, at };
    if (scheme) address.scheme = scheme;
    if (from !== null) address.select = `${from}-${to}`;
    // A page inside another (about:srcdoc) has no address of its own.
    try {
      history.replaceState(null, "", "#" + new URLSearchParams(address));
    } catch { /* then there is none to keep */ }
  }

  /** Browsers refuse an address that changes at every key. */
  function write(next) {
    state = next;
    timer ||= setTimeout(flush, 200);
  }

  return { read, write };
})();
