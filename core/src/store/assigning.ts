import { sql } from "kysely";
import type { Millis } from "../interfaces/values.ts";
import { assignBuild } from "./builds.ts";
import { type FullStamp, stampsOf } from "./buildsets.ts";
import { LAST_PLACE, type LockBook, type LockLimits, type LockNeed } from "./lock-book.ts";
import { addLocks, decideOnLocks, leaveLine, readLocks } from "./locks.ts";
import type { QueueRow } from "./queue.ts";
import { endWaiting, lockWaiting } from "./requests.ts";
import type { Store } from "./store.ts";
import type { HeldLease, Tx } from "./tx.ts";
import { pausesOf } from "./worker-pauses.ts";

export interface Start {
  row: QueueRow;
  worker: { name: string; masterId: number; masterFence: number };
  slot: number;
  needs: LockNeed[];
  /** Whose place in the line for locks it has. */
  turn: number;
  /** Requests that are built with it. */
  together: number[];
}

export interface Waiter {
  row: QueueRow;
  needs: LockNeed[];
}

/** What a pass has decided, to be checked and written. */
export interface Plan {
  starts: Start[];
  /** Requests that begin to stand in line for locks, or do so for others than before. */
  waiters: Waiter[];
  /** Requests that leave the line: something else keeps them now. */
  dropped: number[];
  /** What functions say against requests, where that has changed. */
  held: Map<number, string | null>;
  wakeAt: Millis | undefined;
  again: boolean;
}

export interface AssignOptions {
  limits: LockLimits;
  generation: number | null;
  /** What is to be written of builders' functions that fail; null where they do no more. */
  troubles: ReadonlyMap<string, string | null>;
}

/**
 * Writes what a pass of the distributor decided, as far as it still holds: the worker is there, the
 * builder is not paused, the locks are free. True if something did not: it is to be decided anew.
 */
export async function carryOut(store: Store, lease: HeldLease, plan: Plan, options: AssignOptions): Promise<boolean> {
  const { starts, waiters, dropped, held } = plan;
  if (starts.length + waiters.length + dropped.length + held.size + options.troubles.size === 0) return false;
  const stamps = await stampsOf(
    store.read,
    starts.map(({ row }) => row.buildset_id),
  );
  return store.write(async (tx) => {
    await tx.requireLease(lease);
    for (const [name, trouble] of options.troubles)
      await tx.db.updateTable("builders").set({ trouble }).where("name", "=", name).execute();
    for (const [id, text] of held)
      await tx.db
        .updateTable("build_requests")
        .set({ held: text })
        .where("id", "=", id)
        .where("state", "=", "pending")
        .execute();
    const gone = await goneSince(tx, starts);
    const locking = dropped.length > 0 || waiters.length > 0 || starts.some(({ needs }) => needs.length > 0);
    let book: LockBook | undefined;
    if (locking) {
      await decideOnLocks(tx);
      await leaveLine(tx, dropped);
      book = await readLocks(tx.db, options.limits);
    }
    let conflict = false;
    for (const start of starts) {
      if (gone(start) || !(await assign(tx, start, book, stamps, options))) conflict = true;
    }
    for (const { row, needs } of waiters) {
      if (!(await lockWaiting(tx, row.id))) continue;
      const own = book?.entries.find((entry) => entry.build === 0 && entry.request === row.id);
      const place = own?.place ?? (await decideOnLocks(tx));
      await leaveLine(tx, [row.id]);
      const claim = { held: false, urgency: row.urgency, place, request: row.id, build: 0, step: 0 };
      await addLocks(tx, claim, needs, own?.askedAt);
      // It may be free by now: those who give back ring only those who stand in line already.
      if (book?.blocked(needs, claim).length === 0) conflict = true;
      book?.add(...needs.map((need) => ({ ...need, ...claim, askedAt: tx.now, heldAt: null })));
    }
    return conflict;
  });
}

/** Tells whether the worker has left or was paused, or the builder was paused since it was looked at. */
async function goneSince(tx: Tx, starts: readonly Start[]): Promise<(start: Start) => boolean> {
  if (starts.length === 0) return () => false;
  // Who pauses one now does so after these starts, not between this look and the commit.
  const { lockForShare, lockForUpdate } = tx.dialect;
  let there = tx.db
    .selectFrom("workers")
    .select(["name", "master_id"])
    .where("connected", "=", 1)
    .where("name", "in", [...new Set(starts.map(({ worker }) => worker.name))])
    .orderBy("name");
  if (lockForShare) there = there.modifyEnd(sql.raw(lockForShare));
  const found = await there.execute();
  const pauses = await pausesOf(
    tx.db,
    found.map(({ name }) => name),
  );
  const workers = found.filter(({ name }) => !pauses.has(name));
  let builders = tx.db
    .selectFrom("builders")
    .select(["id", "paused"])
    .where("id", "in", [...new Set(starts.map(({ row }) => row.builder_id))])
    .orderBy("id");
  if (lockForUpdate) builders = builders.modifyEnd(sql.raw(lockForUpdate));
  const paused = (await builders.execute()).filter((builder) => builder.paused === 1);
  return ({ worker, row }) =>
    !workers.some(({ name, master_id }) => name === worker.name && master_id === worker.masterId) ||
    paused.some(({ id }) => id === row.builder_id);
}

async function assign(
  tx: Tx,
  { row, worker, slot, needs, turn, together }: Start,
  book: LockBook | undefined,
  stamps: ReadonlyMap<number, FullStamp[]>,
  { generation }: AssignOptions,
): Promise<boolean> {
  const inLine = book?.entries.find((entry) => entry.build === 0 && entry.request === turn);
  const place = { urgency: row.urgency, place: inLine?.place ?? LAST_PLACE };
  if (needs.length > 0 && book && book.blocked(needs, place).length > 0) return false;
  const stamp = stamps.get(row.buildset_id)?.[0];
  const build = await assignBuild(tx, {
    requestId: row.id,
    builderId: row.builder_id,
    builder: row.name,
    project: row.project,
    buildsetId: row.buildset_id,
    worker: worker.name,
    slot,
    masterId: worker.masterId,
    masterFence: worker.masterFence,
    generation,
    branch: stamp?.branch ?? null,
    revision: stamp?.revision ?? null,
  });
  if (build === undefined) return false;
  const over = [row.id, turn, ...together];
  if (book && book.remove((entry) => entry.build === 0 && over.includes(entry.request)).length > 0)
    await leaveLine(tx, over);
  if (book && needs.length > 0) {
    const claim = { held: true, ...place, place: 0, request: row.id, build, step: 0 };
    await addLocks(tx, claim, needs, inLine?.askedAt);
    book.add(...needs.map((need) => ({ ...need, ...claim, askedAt: tx.now, heldAt: tx.now })));
  }
  for (const id of together) await collapse(tx, id, row);
  return true;
}

async function collapse(tx: Tx, id: number, into: Start["row"]): Promise<void> {
  const other = await tx.db.selectFrom("build_requests").select("buildset_id").where("id", "=", id).executeTakeFirst();
  if (!other) return;
  const request = { id, buildsetId: other.buildset_id, builder: into.name, project: into.project };
  if (!(await endWaiting(tx, request, "skipped", { collapsedInto: into.id }))) return;
  tx.event(
    "request.collapsed",
    { request: id, buildset: other.buildset_id, builder: into.name, into: into.id },
    { builder: into.name, project: into.project },
  );
}
