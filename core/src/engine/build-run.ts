import type { ConfiguredBuilder, Generation, Part } from "../config/generation.ts";
import { countSteps } from "../config/steps.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import type { BuildInfo } from "../interfaces/build-step.ts";
import type { Clock, Timer } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Json, Result } from "../interfaces/values.ts";
import type { Worker, WorkerSession } from "../interfaces/worker.ts";
import { createSecretSet, type SecretSet } from "../logs/masker.ts";
import {
  type BuildKey,
  endOpenSteps,
  finishBuild,
  lastGoodFigures,
  startBuild,
  type UnfinishedBuild,
} from "../store/builds.ts";
import { forgetPlan, type PastBuild, type PastStep } from "../store/resuming.ts";
import type { Store } from "../store/store.ts";
import { type BuildFacts, type GivenProperties, NO_FACTS, readFacts, setFirstProperties } from "./build-facts.ts";
import { seconds } from "./build-failure.ts";
import { BuildProperties } from "./build-properties.ts";
import { notBeforeAgain, retryPause } from "./build-retry.ts";
import type { BuildScope, RunningStep } from "./build-scope.ts";
import { AlreadyEnded, BuildWriter } from "./build-writer.ts";
import { withGrace } from "./grace.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost, type KeptLease } from "./lease-keeper.ts";
import type { Locks } from "./lock-needs.ts";
import { sealLogs } from "./recovery.ts";
import { type RunningBuildView, viewOf } from "./running-build.ts";
import { StepTree } from "./step-tree.ts";
import { Tally } from "./tally.ts";

const CLOSE_MILLIS = 30_000;
/** For each thing that is done to let go of a build. */
const DETACH_MILLIS = 10_000;

export interface BuildRunDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  logCap: number;
  /** The generation whose builder it builds by, to its end. */
  generation: number;
  /** A hash of all that it is built by; null if it cannot go on after a restart. */
  plan: string | null;
  /** What an earlier life of the master has written of it, if it goes on. */
  past: PastBuild | undefined;
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
  readonly #steps = new Map<number, RunningStep>();
  readonly #past: Map<number, PastStep>;
  readonly #released = Promise.withResolvers<void>();
  #frozen = false;
  /** True while it is given again what is written down already. */
  #remembering = false;
  #added = false;
  /** True if it cannot be taken up after a restart, whatever its steps say. */
  #forgotten = false;
  #time: Timer | undefined;
  #session: WorkerSession | undefined;
  #facts: BuildFacts = NO_FACTS;
  readonly #tally = new Tally();
  readonly #data = new Set<string>();
  readonly #secretNames = new Set<string>();

  constructor(build: UnfinishedBuild, builder: ConfiguredBuilder, deps: BuildRunDeps) {
    this.key = build;
    this.#build = build;
    this.#builder = builder;
    this.#deps = deps;
    this.#past = new Map(deps.past?.steps.map((step) => [step.step, step]));
    this.#writer = new BuildWriter(deps, build, this.#hard.signal);
    this.#properties = new BuildProperties((name, value, source) => {
      if (this.#remembering) return;
      const stored = this.#secrets.json(value) as Json;
      this.#writer.recorder.property(name, stored, source);
      if (stored !== value) this.#cannotGoOn();
    });
    this.#view = viewOf(build, countSteps(builder.steps));
    const lost = () => this.abandon(deps.lease.signal.reason);
    deps.lease.signal.addEventListener("abort", lost, { once: true });
    this.done = Promise.race([this.#run(), this.#released.promise])
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

  /** True if it can go on after a restart of the master from where it is. */
  get resumable(): boolean {
    return (
      this.#deps.plan !== null &&
      !this.#forgotten &&
      !this.#view.stopping &&
      this.#isKeepable() &&
      !this.#added &&
      !this.#hard.signal.aborted &&
      !this.#stop.signal.aborted &&
      [...this.#steps.values()].every((step) => step.resumable)
    );
  }

  /** True if its worker can keep it, or if nothing was done yet of what an earlier life of the master has left. */
  #isKeepable(): boolean {
    if (this.#session === undefined) return this.#deps.past !== undefined && this.#view.startedAt === null;
    return this.#view.startedAt !== null && this.#session.detach !== undefined;
  }

  /**
   * Lets go of a build that is `resumable`, for the next life of the master: its steps stand still, its commands are
   * kept by the worker, everything that it did is written down. Resolves in any case, after a while; with false if it
   * will end as `retry`.
   */
  async detach(): Promise<boolean> {
    this.#frozen = true;
    const kept = await this.#inTime("the worker could not let go of it", async () => this.#session?.detach?.());
    // What had ended by then is still noted.
    await new Promise((resolve) => setImmediate(resolve));
    const whole = await this.#inTime("its logs could not be kept", async () => {
      const steps = [...this.#steps.values()];
      await Promise.all(steps.map(({ ending }) => ending));
      const all = await Promise.all(steps.map(({ logs }) => logs.suspend()));
      return all.every(Boolean);
    });
    const goesOn = kept && whole;
    await this.#inTime("what it did could not be written down", () =>
      this.#writer.persist(async (tx) => {
        if (!goesOn) await forgetPlan(tx, this.key);
      }),
    );
    this.#writer.freeze();
    this.#time?.cancel();
    this.#released.resolve();
    return goesOn;
  }

  /** False if it failed, took too long, or gave false itself. A restart does not wait for ever, and not for one build. */
  async #inTime(failure: string, work: () => Promise<boolean | void>): Promise<boolean> {
    const tooLong = AbortSignal.abort(new Error(`it did not end within ${DETACH_MILLIS / 1_000} seconds`));
    try {
      return (await withGrace(work(), tooLong, DETACH_MILLIS)) !== false;
    } catch (error) {
      this.#deps.onError(failure, error, this.key);
      return false;
    }
  }

  /** What an earlier life knew is not all in the database: after a restart it ends as `retry`. */
  #cannotGoOn(): void {
    if (this.#deps.plan === null || this.#forgotten) return;
    this.#forgotten = true;
    // Together with the property itself: no later life finds the one without the other.
    this.#writer
      .persist((tx) => forgetPlan(tx, this.key))
      .catch((error) => this.#deps.onError("it could not be noted that it cannot go on", error, this.key));
  }

  /** Lets go of the build without another write: it belongs to somebody else now. */
  abandon(reason: unknown): void {
    this.#hard.abort(reason ?? new Error("abandoned"));
  }

  async #run(): Promise<void> {
    const { clock, worker } = this.#deps;
    const { past } = this.#deps;
    const limit = this.#builder.maxTime;
    this.#time =
      limit === undefined
        ? undefined
        : clock.setTimer(Math.max(0, limit - (past ? clock.now() - past.startedAt : 0)), () =>
            this.#stop.abort(new Interruption(`the build took longer than ${seconds(limit)}`, "failure")),
          );
    // Written with the first step, so that a short build costs a transaction less.
    if (!past)
      this.#writer.later(async (tx) => {
        const { generation, plan } = this.#deps;
        if (!(await startBuild(tx, this.key, this.#build.worker, { generation, plan }))) throw new AlreadyEnded();
      });
    try {
      try {
        await this.#prepare();
        this.#session = await this.#open(worker);
        this.#properties.derive({ builddir: this.#session.folder }, "Worker");
        this.#view.startedAt = past?.startedAt ?? clock.now();
        await new StepTree(this.#scope(this.#session)).run(this.#builder.steps, this.#tally);
      } catch (error) {
        if (isLeaseLost(error) || error instanceof AlreadyEnded || this.#deps.lease.signal.aborted) throw error;
        this.#fail(error);
      }
      await this.#finish();
    } finally {
      this.#time?.cancel();
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
    const { past } = this.#deps;
    if (past) return this.#remember(past);
    const given = { builder: this.#builder, worker: this.#deps.workerGives };
    setFirstProperties(this.#properties, this.#build, given, this.#facts);
  }

  /** Has again what an earlier life of the master had: secrets first, so that nothing is written without their masks. */
  async #remember({ secrets, properties, data }: PastBuild): Promise<void> {
    for (const name of secrets) {
      this.#secretNames.add(name);
      const value = await this.#deps.secret(name, this.#hard.signal).catch((error: unknown) => {
        throw new Interruption(`it cannot go on: the secret "${name}" is not there: ${messageOf(error)}`, "retry");
      });
      this.#secrets.add(value);
    }
    this.#remembering = true;
    const given = { builder: this.#builder, worker: this.#deps.workerGives };
    setFirstProperties(this.#properties, this.#build, given, this.#facts);
    this.#remembering = false;
    for (const { name, value, source } of properties) this.#properties.derive({ [name]: value }, source);
    for (const name of data) this.#data.add(name);
  }

  /** Its name is kept, so that its value is masked after a restart, too. */
  #noteSecret(name: string): void {
    if (this.#secretNames.has(name)) return;
    this.#secretNames.add(name);
    if (this.#deps.plan === null) return;
    const names = JSON.stringify([...this.#secretNames]);
    this.#writer.later(async (tx) => {
      await tx.db.updateTable("builds").set({ secrets: names }).where("id", "=", this.key.id).execute();
    });
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
      steps: this.#steps,
      past: (step) => this.#past.get(step),
      frozen: () => this.#frozen,
      giveUp: (why) => this.#hard.abort(new Interruption(why, "retry")),
      data: this.#data,
      info: (result) => this.#info(result),
      makeSteps: (nodes) => {
        this.#added = true;
        return this.#deps.makeSteps(nodes);
      },
      lastGood: (step) => {
        const { id, builder } = this.#build;
        return lastGoodFigures(store, { id, builder, branch: this.#view.branch }, step);
      },
      secret: async (name, signal) => {
        const value = await this.#deps.secret(name, signal);
        this.#secrets.add(value);
        this.#noteSecret(name);
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
    if (this.#neverBegun()) {
      await this.#writer.persist(async () => {});
      const note = (message: string, error: unknown) => this.#deps.onError(message, error, this.key);
      await sealLogs(store, this.#deps.logStore, this.key, this.#deps.lease, note);
    }
    await this.#writer.persist(async (tx) => {
      if (this.#deps.past) await endOpenSteps(tx, this.key, "interrupted: the build could not go on");
      await finishBuild(tx, this.key, result, summary, again ? { again, notBefore } : {});
    });
  }

  /** True if an earlier life has left a step open that did not get its turn again. */
  #neverBegun(): boolean {
    const begun = new Set(this.#view.steps.map(({ step }) => step));
    return [...this.#past.values()].some(({ step, finishedAt }) => finishedAt === null && !begun.has(step));
  }
}
