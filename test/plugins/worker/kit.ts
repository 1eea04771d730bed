import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localWorker } from "@belfry/worker";
import {
  BelfryError,
  type Clock,
  type CommandResult,
  type CommandSpec,
  type CreateContext,
  type Worker,
  type WorkerSession,
} from "belfry";
import { suite, type Test } from "uvu";

/** No test here may take longer than this. */
const LIMIT = 60_000;

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A suite whose tests fail instead of hanging. */
export function limitedSuite(name: string): { (title: string, run: () => Promise<void>): void; run(): void } {
  const tests: Test = suite(name);
  const add = (title: string, run: () => Promise<void>) =>
    tests(title, async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`"${title}" took longer than ${LIMIT} ms`)), LIMIT);
      });
      try {
        await Promise.race([run(), late]);
      } catch (error) {
        // uvu's own report stumbles over the details of a BelfryError, and forgets the test then.
        throw BelfryError.is(error) ? new Error(`${error.code}: ${error.message}`, { cause: error }) : error;
      } finally {
        clearTimeout(timer);
      }
    });
  return Object.assign(add, { run: () => tests.run() });
}

export class World {
  readonly folder: string;
  readonly notes: string[] = [];
  changes = 0;
  readonly #workers: Worker[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), "belfry-worker-")));
  }

  async worker(options: Record<string, unknown> = {}, name = "local"): Promise<Worker> {
    const ctx = { name, clock, folder: this.folder, stateFolder: join(this.folder, "state") } as CreateContext;
    const parsed = localWorker.definition.options.parse(options);
    const worker = localWorker.definition.create(parsed, ctx);
    this.#workers.push(worker);
    await worker.start({
      signal: new AbortController().signal,
      folder: join(this.folder, "own"),
      changed: () => void this.changes++,
      note: (message) => void this.notes.push(message),
    });
    return worker;
  }

  async session(worker?: Worker, builder = "builder"): Promise<WorkerSession> {
    const on = worker ?? (await this.worker());
    return on.open({ id: 1, builder, slot: 0, fence: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface Ran extends CommandResult {
  stdout: Buffer;
  stderr: Buffer;
}

let calls = 0;

/** Runs a command and keeps its output. */
export async function run(
  session: WorkerSession,
  spec: CommandSpec | string | string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const pieces = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const full = typeof spec === "string" || Array.isArray(spec) ? { command: spec } : spec;
  const result = await session.run(full, (channel, data) => void pieces[channel].push(Buffer.from(data)), {
    signal,
    callId: `call-${++calls}`,
  });
  return { ...result, stdout: Buffer.concat(pieces.stdout), stderr: Buffer.concat(pieces.stderr) };
}

/** The error of a promise that has to reject. */
export async function rejects(promise: Promise<unknown>): Promise<Error & { code?: string; result?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it should have been rejected");
}

let tags = 0;

/** A word for a command line by which a test finds its processes: an odd number of seconds for `sleep`. */
export function tag(): string {
  return `${1_000 + process.pid}.${String(++tags).padStart(4, "0")}${Math.floor(Math.random() * 1e6)}`;
}

/** Live processes with this word in their command line. */
export function processesWith(word: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
      if (words.some((text) => text.includes(word)) && state !== "Z") found.push(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Waits until something holds; fails when it does not for long. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The process that spawns the commands of a worker in this process. */
export function spawnerPids(parent = process.pid): number[] {
  return processesWith("spawner/main.js").filter((pid) => {
    if (!existsSync(`/proc/${pid}/stat`)) return false;
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
  });
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * 4_096;
}
