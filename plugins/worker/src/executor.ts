import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock, CommandResult, CommandSpec, OutputSink } from "belfry";
import { commandLine } from "./command-line.ts";
import { faults } from "./errors.ts";
import { PipePool } from "./pipe-pool.ts";
import type { FromSpawner, SweepScope, ToSpawner } from "./protocol.ts";
import { RunningCommand } from "./running-command.ts";

const SPAWNER = fileURLToPath(new URL("./spawner/main.js", import.meta.url));
const FIRST_PIPES = 16;
/** Milliseconds that the spawner has to end everything when it is told to leave. */
const LEAVING = 15_000;

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

/**
 * Runs commands through a small process of its own, the spawner. Made by {@link Executor.start};
 * of no use any more once it was closed or lost.
 */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #pipes: PipePool;
  readonly #commands = new Map<number, { command: RunningCommand; mark: string }>();
  readonly #sweeps = new Map<
    number,
    { resolve(result: { ended: number; left: number }): void; reject(error: unknown): void }
  >();
  readonly #gone: Promise<void>;
  #ready: { resolve(): void; reject(error: unknown): void } | undefined;
  #nextId = 1;
  #state: "starting" | "running" | "closing" | "gone" = "starting";
  /** For file systems that have no pipes. */
  readonly #spare = join(tmpdir(), `belfry-pipes-${randomUUID()}`);

  /** Resolves when it can run commands. Throws `BELFRY_WORKER_START_FAILED`, and leaves nothing open then. */
  static async start(options: ExecutorOptions): Promise<Executor> {
    const executor = new Executor(options);
    try {
      await new Promise<void>((resolve, reject) => {
        executor.#ready = { resolve, reject };
      });
      return executor;
    } catch (error) {
      await executor.close();
      throw error;
    }
  }

  private constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#pipes = new PipePool((count) => this.#say({ do: "pipes", count }));
    // Neither NODE_OPTIONS nor anything else of the master's environment may slow it down.
    const flags = ["--single-threaded", "--max-old-space-size=128", SPAWNER];
    this.#child = spawn(process.execPath, flags, {
      cwd: "/",
      env: { PATH: process.env.PATH },
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.#channel = this.#child.stdio[3] as Socket;
    this.#channel.setEncoding("utf8");
    this.#channel.on("error", () => {});
    let rest = "";
    this.#channel.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(JSON.parse(line) as FromSpawner);
    });
    this.#gone = new Promise((resolve) => {
      this.#child.once("error", (error) => this.#left(error, resolve));
      this.#child.once("exit", () => this.#left(undefined, resolve));
    });
    const { env, pipes } = options;
    this.#say({ do: "hello", env, folder: pipes, spare: this.#spare, pipes: FIRST_PIPES });
  }

  /** The spawner's process number. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** As `WorkerSession.run`. */
  async run(call: ExecutorCall): Promise<CommandResult> {
    const { spec, signal } = call;
    const line = commandLine(spec, call.folder);
    if (signal.aborted) return CANCELLED;
    if (this.#state !== "running") throw faults.workerLost(this.#options.name);
    const id = this.#nextId++;
    const host = {
      clock: this.#options.clock,
      pipes: this.#pipes,
      end: (grace: number) => this.#say({ do: "end", id, grace }),
    };
    const command = new RunningCommand(host, spec, line, call.sink);
    this.#commands.set(id, { command, mark: call.mark });
    const cancel = () => command.end("cancelled");
    try {
      const { out, err, in: input } = await command.open();
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
      command.abort(faults.workerLost(this.#options.name));
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#commands.delete(id);
    }
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
      for (const { command } of this.#commands.values()) command.end("cancelled");
      await Promise.allSettled([...this.#commands.values()].map(({ command }) => command.result));
      this.#channel.end();
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), LEAVING);
      await this.#gone;
      clearTimeout(timer);
    }
    await this.#clean();
  }

  #say(message: ToSpawner): void {
    if (this.#channel.writable) this.#channel.write(`${JSON.stringify(message)}\n`);
  }

  #hear(message: FromSpawner): void {
    switch (message.say) {
      case "exit":
        return this.#commands.get(message.id)?.command.exited(message);
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
        this.#state = "running";
        for (let i = 0; i < FIRST_PIPES; i++) this.#pipes.add([join(message.folder, String(i))]);
        return this.#ready?.resolve();
      case "unable":
        return this.#ready?.reject(faults.workerStart(this.#options.name, `Pipes cannot be made: ${message.code}.`));
    }
  }

  #left(error: Error | undefined, resolve: () => void): void {
    const unexpected = this.#state === "running";
    this.#state = "gone";
    const lost = faults.workerLost(this.#options.name);
    this.#pipes.close(lost);
    for (const { command } of this.#commands.values()) command.abort(lost);
    for (const { reject } of this.#sweeps.values()) reject(lost);
    this.#sweeps.clear();
    this.#channel.destroy();
    this.#ready?.reject(
      faults.workerStart(this.#options.name, "The process that spawns commands ended at once.", error),
    );
    resolve();
    if (!unexpected) return;
    void this.#clean();
    this.#options.lost();
  }

  async #clean(): Promise<void> {
    for (const folder of [this.#options.pipes, this.#spare])
      await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}
