import { sql } from "kysely";
import type { DatabaseConnection } from "../interfaces/database.ts";

/** Reads the whole database and says what is damaged in it, a sentence each. May take long; never in a running master. */
export async function damage({ dialect, read }: Pick<DatabaseConnection, "dialect" | "read">): Promise<string[]> {
  // A server checks its own files; a file of ours nobody else does.
  if (dialect.name !== "sqlite") return [];
  const { rows } = await sql<{ integrity_check: string }>`pragma integrity_check(20)`.execute(read);
  const broken = rows.map((row) => row.integrity_check).filter((text) => text !== "ok");
  const orphans = await sql<{ table: string; parent: string }>`pragma foreign_key_check`.execute(read);
  const pairs = [
    ...new Set(orphans.rows.map((row) => `${row.table} refers to rows of ${row.parent} that are not there`)),
  ];
  return [...broken, ...pairs];
}
