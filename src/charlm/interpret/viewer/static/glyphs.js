/* Characters as they are shown: one mark for each, and nothing that is not seen.

   Controls, marks of direction, and what has no width would change the text around them
   or hide in it; they are shown by a short name or by their number. */
const Glyphs = (() => {
  "use strict";
  const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;
  const WIDE = new RegExp(
    "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}" +
    "\\p{Emoji_Presentation}\\u3000-\\u303f\\uff01-\\uff60\\uffe0-\\uffe6]", "u");
  const MARK = /\p{M}/u;
  const SPACE = /\p{Zs}/u;

  // Not the pictures of U+2400, for which few machines have a font.
  const CONTROLS = ("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 " +
    "DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US").split(" ");

  const hex = (code) => code.toString(16).toUpperCase().padStart(2, "0");

  /** { text, columns, kind }: kind "faint" for what stands for a space, "hex" for the
      name or number of what cannot be shown, "" for the character itself. */
  function glyph(code, byte = Data.vocab.unit === "byte") {
    if (code === 10) return { text: "↵", columns: 1, kind: "faint" };
    if (code === 9) return { text: "→", columns: 1, kind: "faint" };
    if (code === 13) return { text: "←", columns: 1, kind: "faint" };
    if (code === 32) return { text: "\u00a0", columns: 1, kind: "" };
    if (code < 32) return { text: CONTROLS[code], columns: 2, kind: "hex" };
    if (code >= 127 && (byte || code < 160)) return { text: hex(code), columns: 2, kind: "hex" };
    const text = String.fromCodePoint(code);
    if (SPACE.test(text)) return { text: "␣", columns: 1, kind: "faint" };
    if (HIDDEN.test(text)) return { text: hex(code), columns: code > 0xffff ? 5 : 4, kind: "hex" };
    if (MARK.test(text)) return { text: "◌" + text, columns: 1, kind: "" };
    return { text, columns: WIDE.test(text) ? 2 : 1, kind: "" };
  }

  const glyphs = Data.vocab.codes.map((code) => glyph(code));
  const BLANK = { text: "\u00a0", columns: 1, kind: "" };

  /** The glyph of a symbol before another: a carriage return before a newline, which
      says the same, is a blank. */
  function before(id, next) {
    const { codes } = Data.vocab;
    return codes[id] === 13 && codes[next] === 10 ? BLANK : glyphs[id];
  }

  const number = (code) =>
    Data.vocab.unit === "byte" ? `byte 0x${hex(code)}` : `U+${hex(code).padStart(4, "0")}`;

  /** Writes a symbol into an element; a dot for a space where `dots`. */
  function put(element, id, dots = false) {
    const { text, kind } = glyphs[id];
    const space = dots && Data.vocab.codes[id] === 32;
    element.textContent = space ? "·" : text;
    element.className = space ? "faint" : kind;
  }

  return { glyph, glyphs, before, number, put };
})();
