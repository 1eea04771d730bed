import { type ApiMethod, BelfryError, type Caller, type z } from "belfry";
import { faults } from "./errors.ts";

/** Gives a method its types. */
export function method<P extends z.ZodType, R extends z.ZodType>(given: ApiMethod<P, R>): ApiMethod {
  return given as unknown as ApiMethod;
}

export function requireInternal(name: string, { kind }: Caller): void {
  if (kind !== "internal") throw faults.internalOnly(name);
}

/** A record that somebody else has taken meanwhile stays gone. */
export function unlessGone(error: unknown): void {
  if (!BelfryError.is(error) || error.code !== "BELFRY_RECORD_GONE") throw error;
}
