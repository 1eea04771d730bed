import type { CommandResult, CommandSpec, FileStat, OutputSink, WorkerSession } from "belfry";
import { faults } from "./errors.ts";
import type { Executor } from "./executor.ts";
import { Files } from "./files.ts";

/** A build's folder on this machine. Files are handled by the master itself, commands by its executor. */
export class LocalSession implements WorkerSession {
  readonly folder: string;
  readonly #executor: Executor;
  readonly #mark: string;
  readonly #owner: string;
  readonly #files: Files;
  readonly #closed: (clean: boolean) => void;
  readonly #running = new Set<Promise<unknown>>();
  #clean = true;
  #open = true;

  /** `owner` is the build; `closed` hears whether every command ended with nothing left behind. */
  constructor(
    folder: string,
    { mark, owner }: { mark: string; owner: string },
    executor: Executor,
    closed: (clean: boolean) => void,
  ) {
    this.folder = folder;
    this.#mark = mark;
    this.#owner = owner;
    this.#executor = executor;
    this.#files = new Files(folder);
    this.#closed = closed;
  }

  async run(
    spec: CommandSpec,
    sink: OutputSink,
    { signal, callId }: { signal: AbortSignal; callId: string },
  ): Promise<CommandResult> {
    const { folder } = this;
    const mark = this.#mark;
    return this.#track(() => this.#executor.run({ spec, folder, mark, callId, sink, signal }));
  }

  async resume(
    spec: CommandSpec,
    sink: OutputSink,
    { signal, callId }: { signal: AbortSignal; callId: string },
  ): Promise<CommandResult | undefined> {
    const { folder } = this;
    const [mark, owner] = [this.#mark, this.#owner];
    return this.#track(() => this.#executor.resume({ spec, folder, mark, owner, callId, sink, signal }));
  }

  stat(path: string): Promise<FileStat> {
    return this.#files.stat(path);
  }

  readFile(path: string, options: { maxBytes?: number } = {}): Promise<Uint8Array> {
    return this.#files.readFile(path, options.maxBytes);
  }

  writeFile(path: string, data: Uint8Array, options: { executable?: boolean } = {}): Promise<void> {
    return this.#files.writeFile(path, data, options.executable);
  }

  mkdir(path: string): Promise<void> {
    return this.#files.mkdir(path);
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  copy(from: string, to: string): Promise<void> {
    return this.#files.copy(from, to);
  }

  list(path: string): Promise<{ name: string; type: FileStat["type"] }[]> {
    return this.#files.list(path);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#executor.cancel(this.#mark);
    const [left] = await Promise.all([this.#executor.drop(this.#mark), Promise.allSettled(this.#running)]);
    this.#closed(this.#clean && left === 0);
  }

  async detach(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#executor.detach(this.#mark, this.#owner);
    this.#closed(false);
  }

  async #track<T>(start: () => Promise<T>): Promise<T> {
    if (!this.#open) throw faults.sessionClosed();
    const running = start();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      if (!isHarmless(error)) this.#clean = false;
      throw error;
    } finally {
      this.#running.delete(running);
    }
  }
}

/** A command that never started leaves nothing behind. */
function isHarmless(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code?.startsWith("BELFRY_COMMAND_") === true && code !== "BELFRY_COMMAND_PROCESSES_LEFT";
}
