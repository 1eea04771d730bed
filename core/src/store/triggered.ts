import { sql } from "kysely";
import type { TriggeredBuild } from "../interfaces/build-step.ts";
import type { Result } from "../interfaces/values.ts";
import { type AddedBuildset, finishRequest } from "./buildsets.ts";
import { leaveLine } from "./locks.ts";
import type { Db } from "./tables.ts";
import type { Tx } from "./tx.ts";

const MOST_BUILDS = 1_000;

/** The buildset of this external id, as it was added. */
export async function buildsetByExternalId(tx: Tx, externalId: string): Promise<AddedBuildset | undefined> {
  const row = await tx.db.selectFrom("buildsets").select("id").where("external_id", "=", externalId).executeTakeFirst();
  if (!row) return undefined;
  const requests = await tx.db
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(["r.id", "n.name as builder"])
    .where("r.buildset_id", "=", row.id)
    .orderBy("r.id")
    .execute();
  return { id: row.id, requests };
}

/** The builds of a buildset, oldest first. */
export async function buildsOf(db: Db, buildset: number): Promise<TriggeredBuild[]> {
  const rows = await db
    .selectFrom("build_requests as r")
    .innerJoin("builds as b", "b.request_id", "r.id")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["b.id", "n.name as builder", "b.number", "b.result"])
    .where("r.buildset_id", "=", buildset)
    .orderBy("b.id")
    .limit(MOST_BUILDS)
    .execute();
  return rows.map((row) => ({ ...row, result: row.result as Result | null }));
}

/**
 * Cancels a request: tells its build to stop, or ends it where there is none. Returns the builds
 * that are told; `undefined` if the request had ended already.
 */
export async function cancelRequest(
  tx: Tx,
  request: { id: number; buildsetId: number; builder: string; project: string },
  text: string,
): Promise<number[] | undefined> {
  const stop = () =>
    tx.db
      .updateTable("builds")
      .set((eb) => ({ stop_reason: eb.fn.coalesce("stop_reason", eb.val(text)) }))
      .where("request_id", "=", request.id)
      .where("state", "!=", "finished")
      .returning(["id", "master_id"])
      .execute();
  let builds = await stop();
  if (builds.length === 0) {
    let query = tx.db.selectFrom("build_requests").select("state").where("id", "=", request.id);
    if (tx.dialect.lockForUpdate) query = query.modifyEnd(sql.raw(tx.dialect.lockForUpdate));
    const { state } = await query.executeTakeFirstOrThrow();
    if (state === "complete") return undefined;
    // It was given to a worker between the two looks.
    if (state === "claimed") builds = await stop();
  }
  for (const build of builds) tx.ring(`builds:${build.master_id}`);
  if (builds.length === 0) {
    await leaveLine(tx, [request.id]);
    await finishRequest(tx, request, "cancelled");
  }
  return builds.map((build) => build.id);
}

/** Cancels every request of a buildset that has not ended. */
export async function cancelBuildset(tx: Tx, buildset: number, text: string): Promise<void> {
  const requests = await tx.db
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(["r.id", "n.name", "n.project"])
    .where("r.buildset_id", "=", buildset)
    .where("r.state", "!=", "complete")
    .orderBy("r.id")
    .execute();
  for (const { id, name, project } of requests) {
    await cancelRequest(tx, { id, buildsetId: buildset, builder: name, project }, text);
  }
}

/** Cancels what a build has triggered and that shall not outlive it. */
export async function cancelChildren(tx: Tx, build: { id: number; builder: string; number: number }): Promise<void> {
  const rows = await tx.db
    .selectFrom("buildsets")
    .select("id")
    .where("parent_build", "=", build.id)
    .where("ends_with_parent", "=", 1)
    .where("complete_at", "is", null)
    .orderBy("id")
    .execute();
  for (const { id } of rows)
    await cancelBuildset(tx, id, `${build.builder} ${build.number}, which triggered it, has ended`);
}
