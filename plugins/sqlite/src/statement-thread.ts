import { Worker } from "node:worker_threads";
import type { QueryResult } from "kysely";
import { faults } from "./errors.ts";
import type { Answer, Question, ThreadData } from "./statement-worker.ts";

// Compiled, this package runs from .js files; in its repository from .ts files.
const PROGRAM = new URL(
  import.meta.url.endsWith(".ts") ? "./statement-worker.ts" : "./statement-worker.js",
  import.meta.url,
);

interface Waiting {
  resolve: (result: QueryResult<never>) => void;
  reject: (error: unknown) => void;
}

/**
 * A connection to the file in a thread of its own, for what takes longer than a few milliseconds:
 * checkpoints and migrations. The thread starts with the first statement.
 */
export class StatementThread {
  readonly #data: ThreadData;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #next = 1;
  #closed = false;

  constructor(data: ThreadData) {
    this.#data = data;
  }

  get started(): boolean {
    return this.#worker !== undefined;
  }

  /** Runs one statement, after those that were asked for before. Rejects with SQLite's error and code. */
  run(sql: string, parameters: readonly unknown[] = []): Promise<QueryResult<never>> {
    if (this.#closed) return Promise.reject(faults.closed());
    return this.#ask({ id: this.#next++, sql, parameters });
  }

  /** Lets the thread end after what it was asked so far. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    await this.#ask({ id: this.#next++ }).catch(() => {});
    await exited;
  }

  #ask(question: Question): Promise<QueryResult<never>> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject });
      // The thread keeps the process alive only while it is asked something.
      worker.ref();
      worker.postMessage(question);
    });
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM, { workerData: this.#data, name: "belfry sqlite" });
    worker.unref();
    worker.on("message", ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0 && !this.#closed) worker.unref();
      if (error) waiting?.reject(Object.assign(new Error(error.message), { name: "SqliteError", code: error.code }));
      else waiting?.resolve((result ?? { rows: [] }) as QueryResult<never>);
    });
    const ended = (reason: unknown) => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(reason);
      this.#waiting.clear();
    };
    worker.on("error", ended);
    worker.on("exit", () => ended(faults.closed()));
    return worker;
  }
}
