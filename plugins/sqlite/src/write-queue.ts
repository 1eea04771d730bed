import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { backOff } from "./back-off.ts";
import { type AnyKysely, transactionOver } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { explained, isBusy } from "./failures.ts";
import type { Session } from "./session.ts";

const MOST_WORKS = 256;
const LONGEST_GROUP = 5;
const LONGEST_TURN = 5;
const MOST_REPEATS = 3;

export interface WriteQueueOptions {
  /** For messages. */
  file: string;
  /** How long a write waits for a lock that another process holds, in milliseconds. */
  lockTimeout: number;
  /** How long one transaction may take, in milliseconds. */
  slowLimit: number;
  /** Resolves when everything committed so far is on the disk. Absent where that is not wanted. */
  flush?: (() => Promise<void>) | undefined;
  /** Called after each commit that changed something; the next transactions begin after it settles. */
  committed?: (() => Promise<void> | undefined) | undefined;
}

interface Pending {
  work: (trx: AnyKysely) => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  since: number;
  /** How often it ran without being committed through no fault of its own. */
  repeats: number;
  value: unknown;
}

/** The writing connection as one work sees it: usable only until the work has settled. */
class Scope implements DatabaseConnection {
  readonly #session: Session;
  #over = false;
  #turn = performance.now();
  lastError: unknown;

  constructor(session: Session) {
    this.#session = session;
  }

  end(): void {
    this.#over = true;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#over) throw new Error("The transaction is over: await every query before `work` returns.");
    if (performance.now() - this.#turn > LONGEST_TURN) {
      // A work of thousands of statements would be one long turn of the event loop otherwise.
      await new Promise((resolve) => setImmediate(resolve));
      this.#turn = performance.now();
      if (this.#over) throw new Error("The transaction is over: it took too long.");
    }
    try {
      return this.#session.run(query);
    } catch (error) {
      this.lastError = error;
      throw error;
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }
}

/**
 * Runs all writes of the process, one after the other, on one connection.
 *
 * What is queued at one moment shares one BEGIN … COMMIT and one flush of the disk. Each work but the
 * first has a savepoint, so that it fails alone; if the first fails there is nothing else to lose.
 */
export class WriteQueue {
  readonly #session: Session;
  readonly #options: WriteQueueOptions;
  readonly #queue: Pending[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #flushing: Promise<void> | undefined;

  constructor(session: Session, options: WriteQueueOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Pending while something is committed but not yet durable; readers wait for it. Never rejects. */
  get flushing(): Promise<void> | undefined {
    return this.#flushing;
  }

  write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(faults.closed());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        work,
        resolve: resolve as (value: unknown) => void,
        reject,
        since: performance.now(),
        repeats: 0,
        value: undefined,
      });
      // A turn of the microtask queue later, so that writes issued together are committed together.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Takes nothing new and resolves when all that was taken has settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    let attempt = 0;
    while (this.#queue.length > 0) {
      try {
        this.#rollback();
        this.#session.command("begin immediate");
        attempt = 0;
      } catch (error) {
        if (isBusy(error)) {
          this.#expire(error);
          await backOff(attempt);
          attempt += 1;
        } else {
          this.#queue.shift()?.reject(explained(error, this.#options.file));
        }
        continue;
      }
      this.#session.wrote = false;
      const done: Pending[] = [];
      try {
        await this.#group(done);
        if (done.length > 0) await this.#commit(done);
      } catch (error) {
        for (const pending of done) pending.reject(explained(error, this.#options.file));
      }
      // Readers and timers have their turn between two groups. It also keeps the next commit from
      // becoming visible before the reads that waited for this one have run.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = undefined;
  }

  /** Runs works in the open transaction and adds to `done` what waits for its commit. */
  async #group(done: Pending[]): Promise<void> {
    const end = performance.now() + LONGEST_GROUP;
    do {
      const pending = this.#queue.shift();
      if (!pending) break;
      const alone = done.length === 0;
      const scope = new Scope(this.#session);
      let failure: { error: unknown } | undefined;
      try {
        if (!alone) this.#session.command("savepoint work");
        pending.value = await this.#limited(pending, scope);
      } catch (error) {
        failure = { error };
      }
      scope.end();
      if (!this.#session.native.inTransaction) {
        // SQLite itself took the whole transaction back, as it may on a full disk.
        pending.reject(explained(scope.lastError ?? failure?.error, this.#options.file));
        this.#repeat(done.splice(0), scope.lastError ?? failure?.error);
        return;
      }
      if (!failure) {
        if (!alone) this.#session.command("release work");
        done.push(pending);
        continue;
      }
      pending.reject(explained(failure.error, this.#options.file));
      if (alone) {
        this.#rollback();
        return;
      }
      this.#session.command("rollback to work");
      this.#session.command("release work");
    } while (done.length < MOST_WORKS && performance.now() < end);
  }

  #limited(pending: Pending, scope: Scope): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { slowLimit } = this.#options;
      const timer = setTimeout(() => reject(faults.slow(slowLimit)), slowLimit);
      const settle =
        <A>(then: (value: A) => void) =>
        (value: A) => {
          clearTimeout(timer);
          then(value);
        };
      try {
        Promise.resolve(pending.work(transactionOver(scope))).then(settle(resolve), settle(reject));
      } catch (error) {
        settle(reject)(error);
      }
    });
  }

  async #commit(done: readonly Pending[]): Promise<void> {
    try {
      this.#session.command("commit");
    } catch (error) {
      this.#rollback();
      const reason = explained(error, this.#options.file);
      for (const pending of done) pending.reject(reason);
      return;
    }
    if (!this.#session.wrote) {
      for (const pending of done) pending.resolve(pending.value);
      return;
    }
    const failure = await this.#flush();
    for (const pending of done) {
      if (failure) pending.reject(failure);
      else pending.resolve(pending.value);
    }
    await this.#options.committed?.();
  }

  async #flush(): Promise<Error | undefined> {
    const { flush, file } = this.#options;
    if (!flush) return undefined;
    let failure: Error | undefined;
    this.#flushing = flush().catch((error: unknown) => {
      failure = faults.commitUnknown(file, error);
    });
    await this.#flushing;
    this.#flushing = undefined;
    return failure;
  }

  #rollback(): void {
    if (this.#session.native.inTransaction) this.#session.command("rollback");
  }

  /** Works that were taken back with somebody else's failure run once more, in their order. */
  #repeat(done: readonly Pending[], error: unknown): void {
    const again: Pending[] = [];
    for (const pending of done) {
      pending.repeats += 1;
      if (pending.repeats > MOST_REPEATS) pending.reject(explained(error, this.#options.file));
      else again.push(pending);
    }
    this.#queue.unshift(...again);
  }

  #expire(cause: unknown): void {
    const { file, lockTimeout } = this.#options;
    const now = performance.now();
    // In order of arrival, but for repeats, which are at the front and older still.
    while (this.#queue[0] && now - this.#queue[0].since >= lockTimeout) {
      this.#queue.shift()?.reject(faults.locked(file, lockTimeout, cause));
    }
  }
}
