import { ERROR_PATTERN, ERROR_WORDS, namesError } from "./error-pattern.ts";
import { PatternError, type SearchQuery } from "./query.ts";

/** Tells which lines match. */
export interface LineMatcher {
  test(line: string): boolean;
  /** The bytes that a line has to hold, when nothing else counts. */
  readonly bytes?: Buffer;
  /** What a line of ASCII has to hold once it is in lower case, when nothing else counts. */
  readonly lower?: string;
  /** Some text of ASCII that each line has that matches, once it is in lower case. */
  readonly words?: RegExp;
  /** Lines of Belfry's own, such as the commands that it runs, do not count. */
  readonly skipsHeader?: boolean;
}

/** Lines up to this length are tried in a way that is quicker, if longer ones might take for ever. */
const SHORT = 2_000;

/** Throws a PatternError. The engine for patterns is only loaded when there is one. */
export async function makeMatcher(query: SearchQuery): Promise<LineMatcher> {
  if (query.kind === "errors") return errorMatcher();
  const { kind, wanted, ignoreCase } = query;
  if (kind === "pattern") return patternMatcher(wanted, ignoreCase);
  if (!ignoreCase) return { bytes: Buffer.from(wanted), test: (line) => line.includes(wanted) };
  const lower = wanted.toLowerCase();
  return { lower, test: (line) => line.toLowerCase().includes(lower) };
}

async function errorMatcher(): Promise<LineMatcher> {
  const long = await patternMatcher(ERROR_PATTERN, true);
  const test = (line: string) => (line.length <= SHORT ? namesError(line) : long.test(line));
  return { words: ERROR_WORDS, skipsHeader: true, test };
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
