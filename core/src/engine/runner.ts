import type { Generation, Part } from "../config/generation.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import { type BuildKey, finishBuild, type UnfinishedBuild, unfinishedBuilds } from "../store/builds.ts";
import type { Store } from "../store/store.ts";
import { BuildRun } from "./build-run.ts";
import type { KeptLease } from "./lease-keeper.ts";

export interface RunnerDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  masterId: number;
  /** The lease of this master's present life. */
  lease(): KeptLease | undefined;
  generation(): Generation;
  worker(name: string): Part<"worker"> | undefined;
  secret(name: string, signal: AbortSignal): Promise<string>;
  onError(message: string, error: unknown, build: BuildKey): void;
}

/** Starts the builds that were assigned to this master's workers, and stops those that shall stop. */
export class Runner {
  readonly #deps: RunnerDeps;
  readonly #running = new Map<number, BuildRun>();
  #draining = false;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
  }

  get running(): BuildRun[] {
    return [...this.#running.values()];
  }

  get(id: number): BuildRun | undefined {
    return this.#running.get(id);
  }

  async pass(): Promise<void> {
    const lease = this.#deps.lease();
    if (!lease) return;
    for (const build of await unfinishedBuilds(this.#deps.store, this.#deps.masterId)) {
      const run = this.#running.get(build.id);
      if (run) {
        if (build.stopReason !== null && !run.view.stopping) run.stop(build.stopReason);
      } else if (build.fence === lease.fence) {
        await this.#begin(build, lease);
      }
    }
  }

  /** Starts nothing more; what is assigned and not begun goes back at `stop`. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when no build runs any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.running.map((run) => run.done));
  }

  async interrupt(reason: string): Promise<void> {
    this.#draining = true;
    for (const run of this.running) run.interrupt(reason);
    await this.idle();
  }

  async #begin(build: UnfinishedBuild, lease: KeptLease): Promise<void> {
    const { store, clock, logStore } = this.#deps;
    const generation = this.#deps.generation();
    const builder = generation.builders.get(build.builder);
    const worker = this.#deps.worker(build.worker);
    const refuse = async (result: "retry" | "cancelled", summary: string) => {
      await store.write(async (tx) => {
        await tx.requireLease(lease);
        await finishBuild(tx, build, result, summary);
      });
    };
    if (build.stopReason !== null) return refuse("cancelled", build.stopReason);
    if (this.#draining) return refuse("retry", "the master shut down before it began");
    if (!builder || !worker) return refuse("retry", "its builder or worker is no longer configured");
    const run = new BuildRun(build, builder, {
      store,
      clock,
      logStore,
      logCap: generation.logCap,
      lease,
      worker: worker.part,
      secret: this.#deps.secret,
      onError: this.#deps.onError,
    });
    this.#running.set(build.id, run);
    void run.done.finally(() => this.#running.delete(build.id));
  }
}
