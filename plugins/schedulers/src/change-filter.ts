import { types } from "node:util";
import { type Change, type Json, z } from "belfry";
import type { FileMatching } from "./file-matching.ts";

/** What a value has to be: equal to this, equal to one of these, a text that fits a pattern, or what a function says yes to. */
export type Wanted<V = string | null> = V | readonly V[] | RegExp | ((value: V | null) => boolean);

/** The same, or what a value must not be. */
export type WantedOrNot<V = string | null> = Wanted<V> | { not: Wanted<V> };

const isWanted = (value: unknown, isValue: (value: unknown) => boolean): boolean =>
  isValue(value) ||
  typeof value === "function" ||
  types.isRegExp(value) ||
  (Array.isArray(value) && value.length > 0 && value.every(isValue));

function wantedOf<V>(isValue: (value: unknown) => boolean, what: string) {
  return z.custom<WantedOrNot<V>>((value) => {
    if (isWanted(value, isValue)) return true;
    if (typeof value !== "object" || value === null || Object.keys(value).join() !== "not") return false;
    return isWanted((value as { not: unknown }).not, isValue);
  }, `expected ${what}, a list of them, a regular expression, a function, or { not: one of these }`);
}

const wanted = wantedOf<string | null>(
  (value) => typeof value === "string" || value === null,
  "a text or null",
).optional();
const isScalar = (value: unknown) => value === null || ["string", "number", "boolean"].includes(typeof value);

const fields = z.strictObject({
  project: wanted,
  repository: wanted,
  branch: wanted,
  category: wanted,
  codebase: wanted,
  author: wanted,
  files: wantedOf<string>((value) => typeof value === "string", "a text")
    .optional()
    .describe("one of the change's files has to fit; with `not`, none of them may"),
  properties: z
    .record(
      z.string().min(1),
      wantedOf<string | number | boolean | null>(isScalar, "a text, a number, true, false or null"),
    )
    .optional(),
});

/** Which changes are looked at: by their fields, all of which have to fit, or as a function says. */
export const changeFilter = z.union([
  z.custom<(change: Change) => boolean>((value) => typeof value === "function", "expected a function of a change"),
  fields,
]);

const FIELDS = ["project", "repository", "branch", "category", "codebase", "author"] as const;

export type FilterTest = (change: Change, matching: FileMatching) => boolean | Promise<boolean>;

/** Compiles a filter: every field that is named has to fit. */
export function compileFilter(filter: z.output<typeof changeFilter>): FilterTest {
  if (typeof filter === "function") return (change) => Boolean(filter(change));
  const tests = FIELDS.flatMap((field) => {
    const given = filter[field];
    if (given === undefined) return [];
    const fits = compileEither<string | null>(given);
    return [(change: Change) => fits(change[field])];
  });
  for (const [name, given] of Object.entries(filter.properties ?? {})) {
    const fits = compileEither<string | number | boolean | null>(given);
    tests.push(({ properties }) => fits(Object.hasOwn(properties, name) ? (properties[name] as Json as null) : null));
  }
  const { files } = filter;
  if (files === undefined) return (change) => tests.every((fits) => fits(change));
  const { not, fits } = split<string>(files);
  return async (change, matching) => {
    if (!tests.every((test) => test(change))) return false;
    // A change that names no files may have touched any of them, and others.
    if (change.files.length === 0) return true;
    return (await matching.touches(change.files, fits)) !== not;
  };
}

function compileEither<V>(given: WantedOrNot<V>): (value: V | null) => boolean {
  const { not, fits } = split<V>(given);
  return not ? (value) => !fits(value) : fits;
}

function split<V>(given: WantedOrNot<V>): { not: boolean; fits: (value: V | null) => boolean } {
  const not =
    typeof given === "object" && given !== null && !Array.isArray(given) && !types.isRegExp(given) && "not" in given;
  return { not, fits: compileWanted<V>(not ? (given as { not: Wanted<V> }).not : (given as Wanted<V>)) };
}

function compileWanted<V>(given: Wanted<V>): (value: V | null) => boolean {
  if (typeof given === "function") return (value) => Boolean((given as (value: V | null) => boolean)(value));
  if (Array.isArray(given)) return (value) => given.includes(value);
  if (!types.isRegExp(given)) return (value) => value === given;
  // A pattern with the flag g or y remembers where it stopped, and would answer differently the next time.
  const steady = new RegExp(given.source, given.flags.replace(/[gy]/g, ""));
  return (value) => value !== null && typeof value !== "object" && steady.test(String(value));
}
