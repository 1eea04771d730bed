import type { BelfryEvent } from "../interfaces/status-listener.ts";
import type { Store } from "./store.ts";
import type { Db } from "./tables.ts";

export interface StoredEvent extends BelfryEvent {
  seq: number;
}

/** The position of the newest committed event; 0 when there is none. */
export async function newestPosition(store: Store | Db): Promise<number> {
  const db = "read" in store ? store.read : store;
  const row = await db.selectFrom("counters").select("value").where("name", "=", "events").executeTakeFirst();
  return row?.value ?? 0;
}

/** The position of the oldest event that is kept; 0 when there is none. */
export async function oldestPosition(store: Store): Promise<number> {
  const row = await store.read.selectFrom("events").select("seq").orderBy("seq").limit(1).executeTakeFirst();
  return row?.seq ?? 0;
}

/** Events behind a position, oldest first. */
export async function eventsAfter(store: Store, seq: number, limit: number): Promise<StoredEvent[]> {
  const rows = await store.read
    .selectFrom("events")
    .selectAll()
    .where("seq", ">", seq)
    .orderBy("seq")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    seq: row.seq,
    position: String(row.seq),
    type: row.type,
    time: row.time,
    builder: row.builder,
    project: row.project,
    data: JSON.parse(row.data),
  }));
}
