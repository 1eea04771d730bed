import { sql } from "kysely";
import type { Db } from "./tables.ts";

const COLUMNS = [
  "r.id",
  "r.buildset_id",
  "r.builder_id",
  "r.priority",
  "r.urgency",
  "r.submitted_at",
  "r.not_before",
  "r.retries",
  "r.held",
  "n.name",
  "n.project",
] as const;

function waiting(db: Db) {
  return db
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(COLUMNS)
    .where("r.state", "=", "pending");
}

export type QueueRow = Awaited<ReturnType<ReturnType<typeof waiting>["execute"]>>[number];

export interface QueuePlace {
  urgency: number;
  id: number;
}

/** Builders by their ids: these, or all but these, whichever are fewer. */
export type BuilderChoice = { only: readonly number[] } | { not: readonly number[] };

/** Requests of some builders that may be built now, in the one order that there is: the most urgent first, the oldest first among equals. */
export function nextInQueue(
  db: Db,
  builders: BuilderChoice,
  now: number,
  after: QueuePlace | undefined,
  limit: number,
): Promise<QueueRow[]> {
  return (
    waiting(db)
      // Computed, so that the queue is read along its own index and no other one.
      .where(sql<boolean>`r.not_before + 0 <= ${now}`)
      .where((eb) => {
        const builder = sql<number>`r.builder_id + 0`;
        if ("only" in builders) return eb(builder, "in", [...builders.only]);
        return builders.not.length === 0 ? eb.lit(true) : eb(builder, "not in", [...builders.not]);
      })
      .$if(after !== undefined, (q) => {
        const { urgency, id } = after as QueuePlace;
        return q
          .where("r.urgency", ">=", urgency)
          .where((eb) => eb.or([eb("r.urgency", ">", urgency), eb("r.id", ">", id)]));
      })
      .orderBy("r.urgency")
      .orderBy("r.id")
      .limit(limit)
      .execute()
  );
}

/** These requests, as far as they still wait, in the same order. */
export async function stillWaiting(db: Db, ids: readonly number[]): Promise<QueueRow[]> {
  if (ids.length === 0) return [];
  return waiting(db)
    .where("r.id", "in", [...ids])
    .orderBy("r.urgency")
    .orderBy("r.id")
    .execute();
}

/** When the next request may be built that may not yet, and when the next one has waited for too long. */
export async function nextTimes(db: Db, now: number): Promise<number[]> {
  const pending = () => db.selectFrom("build_requests").where("state", "=", "pending");
  const times = [
    await pending()
      .select("not_before as at")
      .where("not_before", ">", now)
      .orderBy("not_before")
      .limit(1)
      .executeTakeFirst(),
    await pending()
      .select("expires_at as at")
      .where("expires_at", "is not", null)
      .orderBy("expires_at")
      .limit(1)
      .executeTakeFirst(),
  ];
  return times.flatMap((row) => (row?.at == null ? [] : [Number(row.at)]));
}

/** Requests whose builders have not yet said their priority. */
export function unweighed(db: Db, builders: readonly number[], limit: number): Promise<QueueRow[]> {
  return waiting(db)
    .where("r.weighed", "=", 0)
    .where("r.builder_id", "in", [...builders])
    .orderBy("r.id")
    .limit(limit)
    .execute();
}
