import type { ConfiguredBuilder, Generation, Part } from "../config/generation.ts";
import { countSteps } from "../config/steps.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import type { BuildInfo } from "../interfaces/build-step.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Json, Result } from "../interfaces/values.ts";
import type { Worker, WorkerSession } from "../interfaces/worker.ts";
import { createSecretSet, type SecretSet } from "../logs/masker.ts";
import { type BuildKey, finishBuild, lastGoodFigures, startBuild, type UnfinishedBuild } from "../store/builds.ts";
import type { Store } from "../store/store.ts";
import { type BuildFacts, type GivenProperties, NO_FACTS, readFacts, setFirstProperties } from "./build-facts.ts";
import { seconds } from "./build-failure.ts";
import { BuildProperties } from "./build-properties.ts";
import { notBeforeAgain, retryPause } from "./build-retry.ts";
import type { BuildScope } from "./build-scope.ts";
import { AlreadyEnded, BuildWriter } from "./build-writer.ts";
import { withGrace } from "./grace.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost, type KeptLease } from "./lease-keeper.ts";
import type { Locks } from "./lock-needs.ts";
import { type RunningBuildView, viewOf } from "./running-build.ts";
import { StepTree } from "./step-tree.ts";
import { Tally } from "./tally.ts";

const CLOSE_MILLIS = 30_000;

export interface BuildRunDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  logCap: number;
  /** The generation whose builder it builds by, to its end. */
  generation: number;
  lease: KeptLease;
  worker: Worker;
  /** What the worker's entry gives to its builds. */
  workerGives: GivenProperties;
  makeSteps: Generation["makeSteps"];
  scheduler(name: string): Part<"scheduler"> | undefined;
  locks(): Locks;
  secret(name: string, signal: AbortSignal): Promise<string>;
  onError(message: string, error: unknown, build: BuildKey): void;
}

/** One build, from its assignment to its result. */
export class BuildRun {
  readonly key: BuildKey;
  /** Resolves once nothing of it runs any more; with false if its end could not be written. */
  readonly done: Promise<boolean>;
  readonly #build: UnfinishedBuild;
  readonly #builder: ConfiguredBuilder;
  readonly #deps: BuildRunDeps;
  readonly #writer: BuildWriter;
  readonly #secrets: SecretSet = createSecretSet();
  readonly #properties: BuildProperties;
  readonly #stop = new AbortController();
  readonly #hard = new AbortController();
  readonly #view: RunningBuildView;
  #session: WorkerSession | undefined;
  #facts: BuildFacts = NO_FACTS;
  readonly #tally = new Tally();

  constructor(build: UnfinishedBuild, builder: ConfiguredBuilder, deps: BuildRunDeps) {
    this.key = build;
    this.#build = build;
    this.#builder = builder;
    this.#deps = deps;
    this.#writer = new BuildWriter(deps, build, this.#hard.signal);
    this.#properties = new BuildProperties((name, value, source) =>
      this.#writer.recorder.property(name, this.#secrets.json(value) as Json, source),
    );
    this.#view = viewOf(build, countSteps(builder.steps));
    const lost = () => this.abandon(deps.lease.signal.reason);
    deps.lease.signal.addEventListener("abort", lost, { once: true });
    this.done = this.#run()
      .then(() => true)
      .catch((error) => {
        if (!deps.lease.signal.aborted && !isLeaseLost(error))
          deps.onError("the build could not be carried to its end", error, build);
        return false;
      })
      .finally(() => deps.lease.signal.removeEventListener("abort", lost));
  }

  get view(): RunningBuildView {
    return this.#view;
  }

  /** Stops the build: the running step is told to end, later ones run only if they always do. */
  stop(reason: string): void {
    this.#view.stopping = true;
    this.#stop.abort(new Interruption(reason, "cancelled"));
  }

  /** Ends the build as `retry` at once: the master shuts down. */
  interrupt(reason: string): void {
    this.#view.stopping = true;
    this.#hard.abort(new Interruption(reason, "retry"));
  }

  /** Lets go of the build without another write: it belongs to somebody else now. */
  abandon(reason: unknown): void {
    this.#hard.abort(reason ?? new Error("abandoned"));
  }

  async #run(): Promise<void> {
    const { clock, worker } = this.#deps;
    const limit = this.#builder.maxTime;
    const timer =
      limit === undefined
        ? undefined
        : clock.setTimer(limit, () =>
            this.#stop.abort(new Interruption(`the build took longer than ${seconds(limit)}`, "failure")),
          );
    // Written with the first step, so that a short build costs a transaction less.
    this.#writer.later(async (tx) => {
      if (!(await startBuild(tx, this.key, this.#build.worker, this.#deps.generation))) throw new AlreadyEnded();
    });
    try {
      try {
        await this.#prepare();
        this.#session = await this.#open(worker);
        this.#properties.derive({ builddir: this.#session.folder }, "Worker");
        this.#view.startedAt = clock.now();
        await new StepTree(this.#scope(this.#session)).run(this.#builder.steps, this.#tally);
      } catch (error) {
        if (isLeaseLost(error) || error instanceof AlreadyEnded || this.#deps.lease.signal.aborted) throw error;
        this.#fail(error);
      }
      await this.#finish();
    } finally {
      timer?.cancel();
      await this.#close().catch((error) => this.#deps.onError("the worker could not clean up", error, this.key));
    }
  }

  /** The worker's session; a worker that does not give one cannot keep the build from being stopped. */
  async #open(worker: Worker): Promise<WorkerSession> {
    const { id, builder, slot, fence } = this.#build;
    const opening = worker.open({ id, builder, slot, fence });
    try {
      return await withGrace(opening, AbortSignal.any([this.#hard.signal, this.#stop.signal]));
    } catch (error) {
      opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }

  async #close(): Promise<void> {
    const tooLong = AbortSignal.abort(new Error(`it did not end within ${CLOSE_MILLIS / 1_000} seconds`));
    if (this.#session) await withGrace(this.#session.close(), tooLong, CLOSE_MILLIS);
  }

  async #prepare(): Promise<void> {
    this.#facts = await readFacts(this.#deps.store, this.#build);
    const stamp = this.#facts.stamps[0];
    this.#view.branch = stamp?.branch ?? null;
    this.#view.revision = stamp?.revision ?? null;
    const given = { builder: this.#builder, worker: this.#deps.workerGives };
    setFirstProperties(this.#properties, this.#build, given, this.#facts);
  }

  /** Makes a throw outside of steps the build's result. */
  #fail(error: unknown): void {
    this.#tally.fail(error, this.#secrets.text(messageOf(error)));
    this.#view.result = this.#tally.result;
    if (!(error instanceof Interruption) && !BelfryError.is(error))
      this.#deps.onError("the build failed outside of its steps", error, this.key);
  }

  #scope(session: WorkerSession): BuildScope {
    const { store, clock, logStore, logCap, locks } = this.#deps;
    return {
      build: this.#build,
      store,
      clock,
      logStore,
      logCap,
      locks,
      scheduler: this.#deps.scheduler,
      writer: this.#writer,
      secrets: this.#secrets,
      properties: this.#properties,
      session,
      env: this.#builder.env,
      view: this.#view,
      hard: this.#hard.signal,
      stop: this.#stop.signal,
      data: new Set(),
      info: (result) => this.#info(result),
      makeSteps: this.#deps.makeSteps,
      lastGood: (step) => {
        const { id, builder } = this.#build;
        return lastGoodFigures(store, { id, builder, branch: this.#view.branch }, step);
      },
      secret: async (name, signal) => {
        const value = await this.#deps.secret(name, signal);
        this.#secrets.add(value);
        return value;
      },
      onError: (message, error) => this.#deps.onError(message, error, this.key),
    };
  }

  #info(result: Result): BuildInfo {
    const { id, number, builder, worker, requestId, buildsetId, buildset } = this.#build;
    return {
      id,
      number,
      builder,
      worker,
      requestId,
      buildsetId,
      reason: buildset.reason,
      sourceStamps: this.#facts.stamps,
      owners: this.#facts.owners,
      result,
    };
  }

  async #finish(): Promise<void> {
    const { result } = this.#tally;
    const summary = this.#secrets.text(this.#tally.summary).slice(0, 2_000);
    const { retries } = this.#build.request;
    const { store, clock } = this.#deps;
    // A master that goes away is no reason to wait; a step that asks for a retry again and again is.
    const pause = this.#hard.signal.aborted ? 0 : retryPause(retries + 1);
    const notBefore =
      result === "retry"
        ? clock.now() + pause
        : await notBeforeAgain(store, clock, this.key, this.#builder.retry, result);
    const again = notBefore !== undefined;
    await this.#writer.persist((tx) => finishBuild(tx, this.key, result, summary, again ? { again, notBefore } : {}));
  }
}
