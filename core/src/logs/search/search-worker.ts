// The program of the thread that `SearchThread` starts: one search at a time.
import { parentPort } from "node:worker_threads";
import { BelfryError } from "../../errors/belfry-error.ts";
import { makeMatcher } from "./line-matcher.ts";
import { type LineBlock, LineSearch } from "./line-search.ts";
import { LogFiles } from "./log-files.ts";
import { PatternError } from "./query.ts";
import type { Failure, FromThread, Progress, ToThread } from "./search-messages.ts";

const TELL_EVERY = 200;

type Begin = Extract<ToThread, { kind: "begin" }>;

const port = parentPort;
const tell = (message: FromThread) => port?.postMessage(message);

/** The search that is under way. */
class Current {
  readonly id: number;
  readonly #search: LineSearch;
  #whole = true;
  #told = performance.now();

  constructor(id: number, search: LineSearch) {
    this.id = id;
    this.#search = search;
  }

  /** False once it was stopped. */
  look(block: LineBlock, number: number): boolean {
    this.#whole &&= this.#search.add(block, number);
    if (this.#whole && performance.now() - this.#told >= TELL_EVERY) {
      this.#told = performance.now();
      tell({ id: this.id, kind: "progress", ...this.#progress() });
    }
    return this.#whole;
  }

  end(whole: boolean, lines?: number): void {
    const complete = this.#whole && whole;
    const next = complete ? this.#search.surplus : this.#search.next;
    tell({ id: this.id, kind: "done", ...this.#progress(), complete, next, lines });
  }

  #progress(): Progress {
    const { count, before, previous, next } = this.#search;
    return { found: this.#search.take(), count, before, previous, next };
  }
}

let current: Current | undefined;

async function begin({ id, query, range, limit, stop, files }: Begin): Promise<void> {
  const deadline = performance.now() + limit;
  const flag = new Int32Array(stop);
  const stopped = () => Atomics.load(flag, 0) !== 0 || performance.now() > deadline;
  const search = new Current(id, new LineSearch(await makeMatcher(query), range, stopped));
  if (!files) {
    current = search;
    return;
  }
  using log = await LogFiles.open(files);
  for await (const { frame, number } of log.frames(range.first)) if (!search.look(frame, number)) break;
  search.end(true, log.lines);
}

async function answer(message: ToThread): Promise<void> {
  if (message.kind === "begin") return begin(message);
  // What was on its way when its search failed is let go.
  if (message.id !== current?.id) return;
  if (message.kind === "end") {
    current.end(message.whole);
    current = undefined;
    return;
  }
  current.look({ table: asBuffer(message.table), text: asBuffer(message.text) }, message.number);
  tell({ id: message.id, kind: "taken" });
}

let last: Promise<void> = Promise.resolve();
port?.on("message", (message: ToThread) => {
  last = last
    .then(() => answer(message))
    .catch((error: unknown) => {
      current = undefined;
      tell({ id: message.id, kind: "failed", failure: failureOf(error) });
    });
});

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function failureOf(error: unknown): Failure {
  if (error instanceof PatternError) return { pattern: error.message };
  if (!BelfryError.is(error)) return { error: error instanceof Error ? error : new Error(String(error)) };
  const { code, what, why, fix } = error;
  return { fault: { code, what, why, fix } };
}
