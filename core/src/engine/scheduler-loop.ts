import type { Clock } from "../interfaces/clock.ts";
import type { FinishedBuildset, Scheduler } from "../interfaces/scheduler.ts";
import type { Json, Millis, Result } from "../interfaces/values.ts";
import type { EventFeed } from "../status/event-feed.ts";
import { addBuildset, stampsOf } from "../store/buildsets.ts";
import { changesById } from "../store/changes.ts";
import type { StoredEvent } from "../store/events.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import { readSkips, type Skip, writeSkips } from "../store/schedulers.ts";
import type { Store } from "../store/store.ts";
import type { Row } from "../store/tables.ts";
import type { Tx } from "../store/tx.ts";
import { withGrace } from "./grace.ts";
import { isLeaseLost, type LeaseKeeper } from "./lease-keeper.ts";
import { describe } from "./source-loop.ts";

const EVENTS_A_PASS = 500;
/** A cursor is written at the latest when this many events of no interest lie behind it. */
const CURSOR_LAG = 2_000;

export interface SchedulerEntry {
  name: string;
  kind: string;
  scheduler: Scheduler;
  records: PluginRecords;
  /** The fence under which it was asked for the first time by this process. */
  askedUnder?: number;
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

  if (row.disabled !== null) return {};

  const skips = readSkips(row.skips);
  const from = behind(skips, row.cursor);
  const read = await feed.after(from, EVENTS_A_PASS);
  const last = Math.max(from, read.at(-1)?.seq ?? from);
  const events = read.filter((event) => !skips.some((skip) => skipped(skip, event.seq)));
  const position = { cursor: last, skips: writeSkips(skips.filter(({ to }) => to === null || to > last)) };
  const again = read.length === EVENTS_A_PASS;
  const wants = wantsOf(entry.scheduler);
  const changeIds = wants.includes("changes") ? idsOf(events, "change.added", "change") : [];
  const buildsetIds = wants.includes("finished") ? idsOf(events, "buildset.finished", "buildset") : [];
  const now = clock.now();
  const due = row.wake_at !== null && row.wake_at <= now;
  const news = changeIds.length > 0 || buildsetIds.length > 0 || due;
  // What it is configured to do may have changed since it was asked last, here or by another master.
  const first = entry.askedUnder !== lease.fence;
  if (!news && !first) {
    if (again || last - row.cursor > CURSOR_LAG || row.failures > 0) {
      await store.write(async (tx) => {
        await tx.requireLease(lease);
        await advance(tx, row, { ...position, error: null, failures: 0 });
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
    enabledAt: row.enabled_at,
    signal: either,
    changesById: (ids: number[]) => changesById(store, ids),
  };
  const decision = await withGrace(entry.scheduler.process(ctx), either);
  const { buildsets, writes, wakeAt } = decision;
  const wake = wakeAt === undefined ? {} : { wakeAt };
  const changed = news || buildsets.length > 0 || decision.state !== undefined || writes !== undefined;
  if (changed || row.failures > 0 || (wakeAt ?? null) !== row.wake_at) {
    const moved = await store.write(async (tx) => {
      await tx.requireLease(lease);
      const values = {
        ...position,
        ...(decision.state === undefined
          ? {}
          : { state: JSON.stringify(decision.state), version: entry.records.version }),
        wake_at: wakeAt ?? null,
        passed_at: tx.now,
        error: null,
        failures: 0,
      };
      if (!(await advance(tx, row, values))) return false;
      for (const buildset of buildsets) await addBuildset(tx, buildset, { scheduler: entry.name });
      if (writes) await entry.records.applyIn(tx, writes);
      return true;
    });
    if (!moved) return { again: true };
  }
  entry.askedUnder = lease.fence;
  return { again, ...wake };
}

/** Moves a scheduler on. False, and nothing is written, if it was disabled or moved on meanwhile. */
async function advance(tx: Tx, row: Row<"schedulers">, values: Partial<Row<"schedulers">>): Promise<boolean> {
  const moved = await tx.db
    .updateTable("schedulers")
    .set(values)
    .where("name", "=", row.name)
    .where("cursor", "=", row.cursor)
    .where("disabled", "is", null)
    .returning("name")
    .executeTakeFirst();
  if (!moved) return false;
  if (row.failures > 0) tx.event("scheduler.recovered", { scheduler: row.name });
  return true;
}

/** Notes that a pass failed, for everybody to see. */
export async function noteFailure(name: string, { store, leases }: SchedulerDeps, error: unknown): Promise<void> {
  const lease = leases.get(`scheduler:${name}`);
  if (!lease || isLeaseLost(error)) return;
  const shown = describe(error);
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    const row = await tx.db
      .updateTable("schedulers")
      .set((eb) => ({ error: JSON.stringify(shown), failures: eb("failures", "+", 1) }))
      .where("name", "=", name)
      .returning("failures")
      .executeTakeFirst();
    if (row?.failures === 1) tx.event("scheduler.failing", { scheduler: name, error: shown.message });
  });
}

const skipped = ({ from, to }: Skip, seq: number) => seq > from && (to === null || seq <= to);

/** Where to read on: what came while it was disabled is not even looked at. */
function behind(skips: readonly Skip[], cursor: number): number {
  let from = cursor;
  for (const skip of skips) if (skip.to !== null && skip.from <= from && from < skip.to) from = skip.to;
  return from;
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
