import type { ConfiguredWorker, Generation } from "../config/generation.ts";
import { type Clock, sleep } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Worker } from "../interfaces/worker.ts";
import { type BuildKey, endOpenSteps, finishBuild, type UnfinishedBuild, unfinishedBuilds } from "../store/builds.ts";
import { type PastBuild, readPast } from "../store/resuming.ts";
import type { Store } from "../store/store.ts";
import { BuildRun } from "./build-run.ts";
import type { KeptLease } from "./lease-keeper.ts";
import { sealLogs } from "./recovery.ts";
import { planFor } from "./resuming.ts";

const REMEMBERED = 2_000;
const RETRY_PAUSE = 30_000;
const LOOK_AGAIN = 200;

export interface RunnerDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  masterId: number;
  /** The lease of this master's present life. */
  lease(): KeptLease | undefined;
  generation(): Generation;
  generationId(): number;
  worker(name: string): ConfiguredWorker | undefined;
  secret(name: string, signal: AbortSignal): Promise<string>;
  onError(message: string, error: unknown, build: BuildKey): void;
}

/** Starts the builds that were assigned to this master's workers, and stops those that shall stop. */
export class Runner {
  readonly #deps: RunnerDeps;
  readonly #running = new Map<number, BuildRun>();
  /** Where each of them runs. */
  readonly #places = new Map<BuildRun, Worker>();
  /** The latest builds that were carried to their end here. */
  readonly #ended = new Set<number>();
  /** Builds whose end could not be written. */
  readonly #failed = new Set<number>();
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
    const builds = await unfinishedBuilds(this.#deps.store, this.#deps.masterId);
    const refused: { build: UnfinishedBuild; result: "retry" | "cancelled"; summary: string }[] = [];
    for (const build of builds) {
      const run = this.#running.get(build.id);
      if (run) {
        if (build.stopReason !== null && !run.view.stopping) run.stop(build.stopReason);
        continue;
      }
      // What was read may be older than the end of a build that ran here.
      if (build.fence !== lease.fence || this.#ended.has(build.id)) continue;
      const refusal = this.#refusal(build);
      if (refusal) refused.push({ build, ...refusal });
      else
        this.#begin(build, lease, build.state === "running" ? await readPast(this.#deps.store, build.id) : undefined);
    }
    for (const { build, result, summary } of refused) {
      const notBefore = this.#failed.has(build.id) ? this.#deps.clock.now() + RETRY_PAUSE : 0;
      const { store, logStore, onError } = this.#deps;
      if (build.state === "running")
        await sealLogs(store, logStore, build, lease, (message, error) => onError(message, error, build));
      await store.write(async (tx) => {
        await tx.requireLease(lease);
        if (build.state === "running") await endOpenSteps(tx, build, summary);
        await finishBuild(tx, build, result, summary, { notBefore });
      });
      this.#failed.delete(build.id);
    }
    const unfinished = new Set(builds.map((build) => build.id));
    for (const id of this.#failed) if (!unfinished.has(id)) this.#failed.delete(id);
  }

  #refusal(build: UnfinishedBuild): { result: "retry" | "cancelled"; summary: string } | undefined {
    if (this.#failed.has(build.id)) return { result: "retry", summary: "what it did could not be written down" };
    if (build.stopReason !== null) return { result: "cancelled", summary: build.stopReason };
    if (this.#draining) return { result: "retry", summary: "the master shut down before it began" };
    const known = this.#deps.generation().builders.has(build.builder) && this.#deps.worker(build.worker);
    return known ? undefined : { result: "retry", summary: "its builder or worker is no longer configured" };
  }

  /** Starts nothing more; what is assigned and not begun goes back at `stop`. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when no build runs any more; with `restarts`, none that could not go on after a restart. */
  async idle(restarts = false): Promise<void> {
    const left = () => this.running.filter((run) => !restarts || !run.resumable);
    for (let runs = left(); runs.length > 0; runs = left()) {
      const ended = Promise.all(runs.map((run) => run.done));
      // In its next step a build may be one that can go on.
      await (restarts ? Promise.race([ended, sleep(this.#deps.clock, LOOK_AGAIN)]) : ended);
    }
  }

  /** Resolves when no build runs on this worker. */
  async idleOn(worker: Worker): Promise<void> {
    const here = () => this.running.filter((run) => this.#places.get(run) === worker);
    for (let runs = here(); runs.length > 0; runs = here()) await Promise.all(runs.map((run) => run.done));
  }

  /** Lets go of the builds that the next life of this master can take up, and ends the others. Gives the places of those. */
  async detach(reason: string): Promise<Set<Worker>> {
    this.#draining = true;
    const kept = this.running.filter((run) => run.resumable);
    const places = new Map(this.#places);
    for (const run of this.running) if (!kept.includes(run)) run.interrupt(reason);
    const goOn = await Promise.all(kept.map(async (run) => ((await run.detach()) ? run : undefined)));
    await this.idle();
    return new Set(goOn.flatMap((run) => (run && places.get(run)) ?? []));
  }

  async interrupt(reason: string): Promise<void> {
    this.#draining = true;
    for (const run of this.running) run.interrupt(reason);
    await this.idle();
  }

  #begin(build: UnfinishedBuild, lease: KeptLease, past: PastBuild | undefined): void {
    const { store, clock, logStore } = this.#deps;
    const generation = this.#deps.generation();
    const builder = generation.builders.get(build.builder);
    const worker = this.#deps.worker(build.worker);
    if (!builder || !worker) return;
    const run = new BuildRun(build, builder, {
      store,
      clock,
      logStore,
      logCap: generation.logCap,
      generation: this.#deps.generationId(),
      plan: planFor(builder, worker),
      past,
      lease,
      worker: worker.part,
      scheduler: (name) => generation.schedulers.find((scheduler) => scheduler.name === name),
      locks: () => this.#locks(generation),
      workerGives: worker,
      makeSteps: (nodes) => generation.makeSteps(nodes),
      secret: this.#deps.secret,
      onError: this.#deps.onError,
    });
    this.#running.set(build.id, run);
    this.#places.set(run, worker.part);
    void run.done.then((carried) => {
      this.#running.delete(build.id);
      this.#places.delete(run);
      if (carried) this.#remember(build.id);
      else this.#failed.add(build.id);
    });
  }

  /** A lock has one limit for all who want it, the one in force; those that are gone stay for who began with them. */
  #locks({ locks }: Generation): Generation["locks"] {
    const now = this.#deps.generation().locks;
    return now === locks ? locks : new Map([...locks, ...now]);
  }

  #remember(id: number): void {
    this.#ended.add(id);
    if (this.#ended.size <= REMEMBERED) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      break;
    }
  }
}
