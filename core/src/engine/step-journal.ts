import type { Millis } from "../interfaces/values.ts";
import type { PastCall } from "../store/resuming.ts";

const PATIENCE = 5_000;
const LOOK_EVERY = 20;

/**
 * What a step asked of its worker before the master was restarted. Calls are found by what they ask, and among equal
 * ones by their order: calls that overlap may come in another order than before.
 */
export class StepJournal {
  readonly #all: readonly PastCall[];
  readonly #left: PastCall[];

  constructor(calls: readonly PastCall[]) {
    this.#all = calls;
    this.#left = [...calls];
  }

  /** True while there are calls that the step has not made again: it does what it has done before. */
  get replaying(): boolean {
    return this.#left.length > 0;
  }

  /** When the first of the calls that are left began. */
  get since(): Millis | undefined {
    return this.#left[0]?.startedAt;
  }

  /** The method of the call that is expected next. */
  get next(): string {
    return this.#left[0]?.method ?? "anything";
  }

  /** True if another command was begun while this one ran, which has not ended. */
  overlaps({ call, method }: PastCall): boolean {
    return this.#all.some((other) => other.method === method && other.call > call);
  }

  /** The entry of a call that the step makes again. */
  take(method: string, argsHash: string): PastCall | undefined {
    const at = this.#left.findIndex((call) => call.method === method && call.argsHash === argsHash);
    return at < 0 ? undefined : this.#left.splice(at, 1)[0];
  }

  /**
   * Resolves with true once every call was made again, so that a new one may be carried out; with false if that does
   * not happen within some seconds: the step goes another way than before.
   */
  async settled(signal: AbortSignal): Promise<boolean> {
    for (const end = performance.now() + PATIENCE; this.replaying; ) {
      if (performance.now() > end) return false;
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
    return true;
  }
}
