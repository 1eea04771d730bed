import { availableParallelism } from "node:os";
import { faults } from "../../errors/catalogue.ts";
import type { LogKey, LogStore } from "../../interfaces/log-store.ts";
import { folderOf } from "../file-log-store.ts";
import { lineBlocks } from "./line-blocks.ts";
import type { SearchQuery, SearchRange, SearchResult } from "./query.ts";
import { type SearchJob, SearchThread } from "./search-thread.ts";

/** One core is left to the master. */
const THREADS = Math.max(1, Math.min(2, availableParallelism() - 1));
const LIMIT = 10_000;
const GRACE = 1_000;
/** So many searches of one client may be here, running or waiting. */
const MOST_OF_ONE = 4;
const IDLE = 30_000;

export interface LogSearchOptions {
  /** Most searches at once; others wait. Default 1 or 2, as there are processors. */
  threads?: number;
  /** Milliseconds that one search may take; then it answers with what it has. Default 10,000. */
  limit?: number;
  /** Milliseconds that a thread has to stop when it shall; then it is ended. Default 1,000. */
  grace?: number;
  /** Milliseconds after which a thread without work is let go. Default 30,000. */
  idle?: number;
}

/** What one search answers, and what the log was then. */
export interface LogSearchResult extends SearchResult {
  lines: number;
  finished: boolean;
}

/**
 * Searches logs in threads of its own, a few at once. Logs of the file log store are read there, too; those of
 * another store are read here, in pieces, no faster than the thread looks at them.
 */
export class LogSearch {
  readonly #store: LogStore;
  readonly #limit: number;
  readonly #grace: number;
  readonly #idle: number;
  /** Threads that may be taken, the one that was used last at the end. */
  readonly #free: { thread: SearchThread; timer?: NodeJS.Timeout }[];
  readonly #busy = new Set<SearchThread>();
  /** Who waits for a thread, in order. */
  readonly #waiting = new Set<{ client: string | undefined; enter(thread: SearchThread): void }>();
  readonly #clients = new Map<string, number>();
  readonly #closing = new AbortController();

  constructor(store: LogStore, options: LogSearchOptions = {}) {
    const { threads = THREADS, limit = LIMIT, grace = GRACE, idle = IDLE } = options;
    this.#store = store;
    this.#limit = limit;
    this.#grace = grace;
    this.#idle = idle;
    this.#free = Array.from({ length: threads }, () => ({ thread: new SearchThread() }));
  }

  /**
   * A negative `range.first` counts from the log's end. A `client` may have a few searches here, and the next thread
   * goes to another one's. Rejects with a PatternError, with an error of the log store, with `signal.reason`, with
   * BELFRY_BUDGET_SPENT or with BELFRY_MASTER_STOPPING.
   */
  async search(
    key: LogKey,
    query: SearchQuery,
    range: SearchRange,
    signal: AbortSignal,
    client?: string,
  ): Promise<LogSearchResult> {
    const leave = this.#enter(client);
    try {
      return await this.#search(key, query, range, signal, client);
    } finally {
      leave();
    }
  }

  async #search(
    key: LogKey,
    query: SearchQuery,
    range: SearchRange,
    signal: AbortSignal,
    client: string | undefined,
  ): Promise<LogSearchResult> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const thread = await this.#take(ended, client);
    try {
      await using reader = await this.#store.open(key);
      const { lines, finished } = await reader.info();
      const { first, limit } = range;
      const wanted = { limit, first: first < 0 ? Math.max(0, lines + first) : first };
      const folder = folderOf(this.#store);
      const source: SearchJob["source"] =
        folder === undefined
          ? { blocks: (over) => lineBlocks(reader, lines, wanted.first, over) }
          : { files: { folder, key } };
      const job = { query, range: wanted, limit: this.#limit, grace: this.#grace, source };
      const { lines: seen = lines, ...result } = await thread.run(job, ended);
      return { ...result, lines: seen, finished };
    } finally {
      this.#give(thread, client);
    }
  }

  /** Ends every search and every thread. */
  async close(): Promise<void> {
    this.#closing.abort(faults.masterStopping());
    for (const { timer } of this.#free) clearTimeout(timer);
    await Promise.all([...this.#free.map(({ thread }) => thread), ...this.#busy].map((thread) => thread.end()));
  }

  #enter(client: string | undefined): () => void {
    if (client === undefined) return () => undefined;
    const here = this.#clients.get(client) ?? 0;
    if (here >= MOST_OF_ONE) throw faults.budgetSpent("logs.search", Math.ceil(this.#limit / 1_000));
    this.#clients.set(client, here + 1);
    return () => {
      const left = (this.#clients.get(client) ?? 1) - 1;
      if (left > 0) this.#clients.set(client, left);
      else this.#clients.delete(client);
    };
  }

  async #take(signal: AbortSignal, client: string | undefined): Promise<SearchThread> {
    signal.throwIfAborted();
    const free = this.#free.pop();
    clearTimeout(free?.timer);
    const thread = free?.thread ?? (await this.#turn(signal, client));
    this.#busy.add(thread);
    return thread;
  }

  #turn(signal: AbortSignal, client: string | undefined): Promise<SearchThread> {
    return new Promise((resolve, reject) => {
      const place = {
        client,
        enter(thread: SearchThread) {
          signal.removeEventListener("abort", leave);
          resolve(thread);
        },
      };
      const leave = () => {
        this.#waiting.delete(place);
        reject(signal.reason);
      };
      this.#waiting.add(place);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #give(thread: SearchThread, client: string | undefined): void {
    this.#busy.delete(thread);
    const places = [...this.#waiting];
    const next = places.find((place) => place.client === undefined || place.client !== client) ?? places[0];
    if (next) {
      this.#waiting.delete(next);
      next.enter(thread);
      return;
    }
    const letGo = () => void thread.end();
    if (this.#closing.signal.aborted) letGo();
    else this.#free.push({ thread, timer: setTimeout(letGo, this.#idle).unref() });
  }
}

const searches = new WeakMap<LogStore, LogSearch>();

/** The one for the logs of this store. Who opened the store ends it with `endLogSearch`. */
export function logSearchOf(store: LogStore): LogSearch {
  let search = searches.get(store);
  if (!search) {
    search = new LogSearch(store);
    searches.set(store, search);
  }
  return search;
}

/** Ends the searches in a store's logs, with their threads. */
export async function endLogSearch(store: LogStore): Promise<void> {
  await searches.get(store)?.close();
}
