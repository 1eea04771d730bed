import type { Clock } from "../interfaces/clock.ts";
import type { Job } from "../interfaces/plugin-store.ts";
import type { Millis } from "../interfaces/values.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease, Tx } from "../store/tx.ts";
import { withGrace } from "./grace.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { backOff } from "./loop.ts";
import { describe } from "./source-loop.ts";

export interface JobEntry {
  queue: string;
  records: PluginRecords;
  attempts: number;
  handler(job: Job, signal: AbortSignal): Promise<void>;
}

/** One pass of a plugin's job queue: the next job that is due. */
export async function jobPass(
  entry: JobEntry,
  { store, clock, leases }: { store: Store; clock: Clock; leases: LeaseKeeper },
  signal: AbortSignal,
): Promise<{ wakeAt?: Millis; again?: boolean }> {
  const lease = await leases.hold(`jobs:${entry.records.plugin}/${entry.queue}`);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const row = await store.read
    .selectFrom("jobs")
    .selectAll()
    .where("plugin", "=", entry.records.plugin)
    .where("queue", "=", entry.queue)
    .where("parked", "=", 0)
    .orderBy("run_at")
    .orderBy("id")
    .limit(1)
    .executeTakeFirst();
  if (!row) return {};
  if (row.run_at > clock.now()) return { wakeAt: row.run_at };

  const { key } = row;
  // What is queued while it runs is another job: this one may have looked already.
  if (key !== null) await giveKey(store, lease, row.id, null);
  let error: unknown;
  try {
    const payload = entry.records.upgrade(JSON.parse(row.payload), row.version, `job ${entry.queue}`);
    const either = AbortSignal.any([signal, lease.signal]);
    await withGrace(
      entry.handler({ id: row.id, queue: row.queue, payload, attempt: row.attempts + 1 }, either),
      either,
    );
  } catch (thrown) {
    if (lease.signal.aborted) return {};
    if (signal.aborted) {
      if (key !== null) await giveKey(store, lease, row.id, key);
      return {};
    }
    error = thrown ?? new Error("the job failed");
  }
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    if (error === undefined) {
      await tx.db.deleteFrom("jobs").where("id", "=", row.id).execute();
      return;
    }
    const attempts = row.attempts + 1;
    const parked = attempts >= entry.attempts;
    await tx.db
      .updateTable("jobs")
      .set({
        attempts,
        parked: parked ? 1 : 0,
        run_at: tx.now + backOff(attempts, 1_000),
        error: JSON.stringify(describe(error)),
      })
      .where("id", "=", row.id)
      .execute();
    if (key !== null && !parked) await giveKeyIn(tx, row.id, key);
    if (parked) tx.event("job.parked", { plugin: row.plugin, queue: row.queue, job: row.id, attempts });
  });
  return { again: true };
}

function giveKey(store: Store, lease: HeldLease, id: number, key: string | null): Promise<void> {
  return store.write(async (tx) => {
    await tx.requireLease(lease);
    await giveKeyIn(tx, id, key);
  });
}

/** Names a job, or takes its name away. A name that another job has got meanwhile stays with that one. */
async function giveKeyIn(tx: Tx, id: number, key: string | null): Promise<void> {
  const row = await tx.db.selectFrom("jobs").select(["plugin", "queue"]).where("id", "=", id).executeTakeFirst();
  if (!row) return;
  if (key !== null) {
    const other = await tx.db
      .selectFrom("jobs")
      .select("id")
      .where("plugin", "=", row.plugin)
      .where("queue", "=", row.queue)
      .where("key", "=", key)
      .executeTakeFirst();
    if (other) return;
  }
  await tx.db.updateTable("jobs").set({ key }).where("id", "=", id).execute();
}
