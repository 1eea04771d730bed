import type { Clock } from "../interfaces/clock.ts";
import type { Job } from "../interfaces/plugin-store.ts";
import type { Millis } from "../interfaces/values.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
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

  let error: unknown;
  try {
    const payload = entry.records.upgrade(JSON.parse(row.payload), row.version, `job ${entry.queue}`);
    await entry.handler(
      { id: row.id, queue: row.queue, payload, attempt: row.attempts + 1 },
      AbortSignal.any([signal, lease.signal]),
    );
  } catch (thrown) {
    if (signal.aborted || lease.signal.aborted) return {};
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
    if (parked) tx.event("job.parked", { plugin: row.plugin, queue: row.queue, job: row.id, attempts });
  });
  return { again: true };
}
