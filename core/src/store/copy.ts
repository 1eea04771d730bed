import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import { ENTITIES } from "./entities.ts";
import type { Store } from "./store.ts";
import type { Db } from "./tables.ts";

const ROWS_AT_ONCE = 500;
/** SQLite takes some more parameters in one statement. */
const MOST_PARAMETERS = 30_000;

interface Table {
  name: string;
  columns: readonly string[];
  keys: readonly string[];
  /** The database itself numbers its rows. */
  numbered: boolean;
}

export interface CopiedTable {
  table: string;
  rows: number;
}

/** Every table, with what is needed to read it in order. */
const TABLES: readonly Table[] = ENTITIES.map(({ meta }) => ({
  name: meta.tableName,
  columns: Object.keys(meta.properties),
  keys: Object.entries(meta.properties).flatMap(([key, property]) => (property.primary === true ? [key] : [])),
  numbered: Object.values(meta.properties).some((property) => property.autoincrement === true),
}));

/**
 * Copies everything from one database to another, which has to be empty, in batches, and counts both at the end.
 * Nobody else may write to either meanwhile. Leases are copied as let go, so that fences go on from where they were.
 */
export async function copyStore(
  from: Store,
  to: Store,
  signal: AbortSignal,
  progress: (table: CopiedTable) => void = () => undefined,
): Promise<CopiedTable[]> {
  const { pending } = await from.migrations();
  if (pending.length > 0) throw faults.copySourceOld(pending);
  await refuseMasters(from);
  await to.migrate();
  for (const { name } of TABLES) {
    if (name !== "counters" && (await count(to.read, name)) > 0) throw faults.copyTargetUsed(name);
  }
  const copied: CopiedTable[] = [];
  for (const table of TABLES) {
    const rows = await copyTable(table, from, to, signal);
    if (table.numbered) await goOnNumbering(table.name, from, to);
    copied.push({ table: table.name, rows });
    progress({ table: table.name, rows });
  }
  for (const { table } of copied) {
    const [source, target] = [await count(from.read, table), await count(to.read, table)];
    if (source !== target) throw faults.copyDiffers(table, source, target);
  }
  return copied;
}

async function refuseMasters(store: Store): Promise<void> {
  const live = await store.read
    .selectFrom("leases")
    .select("name")
    .where("name", "like", "master:%")
    .where("until_at", ">", await store.databaseNow())
    .where("owner", "!=", "")
    .executeTakeFirst();
  if (live) throw faults.copySourceUsed(live.name.slice("master:".length));
}

async function copyTable({ name, columns, keys }: Table, from: Store, to: Store, signal: AbortSignal): Promise<number> {
  const size = Math.min(ROWS_AT_ONCE, Math.floor(MOST_PARAMETERS / columns.length));
  const key = sql.join(keys.map((each) => sql.ref(each)));
  let rows = 0;
  for (let after: unknown[] | undefined; ; ) {
    signal.throwIfAborted();
    const behind = after === undefined ? sql`` : sql`where (${key}) > (${sql.join(after)})`;
    const { rows: page } = await sql<Record<string, unknown>>`
      select ${sql.join(columns.map((each) => sql.ref(each)))} from ${sql.table(name)} ${behind}
      order by ${key} limit ${size}`.execute(from.read);
    const last = page.at(-1);
    if (!last) return rows;
    const wanted = name === "leases" ? page.map((row) => ({ ...row, owner: "", until_at: 0 })) : page;
    await to.write(async (tx) => {
      // Migrations have put rows there, of other values.
      if (name === "counters") await tx.db.deleteFrom("counters").execute();
      await tx.db
        .insertInto(name as "events")
        .values(wanted as never)
        .execute();
    });
    rows += page.length;
    after = keys.map((each) => last[each]);
  }
}

/** A number that was given once is not given again, also if its row is gone. */
async function goOnNumbering(table: string, from: Store, to: Store): Promise<void> {
  const last = await lastNumber(from, table);
  if (last === 0) return;
  await to.write(async ({ db, dialect }) => {
    if (dialect.name === "postgresql") {
      await sql`select setval(pg_get_serial_sequence(${table}, 'id'), ${last})`.execute(db);
      return;
    }
    await sql`delete from sqlite_sequence where name = ${table}`.execute(db);
    await sql`insert into sqlite_sequence (name, seq) values (${table}, ${last})`.execute(db);
  });
}

async function lastNumber({ dialect, read }: Store, table: string): Promise<number> {
  if (dialect.name === "sqlite") {
    const { rows } = await sql<{ seq: number }>`select seq from sqlite_sequence where name = ${table}`.execute(read);
    return Number(rows[0]?.seq ?? 0);
  }
  const { rows: names } = await sql<{ name: string }>`select pg_get_serial_sequence(${table}, 'id') as name`.execute(
    read,
  );
  const { rows } = await sql<{ last: number }>`
    select case when is_called then last_value else 0 end as last from ${sql.raw(names[0]?.name ?? "")}`.execute(read);
  return Number(rows[0]?.last ?? 0);
}

async function count(db: Db, table: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(db);
  return Number(rows[0]?.count ?? 0);
}
