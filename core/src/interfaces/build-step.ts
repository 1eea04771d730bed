import type { Clock } from "./clock.ts";
import type { LockUse } from "./lock.ts";
import type { LogChannel } from "./log-store.ts";
import type { Entry, PlainEntry } from "./plugin.ts";
import type { Properties, Rendered } from "./properties.ts";
import type { SourceStampSpec } from "./scheduler.ts";
import type { Duration, Json, Result } from "./values.ts";
import type { CommandResult, CommandSpec, FileStat } from "./worker.ts";

/** What a step may know about the build that it is part of. */
export interface BuildInfo {
  readonly id: number;
  /** Counts the builds of this builder from 1. */
  readonly number: number;
  readonly builder: string;
  readonly worker: string;
  readonly requestId: number;
  readonly buildsetId: number;
  readonly reason: string;
  readonly sourceStamps: readonly Required<SourceStampSpec>[];
  /** Authors of the changes, each once. */
  readonly owners: readonly string[];
  /** The result so far: the worst of the steps before this one, as their flags count. */
  readonly result: Result;
}

/** A log of the running step. What is written has the build's secrets masked. */
export interface StepLog {
  readonly name: string;
  /**
   * Adds text or bytes; a line may come in pieces. Await it: that is how a slow disk slows the step
   * down instead of filling the memory.
   */
  write(data: string | Uint8Array, channel?: LogChannel): Promise<void>;
}

/** {@link CommandSpec}, and where its output goes. */
export interface StepCommand extends CommandSpec {
  /** A log that gets the command line, the output and how it ended. Default `"stdio"`; `null` for none. */
  log?: string | null;
  /** Besides, keeps this many bytes of stdout and stderr to look at. Default 0. */
  capture?: number;
  /**
   * Besides, is told of each line of output as it arrives, without its end, decoded as UTF-8 and cut
   * after 4,096 characters; secrets in it are not masked. For counting and matching while nothing is
   * held: it must answer at once. A throw fails the call.
   */
  onLine?(line: string, channel: Exclude<LogChannel, "header">): void;
}

export interface StepCommandResult extends CommandResult {
  /** The first `capture` bytes, decoded as UTF-8; empty unless asked for. */
  stdout: string;
  stderr: string;
}

/** A step's hands on the worker. Every call is kept in the build's journal. */
export interface StepWorker {
  readonly name: string;
  /** Absolute path of the build's folder on the worker. */
  readonly folder: string;
  /** Runs a command to its end. When the step's signal aborts, the command is ended and the call rejects with `signal.reason`. */
  run(command: StepCommand): Promise<StepCommandResult>;
  stat(path: string): Promise<FileStat>;
  /** True if there is something at this path. */
  exists(path: string): Promise<boolean>;
  readFile(path: string, options?: { maxBytes?: number }): Promise<Uint8Array>;
  readText(path: string, options?: { maxBytes?: number }): Promise<string>;
  writeFile(path: string, data: string | Uint8Array, options?: { executable?: boolean }): Promise<void>;
  mkdir(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
  list(path: string): Promise<{ name: string; type: FileStat["type"] }[]>;
}

/** What a step asks a scheduler to build. */
export interface TriggerWish {
  /** The name of a scheduler that can be triggered. */
  scheduler: string;
  /** What to build. Default: the source stamps of this build. `[]` leaves it to the scheduler. */
  sourceStamps?: readonly SourceStampSpec[];
  /** Ids of the changes that led to it. Default: those of this build. */
  changes?: readonly number[];
  /** They are stored, so secrets of this build are masked in them. */
  properties?: Record<string, Json>;
  /** Default: which build triggered it. */
  reason?: string;
  /** Default: that of the scheduler. */
  priority?: number;
  /**
   * Cancels what has not ended when this build is stopped, fails or is built again, also if the
   * master is killed. Default false: it goes on by itself.
   */
  endsWithBuild?: boolean;
}

/** A build that was triggered. */
export interface TriggeredBuild {
  id: number;
  builder: string;
  number: number;
  /** `null` while it runs. */
  result: Result | null;
}

/** How a triggered buildset ended. */
export interface TriggerOutcome {
  /** The worst result of its requests; each counts with its last build. */
  result: Result;
  /** How many builds ended as `retry` and were built again. */
  retries: number;
  builds: TriggeredBuild[];
}

/** A buildset that a step has begun. It goes on when the step is over. */
export interface TriggeredBuildset {
  readonly id: number;
  readonly requests: readonly { id: number; builder: string }[];
  /** Its builds so far, oldest first, also those that were built again. At most 1,000. */
  builds(): Promise<TriggeredBuild[]>;
  /** Resolves when all its requests have ended. Rejects with `signal.reason` when the step's signal aborts. */
  ended(): Promise<TriggerOutcome>;
  /** Cancels what waits and stops what runs. */
  cancel(reason: string): Promise<void>;
}

/** Everything a running step is given. Valid only until `run` settles. */
export interface StepContext {
  readonly build: BuildInfo;
  readonly properties: Properties;
  readonly worker: StepWorker;
  readonly clock: Clock;
  /**
   * Aborts when the build is stopped, when the step's time is over, when the master shuts down or
   * lost its right to this build. Worker calls end by themselves then; a step that waits for
   * something else has to listen.
   */
  readonly signal: AbortSignal;
  /** The log of this name, made when first asked for. */
  log(name: string): StepLog;
  /** Computes options that are functions of the build or templates; see {@link Rendered}. */
  render<T>(value: T): Promise<Rendered<T>>;
  /** The value of a secret; from then on it is masked wherever this build writes. Throws `BELFRY_SECRET_UNKNOWN`. */
  secret(name: string): Promise<string>;
  /**
   * Has a scheduler build something now, as a buildset that knows this build as its parent. It is
   * added exactly once for each call, also if the database or the master fails meanwhile: a step
   * that is run again for the same build gets the buildset that its call of the same number added.
   * Throws `BELFRY_NOT_FOUND`, `BELFRY_SCHEDULER_CANNOT_TRIGGER`, what the scheduler says against it,
   * or `BELFRY_SCHEDULER_DISABLED`, whose result is `skipped`.
   */
  trigger(wish: TriggerWish): Promise<TriggeredBuildset>;
  /** One short line that is shown while the step runs, such as "132 of 400 tests". Cheap; call it as often as you like. */
  progress(summary: string): void;
  /**
   * Adds steps to this build, to be run in this order right after this step, before those that follow
   * it, as its siblings: in a parallel group they follow it in its own branch. They are checked like
   * configured ones, by the parts of the plugins that the configuration has loaded and no others, and
   * all of them are refused together with `BELFRY_STEPS_REFUSED` if one is wrong. They end with the
   * build: a build that is built again decides anew. Those of an attempt that is repeated are
   * forgotten. A build has at most 1,000 steps that were added.
   */
  addSteps(steps: readonly StepNode[]): void;
  /** Shows an address with the step: `http:`, `https:` or `mailto:`, everything else throws `BELFRY_LINK_REFUSED`. The same name again replaces it. At most 50. */
  link(name: string, url: string): void;
  /** A figure of this step, such as `"tests"` or `"warnings"`, kept with it; the same name again replaces it. At most 100. */
  statistic(name: string, value: number): void;
  /**
   * Keeps a value or bytes with the build, for whoever asks the API: a coverage report, the list of
   * packages. The same name again replaces it. At most 1 MiB each (as JSON) and 100 a build, otherwise
   * throws `BELFRY_BUILD_DATA_REFUSED`. Secrets are masked in it.
   */
  buildData(name: string, value: Json | Uint8Array): void;
  /**
   * The newest earlier build of this builder and branch that ended as success or warnings, with the
   * figures of its step of this step's name; `undefined` if there is none.
   */
  lastGood(): Promise<LastGood | undefined>;
}

export interface LastGood {
  /** Its number. */
  readonly number: number;
  readonly statistics: Readonly<Record<string, number>>;
}

export interface StepResult {
  result: Result;
  /** One short line: what happened, not that it happened: "3 of 400 tests failed". */
  summary?: string;
  /** Names of tests that failed, if they are known; the first 100 are kept for the build's failure summary. */
  failing?: readonly string[];
}

/**
 * One unit of work in a build: run the tests, check a size, publish a package.
 *
 * Core creates one instance per configured step when a configuration is loaded, and shares it
 * between builds, which may overlap. The process may be killed at any moment, and a build may run
 * on another master than the one before. From this follows what a step may do and what not.
 *
 * A step **may**
 * - touch files and run programs through `ctx.worker`, in the build's folder;
 * - read and set properties, write logs, ask for secrets, report progress: all through `ctx`;
 * - call the network itself (a deployment, a chat), as long as it listens to `ctx.signal` and can
 *   bear to be run twice: a build that lost its master is built again;
 * - run several worker calls at the same time, and wait as long as it likes.
 *
 * A step **may not**
 * - keep anything on `this`, in module variables or in files of the master that belongs to one
 *   build: use local variables, properties or the build's folder;
 * - touch the master's files, environment or working folder, or start processes there: the worker
 *   may be on another machine;
 * - use `ctx` after `run` has settled, or leave timers, promises or processes behind;
 * - block the process: no synchronous work of more than a few milliseconds, since the same process
 *   serves every other build; give heavy work to the worker;
 * - read another build's folder, or talk to the engine, the database or the web: what it should know
 *   is in `ctx`, and whoever wants to know of it listens to events;
 * - catch the abort of `ctx.signal` and go on.
 */
export interface BuildStep {
  /** What logs and status pages call this step, such as "unit tests". */
  readonly name: string;
  /** Names of schedulers that it triggers, as far as they are known beforehand; core checks that they exist. */
  readonly triggers?: readonly string[];
  /**
   * True if `run` may be called again when the master was restarted in the middle of it: then the build goes on.
   * The step is made anew, its locks are still held, and `run` begins again at its beginning, while what it did
   * before is answered from the journal: calls of `ctx.worker` that had ended give the same results or errors without being
   * carried out, a command that was running is taken up if the worker has kept it, `ctx.trigger` gives the
   * buildsets that there are, and what is written to logs meanwhile is not written twice. Properties are as it has left
   * them. So `run` has to make the same calls in the same way again, as far as it came; where it does something else or
   * less, where a result could not be kept (it holds a secret, or is larger than 64 KiB), where a property holds a
   * secret, where a command was lost, or where the builder, its worker's entry or the code of the configuration is
   * not the same any more, the build ends as `retry` and is built again. Without it that is so for every build that is
   * in this step.
   */
  readonly resumable?: boolean;
  /**
   * Does the work and reports how it went. Called once for each build that gets to this step.
   *
   * Red tests are a result, so return `failure`. Throw when the step itself could not work; core
   * then ends the build as `exception` and shows the error to the user, unless it is a `BelfryError`
   * with `result` set, which counts as that result. When `ctx.signal` aborts, let go of everything
   * you started and rethrow `signal.reason`. A step that does not settle within 30 seconds after
   * the abort is given up: its build ends, and what it still does has no effect.
   */
  run(ctx: StepContext): Promise<StepResult>;
}

/** When a step runs and what its result means for the build; any step's options may hold these. */
export interface StepFlags {
  /** Shown instead of the step's own name. */
  name?: string;
  /** A failure ends the build, but for steps with `alwaysRun`. Default true. */
  haltOnFailure?: boolean;
  /** A failure makes the build a failure. Default true. */
  flunkOnFailure?: boolean;
  /** Warnings make the build a failure. Default false. */
  flunkOnWarnings?: boolean;
  /** A failure makes the build warnings (where it does not flunk it). Default false. */
  warnOnFailure?: boolean;
  /** Warnings make the build warnings. Default true. */
  warnOnWarnings?: boolean;
  /** Runs although an earlier step halted the build or the build was stopped. Default false. */
  alwaysRun?: boolean;
  /** False skips the step. A function is asked when its turn comes. */
  doStepIf?: boolean | ((build: BuildInfo & { properties: Properties }) => boolean | Promise<boolean>);
  /** Ends the step as `failure` after this time, in milliseconds or as "10m"; with `retry`, each attempt. Default: none. */
  maxTime?: Duration;
  /** Taken before it runs, given back when it has ended; its time is counted from when it has them. */
  locks?: LockUse;
  /**
   * True hides the step on pages that show the build; it stays in the API, marked as `hidden`. A
   * function is asked once, with how the step ended; it must answer at once, and a throw hides nothing.
   */
  hideIf?: boolean | ((ended: { result: Result; summary: string }) => boolean);
  /** Runs the step again when it ends in a way that may pass; the last attempt is what counts. It keeps its locks meanwhile. */
  retry?: RetryPolicy;
}

/** When something that ended badly is tried again. */
export interface RetryPolicy {
  /** Results after which it is tried again. Default: failure and exception. */
  on?: readonly ("warnings" | "failure" | "exception")[];
  /** How often it is tried again at most, besides the first time. */
  max: number;
  /** Not when so much time has passed since the first attempt began. Default: no limit. */
  within?: Duration;
}

/** How a group takes part in its build; its result is what its steps' results and flags come to. */
export type GroupFlags = Omit<StepFlags, "retry" | "locks">;

/**
 * Steps at the same time, at most `limit` of them; they begin in their order. When one of them fails
 * and halts, those that have not begun are left out, but for those with `alwaysRun`; those that run go on
 * to their end.
 */
export interface ParallelSteps extends GroupFlags {
  parallel: readonly StepNode[];
  limit?: number;
}

/** Steps one after the other, as one step of whatever is around them. */
export interface SequenceOfSteps extends GroupFlags {
  sequence: readonly StepNode[];
}

/** What may stand in a builder's `steps`: a step, or a group of them. */
export type StepNode = Entry<"step"> | PlainEntry | ParallelSteps | SequenceOfSteps;
