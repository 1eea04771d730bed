import { newestPosition } from "./events.ts";
import type { QueueRow } from "./queue.ts";
import type { Store } from "./store.ts";
import type { Db } from "./tables.ts";

/** Serve lists and history only, and cost with every build. */
const UNUSED_INDEXES = [
  "builds_builder_id_result_id_index",
  "builds_revision_id_index",
  "builds_branch_id_index",
  "builds_builder_id_branch_id_index",
  "builds_finished_at_id_index",
  "builds_worker_id_index",
  "changes_revision_index",
  "changes_branch_id_index",
];

export interface Furniture {
  master: string;
  workers: readonly { name: string; slots: number }[];
  schedulers: readonly { name: string; plugin: string; version: number }[];
}

/** Writes what a master writes when it starts, as far as builds are decided by it. Returns the master's id. */
export async function furnish(store: Store, { master, workers, schedulers }: Furniture): Promise<number> {
  const cursor = await newestPosition(store);
  return store.write(async (tx) => {
    for (const name of UNUSED_INDEXES) await tx.db.schema.dropIndex(name).ifExists().execute();
    const { id } = await tx.db
      .insertInto("masters")
      .values({ name: master, host: "", pid: 0, started_at: tx.now })
      .returning("id")
      .executeTakeFirstOrThrow();
    for (const { name, slots } of workers) {
      await tx.db
        .insertInto("workers")
        .values({ name, master_id: id, connected: 1, slots, info: "{}", seen_at: tx.now })
        .execute();
    }
    for (const scheduler of schedulers) {
      await tx.db
        .insertInto("schedulers")
        .values({
          ...scheduler,
          cursor,
          state: null,
          wake_at: null,
          passed_at: null,
          error: null,
          failures: 0,
          disabled: null,
          enabled_at: null,
          skips: null,
        })
        .execute();
    }
    return id;
  });
}

/** A request, whatever its state, as the queue has it and as `why` wants it. */
export function requestRow(db: Db, id: number) {
  return db
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .selectAll("r")
    .select(["n.name", "n.project"])
    .where("r.id", "=", id)
    .executeTakeFirstOrThrow() satisfies Promise<QueueRow>;
}

export async function changesOf(db: Db, buildset: number): Promise<number[]> {
  const rows = await db
    .selectFrom("buildset_changes")
    .select("change_id")
    .where("buildset_id", "=", buildset)
    .orderBy("change_id")
    .execute();
  return rows.map((row) => row.change_id);
}
