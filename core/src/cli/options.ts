import { faults } from "../errors/catalogue.ts";
import { RESULTS, type Result } from "../interfaces/values.ts";

/** Reads a whole number that a user typed. */
export function wholeNumber(name: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    const limit = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw faults.usage(`${name} has to be a whole number ${limit}.`);
  };
}

/** Collects an option that may be given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Collects an option that may be given several times, or as a list with commas. */
export function collectList(value: string, before: string[] = []): string[] {
  return [
    ...before,
    ...value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  ];
}

export function readResult(text: string): Result {
  const found = RESULTS.find((result) => result === text);
  if (found) return found;
  throw faults.usage(`--result has to be one of ${RESULTS.join(", ")}.`);
}

/** Reads properties that were given as `NAME=VALUE`. */
export function readProperties(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const place = text.indexOf("=");
      if (place < 1) throw faults.usage(`--property has to be NAME=VALUE; "${text.slice(0, 100)}" is not.`);
      return [text.slice(0, place), text.slice(place + 1)];
    }),
  );
}
