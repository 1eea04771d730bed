import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import type { CommitKey, CommitKeys } from "./commit-keys.ts";
import { type AnyKysely, resultOf, transactionOver } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { isAnswer, isLost } from "./failures.ts";
import type { Link } from "./link.ts";

const BEGIN = "begin isolation level read committed, read write";

/** How one attempt at a transaction ended. */
export type Outcome<T> =
  | { state: "committed"; value: T }
  /** Nothing was written, because of `error`; `server` is what the server or the connection failed with, if that was it. */
  | { state: "failed"; error: unknown; server: unknown; lost: boolean }
  /** COMMIT was sent, and no answer came. */
  | { state: "unknown"; value: T; error: unknown };

/** One attempt at a transaction, on one connection. */
export class Attempt implements DatabaseConnection {
  readonly #link: Link;
  readonly #keys: CommitKeys;
  readonly #key: CommitKey;
  #begun = false;
  #marked = false;
  #over = false;
  #running = 0;
  #lastActive = performance.now();
  #failure: { error: unknown } | undefined;

  constructor(link: Link, keys: CommitKeys, key: CommitKey) {
    this.#link = link;
    this.#keys = keys;
    this.#key = key;
  }

  async run<T>(work: (trx: AnyKysely) => Promise<T>, slowLimit: number): Promise<Outcome<T>> {
    let value: T;
    try {
      value = await this.#limited(work, slowLimit);
    } catch (error) {
      this.#over = true;
      await this.#rollback();
      return this.#failed(error);
    }
    this.#over = true;
    if (!this.#begun) return { state: "committed", value };
    if (this.#running > 0 || this.#failure) {
      // A statement failed and the work went on; the server did not.
      await this.#rollback();
      return this.#failed(this.#failure?.error ?? new Error("A work has to await every query before it returns."));
    }
    try {
      const { command } = await this.#link.query("commit");
      if (command === "COMMIT") return { state: "committed", value };
      return this.#failed(new Error("The server took the transaction back."));
    } catch (error) {
      if (isAnswer(error) && !this.#link.broken) {
        this.#failure = { error };
        return this.#failed(error);
      }
      return this.#marked ? { state: "unknown", value, error } : { state: "committed", value };
    }
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#over) throw new Error("The transaction is over: await every query before `work` returns.");
    // What comes before the query goes out together with it, and so costs no round trip. If it fails,
    // the server refuses what follows, because the transaction has failed.
    const before: string[] = [];
    if (!this.#begun) before.push(BEGIN);
    // Without a write it does not matter whether the commit succeeds.
    const writes = query.query.kind !== "SelectQueryNode";
    if (writes && !this.#marked) before.push(this.#keys.mark(this.#key));
    this.#begun = true;
    this.#marked ||= writes;
    if (before.length > 0) this.#query(before.join("; ")).catch(() => {});
    return resultOf<R>(await this.#query(query.sql, query.parameters));
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  #failed(error: unknown): Outcome<never> {
    const server = this.#failure?.error;
    const lost = server !== undefined && (isLost(server) || (this.#link.broken !== undefined && !isAnswer(server)));
    return { state: "failed", error, server, lost };
  }

  async #query(sql: string, parameters?: readonly unknown[]) {
    this.#running += 1;
    try {
      return await this.#link.query(sql, parameters);
    } catch (error) {
      // The first one is the reason; what follows it is "current transaction is aborted".
      this.#failure ??= { error };
      throw this.#failure.error;
    } finally {
      this.#running -= 1;
      this.#lastActive = performance.now();
    }
  }

  #limited<T>(work: (trx: AnyKysely) => Promise<T>, slowLimit: number): Promise<T> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout;
      const watch = (delay: number) => {
        timer = setTimeout(() => {
          const left = this.#running > 0 ? slowLimit : slowLimit - (performance.now() - this.#lastActive);
          if (left > 1) watch(left);
          else reject(faults.slow(slowLimit));
        }, delay);
      };
      watch(slowLimit);
      const settle =
        <A>(then: (value: A) => void) =>
        (value: A) => {
          clearTimeout(timer);
          then(value);
        };
      try {
        Promise.resolve(work(transactionOver(this))).then(settle(resolve), settle(reject));
      } catch (error) {
        settle(reject)(error);
      }
    });
  }

  async #rollback(): Promise<void> {
    if (!this.#begun || this.#link.broken) return;
    await this.#link.query("rollback").catch((error: unknown) => {
      this.#link.broken ??= error as Error;
    });
  }
}
