import { postgres as database } from "@belfry/postgres";
import { createPart } from "@belfry/testkit";
import type { DatabaseConnection } from "belfry";
import { postgres, type TestPostgres } from "../../tools/postgres.ts";

type Options = NonNullable<Parameters<typeof database>[0]>;

/** A server with an empty database; connections to it are closed with the test. */
export class PostgresWorld implements AsyncDisposable {
  readonly server: TestPostgres;
  readonly url: string;
  readonly notes: string[] = [];
  readonly #connections: DatabaseConnection[] = [];
  readonly #own: boolean;

  private constructor(server: TestPostgres, url: string, own: boolean) {
    this.server = server;
    this.url = url;
    this.#own = own;
  }

  /** A private server is one that may be restarted. */
  static async make(options: { private?: boolean } = {}): Promise<PostgresWorld> {
    const server = await postgres(options);
    return new PostgresWorld(server, await server.createDatabase(), true);
  }

  /** On a server that somebody else stops. */
  static async on(server: TestPostgres): Promise<PostgresWorld> {
    return new PostgresWorld(server, await server.createDatabase(), false);
  }

  async open(options: Options = {}, { readOnly = false } = {}): Promise<DatabaseConnection> {
    const connection = await createPart(database, { url: this.url, ...options }).open({
      folder: "/nonexistent",
      readOnly,
      signal: new AbortController().signal,
      note: (message) => this.notes.push(message),
    });
    this.#connections.push(connection);
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    if (this.#own) await this.server.stop();
  }
}
