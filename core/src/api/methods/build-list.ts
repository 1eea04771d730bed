import { sql } from "kysely";
import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { Json } from "../../interfaces/values.ts";
import type { Store } from "../../store/store.ts";
import { DETAILS, detailsOf, detailsShape, MOST_DETAILED } from "../build-details.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, MOST, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { beginsWith, revisionPrefix } from "../revision-prefix.ts";
import { BUILD_COLUMNS, toBuild } from "../rows.ts";
import { buildShape, result } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(buildShape.shape);
const ORDERS = ["-id", "id", "-finishedAt", "finishedAt"] as const;

/** So many builders can be asked for at once. */
const MOST_BUILDERS = 100;

const filters = {
  builder: z.string().optional(),
  builders: z
    .array(z.string())
    .min(1)
    .max(MOST_BUILDERS)
    .optional()
    .describe(`of any of these, at most ${MOST_BUILDERS}`),
  state: z.enum(["assigned", "running", "finished"]).optional(),
  result: result.optional(),
  branch: z.string().optional(),
  revision: z.string().optional(),
  revisionPrefix,
  request: z.int().optional(),
  worker: z.string().optional(),
  builds: z.array(z.int()).min(1).max(MOST).optional().describe("only these, by their ids"),
  finishedSince: z.int().optional().describe("ended at this time or later"),
  finishedUntil: z.int().optional().describe("ended at this time or before"),
};
type Filter = z.output<z.ZodObject<typeof filters>>;

export function buildListMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "builds.list",
      permission: "read",
      summary: "Builds, newest first.",
      params: z.strictObject({
        ...filters,
        include: z
          .array(z.enum(DETAILS))
          .min(1)
          .max(DETAILS.length)
          .optional()
          .describe(`what each item has besides its fields; then \`limit\` is at most ${MOST_DETAILED}`),
        ...pageParams(FIELDS, ORDERS),
      }),
      result: pageResult(buildShape.extend(detailsShape.shape)),
      example: { builder: "runtests", limit: 10, include: ["sourceStamps", "steps"] },
      stability: "stable",
      // What a running step says of itself is not in the database yet.
      lasts: ({ items }) => items.every((build) => build.steps === undefined || build.finishedAt !== null),
      async call({ cursor, order, fields, include, limit: wanted, ...filter }, { caller }) {
        const limit = wanted ?? (include ? Math.min(DEFAULT_LIMIT, MOST_DETAILED) : DEFAULT_LIMIT);
        if (include && limit > MOST_DETAILED) {
          const message = `with \`include\` at most ${MOST_DETAILED}`;
          throw faults.paramsInvalid("builds.list", [{ path: "limit", message }]);
        }
        const view = new View(caller, store);
        const seen = await view.builders();
        const { query, byEnd, down, place } = orderOf(filter, order);
        const [end, after] = byEnd
          ? (readCursor(cursor, query, z.tuple([z.int(), idPlace])) ?? [])
          : [undefined, readCursor(cursor, query, idPlace)];
        const beyond = down ? "<" : ">";
        const one = filter.builder === undefined ? undefined : await builderIdOf(store, filter.builder, seen);
        if (one === null) return { items: [], next: null };
        const several = filter.builders && (await builderIdsOf(store, filter.builders, seen));
        if (several?.length === 0) return { items: [], next: null };
        const list = (of: number | readonly number[] | undefined) =>
          matching(store, filter, seen)
            .$if(one !== undefined, (q) => q.where("b.builder_id", "=", one as number))
            .$if(typeof of === "number", (q) => q.where("b.builder_id", "=", of as number))
            .$if(typeof of === "object", (q) => q.where("b.builder_id", "in", of as readonly number[]))
            .$if(byEnd, (q) => q.where("b.finished_at", "is not", null).orderBy("b.finished_at", down ? "desc" : "asc"))
            .$if(!byEnd && after !== undefined, (q) => q.where(place, beyond, after as number))
            .$if(byEnd && after !== undefined, (q) =>
              q.where((eb) =>
                eb.or([
                  eb("b.finished_at", beyond, end as number),
                  eb.and([eb("b.finished_at", "=", end as number), eb("b.id", beyond, after as number)]),
                ]),
              ),
            )
            .orderBy(byEnd ? "b.id" : place, down ? "desc" : "asc")
            .limit(limit + 1);
        // Each builder's newest from its own index: one that builds seldom would have the whole table searched.
        const ids =
          byEnd && several !== undefined
            ? sql<number>`(${sql.join(
                several.map((id) => sql`select id from (${list(id).select("b.id")}) s${sql.lit(id)}`),
                sql` union all `,
              )})`
            : undefined;
        const rows = await list(several)
          .$if(ids !== undefined, (q) => q.where("b.id", "in", ids as NonNullable<typeof ids>))
          .select(BUILD_COLUMNS)
          .execute();
        const builds = rows.map(toBuild);
        const placeOf = (last: { id: number; number: number; finishedAt: number | null }): Json =>
          byEnd ? [last.finishedAt, last.id] : place === "b.id" ? last.id : last.number;
        const page = toPage(builds, limit, query, placeOf, fields);
        if (!include) return page;
        const details = await detailsOf(deps, view, builds.slice(0, limit), include);
        const items = page.items.map((item, i) => ({ ...item, ...details.get(builds[i]?.id ?? 0) }));
        return { items, next: page.next };
      },
    }),
  ];
}

/** By what a list is ordered, and the query to which its cursors belong. */
function orderOf(filter: Filter, order: (typeof ORDERS)[number] = "-id") {
  const byEnd = order.endsWith("finishedAt");
  const numbered = !byEnd && byNumber(filter);
  return {
    query: numbered ? `builds.list ${order} of a builder` : `builds.list ${order}`,
    byEnd,
    down: order.startsWith("-"),
    // A builder's builds have their numbers in the order of their ids, and an index of the numbers.
    place: numbered ? ("b.number" as const) : ("b.id" as const),
  };
}

/** Whether a list is read by the index of a builder's numbers: no other of its filters has an index that leads to less. */
function byNumber({ builder, state, ...others }: Filter): boolean {
  if (builder === undefined || (state !== undefined && state !== "finished")) return false;
  return (["builds", "result", "branch", "revision", "revisionPrefix", "request", "worker"] as const).every(
    (name) => others[name] === undefined,
  );
}

/** The builds that fit, of the builders that are seen; which builders are asked for is left to the caller. */
function matching({ read }: Store, filter: Filter, seen: ReadonlySet<string> | null) {
  return read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .$if(seen !== null, (q) => q.where("n.name", "in", [...(seen ?? []), ""]))
    .$if(filter.state !== undefined, (q) => q.where("b.state", "=", filter.state as string))
    .$if(filter.result !== undefined, (q) => q.where("b.result", "=", filter.result as string))
    .$if(filter.branch !== undefined, (q) => q.where("b.branch", "=", filter.branch as string))
    .$if(filter.revision !== undefined, (q) => q.where("b.revision", "=", filter.revision as string))
    .$if(filter.revisionPrefix !== undefined, (q) => q.where(beginsWith("b.revision", filter.revisionPrefix as string)))
    .$if(filter.request !== undefined, (q) => q.where("b.request_id", "=", idOrNone(filter.request as number)))
    .$if(filter.worker !== undefined, (q) => q.where("b.worker", "=", filter.worker as string))
    .$if(filter.builds !== undefined, (q) => q.where("b.id", "in", (filter.builds as number[]).map(idOrNone)))
    .$if(filter.finishedSince !== undefined, (q) => q.where("b.finished_at", ">=", filter.finishedSince as number))
    .$if(filter.finishedUntil !== undefined, (q) => q.where("b.finished_at", "<=", filter.finishedUntil as number));
}

/** `null` when there is no such builder, or the caller may not see it. */
async function builderIdOf(store: Store, name: string, seen: ReadonlySet<string> | null): Promise<number | null> {
  if (seen !== null && !seen.has(name)) return null;
  const row = await store.read.selectFrom("builders").select("id").where("name", "=", name).executeTakeFirst();
  return row?.id ?? null;
}

async function builderIdsOf(
  store: Store,
  asked: readonly string[],
  seen: ReadonlySet<string> | null,
): Promise<number[]> {
  const rows = await store.read
    .selectFrom("builders")
    .select(["id", "name"])
    .where("name", "in", [...asked])
    .execute();
  return rows.filter(({ name }) => seen === null || seen.has(name)).map(({ id }) => id);
}
