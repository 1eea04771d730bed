import { BelfryError } from "belfry";
import { pause } from "./pause.ts";

/** What passes by itself: the master is being restarted, or has too much to do. */
const PASSING = new Set([
  "BELFRY_JSONRPC_UNREACHABLE",
  "BELFRY_JSONRPC_CONNECTIONS_FULL",
  "BELFRY_MASTER_NOT_RUNNING",
  "BELFRY_MASTER_STOPPING",
  "BELFRY_HTTP_STOPPING",
  "BELFRY_DATABASE_AWAY",
  "BELFRY_BUDGET_SPENT",
  "BELFRY_INTERNAL",
]);

/** While a master starts, its HTTP server may be there before the path. Where it never was, the address is wrong. */
const PASSING_LATER = "BELFRY_HTTP_PATH_UNKNOWN";

const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 10_000;

/** Growing pauses between failures in a row. */
export class Retry {
  readonly #signal: AbortSignal | undefined;
  #failures = 0;
  #worked = false;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  succeeded(): void {
    this.#worked = true;
    this.#failures = 0;
  }

  /** Waits before the next try, or throws the error if it would not help. */
  async after(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!BelfryError.is(error)) throw error;
    if (!PASSING.has(error.code) && !(this.#worked && error.code === PASSING_LATER)) throw error;
    this.#failures += 1;
    await pause(Math.max(growing(this.#failures, FIRST_PAUSE, LONGEST_PAUSE), wishedBy(error)), this.#signal);
  }
}

/** A pause that doubles with each failure. Not all clients of a master shall come back at the same moment. */
export function growing(failures: number, first: number, longest: number): number {
  return Math.min(first * 2 ** (failures - 1), longest) * (0.75 + Math.random() / 4);
}

/** For how long the master said not to ask again. */
function wishedBy({ details }: BelfryError): number {
  const seconds = Number(details.find(({ path }) => path === "retryAfterSeconds")?.message ?? 0);
  return Number.isFinite(seconds) ? seconds * 1_000 : 0;
}
