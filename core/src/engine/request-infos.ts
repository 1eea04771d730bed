import type { RequestInfo } from "../interfaces/distribution.ts";
import type { RenderContext } from "../interfaces/properties.ts";
import { stampsOf } from "../store/buildsets.ts";
import type { Db } from "../store/tables.ts";
import { BuildProperties } from "./build-properties.ts";

const MOST_CHANGES = 100;

/** A request as the distributor reads it. */
export interface QueuedRequest {
  id: number;
  buildset_id: number;
  builder_id: number;
  name: string;
  project: string;
  priority: number;
  urgency: number;
  submitted_at: number;
  not_before: number;
  retries: number;
  held: string | null;
}

/** What functions of a configuration are told of waiting requests, in the order of these. */
export async function requestInfos(db: Db, rows: readonly QueuedRequest[]): Promise<RequestInfo[]> {
  if (rows.length === 0) return [];
  const ids = [...new Set(rows.map((row) => row.buildset_id))];
  const [sets, stamps, links] = [
    await db
      .selectFrom("buildsets")
      .select(["id", "reason", "scheduler", "properties"])
      .where("id", "in", ids)
      .execute(),
    await stampsOf(db, ids),
    await db
      .selectFrom("buildset_changes")
      .selectAll()
      .where("buildset_id", "in", ids)
      .orderBy("change_id")
      .limit(MOST_CHANGES * ids.length)
      .execute(),
  ];
  const byId = new Map(sets.map((set) => [set.id, set]));
  const changes = Map.groupBy(links, (link) => link.buildset_id);
  return rows.map((row) => {
    const set = byId.get(row.buildset_id);
    return {
      id: row.id,
      builder: row.name,
      buildset: row.buildset_id,
      scheduler: set?.scheduler ?? null,
      reason: set?.reason ?? "",
      priority: row.priority,
      submittedAt: row.submitted_at,
      retries: row.retries,
      sourceStamps: stamps.get(row.buildset_id) ?? [],
      changes: (changes.get(row.buildset_id) ?? []).slice(0, MOST_CHANGES).map((link) => link.change_id),
      properties: JSON.parse(set?.properties ?? "{}"),
    };
  });
}

/** What locks are computed from while there is no build yet. */
export function renderContextOf(
  request: RequestInfo,
  worker: string,
  builder: { project: string; properties: RequestInfo["properties"] },
): RenderContext {
  const properties = new BuildProperties(() => undefined);
  const stamp = request.sourceStamps[0];
  properties.derive(
    {
      buildername: request.builder,
      workername: worker,
      project: stamp?.project ?? "",
      repository: stamp?.repository ?? "",
      codebase: stamp?.codebase ?? "",
      branch: stamp?.branch ?? null,
      revision: stamp?.revision ?? null,
      scheduler: request.scheduler,
    },
    "Build",
  );
  properties.derive(builder.properties, "Builder");
  properties.derive(request.properties, "Scheduler");
  return {
    properties,
    build: {
      id: 0,
      number: 0,
      builder: request.builder,
      worker,
      requestId: request.id,
      buildsetId: request.buildset,
      reason: request.reason,
      sourceStamps: request.sourceStamps,
      owners: [],
      result: "success",
    },
    secret: async (name) => {
      throw new Error(`the secret "${name}" is not to be had before there is a build`);
    },
  };
}
