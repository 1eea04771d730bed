import { Worker } from "node:worker_threads";
import { BelfryError } from "../../errors/belfry-error.ts";
import type { NumberedBlock } from "./line-blocks.ts";
import type { FilesPlace } from "./log-files.ts";
import { PatternError, type SearchQuery, type SearchRange, type SearchResult } from "./query.ts";
import type { Failure, FromThread, ToThread } from "./search-messages.ts";

// Compiled, this package runs from .js files; in its repository from .ts files.
const PROGRAM = new URL(import.meta.url.endsWith(".ts") ? "./search-worker.ts" : "./search-worker.js", import.meta.url);
/** Blocks that may be on their way to the thread. */
const BLOCKS_AHEAD = 4;
const MOST_MEGABYTES = 256;

export interface SearchJob {
  query: SearchQuery;
  range: SearchRange;
  /** Milliseconds after which it answers with what it has. */
  limit: number;
  /** Milliseconds more that the thread has to end the search before it is ended itself. */
  grace: number;
  /** Files that the thread reads itself, or blocks that it is given. */
  source: { files: FilesPlace } | { blocks(signal: AbortSignal): AsyncIterable<NumberedBlock> };
}

export interface ThreadResult extends SearchResult {
  /** How many lines the files have, if there were files. */
  lines: number | undefined;
}

/** A thread that searches, one search at a time. It starts with the first one, and anew after it was ended. */
export class SearchThread {
  #worker: Worker | undefined;
  #running: RunningSearch | undefined;
  #next = 1;

  /**
   * Rejects with a PatternError, with the log's error, with `signal.reason`, or with why the thread ended. When it
   * settles, the thread is free again or gone.
   */
  async run(job: SearchJob, signal: AbortSignal): Promise<ThreadResult> {
    signal.throwIfAborted();
    const worker = this.#start();
    const running = new RunningSearch(this.#next++, job, worker);
    this.#running = running;
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      running.stop();
      clearTimeout(timer);
      // One that does not listen is in the middle of a line that takes long.
      timer = setTimeout(() => {
        running.giveUp();
        void this.end();
      }, job.grace);
    };
    timer = setTimeout(stop, job.limit);
    signal.addEventListener("abort", stop, { once: true });
    // The thread keeps the process alive only while it searches.
    worker.ref();
    try {
      const result = await running.done;
      signal.throwIfAborted();
      return result;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#running = undefined;
      worker.unref();
    }
  }

  async end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const resourceLimits = { maxOldGenerationSizeMb: MOST_MEGABYTES };
    const worker = new Worker(PROGRAM, { name: "belfry log search", resourceLimits });
    this.#worker = worker;
    worker.unref();
    worker.on("message", (message: FromThread) => this.#running?.hear(message));
    const ended = (reason: unknown) => {
      if (this.#worker === worker) this.#worker = undefined;
      if (this.#running?.worker === worker) this.#running.fail(reason);
    };
    worker.on("error", ended);
    worker.on("exit", (code) => ended(new Error(`the thread that searches logs ended with ${code}`)));
    return worker;
  }
}

/** One search in a thread. */
class RunningSearch {
  readonly worker: Worker;
  readonly done: Promise<ThreadResult>;
  readonly #id: number;
  readonly #flag = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #feeding = new AbortController();
  readonly #result: ThreadResult;
  #resolve: (result: ThreadResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #ahead = 0;
  #roomy: () => void = () => {};

  constructor(id: number, { query, range, limit, source }: SearchJob, worker: Worker) {
    this.#id = id;
    this.worker = worker;
    this.#result = {
      items: [],
      count: 0,
      before: 0,
      previous: null,
      next: range.first,
      complete: false,
      lines: undefined,
    };
    this.done = new Promise<ThreadResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }).finally(() => this.#feeding.abort());
    this.#feeding.signal.addEventListener("abort", () => this.#roomy());
    const files = "files" in source ? { files: source.files } : {};
    this.#post({ id, kind: "begin", query, range, limit, stop: this.#flag, ...files });
    if ("blocks" in source) this.#feed(source.blocks(this.#feeding.signal)).catch((error) => this.fail(error));
  }

  stop(): void {
    Atomics.store(new Int32Array(this.#flag), 0, 1);
    this.#feeding.abort();
  }

  /** Answers with what was told so far. */
  giveUp(): void {
    this.#resolve(this.#result);
  }

  fail(reason: unknown): void {
    this.#reject(reason);
  }

  hear(message: FromThread): void {
    if (message.id !== this.#id) return;
    if (message.kind === "failed") return this.fail(errorOf(message.failure));
    if (message.kind === "taken") {
      this.#ahead -= 1;
      this.#roomy();
      return;
    }
    for (const line of message.found) this.#result.items.push(line);
    this.#result.count = message.count;
    this.#result.before = message.before;
    this.#result.previous = message.previous;
    this.#result.next = message.next;
    if (message.kind === "progress") return;
    this.#result.complete = message.complete;
    this.#result.lines = message.lines;
    this.#resolve(this.#result);
  }

  async #feed(blocks: AsyncIterable<NumberedBlock>): Promise<void> {
    const { signal } = this.#feeding;
    for await (const { table, text, number } of blocks) {
      while (this.#ahead >= BLOCKS_AHEAD && !signal.aborted)
        await new Promise<void>((resolve) => (this.#roomy = resolve));
      if (signal.aborted) break;
      this.#ahead += 1;
      const memory = [table.buffer as ArrayBuffer, text.buffer as ArrayBuffer];
      this.#post({ id: this.#id, kind: "block", table, text, number }, memory);
    }
    this.#post({ id: this.#id, kind: "end", whole: !signal.aborted });
  }

  #post(message: ToThread, memory: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, memory);
  }
}

function errorOf(failure: Failure): unknown {
  if ("pattern" in failure) return new PatternError(failure.pattern);
  return "fault" in failure ? new BelfryError(failure.fault.code, failure.fault) : failure.error;
}
