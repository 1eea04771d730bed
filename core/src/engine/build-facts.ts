import type { Json } from "../interfaces/values.ts";
import type { UnfinishedBuild } from "../store/builds.ts";
import { type FullStamp, stampsOf } from "../store/buildsets.ts";
import type { Store } from "../store/store.ts";
import type { BuildProperties } from "./build-properties.ts";

const MOST_CHANGES = 1_000;

/** What a build is of: its source stamps, and the changes that led to it. */
export interface BuildFacts {
  stamps: readonly FullStamp[];
  /** Authors of the changes, each once. */
  owners: readonly string[];
  changeProperties: readonly Record<string, Json>[];
}

export const NO_FACTS: BuildFacts = { stamps: [], owners: [], changeProperties: [] };

export async function readFacts(store: Store, { buildsetId }: UnfinishedBuild): Promise<BuildFacts> {
  const [stamps, changes] = await Promise.all([
    stampsOf(store.read, [buildsetId]),
    store.read
      .selectFrom("buildset_changes as l")
      .innerJoin("changes as c", "c.id", "l.change_id")
      .select(["c.author", "c.properties", "c.id"])
      .where("l.buildset_id", "=", buildsetId)
      .orderBy("c.id")
      .limit(MOST_CHANGES)
      .execute(),
  ]);
  return {
    stamps: stamps.get(buildsetId) ?? [],
    owners: [...new Set(changes.map((change) => change.author))],
    changeProperties: changes.map((change) => JSON.parse(change.properties)),
  };
}

/** Gives a build the properties that it begins with. */
export function setFirstProperties(
  properties: BuildProperties,
  build: UnfinishedBuild,
  builder: { properties: Record<string, Json> },
  { stamps, owners, changeProperties }: BuildFacts,
): void {
  const stamp = stamps[0];
  const set = (values: Record<string, Json>, source: string) => {
    for (const [name, value] of Object.entries(values)) properties.set(name, value, source);
  };
  properties.derive(
    {
      buildername: build.builder,
      buildnumber: build.number,
      workername: build.worker,
      project: stamp?.project ?? "",
      repository: stamp?.repository ?? "",
      codebase: stamp?.codebase ?? "",
      branch: stamp?.branch ?? null,
      revision: stamp?.revision ?? null,
      scheduler: build.buildset.scheduler,
      owners: [...owners],
    },
    "Build",
  );
  set(builder.properties, "Builder");
  for (const values of changeProperties) set(values, "Change");
  set(build.buildset.properties, "Scheduler");
}
