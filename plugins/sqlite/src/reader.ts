import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { backOff } from "./back-off.ts";
import { faults } from "./errors.ts";
import { explained, isBusy } from "./failures.ts";
import type { Session } from "./session.ts";

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

  constructor(session: Session, options: ReaderOptions) {
    this.#session = session;
    this.#options = options;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const flushing = this.#options.flushing();
    if (flushing !== undefined) await flushing;
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
