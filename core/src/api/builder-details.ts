import { sql } from "kysely";
import { z } from "zod";
import type { ApiDeps } from "./deps.ts";
import { BUILD_COLUMNS, toBuild } from "./rows.ts";
import { buildShape } from "./shapes.ts";

/** What can be asked for with builders, so that an overview of a farm costs one call. */
export const builderDetailsShape = z.object({
  lastBuild: buildShape.nullable().describe("its newest build that has ended"),
  running: z.array(buildShape).describe("assigned or running, newest first"),
  pending: z.int().describe("requests that wait"),
});

export type BuilderDetail = keyof typeof builderDetailsShape.shape;
export type BuilderDetails = z.output<typeof builderDetailsShape>;

export const BUILDER_DETAILS = Object.keys(builderDetailsShape.shape) as [BuilderDetail, ...BuilderDetail[]];

/** The wanted details of builders, by their ids. With a branch, only builds of that branch count. */
export async function builderDetails(
  { store }: ApiDeps,
  ids: readonly number[],
  wanted: readonly BuilderDetail[],
  branch: string | undefined,
): Promise<Map<number, Partial<BuilderDetails>>> {
  const found = new Map<number, Partial<BuilderDetails>>(ids.map((id) => [id, {}]));
  if (ids.length === 0) return found;
  const give = <D extends BuilderDetail>(detail: D, of: (id: number) => BuilderDetails[D]) => {
    for (const [id, details] of found) details[detail] = of(id);
  };
  const builds = () =>
    store.read
      .selectFrom("builds as b")
      .innerJoin("builders as n", "n.id", "b.builder_id")
      .select(BUILD_COLUMNS)
      .select("b.builder_id");
  const makers: { [D in BuilderDetail]: () => Promise<void> } = {
    async lastBuild() {
      // From the newest down by an index, past the few that run: never more than a handful of rows a builder.
      const last =
        branch === undefined
          ? sql`select l.id from builds l where l.builder_id = m.id and l.state = 'finished' order by l.number desc limit 1`
          : sql`select l.id from builds l where l.builder_id = m.id and l.branch = ${branch} and l.state = 'finished' order by l.id desc limit 1`;
      const rows = await builds()
        .where("b.id", "in", sql<number>`(select (${last}) from builders m where m.id in (${sql.join([...ids])}))`)
        .execute();
      const of = new Map(rows.map((row) => [row.builder_id, toBuild(row)]));
      give("lastBuild", (id) => of.get(id) ?? null);
    },
    async running() {
      const rows = await builds()
        .where("b.state", "in", ["assigned", "running"])
        .where("b.builder_id", "in", [...ids])
        .$if(branch !== undefined, (q) => q.where("b.branch", "=", branch as string))
        .orderBy("b.id", "desc")
        .execute();
      const of = Map.groupBy(rows, (row) => row.builder_id);
      give("running", (id) => (of.get(id) ?? []).map(toBuild));
    },
    async pending() {
      const rows = await store.read
        .selectFrom("build_requests")
        .select(["builder_id", (eb) => eb.fn.countAll<number>().as("count")])
        .where("state", "=", "pending")
        .where("builder_id", "in", [...ids])
        .groupBy("builder_id")
        .execute();
      const of = new Map(rows.map((row) => [row.builder_id, Number(row.count)]));
      give("pending", (id) => of.get(id) ?? 0);
    },
  };
  await Promise.all([...new Set(wanted)].map((detail) => makers[detail]()));
  return found;
}
