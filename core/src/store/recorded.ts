import type { Change } from "../interfaces/scheduler.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import { toChange } from "./changes.ts";
import type { Db } from "./tables.ts";

const ROWS_A_PAGE = 2_000;
const ENDED = ["success", "warnings", "failure"];

/** Changes that were stored in this time, in their order. */
export async function* recordedChanges(db: Db, from: Millis, until: Millis): AsyncGenerator<Change> {
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom("changes")
      .selectAll()
      .where("id", ">", after)
      .where("added_at", ">=", from)
      .where("added_at", "<=", until)
      .orderBy("id")
      .limit(ROWS_A_PAGE)
      .execute();
    for (const row of rows) yield toChange(row);
    const last = rows.at(-1);
    if (!last || rows.length < ROWS_A_PAGE) return;
    after = last.id;
  }
}

export interface RecordedBuild {
  id: number;
  worker: string;
  millis: Millis;
  result: Result;
}

/** The newest builds of a builder that were built to an end. */
export async function recentBuilds(db: Db, builder: number, limit: number): Promise<RecordedBuild[]> {
  const found: RecordedBuild[] = [];
  for (const result of ENDED) {
    const rows = await db
      .selectFrom("builds")
      .select(["id", "worker", "started_at", "finished_at"])
      .where("builder_id", "=", builder)
      .where("result", "=", result)
      .where("started_at", "is not", null)
      .orderBy("id", "desc")
      .limit(limit)
      .execute();
    for (const { id, worker, started_at, finished_at } of rows)
      found.push({
        id,
        worker,
        millis: Math.max(0, Number(finished_at) - Number(started_at)),
        result: result as Result,
      });
  }
  return found;
}

/** How long the steps of these builds took. */
export async function recordedSteps(db: Db, builds: readonly number[]): Promise<{ name: string; millis: Millis }[]> {
  if (builds.length === 0) return [];
  const rows = await db
    .selectFrom("steps")
    .select(["name", "started_at", "finished_at"])
    .where("build_id", "in", [...builds])
    .where("finished_at", "is not", null)
    .where("result", "in", ["success", "warnings"])
    .execute();
  return rows.map(({ name, started_at, finished_at }) => ({ name, millis: Number(finished_at) - started_at }));
}

/** How builds of this time ended, oldest first, as far as they have a revision. */
export async function* recordedResults(
  db: Db,
  from: Millis,
  until: Millis,
): AsyncGenerator<{ builder: string; revision: string; result: Result }> {
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom("builds as b")
      .innerJoin("builders as n", "n.id", "b.builder_id")
      .select(["b.id", "n.name", "b.revision", "b.result"])
      .where("b.id", ">", after)
      .where("b.assigned_at", ">=", from)
      .where("b.assigned_at", "<=", until)
      .where("b.revision", "is not", null)
      .where("b.result", "in", ["success", "warnings", "failure", "skipped", "exception"])
      .orderBy("b.id")
      .limit(ROWS_A_PAGE)
      .execute();
    for (const { name, revision, result } of rows)
      yield { builder: name, revision: revision as string, result: result as Result };
    const last = rows.at(-1);
    if (!last || rows.length < ROWS_A_PAGE) return;
    after = last.id;
  }
}

export async function knownBuilders(db: Db): Promise<{ id: number; name: string }[]> {
  return db.selectFrom("builders").select(["id", "name"]).orderBy("id").execute();
}

/** How many buildsets of this time somebody asked for, by hand or by a program. */
export async function forcedBuildsets(db: Db, from: Millis, until: Millis): Promise<number> {
  const { count } = await db
    .selectFrom("buildsets")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("submitted_at", ">=", from)
    .where("submitted_at", "<=", until)
    .where("owner", "is not", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}
