import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { resultOf } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { isLost } from "./failures.ts";
import { MOST_LOSSES, type Server } from "./server.ts";
import { backOff } from "./waiting.ts";

/**
 * Runs queries outside transactions, each on whatever connection is free. The server refuses to
 * write in them, so that one whose connection was lost can be asked again.
 */
export class Reader implements DatabaseConnection {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#server.place(async () => {
      const begun = performance.now();
      const deadline = this.#server.deadline();
      for (let losses = 1; ; losses += 1) {
        const link = await this.#server.connect(deadline);
        try {
          const rows = await link.query(query.sql, query.parameters);
          link.release();
          return resultOf<R>(rows);
        } catch (error) {
          const lost = link.broken !== undefined || isLost(error);
          link.release(lost ? error : undefined);
          if (!lost) throw error;
          const now = performance.now();
          if (now >= deadline || losses > MOST_LOSSES) throw faults.unreachable(this.#server.where, now - begun, error);
          await backOff(losses - 1, this.#server.leaving);
        }
      }
    });
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }
}
