import { z } from "zod";
import type { Result } from "../interfaces/values.ts";
import type { ApiDeps } from "./deps.ts";
import { type parentShape, result } from "./shapes.ts";
import type { View } from "./visibility.ts";

export const triggeredShape = z.object({
  buildset: z.int(),
  step: z.int(),
  scheduler: z.string().nullable(),
  result: result.nullable(),
  builds: z.array(z.object({ id: z.int(), builder: z.string(), number: z.int(), result: result.nullable() })),
});

type Parent = z.output<typeof parentShape>;
type Triggered = z.output<typeof triggeredShape>;

const MOST_ROWS = 10_000;

/** The steps that triggered buildsets, by the buildsets' ids; without those that are hidden. */
export async function parentsOf(
  { store }: ApiDeps,
  view: View,
  buildsets: readonly number[],
): Promise<Map<number, Parent>> {
  if (buildsets.length === 0) return new Map();
  const names = await view.builders();
  const rows = await store.read
    .selectFrom("buildsets as s")
    .innerJoin("builds as b", "b.id", "s.parent_build")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["s.id", "b.id as build", "n.name as builder", "b.number", "s.parent_step"])
    .where("s.id", "in", [...buildsets])
    .execute();
  return new Map(
    rows
      .filter(({ builder }) => names === null || names.has(builder))
      .map(({ id, parent_step, ...parent }) => [id, { ...parent, step: parent_step ?? 0 }]),
  );
}

/** What builds have triggered, by the builds' ids; without what is hidden. */
export async function triggeredBy(
  { store }: ApiDeps,
  view: View,
  builds: readonly number[],
): Promise<Map<number, Triggered[]>> {
  const found = new Map<number, Triggered[]>();
  const names = await view.builders();
  const rows = await store.read
    .selectFrom("buildsets as s")
    .innerJoin("build_requests as r", "r.buildset_id", "s.id")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .leftJoin("builds as b", "b.request_id", "r.id")
    .select([
      "s.id as buildset",
      "s.parent_build",
      "s.parent_step",
      "s.scheduler",
      "s.result as ended",
      "n.name as builder",
      "b.id",
      "b.number",
      "b.result",
    ])
    .where("s.parent_build", "in", [...builds])
    .orderBy("s.id")
    .orderBy("b.id")
    .limit(MOST_ROWS)
    .execute();
  for (const row of rows) {
    // A buildset is shown to whoever sees one of its builders, with the builds of those.
    if (row.parent_build === null || (names !== null && !names.has(row.builder))) continue;
    const list = found.get(row.parent_build) ?? [];
    found.set(row.parent_build, list);
    let set = list.find(({ buildset }) => buildset === row.buildset);
    if (!set) {
      const { buildset, scheduler, ended } = row;
      set = { buildset, step: row.parent_step ?? 0, scheduler, result: ended as Result | null, builds: [] };
      list.push(set);
    }
    if (row.id !== null && row.number !== null)
      set.builds.push({ id: row.id, builder: row.builder, number: row.number, result: row.result as Result | null });
  }
  return found;
}
