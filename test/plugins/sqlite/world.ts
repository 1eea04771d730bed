import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlite } from "@belfry/sqlite";
import { createPart } from "@belfry/testkit";
import type { Database, DatabaseConnection } from "belfry";

type Options = NonNullable<Parameters<typeof sqlite>[0]>;

/** A folder of its own with databases in it; all of it goes with the test. */
export class SqliteWorld implements AsyncDisposable {
  readonly folder: string;
  readonly notes: string[] = [];
  readonly #connections: DatabaseConnection[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<SqliteWorld> {
    return new SqliteWorld(await mkdtemp(join(tmpdir(), "belfry-sqlite-")));
  }

  path(name = "belfry.sqlite"): string {
    return join(this.folder, name);
  }

  async open(options: Options = {}, { readOnly = false, folder = this.folder } = {}): Promise<DatabaseConnection> {
    const database: Database = createPart(sqlite, options);
    const connection = await database.open({
      folder,
      readOnly,
      signal: new AbortController().signal,
      note: (message) => this.notes.push(message),
    });
    this.#connections.push(connection);
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const load = createRequire(new URL("../../../plugins/sqlite/package.json", import.meta.url));

interface RawDatabase {
  exec(sql: string): void;
  pragma(sql: string, options?: { simple: true }): unknown;
  prepare(sql: string): { all(...values: unknown[]): unknown[]; get(...values: unknown[]): unknown };
  close(): void;
}

/** The same file as another program sees it. */
export const rawSqlite = (file: string, timeout = 0): RawDatabase => new (load("better-sqlite3"))(file, { timeout });
