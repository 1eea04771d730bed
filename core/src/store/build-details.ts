import type { Json, Millis, Result } from "../interfaces/values.ts";
import type { EventType } from "../status/events.ts";
import type { BuildKey } from "./builds.ts";
import type { Tx } from "./tx.ts";

/** Something that a step keeps with its build; bytes are base64. */
export interface DataRecord {
  name: string;
  step: number;
  type: "json" | "bytes";
  bytes: number;
  value: string;
}

/** An attempt of a step after which there was another one. */
export interface Attempt {
  result: Result;
  summary: string;
  startedAt: Millis;
  finishedAt: Millis;
  /** How many calls the step had made of its worker by then, in all of its attempts. */
  calls?: number;
  /** How many buildsets it had asked for. */
  triggers?: number;
}

/** What became known of a running step: the whole column, and an event for each thing that is new. */
export interface StepNews {
  step: number;
  column: "attempts" | "links";
  value: Json;
  events: { type: EventType; data: Record<string, Json> }[];
}

/** Keeps a value with a build, in the place of one of the same name. */
export async function addBuildData(tx: Tx, build: BuildKey, { name, ...record }: DataRecord): Promise<void> {
  await tx.db
    .insertInto("build_data")
    .values({ build_id: build.id, name, ...record })
    .onConflict((conflict) => conflict.columns(["build_id", "name"]).doUpdateSet(record))
    .execute();
  const { id, builder, number, project } = build;
  tx.event("build.data", { build: id, builder, number, step: record.step, name }, { builder, project });
}

export async function noteStep(
  tx: Tx,
  { id, builder, number, project }: BuildKey,
  { step, column, value, events }: StepNews,
): Promise<void> {
  await tx.db
    .updateTable("steps")
    .set({ [column]: JSON.stringify(value) })
    .where("build_id", "=", id)
    .where("step", "=", step)
    .execute();
  for (const { type, data } of events)
    tx.event(type, { build: id, builder, number, step, ...data }, { builder, project });
}
