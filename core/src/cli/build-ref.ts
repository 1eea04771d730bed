import { faults } from "../errors/catalogue.ts";

/** A build as a user names it: `BUILDER NUMBER`, `BUILDER last`, or its id. */
export interface BuildRef {
  ref: { build: number } | { builder: string; number: number };
  /** What comes after it on the command line. */
  rest: string[];
}

/** Reads the build that the first one or two arguments name. A builder alone means its newest build. */
export function readBuildRef(words: readonly string[]): BuildRef {
  const [first = "", second, ...rest] = words;
  if (/^\d{1,15}$/.test(first)) return { ref: { build: Number(first) }, rest: words.slice(1) };
  if (second === undefined || second === "last") return { ref: { builder: first, number: -1 }, rest };
  if (/^#?\d{1,15}$/.test(second)) return { ref: { builder: first, number: Number(second.replace("#", "")) }, rest };
  throw faults.usage(`"${second.slice(0, 100)}" is no number of a build; give one, or "last".`);
}
