import { sql } from "kysely";
import type { Result } from "../interfaces/values.ts";
import { finishRequest } from "./buildsets.ts";
import { leaveLine } from "./locks.ts";
import type { Store } from "./store.ts";
import type { HeldLease, Tx } from "./tx.ts";

const AT_ONCE = 200;

interface RequestKey {
  id: number;
  buildsetId: number;
  builder: string;
  project: string;
}

/** Ends a request that waits. False if it does so no more. */
export async function endWaiting(
  tx: Tx,
  request: RequestKey,
  result: Result,
  why: { held?: string; collapsedInto?: number } = {},
): Promise<boolean> {
  const row = await lockWaiting(tx, request.id);
  if (!row) return false;
  await tx.db
    .updateTable("build_requests")
    .set({ held: why.held ?? null, collapsed_into: why.collapsedInto ?? null })
    .where("id", "=", request.id)
    .execute();
  await leaveLine(tx, [request.id]);
  return finishRequest(tx, request, result);
}

/** A request as long as it waits; it stays so till the commit. */
export async function lockWaiting(tx: Tx, id: number) {
  let query = tx.db
    .selectFrom("build_requests")
    .select(["id", "priority", "urgency"])
    .where("id", "=", id)
    .where("state", "=", "pending");
  if (tx.dialect.lockForUpdate) query = query.modifyEnd(sql.raw(tx.dialect.lockForUpdate));
  return query.executeTakeFirst();
}

/** Ends requests that have waited for longer than they may. */
export async function expireRequests(store: Store, lease: HeldLease, now: number): Promise<{ more: boolean }> {
  const rows = await store.read
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(["r.id", "r.buildset_id", "r.expires_at", "n.name", "n.project"])
    .where("r.state", "=", "pending")
    .where("r.expires_at", "<=", now)
    .orderBy("r.expires_at")
    .limit(AT_ONCE)
    .execute();
  if (rows.length === 0) return { more: false };
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    for (const { id, buildset_id, expires_at, name: builder, project } of rows) {
      const held = JSON.stringify({ reason: "expired", at: expires_at });
      await endWaiting(tx, { id, buildsetId: buildset_id, builder, project }, "cancelled", { held });
    }
  });
  return { more: rows.length === AT_ONCE };
}

/**
 * Gives a request another priority, as far as it waits; also in the line for locks. `weighed` where its builder shall
 * say nothing more to it.
 */
export async function setPriority(tx: Tx, request: RequestKey, priority: number, weighed?: true): Promise<boolean> {
  const before = await lockWaiting(tx, request.id);
  if (!before) return false;
  await tx.db
    .updateTable("build_requests")
    .set({ priority, urgency: -priority, ...(weighed ? { weighed: 1 } : {}) })
    .where("id", "=", request.id)
    .execute();
  if (before.priority === priority) return true;
  await tx.db
    .updateTable("locks")
    .set({ urgency: -priority })
    .where("request_id", "=", request.id)
    .where("held", "=", 0)
    .execute();
  const { id, buildsetId: buildset, builder, project } = request;
  tx.event("request.prioritized", { request: id, buildset, builder, priority }, { builder, project });
  tx.ring("requests");
  tx.ring("locks");
  return true;
}

export async function weigh(store: Store, lease: HeldLease, priorities: ReadonlyMap<number, number>): Promise<void> {
  if (priorities.size === 0) return;
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    const rows = await tx.db
      .selectFrom("build_requests as r")
      .innerJoin("builders as n", "n.id", "r.builder_id")
      .select(["r.id", "r.buildset_id", "n.name", "n.project"])
      .where("r.id", "in", [...priorities.keys()])
      .execute();
    for (const { id, buildset_id, name: builder, project } of rows)
      await setPriority(tx, { id, buildsetId: buildset_id, builder, project }, priorities.get(id) ?? 0, true);
  });
}
