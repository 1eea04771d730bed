import { sql } from "kysely";
import type { Json, Result } from "../interfaces/values.ts";
import { finishRequest } from "./buildsets.ts";
import { releaseBuild, releaseStep } from "./locks.ts";
import type { Store } from "./store.ts";
import type { Row } from "./tables.ts";
import { storable } from "./text.ts";
import { cancelChildren } from "./triggered.ts";
import type { HeldLease, Tx } from "./tx.ts";

export interface Assignment {
  requestId: number;
  builderId: number;
  builder: string;
  project: string;
  buildsetId: number;
  worker: string;
  slot: number;
  masterId: number;
  masterFence: number;
  generation: number | null;
  branch: string | null;
  revision: string | null;
}

/** Gives a pending request to a worker; `undefined` if somebody else has taken or cancelled it. */
export async function assignBuild(tx: Tx, a: Assignment): Promise<number | undefined> {
  const claimed = await tx.db
    .updateTable("build_requests")
    .set({ state: "claimed", claimed_at: tx.now, held: null })
    .where("id", "=", a.requestId)
    .where("state", "=", "pending")
    .returning("id")
    .executeTakeFirst();
  if (!claimed) return undefined;
  const { next_number } = await tx.db
    .updateTable("builders")
    .set((eb) => ({ next_number: eb("next_number", "+", 1) }))
    .where("id", "=", a.builderId)
    .returning("next_number")
    .executeTakeFirstOrThrow();
  const number = next_number - 1;
  const { id } = await tx.db
    .insertInto("builds")
    .values({
      number,
      builder_id: a.builderId,
      request_id: a.requestId,
      buildset_id: a.buildsetId,
      worker: a.worker,
      slot: a.slot,
      master_id: a.masterId,
      fence: a.masterFence,
      generation: a.generation,
      state: "assigned",
      branch: a.branch,
      revision: a.revision,
      assigned_at: tx.now,
      started_at: null,
      finished_at: null,
      result: null,
      summary: "",
      stop_reason: null,
      plan: null,
      secrets: null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  tx.event(
    "build.assigned",
    { build: id, builder: a.builder, number, request: a.requestId, worker: a.worker },
    { builder: a.builder, project: a.project },
  );
  tx.ring(`builds:${a.masterId}`);
  return id;
}

export interface BuildKey {
  id: number;
  number: number;
  builder: string;
  project: string;
  requestId: number;
  buildsetId: number;
}

/** `assigned` becomes `running`. False if the build was ended meanwhile. */
export async function startBuild(
  tx: Tx,
  build: BuildKey,
  worker: string,
  { generation, plan }: { generation: number; plan: string | null },
): Promise<boolean> {
  const row = await tx.db
    .updateTable("builds")
    .set({ state: "running", started_at: tx.now, generation, plan })
    .where("id", "=", build.id)
    .where("state", "=", "assigned")
    .returning("id")
    .executeTakeFirst();
  if (!row) return false;
  tx.event("build.started", { build: build.id, builder: build.builder, number: build.number, worker }, scope(build));
  return true;
}

export async function startStep(
  tx: Tx,
  build: BuildKey,
  step: { step: number; name: string; kind: string; parent: number | null; hidden: boolean },
): Promise<void> {
  const name = storable(step.name);
  await tx.db
    .insertInto("steps")
    .values({
      build_id: build.id,
      step: step.step,
      name,
      kind: step.kind,
      parent: step.parent,
      hidden: step.hidden ? 1 : 0,
      started_at: tx.now,
      finished_at: null,
      result: null,
      summary: "",
      error: null,
      locks: 0,
      attempts: null,
      links: null,
      statistics: null,
      failing: null,
      added: 0,
    })
    .execute();
  tx.event(
    "step.started",
    { build: build.id, builder: build.builder, number: build.number, step: step.step, name, parent: step.parent },
    scope(build),
  );
}

export interface FinishedStep {
  step: number;
  name: string;
  result: Result;
  summary: string;
  error: Json;
  hidden: boolean;
  /** Figures by name. */
  statistics?: Record<string, number>;
  /** Names of tests that failed. */
  failing?: readonly string[];
  /** How many steps it has added. */
  added?: number;
}

export async function finishStep(tx: Tx, build: BuildKey, step: FinishedStep): Promise<void> {
  const summary = storable(step.summary);
  const row = await tx.db
    .updateTable("steps")
    .set({
      finished_at: tx.now,
      result: step.result,
      summary,
      error: step.error === null ? null : JSON.stringify(step.error),
      hidden: step.hidden ? 1 : 0,
      statistics: jsonOrNull(step.statistics),
      failing: jsonOrNull(step.failing),
      added: step.added ?? 0,
    })
    .where("build_id", "=", build.id)
    .where("step", "=", step.step)
    .returning("locks")
    .executeTakeFirst();
  if (row?.locks === 1) await releaseStep(tx, build.id, step.step);
  tx.event(
    "step.finished",
    {
      build: build.id,
      builder: build.builder,
      number: build.number,
      step: step.step,
      name: step.name,
      result: step.result,
      summary,
    },
    scope(build),
  );
}

/** What a failed build's end asks for: somebody to look why, outside of the transaction. */
const EXPLAINED: readonly Result[] = ["failure", "exception"];

/**
 * Ends a build. With `retry`, or if it shall be built `again`, its request waits again, not before
 * `notBefore`; otherwise the request ends with the result. False if the build had ended already.
 */
export async function finishBuild(
  tx: Tx,
  build: BuildKey,
  result: Result,
  summary: string,
  { notBefore = 0, again = false }: { notBefore?: number; again?: boolean } = {},
): Promise<boolean> {
  const row = await tx.db
    .updateTable("builds")
    .set({ state: "finished", finished_at: tx.now, result, summary: storable(summary) })
    .where("id", "=", build.id)
    .where("state", "!=", "finished")
    .returning(["worker", "stop_reason"])
    .executeTakeFirst();
  if (!row) return false;
  await releaseBuild(tx, build.id);
  tx.event(
    "build.finished",
    {
      build: build.id,
      builder: build.builder,
      number: build.number,
      request: build.requestId,
      buildset: build.buildsetId,
      worker: row.worker,
      result,
      summary: storable(summary),
    },
    scope(build),
  );
  if (result !== "success" && result !== "warnings") await cancelChildren(tx, build);
  if (EXPLAINED.includes(result)) {
    await tx.db
      .insertInto("build_failures")
      .values({ build_id: build.id, state: "wanted", made_at: null, summary: null })
      .execute();
    tx.ring("failures");
  }
  const request = { id: build.requestId, buildsetId: build.buildsetId, builder: build.builder, project: build.project };
  const lost = result === "retry";
  if (row.stop_reason !== null) await finishRequest(tx, request, lost ? "cancelled" : result);
  else if (!lost && !again) await finishRequest(tx, request, result);
  else {
    const waits = await tx.db
      .updateTable("build_requests")
      .set((eb) => ({
        state: "pending",
        claimed_at: null,
        retries: eb("retries", "+", lost ? 1 : 0),
        not_before: notBefore,
      }))
      .where("id", "=", build.requestId)
      .where("state", "=", "claimed")
      .returning("id")
      .executeTakeFirst();
    if (waits) {
      tx.event(
        "request.retried",
        { request: build.requestId, buildset: build.buildsetId, builder: build.builder },
        scope(build),
      );
    }
  }
  tx.ring("requests");
  return true;
}

export interface UnfinishedBuild extends BuildKey {
  worker: string;
  slot: number;
  fence: number;
  state: string;
  stopReason: string | null;
  generation: number | null;
  request: Pick<Row<"build_requests">, "submitted_at" | "retries" | "priority">;
  buildset: { scheduler: string | null; reason: string; owner: string | null; properties: Record<string, Json> };
}

/** A master's builds that have not ended, oldest first; with `before`, only those of an older fence. */
export async function unfinishedBuilds(
  store: Store,
  masterId: number,
  { limit = 1_000, before }: { limit?: number; before?: number } = {},
): Promise<UnfinishedBuild[]> {
  const rows = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .innerJoin("build_requests as r", "r.id", "b.request_id")
    .innerJoin("buildsets as s", "s.id", "b.buildset_id")
    .select([
      "b.id",
      "b.number",
      "b.worker",
      "b.slot",
      "b.fence",
      "b.state",
      "b.stop_reason",
      "b.generation",
      "b.request_id",
      "b.buildset_id",
      "n.name",
      "n.project",
      "r.submitted_at",
      "r.retries",
      "r.priority",
      "s.scheduler",
      "s.reason",
      "s.owner",
      "s.properties",
    ])
    .where("b.state", "in", ["assigned", "running"])
    .where("b.master_id", "=", masterId)
    .$if(before !== undefined, (query) => query.where("b.fence", "<", before ?? 0))
    .orderBy("b.id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    number: row.number,
    builder: row.name,
    project: row.project,
    requestId: row.request_id,
    buildsetId: row.buildset_id,
    worker: row.worker,
    slot: row.slot,
    fence: row.fence,
    state: row.state,
    stopReason: row.stop_reason,
    generation: row.generation,
    request: { submitted_at: row.submitted_at, retries: row.retries, priority: row.priority },
    buildset: {
      scheduler: row.scheduler,
      reason: row.reason,
      owner: row.owner,
      properties: JSON.parse(row.properties),
    },
  }));
}

/** The next builds that a master of an older fence left unfinished. */
export function lostBuilds(store: Store, masterId: number, lease: HeldLease): Promise<UnfinishedBuild[]> {
  return unfinishedBuilds(store, masterId, { limit: 50, before: lease.fence });
}

/** Ends the steps of a build that have not ended, and notes that their calls were lost. */
export async function endOpenSteps(tx: Tx, build: BuildKey, summary: string): Promise<void> {
  const steps = await tx.db
    .updateTable("steps")
    .set({ finished_at: tx.now, result: "retry", summary })
    .where("build_id", "=", build.id)
    .where("finished_at", "is", null)
    .returning(["step", "name"])
    .execute();
  for (const { step, name } of steps) {
    const { id, builder, number } = build;
    tx.event("step.finished", { build: id, builder, number, step, name, result: "retry", summary }, scope(build));
  }
  await tx.db
    .updateTable("step_calls")
    .set({ finished_at: tx.now, outcome: JSON.stringify({ lost: true }) })
    .where("build_id", "=", build.id)
    .where("finished_at", "is", null)
    .execute();
}

/** Ends builds that were lost as `retry`, under a newer fence of their master's lease. Returns those that had not ended. */
export async function endLostBuilds(store: Store, lost: readonly BuildKey[], lease: HeldLease): Promise<BuildKey[]> {
  return store.write(async (tx) => {
    await tx.requireLease(lease);
    const ended: BuildKey[] = [];
    for (const build of lost) {
      await endOpenSteps(tx, build, "interrupted: the master was lost");
      if (await finishBuild(tx, build, "retry", "the master was lost while it built")) ended.push(build);
    }
    return ended;
  });
}

/** The figures of the step of this name in the newest good build of the same builder and branch before this one. */
export async function lastGoodFigures(
  store: Store,
  build: { id: number; builder: string; branch: string | null },
  step: string,
): Promise<{ number: number; statistics: Record<string, number> } | undefined> {
  const good = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["b.id", "b.number"])
    .where("n.name", "=", build.builder)
    .where("b.branch", build.branch === null ? "is" : "=", build.branch)
    .where("b.id", "<", build.id)
    .where("b.result", "in", ["success", "warnings"])
    .orderBy("b.id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!good) return undefined;
  const row = await store.read
    .selectFrom("steps")
    .select("statistics")
    .where("build_id", "=", good.id)
    .where("name", "=", storable(step))
    .orderBy("step")
    .limit(1)
    .executeTakeFirst();
  return { number: good.number, statistics: JSON.parse(row?.statistics ?? "{}") };
}

/** Average time of the last successful builds of a builder, or `undefined`. */
export async function usualDuration(store: Store, builder: string): Promise<number | undefined> {
  const { rows } = await sql<{ mean: number | null }>`
    select avg(finished_at - started_at) as mean from (
      select b.finished_at, b.started_at from builds b
      where b.builder_id = (select id from builders where name = ${builder}) and b.result in ('success', 'warnings')
      order by b.id desc limit 5) recent`.execute(store.read);
  const mean = rows[0]?.mean;
  return mean === null || mean === undefined ? undefined : Number(mean);
}

function jsonOrNull(value: object | undefined): string | null {
  return value === undefined || Object.keys(value).length === 0 ? null : JSON.stringify(value);
}

function scope(build: BuildKey) {
  return { builder: build.builder, project: build.project };
}
