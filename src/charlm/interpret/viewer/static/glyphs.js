/* Characters as they are shown: one mark for each, and nothing that is not seen.

   Controls, marks of direction, and what has no width would change the text around them
   or hide in it; they are shown by a short name or by their number. */
const Glyphs = (() => {
  const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;
  const WIDE = new RegExp(
    "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}" +
    "\\p{Emoji_Presentation}\\u3000-\\u303f\\uff01-\\uff60\\uffe0-\\uffe6]", "u");
  // Not the pictures of U+2400, for which few machines have a font.
  const CONTROLS = ("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 " +
    "DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US").split(" ");
  const ARROWS = { 9: "→", 10: "↵", 13: "←" };
  const BLANK = { text: "\u00a0", columns: 1, className: "" };
  const { unit, codes } = Data.vocab;

  const hex = (code) => code.toString(16).toUpperCase().padStart(2, "0");

  /** { text, columns, className }: "faint" is what stands for a space, "hex" the name or
      number of what cannot be shown, "" the character itself. */
  function makeGlyph(code) {
    const glyph = (text, columns = 1, className = "") => ({ text, columns, className });
    if (code in ARROWS) return glyph(ARROWS[code], 1, "faint");
    if (code === 32) return BLANK;
    if (code < 32) return glyph(CONTROLS[code], 2, "hex");
    if (code >= 127 && (unit === "byte" || code < 160)) return glyph(hex(code), 2, "hex");
    const text = String.fromCodePoint(code);
    if (/\p{Zs}/u.test(text)) return glyph("␣", 1, "faint");
    if (HIDDEN.test(text)) return glyph(hex(code), code > 0xffff ? 5 : 4, "hex");
    if (/\p{M}/u.test(text)) return glyph("◌" + text);
    return glyph(text, WIDE.test(text) ? 2 : 1);
  }

  const glyphs = codes.map(makeGlyph);

  /** The glyph of a symbol before another: a carriage return before a newline, which
      says the same, is a blank. */
  const before = (id, next) => (codes[id] === 13 && codes[next] === 10 ? BLANK : glyphs[id]);

  const number = (code) =>
    unit === "byte" ? `byte 0x${hex(code)}` : `U+${hex(code).padStart(4, "0")}`;

  /** Writes a symbol into an element of its own: a space as a dot. */
  function write(element, id) {
    const { text, className } = id === Data.space ? { text: "·", className: "faint" } : glyphs[id];
    element.textContent = text;
    element.className = className;
  }

  return { makeGlyph, glyphs, before, number, write };
})();
