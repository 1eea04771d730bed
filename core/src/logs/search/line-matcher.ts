import { PatternError, type SearchQuery } from "./query.ts";

/** Tells which lines match. */
export interface LineMatcher {
  test(line: string): boolean;
  /** The bytes that a line has to hold, when nothing else counts. */
  readonly bytes?: Buffer;
  /** What a line of ASCII has to hold once it is in lower case, when nothing else counts. */
  readonly lower?: string;
}

/** Throws a PatternError. The engine for patterns is only loaded when there is one. */
export async function makeMatcher({ kind, wanted, ignoreCase }: SearchQuery): Promise<LineMatcher> {
  if (kind === "pattern") return patternMatcher(wanted, ignoreCase);
  if (!ignoreCase) return { bytes: Buffer.from(wanted), test: (line) => line.includes(wanted) };
  const lower = wanted.toLowerCase();
  return { lower, test: (line) => line.toLowerCase().includes(lower) };
}

/** RE2's syntax and its promise: time grows with the length of the line and of the pattern, and with nothing else. */
async function patternMatcher(pattern: string, ignoreCase: boolean): Promise<LineMatcher> {
  const { RE2JS, RE2JSException } = await import("re2js");
  try {
    const compiled = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
    return { test: (line) => compiled.test(line) };
  } catch (error) {
    if (error instanceof RE2JSException) throw new PatternError(error.message.replace("error parsing regexp: ", ""));
    throw error;
  }
}
