import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { backOff } from "./back-off.ts";
import { faults } from "./errors.ts";
import { explained, isBusy } from "./failures.ts";
import type { Session } from "./session.ts";

/** For so many milliseconds of a turn of the event loop there may be reads; those that are left have the next ones. */
const LONGEST_TURN = 5;

export interface ReaderOptions {
  file: string;
  lockTimeout: number;
  /** A commit that is not durable yet, to be waited for before reading. */
  flushing: () => Promise<void> | undefined;
}

/** The reading connection: sees only what is committed and, where that is asked for, durable. */
export class Reader implements DatabaseConnection {
  readonly #session: Session;
  readonly #options: ReaderOptions;
  #closed = false;
  #turn: number | undefined;

  constructor(session: Session, options: ReaderOptions) {
    this.#session = session;
    this.#options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    for (;;) {
      const flushing = this.#options.flushing();
      if (flushing !== undefined) await flushing;
      if (!this.#isTurnOver()) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const begun = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      if (this.#closed) throw faults.closed();
      try {
        return this.#session.run(query);
      } catch (error) {
        if (!isBusy(error)) throw explained(error, this.#options.file);
        const waited = performance.now() - begun;
        if (waited >= this.#options.lockTimeout) throw faults.locked(this.#options.file, waited, error);
      }
      await backOff(attempt);
    }
  }

  /** A page asks for many things at once, and what they find comes without a pause: all of it would be one long turn. */
  #isTurnOver(): boolean {
    const now = performance.now();
    if (this.#turn !== undefined) return now - this.#turn > LONGEST_TURN;
    this.#turn = now;
    setImmediate(() => {
      this.#turn = undefined;
    });
    return false;
  }

  /** See `pragma data_version`: it counts what others commit, and this connection itself never does. */
  version(): number {
    return this.#session.version();
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  close(): void {
    this.#closed = true;
    this.#session.close();
  }
}
