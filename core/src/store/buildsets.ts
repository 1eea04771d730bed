import { createHash } from "node:crypto";
import { faults } from "../errors/catalogue.ts";
import type { BuildsetSpec, SourceStampSpec } from "../interfaces/scheduler.ts";
import { type Result, worseResult } from "../interfaces/values.ts";
import type { Store } from "./store.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

export type FullStamp = Required<SourceStampSpec>;

const ROWS_AT_ONCE = 100;

export interface AddedBuildset {
  id: number;
  /** One request for each builder, in the order of the specification. */
  requests: { id: number; builder: string }[];
}

export function fullStamp(stamp: SourceStampSpec): FullStamp {
  return {
    repository: storable(stamp.repository),
    branch: storable(stamp.branch),
    revision: storable(stamp.revision),
    codebase: storable(stamp.codebase ?? ""),
    project: storable(stamp.project ?? ""),
    patch: stamp.patch ?? null,
  };
}

/** Writes a buildset with its requests. */
export async function addBuildset(
  tx: Tx,
  spec: BuildsetSpec,
  from: { scheduler?: string; owner?: string; parent?: { build: number; step: number; endsWithBuild: boolean } },
): Promise<AddedBuildset> {
  const names = [...new Set(spec.builders)];
  const builders = await tx.db
    .selectFrom("builders")
    .select(["id", "name", "project", "max_wait"])
    .where("name", "in", names.length > 0 ? names : [""])
    .where("configured", "=", 1)
    .execute();
  const byName = new Map(builders.map((builder) => [builder.name, builder]));
  const missing = names.filter((name) => !byName.has(name));
  if (missing.length > 0) throw faults.builderUnknown(missing);

  const added = await tx.db
    .insertInto("buildsets")
    .values({
      scheduler: from.scheduler ?? null,
      owner: from.owner ?? null,
      reason: storable(spec.reason),
      external_id: storable(spec.externalId ?? null),
      properties: JSON.stringify(spec.properties ?? {}),
      submitted_at: tx.now,
      complete_at: null,
      result: null,
      open_requests: names.length,
      parent_build: from.parent?.build ?? null,
      parent_step: from.parent?.step ?? null,
      ends_with_parent: from.parent ? Number(from.parent.endsWithBuild) : null,
    })
    .onConflict((conflict) => conflict.column("external_id").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (!added) throw faults.buildsetTwice(spec.externalId ?? "");
  const { id } = added;

  for (const stamp of spec.sourceStamps) {
    await tx.db
      .insertInto("buildset_stamps")
      .values({ buildset_id: id, stamp_id: await stampId(tx, fullStamp(stamp)) })
      .execute();
  }
  const changes = [...new Set(spec.changes ?? [])];
  for (let at = 0; at < changes.length; at += ROWS_AT_ONCE) {
    const some = changes.slice(at, at + ROWS_AT_ONCE);
    await tx.db
      .insertInto("buildset_changes")
      .values(some.map((change_id) => ({ buildset_id: id, change_id })))
      .execute();
  }
  tx.event("buildset.added", { buildset: id, scheduler: from.scheduler ?? null, reason: spec.reason, builders: names });
  const requests: AddedBuildset["requests"] = [];
  for (const name of names) {
    const builder = byName.get(name);
    if (!builder) continue;
    const request = await tx.db
      .insertInto("build_requests")
      .values({
        buildset_id: id,
        builder_id: builder.id,
        priority: spec.priority ?? 0,
        urgency: -(spec.priority ?? 0),
        state: "pending",
        submitted_at: tx.now,
        not_before: 0,
        claimed_at: null,
        complete_at: null,
        result: null,
        retries: 0,
        expires_at: expiry(spec.maxWait ?? builder.max_wait, tx.now),
        collapsed_into: null,
        held: null,
        weighed: 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    requests.push({ id: request.id, builder: name });
    tx.event(
      "request.added",
      { request: request.id, buildset: id, builder: name },
      { builder: name, project: builder.project },
    );
  }
  if (requests.length === 0) await finishBuildset(tx, id, from.scheduler ?? null);
  tx.ring("requests");
  return { id, requests };
}

function expiry(maxWait: number | null, now: number): number | null {
  return maxWait === null ? null : now + Math.max(0, Math.ceil(maxWait));
}

async function stampId(tx: Tx, stamp: FullStamp): Promise<number> {
  const text = JSON.stringify([
    stamp.repository,
    stamp.branch,
    stamp.revision,
    stamp.codebase,
    stamp.project,
    stamp.patch,
  ]);
  const hash = createHash("sha256").update(text).digest("hex");
  const known = await tx.db.selectFrom("source_stamps").select("id").where("hash", "=", hash).executeTakeFirst();
  if (known) return known.id;
  const inserted = await tx.db
    .insertInto("source_stamps")
    .values({ ...stamp, patch: stamp.patch && JSON.stringify(stamp.patch), hash, created_at: tx.now })
    .onConflict((conflict) => conflict.column("hash").doUpdateSet({ hash }))
    .returning("id")
    .executeTakeFirstOrThrow();
  return inserted.id;
}

export async function stampsOf(db: Store["read"], buildsets: readonly number[]): Promise<Map<number, FullStamp[]>> {
  const found = new Map<number, FullStamp[]>(buildsets.map((id) => [id, []]));
  if (buildsets.length === 0) return found;
  const rows = await db
    .selectFrom("buildset_stamps")
    .innerJoin("source_stamps", "source_stamps.id", "buildset_stamps.stamp_id")
    .select(["buildset_id", "repository", "branch", "revision", "codebase", "project", "patch"])
    .where("buildset_id", "in", [...buildsets])
    .orderBy("buildset_id")
    .orderBy("source_stamps.codebase")
    .execute();
  for (const { buildset_id, patch, ...stamp } of rows) {
    found.get(buildset_id)?.push({ ...stamp, patch: patch === null ? null : JSON.parse(patch) });
  }
  return found;
}

/** Ends a request with its one result, and its buildset with the last of them. */
export async function finishRequest(
  tx: Tx,
  request: { id: number; buildsetId: number; builder: string; project: string },
  result: Result,
): Promise<boolean> {
  const done = await tx.db
    .updateTable("build_requests")
    .set({ state: "complete", complete_at: tx.now, result })
    .where("id", "=", request.id)
    .where("state", "!=", "complete")
    .returning("id")
    .executeTakeFirst();
  if (!done) return false;
  tx.event(
    "request.finished",
    { request: request.id, buildset: request.buildsetId, builder: request.builder, result },
    { builder: request.builder, project: request.project },
  );
  const set = await tx.db
    .updateTable("buildsets")
    .set((eb) => ({ open_requests: eb("open_requests", "-", 1) }))
    .where("id", "=", request.buildsetId)
    .returning(["open_requests", "scheduler"])
    .executeTakeFirst();
  if (set && set.open_requests === 0) await finishBuildset(tx, request.buildsetId, set.scheduler);
  return true;
}

async function finishBuildset(tx: Tx, id: number, scheduler: string | null): Promise<void> {
  const rows = await tx.db.selectFrom("build_requests").select("result").where("buildset_id", "=", id).execute();
  const result = rows.reduce<Result>(
    (worst, row) => worseResult(worst, (row.result ?? "skipped") as Result),
    "skipped",
  );
  await tx.db.updateTable("buildsets").set({ complete_at: tx.now, result }).where("id", "=", id).execute();
  tx.event("buildset.finished", { buildset: id, scheduler, result });
  tx.ring("scheduling:finished");
}
