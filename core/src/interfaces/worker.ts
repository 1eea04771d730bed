import type { LockUse } from "./lock.ts";
import type { LogChannel } from "./log-store.ts";
import type { Json, Millis } from "./values.ts";

/** A program to run on a worker. */
export interface CommandSpec {
  /** Program and arguments, or a line for the worker's shell (`/bin/sh -c`). */
  command: string[] | string;
  /** Relative to the build's folder, or absolute. Default: the build's folder. Must exist. */
  cwd?: string;
  /** Added to the worker's environment; `null` takes a variable away. */
  env?: Record<string, string | null>;
  /** Written to its standard input, which is then closed. Default: no input. */
  input?: Uint8Array | string;
  /** Ends the command when it ran this many milliseconds. */
  maxTime?: number;
  /** Ends the command when it printed nothing for this many milliseconds. */
  timeout?: number;
  /** Milliseconds between SIGTERM and SIGKILL. Default 5,000. */
  killGrace?: number;
}

/** How a command ended. Not to be able to start it at all is a throw, with `BELFRY_COMMAND_NOT_FOUND` or the like. */
export interface CommandResult {
  /** Exit code, or `null` when a signal ended it. */
  code: number | null;
  signal: string | null;
  /** Why Belfry ended it, if it did: its time was over, it was silent for too long, the build was stopped. */
  killed: "max-time" | "timeout" | "cancelled" | null;
  /** Milliseconds. */
  elapsed: number;
}

export interface FileStat {
  type: "file" | "folder" | "link" | "other";
  size: number;
  modified: Millis;
  executable: boolean;
}

/**
 * Takes a command's output as it arrives. Awaited: whoever returns a promise slows the command down. `data` may not be
 * kept after that promise has settled, or after the call if it returned none: the buffer is used again.
 */
export type OutputSink = (
  channel: Exclude<LogChannel, "header">,
  data: Uint8Array,
  time: Millis,
) => Promise<void> | undefined | void;

/**
 * A build's place on a worker: a folder of its own, and what can be done in it. Paths are relative
 * to that folder or absolute on the worker. Every call is independent; calls may overlap.
 * Failures of file calls are errors with Node's `code` (`ENOENT`, `EACCES`, …).
 */
export interface WorkerSession {
  /** Absolute path of the build's folder on the worker. */
  readonly folder: string;
  /**
   * Runs a command to its end. When it resolves, no process that it started is left, not even those
   * that left its process group. When `signal` aborts, it is ended (SIGTERM, grace, SIGKILL) and the
   * call resolves with `killed: "cancelled"`. `callId` names the call for ever, so that a worker can
   * tell a call that is repeated after a lost connection.
   */
  run(spec: CommandSpec, sink: OutputSink, options: { signal: AbortSignal; callId: string }): Promise<CommandResult>;
  stat(path: string): Promise<FileStat>;
  /** Fails with `EFBIG` if the file is larger than `maxBytes` (default 16 MiB). */
  readFile(path: string, options?: { maxBytes?: number }): Promise<Uint8Array>;
  /** Replaces the file at once; folders above it are made. */
  writeFile(path: string, data: Uint8Array, options?: { executable?: boolean }): Promise<void>;
  /** Makes a folder and those above it. Harmless if it exists. */
  mkdir(path: string): Promise<void>;
  /**
   * Removes a file or a whole folder. Harmless if there is none. `.` empties the build's folder; relative paths, and
   * links in them, do not lead out of it (`EACCES`).
   */
  remove(path: string): Promise<void>;
  /** Copies a file or a whole folder; what exists is overwritten. */
  copy(from: string, to: string): Promise<void>;
  list(path: string): Promise<{ name: string; type: FileStat["type"] }[]>;
  /** Ends whatever the session still runs, also what was kept and not resumed. The folder stays for the next build. */
  close(): Promise<void>;
  /**
   * Lets go of the session without ending what it runs: the master is about to be restarted. From the call on nothing
   * more is given to sinks (what a sink has accepted counts as taken, everything else is kept for `resume`), pending
   * calls never settle or reject harmlessly, and signals are ignored. Resolves when no sink call is outstanding and the
   * commands are kept. A command that cannot be kept is ended. A worker that cannot keep commands has no `detach`.
   */
  detach?(): Promise<void>;
  /**
   * Takes up a command that an earlier session of this build began under this `callId` and that was kept: its
   * remaining output goes to `sink`, in order and without a gap, and it ends as `run` would. Resolves with `undefined`
   * at once if the worker has not kept it. The spec is that of the original call and gives the limits; `maxTime` and
   * `timeout` count on from the original start as far as that is known. A command is taken up once.
   */
  resume?(
    spec: CommandSpec,
    sink: OutputSink,
    options: { signal: AbortSignal; callId: string },
  ): Promise<CommandResult | undefined>;
}

/** What core does for a worker; any worker's options may hold these. */
export interface WorkerFlags {
  name?: string;
  /** Taken for each build on this worker, besides those of the builder. */
  locks?: LockUse;
  /** Properties of the builds on this worker; they win over all others but those that steps set. */
  properties?: Record<string, Json>;
  /** Properties for builds that nothing else has given one of this name. */
  defaultProperties?: Record<string, Json>;
}

export interface WorkerStartContext {
  readonly signal: AbortSignal;
  /** A folder for the worker's own use, kept between restarts. */
  readonly folder: string;
  /** Tells core that `connected`, `slots` or `info` changed. Call it as often as it happens. */
  changed(): void;
  note(message: string): void;
}

/**
 * A place that runs commands and moves files.
 *
 * Core makes one instance per configured worker, on the master that has it. The distributor gives it
 * at most `slots` builds at a time; a session is opened for each of them. A reload that changes it, or takes it away,
 * stops it when its last build has ended; only then does another one of its name start.
 */
export interface Worker {
  /** How many builds at a time. */
  readonly slots: number;
  /** True while it can take a build. */
  readonly connected: boolean;
  /** What to show about it: system, versions. */
  readonly info: Record<string, string>;
  /** Resolves when it is ready or will become so by itself; if it rejects, nothing it opened stays open. */
  start(ctx: WorkerStartContext): Promise<void>;
  /** Ends everything it runs. Resolves once nothing is left. */
  stop(): Promise<void>;
  /**
   * Called after all sessions were detached, instead of `stop`, when the master restarts: what runs is kept for
   * `keepFor` milliseconds for the next process of this master, which calls `start` with the same folder. If none does,
   * it is ended as if the master had been killed. The next process has as long again to open the builds and to resume
   * their commands. A worker without it is stopped.
   */
  detach?(options: { keepFor: number }): Promise<void>;
  /**
   * Prepares a build's folder. First it ends processes that an earlier build left there; commands that were kept for
   * this build (the same `id` and `slot`; the fence is a new one) and the folder's files are left as they are then.
   * `builder` names the folder: builds of one builder use the same folder again, one at a time; core
   * never opens two sessions for one builder and slot at once.
   */
  open(build: { id: number; builder: string; slot: number; fence: number }): Promise<WorkerSession>;
}
