import type { Json, Millis, Result } from "../interfaces/values.ts";
import type { Attempt } from "./build-details.ts";
import type { BuildKey, UnfinishedBuild } from "./builds.ts";
import type { Store } from "./store.ts";
import type { HeldLease, Tx } from "./tx.ts";

/** A worker call as the journal knows it. */
export interface PastCall {
  call: number;
  method: string;
  argsHash: string;
  startedAt: Millis;
  finishedAt: Millis | null;
  outcome: Json;
  kept: string | null;
}

/** A log that is still open. */
export interface PastLog {
  log: number;
  name: string;
  key: string;
}

export interface PastStep {
  step: number;
  parent: number | null;
  name: string;
  kind: string;
  startedAt: Millis;
  finishedAt: Millis | null;
  result: Result | null;
  summary: string;
  /** How many steps it has added. */
  added: number;
  attempts: Attempt[];
  /** Those of its attempt that has not ended. */
  calls: PastCall[];
  logs: PastLog[];
  /** How many logs there are of all attempts. */
  logCount: number;
}

/** What an earlier life of the master has written of a build that goes on. */
export interface PastBuild {
  startedAt: Millis;
  /** Names of the secrets that it has asked for. */
  secrets: string[];
  properties: { name: string; value: Json; source: string }[];
  /** Names of the data that its steps kept with it. */
  data: string[];
  steps: PastStep[];
}

export async function readPast(store: Store, build: number): Promise<PastBuild | undefined> {
  const db = store.read;
  const row = await db
    .selectFrom("builds")
    .select(["started_at", "secrets"])
    .where("id", "=", build)
    .executeTakeFirst();
  if (!row || row.started_at === null) return undefined;
  const properties = await db.selectFrom("properties").selectAll().where("build_id", "=", build).execute();
  const data = await db.selectFrom("build_data").select("name").where("build_id", "=", build).execute();
  const steps = await db.selectFrom("steps").selectAll().where("build_id", "=", build).orderBy("step").execute();
  const past: PastStep[] = [];
  for (const step of steps) {
    const attempts = JSON.parse(step.attempts ?? "[]") as Attempt[];
    const open = step.finished_at === null;
    const before = attempts.at(-1)?.calls ?? 0;
    const calls = open ? await openCalls(store, build, step.step, before) : [];
    const logs = open
      ? await db
          .selectFrom("logs")
          .select(["log", "name", "store_key", "finished"])
          .where("build_id", "=", build)
          .where("step", "=", step.step)
          .execute()
      : [];
    past.push({
      step: step.step,
      parent: step.parent,
      name: step.name,
      kind: step.kind,
      startedAt: step.started_at,
      finishedAt: step.finished_at,
      result: step.result as Result | null,
      summary: step.summary,
      added: step.added,
      attempts,
      calls,
      logs: logs.filter((log) => log.finished === 0).map(({ log, name, store_key: key }) => ({ log, name, key })),
      logCount: Math.max(0, ...logs.map(({ log }) => log)),
    });
  }
  return {
    startedAt: row.started_at,
    secrets: JSON.parse(row.secrets ?? "[]") as string[],
    properties: properties.map(({ name, value, source }) => ({ name, value: JSON.parse(value) as Json, source })),
    data: data.map(({ name }) => name),
    steps: past,
  };
}

async function openCalls(store: Store, build: number, step: number, after: number): Promise<PastCall[]> {
  const rows = await store.read
    .selectFrom("step_calls")
    .selectAll()
    .where("build_id", "=", build)
    .where("step", "=", step)
    .where("call", ">", after)
    .orderBy("call")
    .execute();
  return rows.map((row) => ({
    call: row.call,
    method: row.method,
    argsHash: row.args_hash,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as Json),
    kept: row.kept,
  }));
}

/** The plan that a build began with; null if it cannot go on after a restart, or has not begun. */
export async function planOf(store: Store, build: UnfinishedBuild): Promise<string | null> {
  if (build.state !== "running" || build.stopReason !== null) return null;
  const row = await store.read.selectFrom("builds").select("plan").where("id", "=", build.id).executeTakeFirst();
  return row?.plan ?? null;
}

/** Has a build end as `retry` when its master comes back. */
export async function forgetPlan(tx: Tx, build: BuildKey): Promise<void> {
  await tx.db.updateTable("builds").set({ plan: null }).where("id", "=", build.id).execute();
}

/** Takes a build over from an earlier life of its master. False if it has ended meanwhile. */
export async function takeOver(store: Store, build: BuildKey, worker: string, lease: HeldLease): Promise<boolean> {
  return store.write(async (tx) => {
    await tx.requireLease(lease);
    const row = await tx.db
      .updateTable("builds")
      .set({ fence: lease.fence })
      .where("id", "=", build.id)
      .where("state", "=", "running")
      .where("fence", "<", lease.fence)
      .returning("id")
      .executeTakeFirst();
    if (!row) return false;
    const { id, builder, number, project } = build;
    tx.event("build.resumed", { build: id, builder, number, worker }, { builder, project });
    return true;
  });
}
