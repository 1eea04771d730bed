import { type AnyKysely, directKysely } from "belfry";
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type QueryResult } from "kysely";
import type { Rows } from "./link.ts";

export type { AnyKysely };

export const { over: kyselyOver, withinTransaction: transactionOver } = directKysely({
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createAdapter: () => new PostgresAdapter(),
  createIntrospector: (db) => new PostgresIntrospector(db),
});

const COUNTED = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);

export function resultOf<R>({ command, rowCount, rows }: Rows): QueryResult<R> {
  return COUNTED.has(command) ? { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) } : { rows: rows as R[] };
}
