/* Colours of values: u off to on, p of a chance, s of a surprise; for both schemes.

   Blue and green differ in lightness too, so that no eye takes one for the other, and
   what is written on a colour is light or dark, whichever can be read. */
const Colors = (() => {
  "use strict";
  const SCHEMES = {
    light: {
      paper: [251, 249, 244], off: [84, 134, 214], on: [142, 204, 52],
      chance: [176, 24, 28], surprise: [104, 52, 140],
    },
    dark: {
      paper: [22, 21, 19], off: [52, 98, 206], on: [138, 206, 62],
      chance: [214, 52, 46], surprise: [168, 112, 214],
    },
  };
  const INK = { light: [30, 27, 23], dark: [240, 235, 226] };
  const BLACK = [0, 0, 0], WHITE = [255, 255, 255];
  const HALF = 32; // steps from none to all
  const MOST_NATS = 6;

  const mix = (a, b, share) => a.map((x, n) => Math.round(x + (b[n] - x) * share));
  const css = (color) => `rgb(${color.join(" ")})`;

  /** Relative luminance, and the contrast of two, as WCAG 2 defines them. */
  const luminance = (color) => {
    const [r, g, b] = color.map((x) => {
      const s = x / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };

  /** The colour of class kind + step: u0 to u64 (32 is 0), p0 to p32, s0 to s32. */
  function color(scheme, kind, step) {
    const { paper, off, on, chance, surprise } = SCHEMES[scheme];
    if (kind === "p") return mix(paper, chance, step / HALF);
    if (kind === "s") return mix(paper, surprise, step / HALF);
    return mix(paper, step < HALF ? off : on, Math.abs(step - HALF) / HALF);
  }

  /** The ink of the page while it can be read, as WCAG asks; one of black and white
      always can. */
  function inkOn(scheme, background) {
    if (contrast(INK[scheme], background) >= 4.5) return INK[scheme];
    return contrast(BLACK, background) > contrast(WHITE, background) ? BLACK : WHITE;
  }

  function rule(kind, step) {
    const [light, dark] = ["light", "dark"].map((scheme) => {
      const background = color(scheme, kind, step);
      return [css(background), css(inkOn(scheme, background))];
    });
    return `.${kind}${step}{background:light-dark(${light[0]},${dark[0]});` +
      `color:light-dark(${light[1]},${dark[1]})}`;
  }

  const steps = (kind) => (kind === "u" ? 2 * HALF : HALF);

  /** All of them, in a style element. */
  function install() {
    const style = document.createElement("style");
    for (const kind of ["u", "p", "s"])
      for (let step = 0; step <= steps(kind); step++) style.textContent += rule(kind, step);
    document.head.append(style);
  }

  // A chance of 0.05 must still be seen, so the colour rises faster at first.
  const ofChance = (p) => "p" + Math.round(HALF * Math.pow(p, 0.6));
  const ofNats = (nats) => "s" + Math.round((HALF * Math.min(nats, MOST_NATS)) / MOST_NATS);
  const ofLevel = (level) => "u" + (level + HALF);

  const dark = () =>
    (document.documentElement.dataset.scheme ||
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  return { install, color, css, steps, ofChance, ofNats, ofLevel, dark, MOST_NATS };
})();
