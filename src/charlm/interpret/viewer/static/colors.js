/* Colors of values, for both schemes, as classes: unit-0 (off) to unit-64 (on), 32 being
   0; chance-0 to chance-32 and surprise-0 to surprise-32.

   Blue and green differ in lightness too, so that no eye takes one for the other, and
   what is written on a color is light or dark, whichever can be read. */
const Colors = (() => {
  const SCHEMES = {
    light: {
      paper: [251, 249, 244], off: [84, 134, 214], on: [142, 204, 52],
      chance: [176, 24, 28], surprise: [104, 52, 140], ink: [30, 27, 23],
    },
    dark: {
      paper: [22, 21, 19], off: [52, 98, 206], on: [138, 206, 62],
      chance: [214, 52, 46], surprise: [168, 112, 214], ink: [240, 235, 226],
    },
  };
  const HALF = 32, MAX_NATS = 6; // steps from none to all, and what all is of a surprise
  const STEPS = { unit: 2 * HALF, chance: HALF, surprise: HALF };

  /** Relative luminance, and the contrast of two colors, as WCAG 2 defines them. */
  function luminance(color) {
    const [r, g, b] = color.map((x) => x / 255)
      .map((s) => (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(...colors) {
    const [low, high] = colors.map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }

  /** The color of a class, in a scheme. */
  function color(scheme, by, step) {
    const { paper, off, on, [by]: full = step < HALF ? off : on } = SCHEMES[scheme];
    const share = by === "unit" ? Math.abs(step - HALF) / HALF : step / HALF;
    return paper.map((x, n) => Math.round(x + (full[n] - x) * share));
  }

  /** The ink of the page while it can be read, as WCAG asks; else black or white, of
      which one always can. */
  function inkOn(scheme, background) {
    const [ink, black, white] = [SCHEMES[scheme].ink, [0, 0, 0], [255, 255, 255]];
    if (contrast(ink, background) >= 4.5) return ink;
    return contrast(black, background) > contrast(white, background) ? black : white;
  }

  let rules = "";
  for (const by in STEPS)
    for (let step = 0; step <= STEPS[by]; step++) {
      const backgrounds = ["light", "dark"].map((scheme) => color(scheme, by, step));
      const inks = [inkOn("light", backgrounds[0]), inkOn("dark", backgrounds[1])];
      const css = (colors) => `light-dark(${colors.map((c) => `rgb(${c.join(" ")})`)})`;
      rules += `.${by}-${step}{background:${css(backgrounds)};color:${css(inks)}}`;
    }
  add(document.head, "style", "", rules);

  const unitClass = (level) => `unit-${level + HALF}`;
  // A chance of 0.05 must still be seen, so the color rises faster at first.
  const chanceClass = (p) => `chance-${Math.round(HALF * p ** 0.6)}`;

  /** The class of a character by its chance or surprise; "" if nothing foretold it. */
  function natsClass(by, nats) {
    if (nats == null) return "";
    if (by === "chance") return chanceClass(Math.exp(-nats));
    return `surprise-${Math.round((HALF * Math.min(nats, MAX_NATS)) / MAX_NATS)}`;
  }

  /** The class of a bar: one color for what is below 0, one for the rest. */
  const signClass = (value) => unitClass(value < 0 ? -24 : 24);

  return { STEPS, MAX_NATS, unitClass, chanceClass, natsClass, signClass };
})();
