import { rmSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postgres as postgresDatabase } from "@belfry/postgres";
import { sqlite } from "@belfry/sqlite";
import { createPart, systemClock } from "@belfry/testkit";
import type { Database, Entry } from "belfry";
import { MIGRATIONS, Store } from "../../core/src/store/store.ts";
import { postgres } from "../tools/postgres.ts";

/** A fresh database for one test, of each kind that Belfry has. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** What a configuration says. The same entry again opens the same database. */
  readonly entry: Entry<"database">;
  readonly folder: string;
}

export interface TestDatabaseOptions {
  /** Without any tables. Default: they are there already, which saves each test a second. */
  empty?: boolean;
}

async function folder() {
  const path = await mkdtemp(join(tmpdir(), "belfry-db-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

async function migrate(part: Database, folder: string): Promise<void> {
  const connection = await part.open({
    folder,
    signal: new AbortController().signal,
    note: () => undefined,
    readOnly: false,
  });
  try {
    await new Store(connection, systemClock).migrate();
  } finally {
    await connection.close();
  }
}

let migratedFile: Promise<string> | undefined;

/** An SQLite file with the tables, made once in this process. */
function template(): Promise<string> {
  migratedFile ??= (async () => {
    const { path } = await folder();
    process.on("exit", () => rmSync(path, { recursive: true, force: true }));
    const file = join(path, "template.sqlite");
    await migrate(createPart(sqlite, { file }), path);
    return file;
  })();
  return migratedFile;
}

const tables = {
  key: `belfry ${MIGRATIONS.join(" ")}`,
  prepare: (url: string) => migrate(createPart(postgresDatabase, { url }), tmpdir()),
};

export const DATABASES: readonly { name: string; open(options?: TestDatabaseOptions): Promise<TestDatabase> }[] = [
  {
    name: "SQLite",
    async open({ empty = false } = {}) {
      const { path, remove } = await folder();
      const file = join(path, "test.sqlite");
      if (!empty) await copyFile(await template(), file);
      return {
        name: "SQLite",
        entry: sqlite({ file, synchronous: "normal" }),
        folder: path,
        [Symbol.asyncDispose]: remove,
      };
    },
  },
  {
    name: "PostgreSQL",
    async open({ empty = false } = {}) {
      const { path, remove } = await folder();
      const server = await postgres();
      const url = await server.createDatabase(empty ? undefined : tables);
      return {
        name: "PostgreSQL",
        entry: postgresDatabase({ url }),
        folder: path,
        [Symbol.asyncDispose]: async () => {
          await server[Symbol.asyncDispose]();
          await remove();
        },
      };
    },
  },
];
