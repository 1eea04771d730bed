import { types } from "node:util";
import { type Change, z } from "belfry";

/** What a field of a change has to be: a text, one of several, a pattern, or what a function says yes to. */
export type Wanted = string | string[] | RegExp | ((value: string | null) => boolean);

const wanted = z
  .custom<Wanted>(
    (value) =>
      typeof value === "string" ||
      typeof value === "function" ||
      types.isRegExp(value) ||
      (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string")),
    "expected a text, a list of texts, a regular expression or a function",
  )
  .optional();

export const changeFilter = z.strictObject({
  project: wanted,
  repository: wanted,
  category: wanted,
  codebase: wanted,
  author: wanted,
});

const FIELDS = ["project", "repository", "category", "codebase", "author"] as const;

/** Compiles a filter: every field that is named has to fit. */
export function compileFilter(filter: z.output<typeof changeFilter>): (change: Change) => boolean {
  const tests = FIELDS.flatMap((field) => {
    const given = filter[field];
    return given === undefined ? [] : [{ field, fits: compileWanted(given) }];
  });
  return (change) => tests.every(({ field, fits }) => fits(change[field]));
}

function compileWanted(given: Wanted): (value: string | null) => boolean {
  if (typeof given === "function") return given;
  if (typeof given === "string") return (value) => value === given;
  if (Array.isArray(given)) return (value) => value !== null && given.includes(value);
  // A pattern with the flag g or y remembers where it stopped, and would answer differently the next time.
  const steady = new RegExp(given.source, given.flags.replace(/[gy]/g, ""));
  return (value) => value !== null && steady.test(value);
}
