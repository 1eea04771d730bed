import { BelfryError } from "../errors/belfry-error.ts";
import type { Json, Result } from "../interfaces/values.ts";
import type { SecretSet } from "../logs/masker.ts";
import { Interruption } from "./interruption.ts";
import { describe } from "./source-loop.ts";

/** What a throw, or a stop, makes of the step or build that it ends. */
export function resultOf(error: unknown): Result {
  if (error instanceof Interruption) return error.result;
  return BelfryError.is(error) ? (error.result ?? "exception") : "exception";
}

/** An error as it is kept with a step or log, without the build's secrets. */
export function errorRecord(error: unknown, secrets: SecretSet): Json {
  const { message, code } = describe(error);
  const known = BelfryError.is(error) ? { what: error.what, why: error.why, fix: error.fix } : {};
  const stack = error instanceof Error && !BelfryError.is(error) ? { stack: (error.stack ?? "").slice(0, 8_000) } : {};
  return secrets.json({ message, code, ...known, ...stack }) as Json;
}

export function seconds(millis: number): string {
  return millis < 1_000 ? `${millis} ms` : `${Math.round(millis / 1_000)} s`;
}
