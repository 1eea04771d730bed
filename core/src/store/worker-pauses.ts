import { sql } from "kysely";
import type { Millis } from "../interfaces/values.ts";
import type { Db } from "./tables.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

export interface WorkerPause {
  why: string;
  by: string;
  since: Millis;
}

/** Those of the named workers that are paused. */
export async function pausesOf(db: Db, workers?: readonly string[]): Promise<Map<string, WorkerPause>> {
  const rows = await db
    .selectFrom("worker_pauses")
    .selectAll()
    .$if(workers !== undefined, (q) => q.where("worker", "in", [...(workers ?? []), ""]))
    .execute();
  return new Map(rows.map(({ worker, reason, by, at }) => [worker, { why: reason, by, since: at }]));
}

/** Pauses workers, or lets them go on without `pause`. */
export async function setPauses(
  tx: Tx,
  workers: readonly string[],
  by: string,
  pause: { reason: string } | undefined,
): Promise<void> {
  // Against a distributor that has just seen them without a pause.
  let rows = tx.db
    .selectFrom("workers")
    .select("name")
    .where("name", "in", [...workers])
    .orderBy("name");
  if (tx.dialect.lockForUpdate) rows = rows.modifyEnd(sql.raw(tx.dialect.lockForUpdate));
  await rows.execute();
  for (const worker of [...workers].sort()) {
    if (pause === undefined) {
      const gone = await tx.db.deleteFrom("worker_pauses").where("worker", "=", worker).returning("worker").execute();
      if (gone.length > 0) tx.event("worker.resumed", { worker, by });
      continue;
    }
    const facts = { reason: storable(pause.reason), by: storable(by), at: tx.now };
    await tx.db
      .insertInto("worker_pauses")
      .values({ worker, ...facts })
      .onConflict((conflict) => conflict.column("worker").doUpdateSet(facts))
      .execute();
    tx.event("worker.paused", { worker, reason: pause.reason, by });
  }
  tx.ring("requests");
}
