import { sql } from "kysely";
import type { Millis, Result } from "../interfaces/values.ts";
import type { Store } from "./store.ts";
import type { Tx } from "./tx.ts";

/** Tables whose rows belong to a build, by `build_id`. */
export const OF_A_BUILD = [
  "steps",
  "step_calls",
  "locks",
  "logs",
  "properties",
  "build_data",
  "build_failures",
] as const;

export interface OldBuild {
  id: number;
  number: number;
  branch: string | null;
  result: Result;
  finished_at: Millis;
  request_id: number;
  buildset_id: number;
  /** Of its logs. */
  bytes: number;
}

/** A builder's finished builds below a number, newest first. */
export async function finishedBelow(
  store: Store,
  builderId: number,
  number: number,
  limit: number,
): Promise<OldBuild[]> {
  const rows = await store.read
    .selectFrom("builds as b")
    .select(["id", "number", "branch", "result", "finished_at", "request_id", "buildset_id"])
    .select(sql<number>`(select coalesce(sum(l.bytes), 0) from logs l where l.build_id = b.id)`.as("bytes"))
    .where("builder_id", "=", builderId)
    .where("number", "<", number)
    .where("state", "=", "finished")
    .orderBy("number", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    ...row,
    result: row.result as Result,
    finished_at: row.finished_at ?? 0,
    bytes: Number(row.bytes),
  }));
}

export interface Removed {
  builds: number;
  requests: number;
  buildsets: number;
}

/**
 * Removes finished builds with all that hangs on them: their steps, logs' rows, properties and journal, requests that
 * have no other build, and buildsets that have no other request.
 */
export async function removeBuilds(tx: Tx, builds: readonly Pick<OldBuild, "id">[]): Promise<Removed> {
  const ids = builds.map(({ id }) => id);
  const gone = await tx.db
    .deleteFrom("builds")
    .where("id", "in", ids)
    .where("state", "=", "finished")
    .returning(["id", "request_id"])
    .execute();
  if (gone.length === 0) return { builds: 0, requests: 0, buildsets: 0 };
  const gonIds = gone.map(({ id }) => id);
  for (const table of OF_A_BUILD) await tx.db.deleteFrom(table).where("build_id", "in", gonIds).execute();
  const ended = await removeRequests(tx, [...new Set(gone.map((row) => row.request_id))]);
  return { builds: gone.length, ...ended };
}

/**
 * Removes requests that have ended and have no build, those that were built together with them, and buildsets that
 * have no other request.
 */
export async function removeRequests(tx: Tx, ids: readonly number[]): Promise<Omit<Removed, "builds">> {
  const removed = { requests: 0, buildsets: 0 };
  for (let next = ids; next.length > 0; ) {
    const gone = await removeEnded(tx, next);
    removed.requests += gone.requests.length;
    removed.buildsets += gone.buildsets;
    if (gone.requests.length === 0) break;
    const together = tx.db.selectFrom("build_requests").select("id").where("collapsed_into", "in", gone.requests);
    next = (await together.execute()).map(({ id }) => id);
  }
  return removed;
}

async function removeEnded(tx: Tx, ids: readonly number[]): Promise<{ requests: number[]; buildsets: number }> {
  const requests = await tx.db
    .deleteFrom("build_requests")
    .where("id", "in", [...ids])
    .where("state", "=", "complete")
    .where((eb) =>
      eb.not(
        eb.exists(eb.selectFrom("builds").select("builds.id").whereRef("builds.request_id", "=", "build_requests.id")),
      ),
    )
    .returning(["id", "buildset_id"])
    .execute();
  if (requests.length === 0) return { requests: [], buildsets: 0 };
  const buildsets = await tx.db
    .deleteFrom("buildsets")
    .where("id", "in", [...new Set(requests.map((row) => row.buildset_id))])
    .where("complete_at", "is not", null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("build_requests")
            .select("build_requests.id")
            .whereRef("build_requests.buildset_id", "=", "buildsets.id"),
        ),
      ),
    )
    .returning("id")
    .execute();
  const setIds = buildsets.map(({ id }) => id);
  if (setIds.length > 0) {
    for (const table of ["buildset_stamps", "buildset_changes"] as const)
      await tx.db.deleteFrom(table).where("buildset_id", "in", setIds).execute();
  }
  return { requests: requests.map(({ id }) => id), buildsets: setIds.length };
}

/** Of the requests behind `after`, those that ended before a time without ever being built; and where to go on. */
export async function unbuiltRequests(
  store: Store,
  after: number,
  before: Millis,
  limit: number,
): Promise<{ ids: number[]; next: number | undefined }> {
  const rows = await store.read
    .selectFrom("build_requests as r")
    .select(["r.id", "r.state", "r.complete_at"])
    .select((eb) =>
      eb.exists(eb.selectFrom("builds as b").select("b.id").whereRef("b.request_id", "=", "r.id")).as("built"),
    )
    .where("r.id", ">", after)
    .orderBy("r.id")
    .limit(limit)
    .execute();
  const ids = rows
    .filter((row) => row.state === "complete" && !row.built && (row.complete_at ?? before) < before)
    .map((row) => row.id);
  return { ids, next: rows.length === limit ? rows.at(-1)?.id : undefined };
}

const NUMBERED = {
  changes: { key: "id", at: "added_at" },
  events: { key: "seq", at: "time" },
  audit: { key: "id", at: "at" },
} as const;

export type NumberedTable = keyof typeof NUMBERED;

/** The next rows of a table behind a number, oldest first. */
export async function oldestOf(
  store: Store,
  table: NumberedTable,
  after: number,
  limit: number,
): Promise<{ id: number; at: Millis }[]> {
  const { key, at } = NUMBERED[table];
  const { rows } = await sql<{ id: number; at: number }>`
    select ${sql.ref(key)} as id, ${sql.ref(at)} as at from ${sql.table(table)}
    where ${sql.ref(key)} > ${after} order by ${sql.ref(key)} limit ${limit}`.execute(store.read);
  return rows.map((row) => ({ id: Number(row.id), at: Number(row.at) }));
}

/** The number behind which the newest `count` rows of a table are; 0 if there are no more than that. */
export async function behindNewest(store: Store, table: NumberedTable, count: number): Promise<number> {
  const { key } = NUMBERED[table];
  const { rows } = await sql<{ last: number | null }>`
    select max(${sql.ref(key)}) as last from ${sql.table(table)}`.execute(store.read);
  // Numbers are given one after the other, so that counting rows, which would take long, can be left out.
  return Math.max(0, Number(rows[0]?.last ?? 0) - count);
}

export async function removeNumbered(tx: Tx, table: NumberedTable, ids: readonly number[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { key } = NUMBERED[table];
  const unused =
    table === "changes" ? sql`and not exists (select 1 from buildset_changes c where c.change_id = changes.id)` : sql``;
  const { rows } = await sql`
    delete from ${sql.table(table)} where ${sql.ref(key)} in (${sql.join(ids)}) ${unused} returning 1 as one`.execute(
    tx.db,
  );
  return rows.length;
}

/** The position that everybody who reads events has reached. Who is disabled is not waited for. */
export async function slowestCursor(store: Store): Promise<number> {
  const { rows } = await sql<{ cursor: number | null }>`
    select min(at) as cursor from (
      select min(cursor) as at from listeners union all
      select min(cursor) as at from schedulers where disabled is null union all
      select min(position) as at from listener_cursors) all_cursors`.execute(store.read);
  const cursor = rows[0]?.cursor;
  return cursor === null || cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
}

/** How many events the slowest scheduler and listener have yet to see, and how many jobs of plugins are due. */
export async function behind(store: Store): Promise<{ schedulers: number; listeners: number; jobs: number }> {
  const { rows } = await sql<{ newest: number; schedulers: number | null; listeners: number | null; jobs: number }>`
    select (select value from counters where name = 'events') as newest,
      (select min(cursor) from schedulers where disabled is null) as schedulers, (select min(cursor) from listeners) as listeners,
      (select count(*) from (select 1 from jobs where parked = 0 limit 10000) due) as jobs`.execute(store.read);
  const row = rows[0];
  const newest = Number(row?.newest ?? 0);
  const lag = (cursor: number | null | undefined) =>
    cursor === null || cursor === undefined ? 0 : Math.max(0, newest - Number(cursor));
  return { schedulers: lag(row?.schedulers), listeners: lag(row?.listeners), jobs: Number(row?.jobs ?? 0) };
}
