import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, CommandResult, CommandSpec, OutputSink, Timer } from "belfry";
import { type CommandLine, commandLine } from "./command-line.ts";
import { faults } from "./errors.ts";
import { KeptCommands } from "./kept-commands.ts";
import { PipePool } from "./pipe-pool.ts";
import type { FromSpawner, SweepScope, ToSpawner, Waiting } from "./protocol.ts";
import { RunningCommand } from "./running-command.ts";
import { joinSpawner, type SpawnerLink, startSpawner } from "./spawner-link.ts";
import { versions } from "./versions.ts";

const FIRST_PIPES = 16;
/** Milliseconds that the spawner has to end everything when it is told to leave. */
const LEAVING = 15_000;
/** Milliseconds that a waiting spawner has to answer the next master. */
const ANSWERING = 10_000;

export interface ExecutorOptions {
  /** Who it belongs to, for messages. */
  name: string;
  /** Where its pipes are made: an absolute path that is nobody else's. Removed when it closes. */
  pipes: string;
  /** The environment of commands. */
  env: Record<string, string>;
  clock: Clock;
  /** Called once if the process that spawns commands ends although nobody asked it to; its calls have rejected then. */
  lost(): void;
}

export interface ExecutorCall {
  spec: CommandSpec;
  /** Absolute; a relative `cwd` starts here. */
  folder: string;
  /** What the markers of its processes begin with; see `folderPrefix`. */
  mark: string;
  callId: string;
  sink: OutputSink;
  signal: AbortSignal;
}

const CANCELLED: CommandResult = { code: null, signal: null, killed: "cancelled", elapsed: 0 };

/** A call whose command may be kept for a next process. */
export interface OwnedCall extends ExecutorCall {
  /** Whose it is: only the same owner gets it back. */
  owner: string;
}

/**
 * Runs commands through a small process of its own, the spawner. Made by {@link Executor.start}, or by
 * {@link Executor.adopt} if an earlier process has left a spawner waiting; of no use any more once it was closed,
 * released or lost.
 */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #link: SpawnerLink;
  readonly #pipes: PipePool;
  readonly #commands = new Map<number, { command: RunningCommand; mark: string; call: string }>();
  readonly #kept: KeptCommands;
  readonly #sweeps = new Map<
    number,
    { resolve(result: { ended: number; left: number }): void; reject(error: unknown): void }
  >();
  readonly #gone: Promise<void>;
  #ready: { resolve(): void; reject(error: unknown): void } | undefined;
  #released: ((error: string | null) => void) | undefined;
  #nextId = 1;
  #state: "starting" | "running" | "closing" | "gone" = "starting";
  /** For file systems that have no pipes. */
  readonly #spare = join(tmpdir(), `belfry-pipes-${randomUUID()}`);
  #folders: string[];
  /** When what is kept and was not asked for is ended. */
  #deadline: Timer | undefined;

  /** Resolves when it can run commands. Throws `BELFRY_WORKER_START_FAILED`, and leaves nothing open then. */
  static async start(options: ExecutorOptions): Promise<Executor> {
    const executor = new Executor(options, startSpawner);
    try {
      await new Promise<void>((resolve, reject) => {
        executor.#ready = { resolve, reject };
        const { env, pipes } = options;
        executor.#say({ do: "hello", env, folder: pipes, spare: executor.#spare, pipes: FIRST_PIPES });
      });
      return executor;
    } catch (error) {
      await executor.close();
      throw error;
    }
  }

  /**
   * Takes over the spawner that an earlier process has released, with the commands that it keeps. They have to be
   * taken up by `resume` within the time that they were kept for; the rest is ended then. `undefined` if it does not
   * answer: it ends everything by itself then. New commands get the environment of these options.
   */
  static async adopt(options: ExecutorOptions, waiting: Waiting): Promise<Executor | undefined> {
    const executor = new Executor(options, (hear) => joinSpawner(waiting, hear));
    const late = setTimeout(() => executor.#link.letGo(), ANSWERING);
    try {
      await new Promise<void>((resolve, reject) => {
        executor.#ready = { resolve, reject };
        executor.#say({ do: "adopt", token: waiting.token, env: options.env, pipes: FIRST_PIPES });
      });
      return executor;
    } catch {
      await executor.close();
      return undefined;
    } finally {
      clearTimeout(late);
    }
  }

  private constructor(options: ExecutorOptions, open: (hear: (message: FromSpawner) => void) => SpawnerLink) {
    this.#options = options;
    this.#folders = [options.pipes, this.#spare];
    this.#pipes = new PipePool((count) => this.#say({ do: "pipes", count }));
    this.#kept = new KeptCommands((message) => this.#say(message));
    this.#link = open((message) => this.#hear(message));
    this.#gone = this.#link.gone.then((error) => this.#left(error));
  }

  /** The spawner's process number. */
  get pid(): number | undefined {
    return this.#link.pid;
  }

  /** How many commands are kept and were not taken up. */
  get kept(): number {
    return this.#kept.size;
  }

  /** As `WorkerSession.run`. */
  async run(call: ExecutorCall): Promise<CommandResult> {
    const { spec, signal } = call;
    const line = commandLine(spec, call.folder);
    if (signal.aborted) return CANCELLED;
    if (this.#state !== "running") throw faults.workerLost(this.#options.name);
    const id = this.#nextId++;
    const command = this.#track(id, line, call);
    const cancel = () => command.end("cancelled");
    try {
      const { out, err, in: input } = await command.open();
      if (command.detached) return await never();
      if (signal.aborted || command.ending || this.#state !== "running") {
        command.abort(faults.sessionClosed());
        return CANCELLED;
      }
      signal.addEventListener("abort", cancel, { once: true });
      const { argv, cwd, env } = line;
      const { grace } = command;
      this.#say({ do: "run", id, argv, cwd, env, mark: call.mark, call: call.callId, out, err, in: input, grace });
      command.begin();
      return await command.result;
    } catch (error) {
      if (command.detached) return never();
      command.abort(faults.workerLost(this.#options.name));
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#commands.delete(id);
    }
  }

  /** As `WorkerSession.resume`. */
  async resume(call: OwnedCall): Promise<CommandResult | undefined> {
    const { mark, owner, callId, signal } = call;
    const line = commandLine(call.spec, call.folder);
    const kept = this.#state === "running" ? this.#kept.take({ mark, owner, call: callId }) : undefined;
    if (!kept) return undefined;
    const { id } = kept;
    const command = this.#track(id, line, call);
    const cancel = () => command.end("cancelled");
    try {
      try {
        command.reopen(kept.command);
      } catch {
        command.letGo();
        await this.#kept.dropOne(id, command.grace);
        return undefined;
      }
      this.#say({ do: "resume", id });
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel, { once: true });
      return await command.result;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#commands.delete(id);
    }
  }

  /**
   * Lets go of the running commands that were given this marker: their calls do not settle any more, and the spawner
   * keeps them for `resume`, here or, after `release`, in the next process. Those that cannot be kept are ended.
   */
  async detach(mark: string, owner: string): Promise<void> {
    const detaching: Promise<void>[] = [];
    for (const [id, { command, mark: its, call }] of this.#commands) {
      if (its !== mark) continue;
      detaching.push(this.#detach(id, command, { mark, owner, call }));
    }
    await Promise.all(detaching);
  }

  /** True if commands with this marker are kept for this owner. */
  keeps(mark: string, owner: string): boolean {
    return this.#kept.has(mark, owner);
  }

  /** Ends the kept commands that were given this marker. Resolves with the number of processes that could not be ended. */
  drop(mark: string): Promise<number> {
    return this.#kept.drop(mark);
  }

  /**
   * Ends what is not kept, and leaves the spawner waiting for the next process, for `keepFor` milliseconds. `file` is
   * where it is found by it. Closes instead, and resolves with false, if nothing is kept; rejects if it cannot wait.
   */
  async release({ keepFor, file }: { keepFor: number; file: string }): Promise<boolean> {
    await this.#endRunning();
    if (this.#state !== "running" || this.#kept.size === 0) {
      await this.close();
      return false;
    }
    const error = await new Promise<string | null>((resolve) => {
      this.#released = resolve;
      this.#say({ do: "release", keepFor, file, versions });
    });
    if (error !== null) {
      await this.close();
      throw new Error(error);
    }
    this.#state = "gone";
    this.#folders = [];
    this.#deadline?.cancel();
    this.#pipes.close(faults.workerLost(this.#options.name));
    this.#link.letGo();
    return true;
  }

  /** Ends the running commands that were given this marker; their calls resolve as cancelled. */
  cancel(mark: string): void {
    for (const call of this.#commands.values()) if (call.mark === mark) call.command.end("cancelled");
  }

  /** Ends the processes that carry a marker. Resolves when there are none left, or those that are cannot be ended. */
  sweep(scope: SweepScope, grace = 1_000): Promise<{ ended: number; left: number }> {
    if (this.#state === "gone") return Promise.reject(faults.workerLost(this.#options.name));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#sweeps.set(id, { resolve, reject });
      this.#say({ do: "sweep", id, scope, grace });
    });
  }

  /** Ends every command; their calls resolve. Resolves when the spawner has ended, too. */
  async close(): Promise<void> {
    if (this.#state !== "gone") {
      this.#state = "closing";
      await this.#endRunning();
      this.#link.end();
      const timer = setTimeout(() => this.#link.kill(), LEAVING);
      await this.#gone;
      clearTimeout(timer);
    }
    await this.#clean();
  }

  #track(id: number, line: CommandLine, { spec, mark, callId, sink }: ExecutorCall): RunningCommand {
    const host = {
      clock: this.#options.clock,
      pipes: this.#pipes,
      end: (grace: number) => this.#say({ do: "end", id, grace }),
    };
    const command = new RunningCommand(host, spec, line, sink);
    this.#commands.set(id, { command, mark, call: callId });
    return command;
  }

  async #endRunning(): Promise<void> {
    const running = [...this.#commands.values()].map(({ command }) => command).filter(({ detached }) => !detached);
    for (const command of running) command.end("cancelled");
    await Promise.allSettled(running.map(({ result }) => result));
  }

  async #detach(id: number, command: RunningCommand, call: { mark: string; owner: string; call: string }) {
    let kept = await command.detach();
    while (kept && !command.over) {
      const known = command.exit;
      kept = await this.#kept.keep(id, command.kept(call));
      // An exit that came before the answer is not known to the spawner any more.
      if (command.exit === known) break;
    }
    if (!kept) this.#say({ do: "end", id, grace: command.grace });
    // It has turned out that it never started.
    if (kept && command.over) await this.#kept.dropOne(id, 0);
    command.letGo();
    this.#commands.delete(id);
  }

  #say(message: ToSpawner): void {
    this.#link.say(message);
  }

  #hear(message: FromSpawner): void {
    switch (message.say) {
      case "exit":
        this.#commands.get(message.id)?.command.exited(message);
        return this.#kept.hear(message);
      case "kept":
        return this.#kept.hear(message);
      case "resumed":
        return this.#commands.get(message.id)?.command.resumed(message);
      case "released":
        return this.#released?.(message.error);
      case "failed":
        return this.#commands.get(message.id)?.command.failed(message);
      case "started":
        for (const id of message.ids) this.#commands.get(id)?.command.started();
        return;
      case "pipes":
        return this.#pipes.add(message.paths, message.error === null ? undefined : new Error(message.error));
      case "swept":
        this.#sweeps.get(message.id)?.resolve(message);
        this.#sweeps.delete(message.id);
        return;
      case "ready":
        this.#folders.push(message.folder);
        this.#pipes.add(message.paths);
        this.#state = "running";
        return this.#ready?.resolve();
      case "adopted":
        this.#nextId = message.nextId;
        this.#kept.add(message.kept);
        this.#deadline = this.#options.clock.setTimer(message.keepFor, () => void this.#kept.drop());
        return;
      case "unable":
        return this.#ready?.reject(faults.workerStart(this.#options.name, `Pipes cannot be made: ${message.code}.`));
    }
  }

  #left(error: Error | undefined): void {
    if (this.#state === "gone") return;
    const unexpected = this.#state === "running";
    this.#state = "gone";
    const lost = faults.workerLost(this.#options.name);
    this.#pipes.close(lost);
    for (const { command } of this.#commands.values()) command.abort(lost);
    for (const { reject } of this.#sweeps.values()) reject(lost);
    this.#sweeps.clear();
    this.#kept.lost();
    this.#released?.("The process that keeps them has ended.");
    this.#deadline?.cancel();
    this.#link.letGo();
    this.#ready?.reject(
      faults.workerStart(this.#options.name, "The process that spawns commands ended at once.", error),
    );
    if (!unexpected) return;
    void this.#clean();
    this.#options.lost();
  }

  async #clean(): Promise<void> {
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** What a call becomes that nobody waits for. */
function never(): Promise<never> {
  return new Promise(() => {});
}
