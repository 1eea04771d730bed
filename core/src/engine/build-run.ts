import type { ConfiguredBuilder, ConfiguredStep, Part } from "../config/generation.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { BuildInfo, StepContext, StepResult, TriggerWish } from "../interfaces/build-step.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LockUse } from "../interfaces/lock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import { render } from "../interfaces/properties.ts";
import { type Json, type Millis, RESULTS, type Result } from "../interfaces/values.ts";
import type { Worker, WorkerSession } from "../interfaces/worker.ts";
import { createSecretSet, type SecretSet } from "../logs/masker.ts";
import {
  type BuildKey,
  finishBuild,
  finishStep,
  startBuild,
  startStep,
  type UnfinishedBuild,
} from "../store/builds.ts";
import { type FullStamp, stampsOf } from "../store/buildsets.ts";
import type { Store } from "../store/store.ts";
import { storable } from "../store/text.ts";
import type { Tx } from "../store/tx.ts";
import { BuildProperties } from "./build-properties.ts";
import { BuildRecorder } from "./build-recorder.ts";
import { withGrace } from "./grace.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost, type KeptLease } from "./lease-keeper.ts";
import type { Locks } from "./lock-needs.ts";
import { backOff } from "./loop.ts";
import { combineResults } from "./results.ts";
import { describe } from "./source-loop.ts";
import { takeStepLocks } from "./step-locks.ts";
import { GrowthWatch, RunningLog } from "./step-log.ts";
import { JournaledWorker } from "./step-worker.ts";
import { StepTriggers } from "./triggering.ts";

const GIVE_UP_MILLIS = 30_000;
const RETRY_PAUSE = 1_000;
const LONGEST_RETRY_PAUSE = 300_000;
const CLOSE_MILLIS = 30_000;
const MOST_FAILURES = 12;

export interface BuildRunDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  logCap: number;
  /** The generation whose builder it builds by, to its end. */
  generation: number;
  lease: KeptLease;
  worker: Worker;
  scheduler(name: string): Part<"scheduler"> | undefined;
  locks(): Locks;
  secret(name: string, signal: AbortSignal): Promise<string>;
  onError(message: string, error: unknown, build: BuildKey): void;
}

/** What a running build shows of itself, at once and from memory. */
export interface RunningBuildView {
  id: number;
  number: number;
  builder: string;
  project: string;
  worker: string;
  startedAt: Millis | null;
  reason: string;
  branch: string | null;
  revision: string | null;
  result: Result;
  stopping: boolean;
  steps: {
    step: number;
    name: string;
    startedAt: Millis;
    finishedAt: Millis | null;
    result: Result | null;
    summary: string;
  }[];
  stepCount: number;
}

/** One build, from its assignment to its result. */
export class BuildRun {
  readonly key: BuildKey;
  /** Resolves once nothing of it runs any more; with false if its end could not be written. */
  readonly done: Promise<boolean>;
  readonly #build: UnfinishedBuild;
  readonly #builder: ConfiguredBuilder;
  readonly #deps: BuildRunDeps;
  readonly #recorder: BuildRecorder;
  readonly #secrets: SecretSet = createSecretSet();
  readonly #growth: GrowthWatch;
  readonly #properties: BuildProperties;
  readonly #stop = new AbortController();
  readonly #hard = new AbortController();
  readonly #view: RunningBuildView;
  #session: WorkerSession | undefined;
  #owners: string[] = [];
  #stamps: FullStamp[] = [];
  #result: Result = "success";
  #summaries: string[] = [];
  /** The build's start or a step's end, written together with whatever comes next. */
  #unwritten: ((tx: Tx) => Promise<void>) | undefined;
  #stepName = "build";

  constructor(build: UnfinishedBuild, builder: ConfiguredBuilder, deps: BuildRunDeps) {
    this.key = build;
    this.#build = build;
    this.#builder = builder;
    this.#deps = deps;
    this.#recorder = new BuildRecorder(deps.store, deps.clock, deps.lease, build, (error) =>
      deps.onError("the journal could not be written", error, build),
    );
    this.#growth = new GrowthWatch(deps.clock, (step, { number, name }, { lines, bytes }) =>
      this.#recorder.logGrew({ step, log: number, name, lines, bytes }),
    );
    this.#properties = new BuildProperties((name, value, source) =>
      this.#recorder.property(name, this.#secrets.json(value) as Json, source),
    );
    this.#view = {
      id: build.id,
      number: build.number,
      builder: build.builder,
      project: build.project,
      worker: build.worker,
      startedAt: null,
      reason: build.buildset.reason,
      branch: null,
      revision: null,
      result: "success",
      stopping: false,
      steps: [],
      stepCount: builder.steps.length,
    };
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
    this.#unwritten = async (tx) => {
      if (!(await startBuild(tx, this.key, this.#build.worker, this.#deps.generation))) throw new AlreadyEnded();
    };
    try {
      try {
        await this.#prepare();
        this.#session = await this.#open(worker);
        this.#properties.derive({ builddir: this.#session.folder }, "Worker");
        this.#view.startedAt = clock.now();
        await this.#runSteps();
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
    const { store } = this.#deps;
    const { buildset, buildsetId } = this.#build;
    const [stamps, changes] = await Promise.all([
      stampsOf(store.read, [buildsetId]),
      store.read
        .selectFrom("buildset_changes as l")
        .innerJoin("changes as c", "c.id", "l.change_id")
        .select(["c.author", "c.properties", "c.id"])
        .where("l.buildset_id", "=", buildsetId)
        .orderBy("c.id")
        .limit(1_000)
        .execute(),
    ]);
    this.#stamps = stamps.get(buildsetId) ?? [];
    this.#owners = [...new Set(changes.map((change) => change.author))];
    const stamp = this.#stamps[0];
    this.#view.branch = stamp?.branch ?? null;
    this.#view.revision = stamp?.revision ?? null;
    const set = (values: Record<string, Json>, source: string) => {
      for (const [name, value] of Object.entries(values)) this.#properties.set(name, value, source);
    };
    this.#properties.derive(
      {
        buildername: this.#build.builder,
        buildnumber: this.#build.number,
        workername: this.#build.worker,
        project: stamp?.project ?? "",
        repository: stamp?.repository ?? "",
        codebase: stamp?.codebase ?? "",
        branch: stamp?.branch ?? null,
        revision: stamp?.revision ?? null,
        scheduler: buildset.scheduler,
        owners: this.#owners,
      },
      "Build",
    );
    set(this.#builder.properties, "Builder");
    for (const change of changes) set(JSON.parse(change.properties), "Change");
    set(buildset.properties, "Scheduler");
  }

  async #runSteps(): Promise<void> {
    let halted = false;
    for (const [i, step] of this.#builder.steps.entries()) {
      if (this.#hard.signal.aborted) throw this.#hard.signal.reason;
      if (this.#stop.signal.aborted && !halted) {
        halted = true;
        this.#fail(this.#stop.signal.reason);
      }
      if (halted && !step.flags.alwaysRun) continue;
      const ended = await this.#runStep(i, step);
      const { result, halt } = combineResults(this.#result, ended.result, step.flags);
      if (result !== this.#result || halt) this.#summaries.push(`${step.name}: ${ended.summary || ended.result}`);
      this.#result = result;
      this.#view.result = result;
      halted ||= halt;
    }
    // A stop counts for the build, whatever the flags of the step that it met say.
    if (this.#stop.signal.aborted) this.#fail(this.#stop.signal.reason);
  }

  /** Makes a throw outside of steps, or a stop, the build's result. */
  #fail(error: unknown): void {
    const result = resultOf(error);
    const text = this.#secrets.text(messageOf(error));
    if (combineResults(this.#result, result, {}).result !== this.#result) this.#summaries.push(text);
    this.#result = combineResults(this.#result, result, {}).result;
    this.#view.result = this.#result;
    if (!(error instanceof Interruption) && !BelfryError.is(error))
      this.#deps.onError("the build failed outside of its steps", error, this.key);
  }

  async #runStep(index: number, configured: ConfiguredStep): Promise<StepResult & { summary: string }> {
    const { clock } = this.#deps;
    const { name, kind } = configured;
    const number = index + 1;
    this.#stepName = name;
    // A step that always runs is not stopped by what stopped the build before it began; a stop from now on counts.
    const stop = this.#stop.signal.aborted ? [] : [this.#stop.signal];
    const shown: RunningBuildView["steps"][number] = {
      step: number,
      name,
      startedAt: clock.now(),
      finishedAt: null,
      result: null,
      summary: "",
    };
    this.#view.steps.push(shown);
    await this.#persist((tx) => startStep(tx, this.key, { step: number, name, kind }));
    const logs = new Map<string, RunningLog>();
    const outcome = await this.#carryOut(number, configured, logs, stop, shown).catch(async (error) => {
      // The build belongs to somebody else: let go of the files, and write nothing down.
      this.#growth.clear();
      await Promise.all([...logs.values()].map((log) => log.finish()));
      throw error;
    });
    const summary = this.#secrets.text(String(outcome.summary ?? "")).slice(0, 2_000);
    await this.#finishLogs(number, logs);
    shown.finishedAt = clock.now();
    shown.result = outcome.result;
    shown.summary = summary;
    const error = outcome.error === undefined ? null : this.#describe(outcome.error);
    this.#unwritten = (tx) => finishStep(tx, this.key, { step: number, name, result: outcome.result, summary, error });
    return { result: outcome.result, summary };
  }

  /** Calls the step, and turns whatever happens into a result. */
  async #carryOut(
    number: number,
    configured: ConfiguredStep,
    logs: Map<string, RunningLog>,
    stop: readonly AbortSignal[],
    shown: RunningBuildView["steps"][number],
  ): Promise<StepResult & { error?: unknown }> {
    const { clock } = this.#deps;
    const { name, step, flags } = configured;
    const timeUp = new AbortController();
    const limit = flags.maxTime;
    const limited = () =>
      limit === undefined
        ? undefined
        : clock.setTimer(limit, () => timeUp.abort(new Interruption(`took longer than ${seconds(limit)}`, "failure")));
    let timer = limited();
    const signal = AbortSignal.any([this.#hard.signal, timeUp.signal, ...stop]);
    const worker = this.#stepWorker(number, logs, signal);
    try {
      const info = this.#buildInfo();
      const { doStepIf = true } = flags;
      const wanted =
        typeof doStepIf === "boolean"
          ? doStepIf
          : await settle(Promise.resolve(doStepIf({ ...info, properties: this.#properties })), signal, name, clock);
      if (!wanted) return { result: "skipped", summary: "not needed" };
      if (flags.locks !== undefined) {
        timer?.cancel();
        await this.#takeLocks(number, name, flags.locks, signal, shown);
        timer = limited();
      }
      await settle(worker.prepare(), signal, name, clock);
      const ctx = this.#context(info, worker.hands, logs, number, signal, shown);
      const result = await settle(step.run(ctx), signal, name, clock);
      if (typeof result !== "object" || result === null || !RESULTS.includes(result.result))
        throw faults.resultInvalid(name);
      return result;
    } catch (error) {
      return this.#failedStep(error, signal, number, logs);
    } finally {
      timer?.cancel();
      worker.hands.end();
    }
  }

  #takeLocks(
    number: number,
    name: string,
    use: LockUse,
    signal: AbortSignal,
    shown: RunningBuildView["steps"][number],
  ): Promise<void> {
    const { store, clock, locks } = this.#deps;
    const progress = (summary: string) => {
      shown.summary = summary;
    };
    const persist = <T>(work: (tx: Tx) => Promise<T>) => this.#persist(work);
    const claim = { build: this.key, step: number, name, urgency: -this.#build.request.priority, use };
    const worker = this.#build.worker;
    const deps = { store, clock, locks, worker, persist, progress };
    return takeStepLocks(deps, claim, this.#renderContext(signal), signal);
  }

  async #failedStep(
    error: unknown,
    signal: AbortSignal,
    number: number,
    logs: Map<string, RunningLog>,
  ): Promise<StepResult & { error?: unknown }> {
    if (isLeaseLost(error) || (signal.aborted && isLeaseLost(signal.reason))) throw error;
    if (signal.aborted && signal.reason instanceof Interruption) {
      return {
        result: signal.reason.result,
        summary: signal.reason.message,
        ...(error === signal.reason ? {} : { error }),
      };
    }
    if (signal.aborted) throw signal.reason;
    const known = BelfryError.is(error);
    const text = known
      ? `${error.what}\n${error.why}\n${error.fix}\n`
      : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
    await this.#log(logs, number, known ? "stdio" : "error").write(text, "stderr");
    return { result: resultOf(error), summary: known ? error.what : messageOf(error), error };
  }

  #stepWorker(number: number, logs: Map<string, RunningLog>, signal: AbortSignal) {
    const env: Record<string, string | null> = {};
    const hands = new JournaledWorker({
      session: this.#session as WorkerSession,
      workerName: this.#build.worker,
      buildId: this.#build.id,
      step: number,
      recorder: this.#recorder,
      secrets: this.#secrets,
      signal,
      now: () => this.#deps.clock.now(),
      log: (name) => this.#log(logs, number, name),
      env,
    });
    const prepare = async () => {
      const rendered = await render(this.#builder.env, this.#renderContext(signal));
      for (const [key, value] of Object.entries(rendered))
        env[key] = value === null || value === undefined ? null : String(value);
    };
    return { hands, prepare };
  }

  #context(
    info: BuildInfo,
    worker: JournaledWorker,
    logs: Map<string, RunningLog>,
    number: number,
    signal: AbortSignal,
    shown: RunningBuildView["steps"][number],
  ): StepContext {
    const name = this.#stepName;
    const properties = this.#properties;
    const triggers = new StepTriggers({
      store: this.#deps.store,
      clock: this.#deps.clock,
      build: this.key,
      step: number,
      signal,
      sourceStamps: this.#stamps,
      scheduler: this.#deps.scheduler,
      persist: (work) => this.#persist(work),
      check: () => worker.check(),
    });
    return {
      build: info,
      properties: {
        has: (key) => properties.has(key),
        get: (key) => properties.get(key),
        source: (key) => properties.source(key),
        set(key, value, source = name) {
          worker.check();
          properties.set(key, value, source);
        },
        all: () => properties.all(),
      },
      worker,
      clock: this.#deps.clock,
      signal,
      log: (log) => {
        worker.check();
        return this.#log(logs, number, log);
      },
      render: (value) => render(value, this.#renderContext(signal)),
      secret: (secret) => this.#secret(secret, signal),
      trigger: (wish) => triggers.trigger(this.#masked(wish)),
      progress: (summary) => {
        if (shown.finishedAt === null) shown.summary = this.#secrets.text(summary).slice(0, 200);
      },
    };
  }

  /** What another build is told is stored, so secrets are not told. */
  #masked(wish: TriggerWish): TriggerWish {
    const { properties, reason } = wish;
    return {
      ...wish,
      ...(properties === undefined ? {} : { properties: this.#secrets.json(properties) as Record<string, Json> }),
      ...(reason === undefined ? {} : { reason: this.#secrets.text(reason) }),
    };
  }

  #renderContext(signal: AbortSignal) {
    return {
      properties: this.#properties,
      build: this.#buildInfo(),
      secret: (name: string) => this.#secret(name, signal),
    };
  }

  async #secret(name: string, signal: AbortSignal): Promise<string> {
    const value = await this.#deps.secret(name, signal);
    this.#secrets.add(value);
    return value;
  }

  #buildInfo(): BuildInfo {
    const { id, number, builder, worker, requestId, buildsetId, buildset } = this.#build;
    return {
      id,
      number,
      builder,
      worker,
      requestId,
      buildsetId,
      reason: buildset.reason,
      sourceStamps: this.#stamps,
      owners: this.#owners,
      result: this.#result,
    };
  }

  #log(logs: Map<string, RunningLog>, step: number, name: string): RunningLog {
    const known = logs.get(name);
    if (known) return known;
    const number = logs.size + 1;
    const key = `b/${this.#build.id}/${step}-${number}`;
    const appender = this.#deps.logStore.create(key, { fence: this.#build.fence, capBytes: this.#deps.logCap });
    const { clock } = this.#deps;
    const shown = storable(name.slice(0, 200));
    const log = new RunningLog(shown, number, key, appender, this.#secrets, clock, () => this.#growth.grows());
    logs.set(name, log);
    this.#growth.watch(step, log);
    this.#recorder.log({
      step,
      log: number,
      name: log.name,
      key,
      finished: false,
      lines: 0,
      bytes: 0,
      truncated: false,
      error: null,
    });
    return log;
  }

  async #finishLogs(step: number, logs: Map<string, RunningLog>): Promise<void> {
    this.#growth.clear();
    for (const log of logs.values()) {
      const totals = await log.finish();
      this.#recorder.log({
        step,
        log: log.number,
        name: log.name,
        key: log.key,
        finished: true,
        ...totals,
        error: log.error === undefined ? null : this.#describe(log.error),
      });
      if (log.error !== undefined) this.#deps.onError(`the log "${log.name}" could not be kept`, log.error, this.key);
    }
  }

  #describe(error: unknown): Json {
    const { message, code } = describe(error);
    const known = BelfryError.is(error) ? { what: error.what, why: error.why, fix: error.fix } : {};
    const stack =
      error instanceof Error && !BelfryError.is(error) ? { stack: (error.stack ?? "").slice(0, 8_000) } : {};
    return this.#secrets.json({ message, code, ...known, ...stack }) as Json;
  }

  async #finish(): Promise<void> {
    const summary = this.#secrets.text(this.#summaries.slice(0, 5).join("; ")).slice(0, 2_000);
    const { retries } = this.#build.request;
    // A master that goes away is no reason to wait; a step that asks for a retry again and again is.
    const pause = this.#hard.signal.aborted
      ? 0
      : Math.min(backOff(retries + 1, RETRY_PAUSE, LONGEST_RETRY_PAUSE), LONGEST_RETRY_PAUSE);
    const notBefore = this.#result === "retry" ? this.#deps.clock.now() + pause : 0;
    await this.#persist((tx) => finishBuild(tx, this.key, this.#result, summary, notBefore));
  }

  /**
   * Writes at a point that must not be lost, together with everything noted before, and tries again
   * for a while if that fails. What fails still is left to the runner, which has the build built again.
   */
  async #persist<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const before = this.#unwritten;
    for (let failures = 1; ; failures += 1) {
      try {
        const value = await this.#recorder.commit(async (tx) => {
          await before?.(tx);
          return work(tx);
        });
        if (this.#unwritten === before) this.#unwritten = undefined;
        return value;
      } catch (error) {
        if (isLeaseLost(error) || error instanceof AlreadyEnded || this.#deps.lease.signal.aborted) throw error;
        if (failures >= MOST_FAILURES || this.#hard.signal.aborted) throw error;
        this.#deps.onError("a result could not be written and is tried again", error, this.key);
        await new Promise((resolve) => setTimeout(resolve, backOff(failures, 100, 10_000)));
      }
    }
  }
}

/** Somebody ended the build before it began. */
class AlreadyEnded extends Error {}

function resultOf(error: unknown): Result {
  if (error instanceof Interruption) return error.result;
  return BelfryError.is(error) ? (error.result ?? "exception") : "exception";
}

function seconds(millis: number): string {
  return millis < 1_000 ? `${millis} ms` : `${Math.round(millis / 1_000)} s`;
}

/** A step's result; a step that goes on after its signal aborted is given up after a while. */
async function settle<T>(running: Promise<T>, signal: AbortSignal, name: string, clock: Clock): Promise<T> {
  let cleanUp = () => {};
  const stuck = new Promise<never>((_, reject) => {
    const onAbort = () => {
      const timer = clock.setTimer(GIVE_UP_MILLIS, () => reject(faults.stepStuck(name)));
      cleanUp = () => timer.cancel();
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener("abort", onAbort, { once: true });
      cleanUp = () => signal.removeEventListener("abort", onAbort);
    }
  });
  try {
    return await Promise.race([running, stuck]);
  } finally {
    cleanUp();
  }
}
