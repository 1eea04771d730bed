const ILLEGAL = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const ILLEGAL_ALL = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;
/** Colours, cursor movements, titles and links of terminals. */
const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
const REPLACEMENT = "\ufffd";

/** Whether XML can carry this text as it is. */
export function isSendable(text: string): boolean {
  return !ILLEGAL.test(text) && text.isWellFormed();
}

/** The text without terminal sequences, and with U+FFFD for every other character that XML cannot carry. */
export function cleaned(text: string): string {
  if (isSendable(text)) return text;
  return text.replace(ANSI, "").replace(ILLEGAL_ALL, REPLACEMENT).toWellFormed();
}

/** How far before a cut an unfinished terminal sequence is looked for. */
const LONGEST_SEQUENCE = 4_096;

/** Parts of a text, of about `size` characters, none of which ends within a character or a terminal sequence. */
export function* partsOf(text: string, size: number): Generator<string> {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(text.length, start + size);
    if (end < text.length) {
      const begun = text.lastIndexOf("\x1b", end - 1);
      if (begun > start && end - begun < LONGEST_SEQUENCE) end = begun;
      const unit = text.charCodeAt(end - 1);
      if (unit >= 0xd800 && unit <= 0xdbff) end++;
    }
    yield text.slice(start, end);
    start = end;
  }
}
