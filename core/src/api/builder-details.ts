import { sql } from "kysely";
import { z } from "zod";
import { faults } from "../errors/catalogue.ts";
import type { ApiDeps } from "./deps.ts";
import { BUILD_COLUMNS, toBuild } from "./rows.ts";
import { buildShape } from "./shapes.ts";

/** What can be asked for with builders, so that an overview of a farm costs one call. */
export const builderDetailsShape = z.object({
  lastBuild: buildShape.nullable().describe("its newest build that has ended"),
  running: z.array(buildShape).describe("assigned or running, newest first"),
  recent: z.array(buildShape).describe("its newest builds, whether they have ended or not, newest first"),
  pending: z.int().describe("requests that wait"),
});

/** How many of its newest builds each builder may be asked for with, and what that comes to at most in one answer. */
export const MOST_RECENT = 100;
const MOST_ROWS = 10_000;
const DEFAULT_RECENT = 10;
const SLICE = 5;

export interface BuilderWish {
  include: readonly BuilderDetail[];
  /** Only builds of this branch count. */
  branch?: string | undefined;
  recent?: number | undefined;
}

export type BuilderDetail = keyof typeof builderDetailsShape.shape;
export type BuilderDetails = z.output<typeof builderDetailsShape>;

export const BUILDER_DETAILS = Object.keys(builderDetailsShape.shape) as [BuilderDetail, ...BuilderDetail[]];

/** The wanted details of builders, by their ids. */
export async function builderDetails(
  { store }: ApiDeps,
  ids: readonly number[],
  { include, branch, recent = DEFAULT_RECENT }: BuilderWish,
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
    async recent() {
      if (ids.length * recent > MOST_ROWS) {
        const message = `${ids.length} builders with ${recent} builds each are more than ${MOST_ROWS} builds; ask for fewer`;
        throw faults.paramsInvalid("builders.list", [{ path: "recent", message }]);
      }
      const rows = branch === undefined ? await newest() : await newestOf(branch);
      const of = new Map<number, BuilderDetails["recent"]>(ids.map((id) => [id, []]));
      let sliceEnd = performance.now() + SLICE;
      for (const row of rows) {
        of.get(row.builder_id)?.push(toBuild(row));
        if (performance.now() < sliceEnd) continue;
        await new Promise((resolve) => setImmediate(resolve));
        sliceEnd = performance.now() + SLICE;
      }
      give("recent", (id) => of.get(id) ?? []);
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
  /** A builder's numbers have no holes but those of builds that were removed, which were old. */
  const newest = () =>
    builds()
      .where("n.id", "in", [...ids])
      .whereRef("b.number", ">=", sql`n.next_number - ${recent}`)
      .orderBy("b.builder_id")
      .orderBy("b.number", "desc")
      .execute();
  const newestOf = async (branch: string) => {
    const found = [];
    for (const id of ids)
      found.push(
        ...(await builds()
          .where("b.builder_id", "=", id)
          .where("b.branch", "=", branch)
          .orderBy("b.id", "desc")
          .limit(recent)
          .execute()),
      );
    return found;
  };
  await Promise.all([...new Set(include)].map((detail) => makers[detail]()));
  return found;
}
