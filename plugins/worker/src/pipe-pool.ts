import { closeSync, constants, openSync, unlink } from "node:fs";
import type { BelfryError } from "belfry";

/** A named pipe, open for reading. */
export interface Pipe {
  readonly path: string;
  file: number;
}

/**
 * The pipes of one spawner's commands. They are real pipes, not the sockets that Node would make, so
 * that `/dev/stdout` works in commands; and the master reads them itself, so that output is copied once.
 */
export class PipePool {
  readonly #free: Pipe[] = [];
  readonly #waiting: { resolve(pipe: Pipe): void; reject(error: unknown): void }[] = [];
  readonly #more: (count: number) => void;
  #asked = 0;
  #closed: unknown;

  /** `more` asks the spawner for pipes, which come by `add`. */
  constructor(more: (count: number) => void) {
    this.#more = more;
  }

  /** Takes pipes that were made; `error` instead, if that was not possible. */
  add(paths: readonly string[], error?: unknown): void {
    this.#asked = 0;
    for (const path of paths) this.#open(path);
    if (error !== undefined) for (const { reject } of this.#waiting.splice(0)) reject(error);
    else if (this.#waiting.length > 0) this.#ask();
  }

  /** A pipe nobody else uses; give it back by `giveBack`. */
  take(): Pipe | Promise<Pipe> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const pipe = this.#free.pop();
    if (pipe !== undefined) return pipe;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#ask();
    });
  }

  /**
   * `clean` says that no writer is left, so that it can be used again; `open` that its file is still open.
   */
  giveBack(pipe: Pipe, state: { clean: boolean; open: boolean }): void {
    if (this.#closed === undefined && state.clean) {
      if (state.open) this.#offer(pipe);
      else this.#open(pipe.path);
      return;
    }
    if (state.open) closeSync(pipe.file);
    if (!state.clean) unlink(pipe.path, () => {});
  }

  /** Forgets the pipes that nobody uses now: somebody removed their folder. */
  discard(): void {
    for (const pipe of this.#free.splice(0)) this.giveBack(pipe, { clean: false, open: true });
  }

  close(error: BelfryError): void {
    this.#closed = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    for (const pipe of this.#free.splice(0)) closeSync(pipe.file);
  }

  #ask(): void {
    if (this.#asked > 0) return;
    this.#asked = Math.max(16, this.#waiting.length);
    this.#more(this.#asked);
  }

  #open(path: string): void {
    if (this.#closed !== undefined) return;
    try {
      this.#offer({ path, file: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) });
    } catch (error) {
      this.#waiting.shift()?.reject(error);
    }
  }

  #offer(pipe: Pipe): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(pipe);
    else this.#free.push(pipe);
  }
}
