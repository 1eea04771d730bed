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

/** Properties that an entry of the configuration gives to builds. */
export interface GivenProperties {
  readonly properties: Record<string, Json>;
  /** Only where nothing else has set them. */
  readonly defaultProperties: Record<string, Json>;
}

/**
 * Gives a build the properties that it begins with, in Buildbot's order, the later wins: changes, the
 * scheduler (with what was forced), the builder, what the build is, the worker. Steps come after that.
 */
export function setFirstProperties(
  properties: BuildProperties,
  build: UnfinishedBuild,
  { builder, worker }: { builder: GivenProperties; worker: GivenProperties },
  { stamps, owners, changeProperties }: BuildFacts,
): void {
  const stamp = stamps[0];
  const own: Record<string, Json> = {
    buildername: build.builder,
    buildnumber: build.number,
    workername: build.worker,
    project: stamp?.project ?? "",
    repository: stamp?.repository ?? "",
    codebase: stamp?.codebase ?? "",
    branch: stamp?.branch ?? null,
    revision: stamp?.revision ?? null,
  };
  const given = new Map<string, { value: Json; source: string }>();
  const set = (values: Record<string, Json>, source: string) => {
    for (const [name, value] of Object.entries(values)) given.set(name, { value, source });
  };
  const setMissing = (values: Record<string, Json>, source: string) => {
    for (const [name, value] of Object.entries(values)) if (!given.has(name)) given.set(name, { value, source });
  };
  for (const values of changeProperties) set(values, "Change");
  set(build.buildset.properties, "Scheduler");
  set(builder.properties, "Builder");
  setMissing(builder.defaultProperties, "Builder");
  for (const name of Object.keys(own)) given.delete(name);
  properties.derive({ scheduler: build.buildset.scheduler, owners: [...owners], ...own }, "Build");
  set(worker.properties, "Worker");
  setMissing(without(worker.defaultProperties, own), "Worker");
  for (const [name, { value, source }] of given) properties.set(name, value, source);
}

function without(values: Record<string, Json>, taken: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !Object.hasOwn(taken, name)));
}
