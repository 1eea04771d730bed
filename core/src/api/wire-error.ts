import { BelfryError } from "../errors/belfry-error.ts";
import type { Json } from "../interfaces/values.ts";

/** A BelfryError as data, for the master's socket. */
export function toWire(error: BelfryError): Json {
  return {
    code: error.code,
    what: error.what,
    why: error.why,
    fix: error.fix,
    details: error.details as unknown as Json,
  };
}

export function fromWire(data: Json): BelfryError {
  const { code, what, why, fix, details } = (data ?? {}) as Record<string, never>;
  return new BelfryError(
    code ?? "BELFRY_INTERNAL",
    { what: what ?? "The call failed.", why: why ?? "", fix: fix ?? "" },
    { details: details ?? [] },
  );
}
