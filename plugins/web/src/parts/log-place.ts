import type { View } from "../extension.ts";
import { type Keys, search } from "../urls.ts";
import { numberOf } from "./the-build.ts";

/** Where a log is. */
export interface LogPlace {
  [key: string]: string | number;
  builder: string;
  number: number;
  step: number;
  log: number;
}

export function logPlace(keys: Keys): LogPlace {
  return {
    builder: String(keys["builder"] ?? ""),
    number: numberOf(keys["number"]),
    step: numberOf(keys["step"]),
    log: numberOf(keys["log"]),
  };
}

/** A whole number in an address; anything else is `otherwise`. */
export function wholeOf(text: string | number | null | undefined, otherwise: number): number {
  const number = /^-?\d{1,15}$/.test(String(text ?? "")) ? Number(text) : Number.NaN;
  return Number.isNaN(number) ? otherwise : number;
}

/** What stands above a line that a link leads to. */
const ABOVE = 5;

/** A link to a line, counted from 0: the page begins a little before it, so that it is in sight without script too. */
export function lineUrl(view: View, at: LogPlace, number: number, query: Parameters<typeof search>[0] = {}): string {
  const from = Math.max(1, number + 1 - ABOVE);
  return `${view.url("log", at)}${search({ ...query, from: from > 1 ? from : undefined })}#L${number + 1}`;
}
