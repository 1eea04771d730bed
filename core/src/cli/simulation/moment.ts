import { faults } from "../../errors/catalogue.ts";
import type { Millis } from "../../interfaces/values.ts";
import { duration } from "../../plugins/define.ts";

const DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/;
const LATEST = 8_640_000_000_000_000;

/** Reads a time that a user typed: a date, with an hour or without, or how long ago. */
export function readMoment(name: string, text: string, now: Millis): Millis {
  const ago = duration.safeParse(text);
  if (ago.success && ago.data <= now) return Math.round(now - ago.data);
  const time = DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time) && Math.abs(time) <= LATEST) return time;
  throw faults.usage(
    `${name} has to be a time such as 2026-03-01, 2026-03-01T08:00Z, or 30d for thirty days ago; "${text.slice(0, 100)}" is not.`,
  );
}
