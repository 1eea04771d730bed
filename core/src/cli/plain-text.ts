// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this file takes out.
// biome-ignore-all lint/suspicious/noMisleadingCharacterClass: single characters of every kind are looked for.

const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A terminal's colours and the like; anything else it would obey: control sequences, strings for it, single characters. */
const CONTROLS = new RegExp(
  [
    "(\\u001b\\[[0-9;:]*m)",
    "(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]?",
    "(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u009c]*(?:\\u0007|\\u001b\\\\|\\u009c)?",
    "\\u001b[ -/]*[0-~]?",
    "[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]",
  ].join("|"),
  "g",
);

/** A text from outside (a name, a branch, a summary) on one line, with nothing in it that a terminal would obey. */
export function oneLine(text: string, most = 300): string {
  const plain = text
    .slice(0, most * 4)
    .replace(CONTROLS, " ")
    .replace(BIDI, "")
    .replace(/\s+/g, " ")
    .trim();
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}

/** A line of a log with nothing in it that a terminal would obey but colours, where they are wanted. */
export function logLine(text: string, colours: boolean): string {
  let coloured = false;
  const plain = text
    .replace(/\r+$/, "")
    .replace(BIDI, "")
    .replace(CONTROLS, (control, colour: string | undefined) => {
      if (control === "\t") return "    ";
      if (control === "\r") return " ";
      if (colour === undefined || !colours) return "";
      coloured = true;
      return control;
    });
  return coloured ? `${plain}\u001b[0m` : plain;
}

/** How many columns a text takes; colours take none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const char of text.replace(CONTROLS, "")) width += columnsOf(char);
  return width;
}

/** The beginning of a text that fits into so many columns; colours are kept and ended. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return "";
  if (text.length <= columns && /^[\u0020-\u007e]*$/.test(text)) return text;
  let width = 0;
  let kept = "";
  let coloured = false;
  for (const part of text.split(/(\u001b\[[0-9;:]*m)/)) {
    if (part.startsWith("\u001b")) {
      kept += part;
      coloured = true;
      continue;
    }
    for (const char of part) {
      const wide = columnsOf(char);
      if (width + wide > columns - 1 && widthOf(text) > columns) return `${kept}…${coloured ? "\u001b[0m" : ""}`;
      kept += char;
      width += wide;
    }
  }
  return kept;
}

/** Fills a text with spaces up to a width. */
export function pad(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

function columnsOf(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^[\p{Mn}\p{Me}\p{Cf}]$/u.test(char)) return 0;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** Blocks whose characters take two columns. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];
