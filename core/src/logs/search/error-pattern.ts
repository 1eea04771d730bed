/** Where a word begins, also behind a colour; and where a line does. */
const WORD = String.raw`(?:\b|\dm)`;
const LINE = String.raw`^(?:\s|\x1b\[[\d;]*m)*`;

/** What lines of programs look like that say what went wrong; in a syntax that RE2 understands too. */
const ERRORS = [
  String.raw`${WORD}error\s*(\[\w+\])?:`,
  String.raw`${WORD}error [A-Z]{1,4}\d+\b`,
  String.raw`${WORD}(fatal|panic|panicked)\b( error)?( at\b|:)`,
  String.raw`${LINE}(error|fail(ed|ure)?|fatal)\b[^,]*$`,
  String.raw`${LINE}[\w.]*(error|exception)\b( \[\w+\])?:`,
  String.raw`${LINE}traceback \(most recent call last\)`,
  String.raw`${LINE}not ok \d`,
  `${LINE}--- fail:`,
  String.raw`\.\.\. failed$`,
  String.raw`${WORD}assert(ion)?(error)?\b.*\bfailed\b`,
  String.raw`${WORD}undefined reference to\b`,
  String.raw`${WORD}segmentation fault\b`,
  ": command not found$",
  ": no such file or directory$",
  ": permission denied$",
  String.raw`\*\*\* .*\bstop\.$`,
];

export const ERROR_PATTERN = ERRORS.join("|");
const MATCHER = new RegExp(ERROR_PATTERN, "i");

/** A line of a program that names an error has one of these, in lower case. */
export const ERROR_WORDS =
  /error|fatal|panic|fail|exception|traceback|not ok |undefined reference|segmentation fault|command not found|no such file|permission denied|\*\*\* /g;

/** Whether a line looks like one that names an error. For lines that are not so long: it may take the square of their length. */
export const namesError = (line: string): boolean => MATCHER.test(line);
