import type pg from "pg";

export interface Rows {
  command: string;
  rowCount: number | null;
  rows: Record<string, unknown>[];
}

/**
 * One connection to the server while somebody holds it. Queries are sent at once, also before the
 * answer to the one before; the server takes them in order.
 */
export class Link {
  readonly #client: pg.PoolClient;
  readonly #patience: number;
  readonly #onError = (error: Error) => {
    this.broken ??= error;
  };
  /** Why it cannot be used any more. */
  broken: Error | undefined;
  /** The server's process, and when it began: together they name it for ever. */
  readonly process: { pid: number; since: string };

  constructor(client: pg.PoolClient, process: Link["process"], patience: number) {
    this.#client = client;
    this.process = process;
    this.#patience = patience;
    client.on("error", this.#onError);
  }

  async query(sql: string, parameters: readonly unknown[] = []): Promise<Rows> {
    // The server's own time limit comes first; this one is for a server, or a network, that is silent.
    const timer = setTimeout(() => this.giveUp(), this.#patience);
    try {
      const result = (await this.#client.query(sql, parameters as unknown[])) as Rows | Rows[];
      // Several statements in one string give one result each.
      return Array.isArray(result) ? (result.at(-1) as Rows) : result;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Ends another connection's process on the server. It may not have noticed that its client is gone,
   * and keep its locks for long. Whether that succeeds is not told: it may have ended by itself, and
   * this user may not be allowed to.
   */
  async end(process: Link["process"]): Promise<void> {
    await this.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start::text = $2",
      [process.pid, process.since],
    ).catch(() => {});
  }

  giveUp(): void {
    this.broken ??= new Error("The connection was given up: the server does not answer.");
    (this.#client as unknown as { connection: { stream: { destroy(error: Error): void } } }).connection.stream.destroy(
      this.broken,
    );
  }

  /** Gives it back; a connection that is broken, or in a state that nobody knows, is ended instead. */
  release(unusable?: unknown): void {
    this.#client.off("error", this.#onError);
    const broken = this.broken ?? unusable;
    this.#client.release(broken === undefined ? undefined : true);
  }
}
