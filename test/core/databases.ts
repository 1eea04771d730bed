import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postgres as postgresDatabase } from "@belfry/postgres";
import { sqlite } from "@belfry/sqlite";
import type { Entry } from "belfry";
import { postgres } from "../tools/postgres.ts";

/** A fresh database for one test, of each kind that Belfry has. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** What a configuration says. The same entry again opens the same database. */
  readonly entry: Entry<"database">;
  readonly folder: string;
}

async function folder() {
  const path = await mkdtemp(join(tmpdir(), "belfry-db-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export const DATABASES: readonly { name: string; open(): Promise<TestDatabase> }[] = [
  {
    name: "SQLite",
    async open() {
      const { path, remove } = await folder();
      return {
        name: "SQLite",
        entry: sqlite({ file: join(path, "test.sqlite"), synchronous: "normal" }),
        folder: path,
        [Symbol.asyncDispose]: remove,
      };
    },
  },
  {
    name: "PostgreSQL",
    async open() {
      const { path, remove } = await folder();
      const server = await postgres();
      const url = await server.createDatabase();
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
