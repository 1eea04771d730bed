import { sql } from "kysely";
import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import type { Json } from "../../interfaces/values.ts";
import type { Row } from "../../store/tables.ts";
import { DETAILS, type Details, detailsOf, detailsShape, MOST_DETAILED } from "../build-details.ts";
import type { ApiDeps } from "../deps.ts";
import { failuresOf } from "../failures.ts";
import { idOrNone } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, MOST, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { rebuildOf } from "../rebuild.ts";
import { beginsWith, revisionPrefix } from "../revision-prefix.ts";
import { BUILD_COLUMNS, toBuild, toStep } from "../rows.ts";
import { buildShape, failureShape, result, stepShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(buildShape.shape);

/** So many builders can be asked for at once. */
const MOST_BUILDERS = 100;

/** How far a negative number may reach back. */
const FARTHEST = 10_000;

/** How a single build is named: by id, or by builder and number. */
export const buildRef = {
  build: z.int().optional().describe("the build's id"),
  builder: z.string().optional().describe("with `number`, instead of the id"),
  number: z
    .int()
    .optional()
    .describe(`of this builder; -1 is its newest build, -2 the one before, down to -${FARTHEST}`),
};

interface BuildRef {
  build?: number | undefined;
  builder?: string | undefined;
  number?: number | undefined;
}

/** Finds the build a caller names, if he may see it. */
export async function findBuild(
  { store }: ApiDeps,
  ref: BuildRef,
  caller: Caller,
): Promise<Row<"builds"> & { name: string }> {
  const { build, builder, number } = ref;
  if (build === undefined && (builder === undefined || number === undefined)) {
    throw faults.paramsInvalid("builds.get", [{ path: "build", message: "give `build`, or `builder` and `number`" }]);
  }
  const named = build ?? number ?? 0;
  const back = build === undefined && named < 0 ? -named : undefined;
  const row = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .selectAll("b")
    .select("n.name")
    .$if(build !== undefined, (q) => q.where("b.id", "=", idOrNone(named)))
    .$if(build === undefined, (q) => q.where("n.name", "=", builder as string))
    .$if(build === undefined && back === undefined, (q) => q.where("b.number", "=", idOrNone(named)))
    .$if(back !== undefined, (q) => q.offset(Math.min((back as number) - 1, FARTHEST)))
    .orderBy("b.number", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row || !(await new View(caller, store).sees(row.name))) {
    throw faults.notFound("build", build === undefined ? `${number} of builder "${builder}"` : String(build));
  }
  return row;
}

interface BuildFilter {
  builder?: string | undefined;
  state?: string | undefined;
  order?: string | undefined;
  [other: string]: unknown;
}

/** Whether a list is read by the index of a builder's numbers: no other of its filters has an index that leads to less. */
function byNumber({ builder, state, order = "-id", ...others }: BuildFilter): boolean {
  if (builder === undefined || order.endsWith("finishedAt") || (state !== undefined && state !== "finished"))
    return false;
  return ["builds", "result", "branch", "revision", "revisionPrefix", "request", "worker"].every(
    (name) => others[name] === undefined,
  );
}

export function buildMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "builds.list",
      permission: "read",
      summary: "Builds, newest first.",
      params: z.strictObject({
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
        include: z
          .array(z.enum(DETAILS))
          .min(1)
          .max(DETAILS.length)
          .optional()
          .describe(`what each item has besides its fields; then \`limit\` is at most ${MOST_DETAILED}`),
        ...pageParams(FIELDS, ["-id", "id", "-finishedAt", "finishedAt"]),
      }),
      result: pageResult(buildShape.extend(detailsShape.shape)),
      example: { builder: "runtests", limit: 10, include: ["sourceStamps", "steps"] },
      stability: "stable",
      // What a running step says of itself is not in the database yet.
      lasts: ({ items }) => items.every((build) => build.steps === undefined || build.finishedAt !== null),
      async call(params, { caller }) {
        const { cursor, order = "-id", fields, include, ...filter } = params;
        const { limit = include ? Math.min(DEFAULT_LIMIT, MOST_DETAILED) : DEFAULT_LIMIT } = filter;
        if (include && limit > MOST_DETAILED) {
          const message = `with \`include\` at most ${MOST_DETAILED}`;
          throw faults.paramsInvalid("builds.list", [{ path: "limit", message }]);
        }
        const view = new View(caller, store);
        const names = await view.builders();
        const query = byNumber(params) ? `builds.list ${order} of a builder` : `builds.list ${order}`;
        const byEnd = order.endsWith("finishedAt");
        const down = order.startsWith("-");
        // A builder's builds have their numbers in the order of their ids, and an index of the numbers.
        const place = byNumber(params) ? "b.number" : "b.id";
        const [end, after] = byEnd
          ? (readCursor(cursor, query, z.tuple([z.int(), idPlace])) ?? [])
          : [undefined, readCursor(cursor, query, idPlace)];
        const beyond = down ? "<" : ">";
        const builderId = filter.builder === undefined ? undefined : await builderIdOf(filter.builder, names);
        if (builderId === null) return { items: [], next: null };
        const several = filter.builders && (await builderIdsOf(filter.builders, names));
        if (several?.length === 0) return { items: [], next: null };
        const list = (of: number | undefined) =>
          store.read
            .selectFrom("builds as b")
            .innerJoin("builders as n", "n.id", "b.builder_id")
            .$if(names !== null, (q) => q.where("n.name", "in", [...(names ?? []), ""]))
            .$if(builderId !== undefined, (q) => q.where("b.builder_id", "=", builderId as number))
            .$if(of !== undefined, (q) => q.where("b.builder_id", "=", of as number))
            .$if(of === undefined && several !== undefined, (q) => q.where("b.builder_id", "in", several ?? []))
            .$if(filter.state !== undefined, (q) => q.where("b.state", "=", filter.state as string))
            .$if(filter.result !== undefined, (q) => q.where("b.result", "=", filter.result as string))
            .$if(filter.branch !== undefined, (q) => q.where("b.branch", "=", filter.branch as string))
            .$if(filter.revision !== undefined, (q) => q.where("b.revision", "=", filter.revision as string))
            .$if(filter.revisionPrefix !== undefined, (q) =>
              q.where(beginsWith("b.revision", filter.revisionPrefix as string)),
            )
            .$if(filter.request !== undefined, (q) => q.where("b.request_id", "=", idOrNone(filter.request as number)))
            .$if(filter.worker !== undefined, (q) => q.where("b.worker", "=", filter.worker as string))
            .$if(filter.builds !== undefined, (q) => q.where("b.id", "in", (filter.builds as number[]).map(idOrNone)))
            .$if(filter.finishedSince !== undefined, (q) =>
              q.where("b.finished_at", ">=", filter.finishedSince as number),
            )
            .$if(filter.finishedUntil !== undefined, (q) =>
              q.where("b.finished_at", "<=", filter.finishedUntil as number),
            )
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
        const rows = await list(undefined)
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
    defineMethod({
      name: "builds.get",
      permission: "read",
      summary: "One build, with its source stamps, its properties and how long it usually takes.",
      params: z.strictObject({
        ...buildRef,
        include: z
          .array(z.enum(["steps", "logs", "changes", "earlier", "triggeredBy", "triggered", "failure"]))
          .min(1)
          .max(7)
          .optional(),
      }),
      result: buildShape.extend({
        ...detailsShape.pick({ reason: true, sourceStamps: true, properties: true, usualMillis: true }).shape,
        ...detailsShape
          .pick({
            steps: true,
            logs: true,
            changes: true,
            earlier: true,
            triggeredBy: true,
            triggered: true,
            failure: true,
          })
          .partial().shape,
      }),
      example: { builder: "runtests", number: -1, include: ["steps"] },
      stability: "stable",
      lasts: ({ steps, finishedAt }) => steps === undefined || finishedAt !== null,
      async call({ include = [], ...ref }, { caller }) {
        const build = toBuild(await findBuild(deps, ref, caller));
        const wanted = ["reason", "sourceStamps", "properties", "usualMillis", ...include] as const;
        const details = await detailsOf(deps, new View(caller, store), [build], wanted);
        const got = details.get(build.id) as Details;
        return { ...build, ...got };
      },
    }),
    defineMethod({
      name: "builds.steps",
      permission: "read",
      summary: "The steps of a build that have begun, in their order.",
      params: z.strictObject(buildRef),
      result: z.object({ build: z.int(), items: z.array(stepShape) }),
      example: { builder: "runtests", number: -1 },
      stability: "stable",
      async call(ref, { caller }) {
        const { id } = await findBuild(deps, ref, caller);
        const running = deps.engine()?.runner.get(id)?.view.steps;
        const rows = await store.read
          .selectFrom("steps")
          .selectAll()
          .where("build_id", "=", id)
          .orderBy("step")
          .limit(10_000)
          .execute();
        const items = rows.map((row) => toStep(row, running?.find((step) => step.step === row.step)?.summary));
        return { build: id, items };
      },
    }),
    defineMethod({
      name: "builds.failure",
      permission: "read",
      summary:
        "Why a build failed: its failed steps with the lines of their logs that name errors, failed tests, the last good build and what changed since.",
      params: z.strictObject(buildRef),
      result: z.object({
        build: z.int(),
        state: z
          .enum(["none", "wanted", "made"])
          .describe("`none` for a build that did not fail, `wanted` while nobody has looked into it yet"),
        failure: failureShape.nullable(),
      }),
      example: { builder: "runtests", number: 1 },
      stability: "experimental",
      lasts: () => true,
      async call(ref, { caller }) {
        const { id } = await findBuild(deps, ref, caller);
        const found = (await failuresOf(store, new View(caller, store), [id])).get(id);
        const state = found === undefined ? "none" : found.wanted ? "wanted" : "made";
        return { build: id, state: state as "none" | "wanted" | "made", failure: found?.failure ?? null };
      },
    }),
    defineMethod({
      name: "builds.data",
      permission: "read",
      summary: "What steps kept with a build, by name; with `name`, one of them with its value.",
      params: z.strictObject({ ...buildRef, name: z.string().max(200).optional() }),
      result: z.object({
        build: z.int(),
        items: z.array(
          z.object({
            name: z.string(),
            step: z.int().describe("the step that kept it"),
            type: z.enum(["json", "bytes"]),
            bytes: z.int(),
            value: z.json().optional().describe("where one is asked for by name; bytes are base64"),
          }),
        ),
      }),
      example: { builder: "runtests", number: 1 },
      stability: "experimental",
      async call({ name, ...ref }, { caller }) {
        const { id } = await findBuild(deps, ref, caller);
        const query = store.read.selectFrom("build_data").where("build_id", "=", id).orderBy("name");
        if (name === undefined) {
          const rows = await query.select(["name", "step", "type", "bytes"]).execute();
          return { build: id, items: rows.map((row) => ({ ...row, type: row.type as "json" | "bytes" })) };
        }
        const row = await query.selectAll().where("name", "=", name).executeTakeFirst();
        if (!row) throw faults.notFound("data", `"${name}" of build ${id}`);
        const { step, bytes, value } = row;
        const type = row.type as "json" | "bytes";
        return { build: id, items: [{ name, step, type, bytes, value: type === "json" ? JSON.parse(value) : value }] };
      },
    }),
    defineMethod({
      name: "builds.stop",
      permission: "control",
      summary: "Stops a build; it ends as cancelled, with its request.",
      params: z.strictObject({ ...buildRef, reason: z.string().max(500).optional() }),
      result: z.object({ build: z.int() }),
      example: { builder: "runtests", number: -1, reason: "not needed any more" },
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const { id, name } = await findBuild(deps, ref, caller);
        await new View(caller, store).requireControl("builds.stop", name);
        const text = `stopped by ${caller.name}${reason ? `: ${reason}` : ""}`;
        await store.write(async (tx) => {
          const row = await tx.db
            .updateTable("builds")
            .set((eb) => ({ stop_reason: eb.fn.coalesce("stop_reason", eb.val(text)) }))
            .where("id", "=", id)
            .where("state", "!=", "finished")
            .returning("master_id")
            .executeTakeFirst();
          if (!row) throw faults.buildEnded(id);
          tx.ring(`builds:${row.master_id}`);
        });
        return { build: id };
      },
    }),
    defineMethod({
      name: "builds.rebuild",
      permission: "control",
      summary: "Builds the same source once more with the same properties, as a new buildset.",
      params: z.strictObject({ ...buildRef, reason: z.string().max(500).optional() }),
      result: z.object({ buildset: z.int(), request: z.int() }),
      example: { builder: "runtests", number: 1, reason: "was it the network?" },
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const build = await findBuild(deps, ref, caller);
        await new View(caller, store).requireControl("builds.rebuild", build.name);
        const [buildset, request] = await Promise.all([
          store.read
            .selectFrom("buildsets")
            .select("properties")
            .where("id", "=", build.buildset_id)
            .executeTakeFirst(),
          store.read
            .selectFrom("build_requests")
            .select("priority")
            .where("id", "=", build.request_id)
            .executeTakeFirst(),
        ]);
        const from = { id: build.buildset_id, properties: buildset?.properties ?? "{}" };
        const added = await rebuildOf(store, from, {
          builders: [build.name],
          reason: `rebuild of ${build.name} ${build.number} by ${caller.name}${reason ? `: ${reason}` : ""}`,
          priority: request?.priority ?? 0,
          owner: caller.name,
        });
        return { buildset: added.buildset, request: added.requests[0]?.id ?? 0 };
      },
    }),
  ];

  /** `null` when there is no such builder, or the caller may not see it. */
  async function builderIdOf(name: string, visible: ReadonlySet<string> | null): Promise<number | null> {
    if (visible !== null && !visible.has(name)) return null;
    const row = await store.read.selectFrom("builders").select("id").where("name", "=", name).executeTakeFirst();
    return row?.id ?? null;
  }

  async function builderIdsOf(asked: readonly string[], visible: ReadonlySet<string> | null): Promise<number[]> {
    const rows = await store.read
      .selectFrom("builders")
      .select(["id", "name"])
      .where("name", "in", [...asked])
      .execute();
    return rows.filter(({ name }) => visible === null || visible.has(name)).map(({ id }) => id);
  }
}
