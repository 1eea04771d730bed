import type { Engine } from "../engine/engine.ts";
import type { LoopState } from "../engine/loop.ts";
import type { RunningBuildView } from "../engine/running-build.ts";

/**
 * What is configured and what runs now in this process: answered at once, from memory, by the
 * objects that do the work. What was ever committed is in `History`.
 */
export class Status {
  readonly #engine: () => Engine | undefined;

  constructor(engine: () => Engine | undefined) {
    this.#engine = engine;
  }

  /** Builds that run here. */
  builds(): readonly RunningBuildView[] {
    return (this.#engine()?.runner.running ?? []).map((run) => run.view);
  }

  /** The running build of this row, if it runs here. */
  build(id: number): RunningBuildView | undefined {
    return this.#engine()?.runner.get(id)?.view;
  }

  loops(): readonly LoopState[] {
    return this.#engine()?.loops() ?? [];
  }

  workers(): readonly { name: string; connected: boolean; slots: number }[] {
    return (this.#engine()?.workers.workers ?? []).map(({ name, part }) => ({
      name,
      connected: part.connected,
      slots: part.slots,
    }));
  }
}
