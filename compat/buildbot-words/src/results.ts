import { RESULTS, type Result } from "belfry";

/** The number of each result, as Buildbot 0.9 and later count them. */
export const RESULT_NUMBERS = Object.freeze(
  Object.fromEntries(RESULTS.map((result, number) => [result, number])),
) as Readonly<Record<Result, number>>;

/** What a client of 0.8 can be told: it knows nothing of cancelled builds, they are exceptions to it. */
const known = (result: Result): Result => (result === "cancelled" ? "exception" : result);

/** The number that 0.8 has for a result, 0 to 5; `null` while there is none. */
export function resultNumber(result: Result | null): number | null {
  return result === null ? null : RESULT_NUMBERS[known(result)];
}

/** The word that 0.8 has for a result; `null` while there is none. */
export function resultWord(result: Result | null): string | null {
  return result === null ? null : known(result);
}
