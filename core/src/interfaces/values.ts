/** A value that survives a trip through JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * How a step, build or buildset ended, from best to worst for the first three. In the old
 * protocols these are the numbers 0 to 6, in this order.
 */
export const RESULTS = ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"] as const;

export type Result = (typeof RESULTS)[number];

const SEVERITY: Record<Result, number> = {
  skipped: 0,
  success: 1,
  warnings: 2,
  failure: 3,
  exception: 4,
  retry: 5,
  cancelled: 6,
};

/** The worse of two results, in Buildbot's order: skipped, success, warnings, failure, exception, retry, cancelled. */
export function worseResult(a: Result, b: Result): Result {
  return SEVERITY[a] >= SEVERITY[b] ? a : b;
}

/** A time in milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number;

/** A length of time: milliseconds as a number, or text such as `"500ms"`, `"2s"`, `"10m"`, `"1h"`, `"3d"`. */
export type Duration = number | string;
