import { type AnyKysely, directKysely } from "belfry";
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";

export type { AnyKysely };

/** Kysely's own adapter makes each query queue behind a mutex, which a synchronous driver does not need. */
class FreeAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

export const { over: kyselyOver, withinTransaction: transactionOver } = directKysely({
  createQueryCompiler: () => new SqliteQueryCompiler(),
  createAdapter: () => new FreeAdapter(),
  createIntrospector: (db) => new SqliteIntrospector(db),
});
