import { postgres } from "@belfry/postgres";
import { sqlite } from "@belfry/sqlite";
import { createPart, systemClock } from "@belfry/testkit";
import type { Clock, DatabaseConnection } from "belfry";
import { Store } from "../../../core/src/store/store.ts";
import type { TestDatabase } from "../databases.ts";

export interface OpenStore extends AsyncDisposable {
  readonly store: Store;
  readonly connection: DatabaseConnection;
}

/** Opens a test's database as a master would; the same database may be opened more than once. */
export async function openStore(
  database: TestDatabase,
  options: { migrate?: boolean; clock?: Clock } = {},
): Promise<OpenStore> {
  const given = database.entry.options as never;
  const part = database.name === "SQLite" ? createPart(sqlite, given) : createPart(postgres, given);
  const connection = await part.open({
    folder: database.folder,
    signal: new AbortController().signal,
    note: () => undefined,
    readOnly: false,
  });
  const store = new Store(connection, options.clock ?? systemClock);
  try {
    if (options.migrate !== false) await store.migrate();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return { store, connection, [Symbol.asyncDispose]: () => connection.close() };
}
