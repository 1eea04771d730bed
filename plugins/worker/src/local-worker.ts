import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { arch, availableParallelism, hostname, release, type } from "node:os";
import { join } from "node:path";
import { type Clock, messageOf, type Timer, type Worker, type WorkerSession, type WorkerStartContext } from "belfry";
import { buildFolderName } from "./build-folder.ts";
import { faults } from "./errors.ts";
import { Executor, type ExecutorOptions } from "./executor.ts";
import { LocalSession } from "./local-session.ts";
import { folderPrefix, workerPrefix } from "./marker.ts";
import { clearWaiting, findWaiting, isAlive } from "./waiting-spawner.ts";

const PIPES = ".pipes";
/** Where a spawner that keeps commands for the next process says how to find it. */
const WAITING = ".waiting.json";
/** Milliseconds before the first and the last kind of try to start a lost spawner again. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** A spawner that lived this long was healthy. */
const HEALTHY = 10_000;

export interface LocalWorkerOptions {
  name: string;
  slots: number;
  /** Absolute. */
  folder: string;
  /** Against the master's environment. */
  env: Record<string, string | null>;
  clock: Clock;
}

/** Runs builds on the master's own machine, each builder in a folder of its own. */
export class LocalWorker implements Worker {
  readonly slots: number;
  readonly info: Record<string, string>;
  readonly #options: LocalWorkerOptions;
  /** Build folders in which the last session of this process left nothing behind. */
  readonly #clean = new Set<string>();
  readonly #sessions = new Set<WorkerSession>();
  #executor: Executor | undefined;
  #ctx: WorkerStartContext | undefined;
  #stopped = false;
  /** True while commands of a lost spawner may be running. */
  #orphans = false;
  #starting: Promise<void> | undefined;
  #pause = FIRST_PAUSE;
  #since = 0;
  #retry: Timer | undefined;

  constructor(options: LocalWorkerOptions) {
    this.#options = options;
    this.slots = options.slots;
    this.info = {
      host: hostname(),
      system: `${type()} ${release()} ${arch()}`,
      cores: String(availableParallelism()),
      node: process.version,
    };
  }

  get connected(): boolean {
    return this.#executor !== undefined;
  }

  async start(ctx: WorkerStartContext): Promise<void> {
    if (process.platform === "win32") throw faults.workerPlatform(this.#options.name, "Windows");
    this.#ctx = ctx;
    this.#stopped = false;
    try {
      await mkdir(join(this.#options.folder, PIPES), { recursive: true });
      await this.#removeOldPipes();
    } catch (error) {
      throw faults.workerStart(this.#options.name, `Its folder cannot be made: ${messageOf(error)}.`, error);
    }
    this.#starting = this.#connect();
    await this.#starting;
  }

  stop(): Promise<void> {
    return this.#end((executor) => executor.close());
  }

  async detach({ keepFor }: { keepFor: number }): Promise<void> {
    await this.#end(async (executor) => {
      try {
        await executor.release({ keepFor, file: join(this.#options.folder, WAITING) });
      } catch (error) {
        this.#ctx?.note(`its commands could not be kept, and were ended: ${messageOf(error)}`);
      }
    });
  }

  /** What is not detached ends. */
  async #end(finish: (executor: Executor) => Promise<unknown>): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#starting?.catch(() => {});
    await Promise.all([...this.#sessions].map((session) => session.close()));
    const executor = this.#executor;
    this.#executor = undefined;
    if (executor) await finish(executor);
    // Nobody but another spawner can end what a lost one has left.
    if (this.#orphans) await this.#connect().catch((error: unknown) => this.#ctx?.note(messageOf(error)));
  }

  async open(build: { id: number; builder: string; slot: number; fence: number }): Promise<WorkerSession> {
    const executor = this.#executor;
    if (!executor || this.#stopped) throw faults.workerLost(this.#options.name);
    const folder = join(this.#options.folder, buildFolderName(build.builder, build.slot));
    const mark = folderPrefix(this.#options.folder, folder);
    const owner = String(build.id);
    const kept = executor.keeps(mark, owner);
    if (!kept) await executor.drop(mark);
    if (!this.#clean.delete(folder) && !kept) {
      const { ended, left } = await executor.sweep({ prefix: mark, orphans: false });
      if (ended > 0) this.#ctx?.note(`ended ${ended} processes that an earlier build left in ${folder}`);
      if (left > 0) throw faults.workerSurvivors(folder, left);
    }
    await mkdir(folder, { recursive: true });
    const session: WorkerSession = new LocalSession(folder, { mark, owner }, executor, (clean) => {
      this.#sessions.delete(session);
      if (clean) this.#clean.add(folder);
    });
    this.#sessions.add(session);
    return session;
  }

  async #connect(): Promise<void> {
    const { name, folder, clock } = this.#options;
    const options = {
      name,
      pipes: join(folder, PIPES, `${process.pid}-${randomUUID().slice(0, 8)}`),
      env: this.#environment(),
      clock,
      lost: () => this.#lost(executor),
    };
    const executor: Executor = (await this.#adopt(options)) ?? (await Executor.start(options));
    try {
      // Commands of a master that was killed together with its spawner.
      const { ended } = await executor.sweep({ prefix: workerPrefix(folder), orphans: true });
      if (ended > 0) this.#ctx?.note(`ended ${ended} processes that an earlier master left`);
    } catch (error) {
      await executor.close();
      throw error;
    }
    this.#orphans = false;
    if (this.#stopped) return executor.close();
    this.#executor = executor;
    this.#since = clock.monotonic();
    this.#ctx?.changed();
  }

  #lost(executor: Executor): void {
    if (this.#executor !== executor) return;
    this.#executor = undefined;
    this.#orphans = true;
    this.#clean.clear();
    if (this.#options.clock.monotonic() - this.#since > HEALTHY) this.#pause = FIRST_PAUSE;
    this.#ctx?.note("the process that runs its commands ended unexpectedly; it is started again");
    this.#ctx?.changed();
    this.#reconnect();
  }

  #reconnect(): void {
    if (this.#stopped) return;
    this.#retry = this.#options.clock.setTimer(this.#pause, () => {
      this.#starting = this.#connect().catch((error: unknown) => {
        this.#ctx?.note(messageOf(error));
        this.#reconnect();
      });
    });
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #environment(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries({ ...process.env, ...this.#options.env }))
      if (typeof value === "string") env[name] = value;
    return env;
  }

  /** Takes over the spawner that the process before this one has left waiting, if there is one. */
  async #adopt(options: ExecutorOptions): Promise<Executor | undefined> {
    const file = join(this.#options.folder, WAITING);
    const note = (message: string) => this.#ctx?.note(message);
    const waiting = await findWaiting(file, note);
    if (!waiting) return undefined;
    const executor = await Executor.adopt(options, waiting);
    if (!executor) await clearWaiting(file, waiting);
    note(
      executor
        ? `commands that were kept over the restart: ${executor.kept}`
        : "the process that keeps its commands does not answer; they are ended",
    );
    return executor;
  }

  /** Masters that were killed leave the folders of their pipes. */
  async #removeOldPipes(): Promise<void> {
    const folder = join(this.#options.folder, PIPES);
    for (const name of await readdir(folder)) {
      if (!isAlive(Number(name.split("-")[0]))) await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
