import type { Clock } from "../interfaces/clock.ts";
import type { FinishedBuildset, Scheduler } from "../interfaces/scheduler.ts";
import type { Json, Millis, Result } from "../interfaces/values.ts";
import type { EventFeed } from "../status/event-feed.ts";
import { addBuildset, stampsOf } from "../store/buildsets.ts";
import { changesById } from "../store/changes.ts";
import type { StoredEvent } from "../store/events.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import { withGrace } from "./grace.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

const EVENTS_A_PASS = 500;
/** A cursor is written at the latest when this many events of no interest lie behind it. */
const CURSOR_LAG = 2_000;

export interface SchedulerEntry {
  name: string;
  kind: string;
  scheduler: Scheduler;
  records: PluginRecords;
}

export interface SchedulerDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  feed: EventFeed;
}

export function wantsOf(scheduler: Scheduler): readonly ("changes" | "finished")[] {
  return scheduler.wants ?? ["changes", "finished"];
}

/** One pass of a scheduler's loop: new changes and finished buildsets in, buildsets out. */
export async function schedulerPass(
  entry: SchedulerEntry,
  deps: SchedulerDeps,
  signal: AbortSignal,
): Promise<{ wakeAt?: Millis; again?: boolean }> {
  const { store, clock, leases, feed } = deps;
  const lease = await leases.hold(`scheduler:${entry.name}`);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const row = await store.read.selectFrom("schedulers").selectAll().where("name", "=", entry.name).executeTakeFirst();
  if (!row) return {};

  const events = await feed.after(row.cursor, EVENTS_A_PASS);
  const last = events.at(-1)?.seq ?? row.cursor;
  const again = events.length === EVENTS_A_PASS;
  const wants = wantsOf(entry.scheduler);
  const changeIds = wants.includes("changes") ? idsOf(events, "change.added", "change") : [];
  const buildsetIds = wants.includes("finished") ? idsOf(events, "buildset.finished", "buildset") : [];
  const now = clock.now();
  const due = row.wake_at !== null && row.wake_at <= now;
  if (changeIds.length === 0 && buildsetIds.length === 0 && !due) {
    if (again || last - row.cursor > CURSOR_LAG) {
      await store.write(async (tx) => {
        await tx.requireLease(lease);
        await tx.db
          .updateTable("schedulers")
          .set({ cursor: last })
          .where("name", "=", entry.name)
          .where("cursor", "=", row.cursor)
          .execute();
      });
    }
    return { again, ...(row.wake_at === null ? {} : { wakeAt: row.wake_at }) };
  }

  const state: Json | undefined = entry.records.read(row);
  const either = AbortSignal.any([signal, lease.signal]);
  const ctx = {
    changes: await changesById(store, changeIds),
    finished: await finishedBuildsets(store, buildsetIds),
    state,
    now,
    signal: either,
    changesById: (ids: number[]) => changesById(store, ids),
  };
  const decision = await withGrace(entry.scheduler.process(ctx), either);
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    const moved = await tx.db
      .updateTable("schedulers")
      .set({
        cursor: last,
        ...(decision.state === undefined
          ? {}
          : { state: JSON.stringify(decision.state), version: entry.records.version }),
        wake_at: decision.wakeAt ?? null,
        passed_at: tx.now,
        error: null,
        failures: 0,
      })
      .where("name", "=", entry.name)
      .where("cursor", "=", row.cursor)
      .returning("name")
      .executeTakeFirst();
    if (!moved) return;
    for (const buildset of decision.buildsets) await addBuildset(tx, buildset, { scheduler: entry.name });
    if (decision.writes) await entry.records.applyIn(tx, decision.writes);
  });
  return { again, ...(decision.wakeAt === undefined ? {} : { wakeAt: decision.wakeAt }) };
}

function idsOf(events: StoredEvent[], type: string, key: string): number[] {
  return events.filter((event) => event.type === type).map((event) => Number(event.data[key]));
}

async function finishedBuildsets(store: Store, ids: number[]): Promise<FinishedBuildset[]> {
  if (ids.length === 0) return [];
  const sets = await store.read
    .selectFrom("buildsets")
    .select(["id", "scheduler", "result"])
    .where("id", "in", ids)
    .orderBy("id")
    .execute();
  const stamps = await stampsOf(store.read, ids);
  const changes = await store.read.selectFrom("buildset_changes").selectAll().where("buildset_id", "in", ids).execute();
  const requests = await store.read
    .selectFrom("build_requests as r")
    .innerJoin("builders as b", "b.id", "r.builder_id")
    .select(["r.buildset_id", "b.name"])
    .where("r.buildset_id", "in", ids)
    .execute();
  return sets.map((set) => ({
    id: set.id,
    scheduler: set.scheduler,
    result: (set.result ?? "skipped") as Result,
    sourceStamps: stamps.get(set.id) ?? [],
    changes: changes.filter((row) => row.buildset_id === set.id).map((row) => row.change_id),
    builders: requests.filter((row) => row.buildset_id === set.id).map((row) => row.name),
  }));
}
