import type { Clock } from "../interfaces/clock.ts";
import type { BuildKey } from "../store/builds.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import { BuildRecorder } from "./build-recorder.ts";
import { isLeaseLost, type KeptLease } from "./lease-keeper.ts";
import { backOff } from "./loop.ts";

const MOST_FAILURES = 12;

/** Somebody ended the build before it began. */
export class AlreadyEnded extends Error {}

export interface BuildWriterDeps {
  store: Store;
  clock: Clock;
  lease: KeptLease;
  onError(message: string, error: unknown, build: BuildKey): void;
}

/** Writes what must not be lost of a build, and tries again for a while where that fails. */
export class BuildWriter {
  readonly recorder: BuildRecorder;
  readonly #deps: BuildWriterDeps;
  readonly #build: BuildKey;
  /** Aborts when nobody has time to try again. */
  readonly #hurry: AbortSignal;
  #frozen = false;

  constructor(deps: BuildWriterDeps, build: BuildKey, hurry: AbortSignal) {
    this.#deps = deps;
    this.#build = build;
    this.#hurry = hurry;
    this.recorder = new BuildRecorder(deps.store, deps.clock, deps.lease, build, (error) =>
      deps.onError("the journal could not be written", error, build),
    );
  }

  /** From now on nothing is written, and nobody who wants to hears of it: the master is about to be restarted. */
  freeze(): void {
    this.#frozen = true;
    this.recorder.freeze();
  }

  /** Has something written together with whatever is persisted next, so that a short build costs fewer transactions. */
  later(work: (tx: Tx) => Promise<void>): void {
    this.recorder.later(work);
  }

  /**
   * Writes at a point that must not be lost, together with everything noted before. What fails still
   * after some tries is left to the runner, which has the build built again.
   */
  async persist<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      if (this.#frozen) return new Promise(() => {});
      try {
        return await this.recorder.commit(work);
      } catch (error) {
        if (isLeaseLost(error) || error instanceof AlreadyEnded || this.#deps.lease.signal.aborted) throw error;
        if (failures >= MOST_FAILURES || this.#hurry.aborted) throw error;
        this.#deps.onError("a result could not be written and is tried again", error, this.#build);
        await new Promise((resolve) => setTimeout(resolve, backOff(failures, 100, 10_000)));
      }
    }
  }
}
