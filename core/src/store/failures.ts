import type { Json, Millis } from "../interfaces/values.ts";
import type { BuildKey } from "./builds.ts";
import type { Store } from "./store.ts";
import type { Row } from "./tables.ts";
import type { HeldLease } from "./tx.ts";

/** A build whose failure nobody has looked into yet. */
export interface UnexplainedBuild extends BuildKey {
  builderId: number;
  branch: string | null;
}

/** The oldest build that failed and is not explained yet. */
export async function nextUnexplained(store: Store): Promise<UnexplainedBuild | undefined> {
  const row = await store.read
    .selectFrom("build_failures as f")
    .innerJoin("builds as b", "b.id", "f.build_id")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["b.id", "b.number", "b.builder_id", "b.branch", "b.request_id", "b.buildset_id", "n.name", "n.project"])
    .where("f.state", "=", "wanted")
    .orderBy("f.build_id")
    .limit(1)
    .executeTakeFirst();
  return (
    row && {
      id: row.id,
      number: row.number,
      builder: row.name,
      builderId: row.builder_id,
      project: row.project,
      branch: row.branch,
      requestId: row.request_id,
      buildsetId: row.buildset_id,
    }
  );
}

/** Keeps the explanation of a failure, once. */
export async function keepFailure(store: Store, lease: HeldLease, build: BuildKey, summary: Json): Promise<void> {
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    const kept = await tx.db
      .updateTable("build_failures")
      .set({ state: "made", made_at: tx.now, summary: JSON.stringify(summary) })
      .where("build_id", "=", build.id)
      .where("state", "=", "wanted")
      .returning("build_id")
      .executeTakeFirst();
    const { id, builder, number, project } = build;
    if (kept) tx.event("build.explained", { build: id, builder, number }, { builder, project });
  });
}

/** The steps of a build that failed and are no groups, in their order. */
export function failedSteps(store: Store, build: number, limit: number): Promise<Row<"steps">[]> {
  return store.read
    .selectFrom("steps")
    .selectAll()
    .where("build_id", "=", build)
    .where("result", "in", ["failure", "exception"])
    .where("kind", "not in", ["parallel", "sequence"])
    .orderBy("step")
    .limit(limit)
    .execute();
}

export function logsOfStep(store: Store, build: number, step: number): Promise<Row<"logs">[]> {
  return store.read
    .selectFrom("logs")
    .selectAll()
    .where("build_id", "=", build)
    .where("step", "=", step)
    .orderBy("log")
    .execute();
}

export interface GoodBuild {
  id: number;
  number: number;
  revision: string | null;
  finishedAt: Millis | null;
}

/** The newest good build of the same builder and branch before this one. */
export async function lastGoodBuild(store: Store, build: UnexplainedBuild): Promise<GoodBuild | undefined> {
  const row = await store.read
    .selectFrom("builds")
    .select(["id", "number", "revision", "finished_at"])
    .where("builder_id", "=", build.builderId)
    .where("branch", build.branch === null ? "is" : "=", build.branch)
    .where("id", "<", build.id)
    .where("result", "in", ["success", "warnings"])
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && { id: row.id, number: row.number, revision: row.revision, finishedAt: row.finished_at };
}

/** Changes of this build and of those of the same builder and branch after the good one, newest first. Without a good one, its own. */
export function changesSince(
  store: Store,
  build: UnexplainedBuild,
  good: GoodBuild | undefined,
  limit: number,
): Promise<Row<"changes">[]> {
  const since = good?.id ?? build.id - 1;
  return store.read
    .selectFrom("changes")
    .selectAll()
    .where("id", "in", (eb) =>
      eb
        .selectFrom("buildset_changes as l")
        .innerJoin("builds as b", "b.buildset_id", "l.buildset_id")
        .select("l.change_id")
        .where("b.builder_id", "=", build.builderId)
        .where("b.branch", build.branch === null ? "is" : "=", build.branch)
        .where("b.id", ">", since)
        .where("b.id", "<=", build.id),
    )
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}
