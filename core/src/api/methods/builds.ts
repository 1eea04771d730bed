import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { ApiMethod, Caller } from "../../interfaces/api-method.ts";
import type { Json, Result } from "../../interfaces/values.ts";
import { usualDuration } from "../../store/builds.ts";
import { addBuildset, stampsOf } from "../../store/buildsets.ts";
import type { Row } from "../../store/tables.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { buildShape, propertyShape, result, stampShape, stepShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(buildShape.shape);

/** How a single build is named: by id, or by builder and number. */
export const buildRef = {
  build: z.int().optional().describe("the build's id"),
  builder: z.string().optional().describe("with `number`, instead of the id"),
  number: z.int().optional().describe("of this builder; -1 is its newest build"),
};

interface BuildRef {
  build?: number | undefined;
  builder?: string | undefined;
  number?: number | undefined;
}

type BuildRow = Row<"builds"> & { name: string };

export const COLUMNS = [
  "b.id",
  "b.number",
  "b.request_id",
  "b.buildset_id",
  "b.worker",
  "b.state",
  "b.branch",
  "b.revision",
  "b.assigned_at",
  "b.started_at",
  "b.finished_at",
  "b.result",
  "b.summary",
  "b.stop_reason",
  "n.name",
] as const;

export function toBuild(
  row: Pick<
    BuildRow,
    | "id"
    | "name"
    | "number"
    | "request_id"
    | "buildset_id"
    | "worker"
    | "state"
    | "branch"
    | "revision"
    | "assigned_at"
    | "started_at"
    | "finished_at"
    | "result"
    | "summary"
    | "stop_reason"
  >,
) {
  return {
    id: row.id,
    builder: row.name,
    number: row.number,
    request: row.request_id,
    buildset: row.buildset_id,
    worker: row.worker,
    state: row.state as "assigned" | "running" | "finished",
    branch: row.branch,
    revision: row.revision,
    assignedAt: row.assigned_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    result: row.result as Result | null,
    summary: row.summary,
    stopReason: row.stop_reason,
  };
}

/** Finds the build a caller names, if he may see it. */
export async function findBuild({ store }: ApiDeps, ref: BuildRef, caller: Caller): Promise<BuildRow> {
  const { build, builder, number } = ref;
  if (build === undefined && (builder === undefined || number === undefined)) {
    throw faults.paramsInvalid("builds.get", [{ path: "build", message: "give `build`, or `builder` and `number`" }]);
  }
  const named = build ?? number ?? 0;
  const row = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .selectAll("b")
    .select("n.name")
    .$if(build !== undefined, (q) => q.where("b.id", "=", idOrNone(named)))
    .$if(build === undefined, (q) => q.where("n.name", "=", builder as string))
    .$if(build === undefined && number !== -1, (q) => q.where("b.number", "=", idOrNone(named)))
    .orderBy("b.number", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row || !(await new View(caller, store).sees(row.name))) {
    throw faults.notFound("build", build === undefined ? `${number} of builder "${builder}"` : String(build));
  }
  return row;
}

export function buildMethods(deps: ApiDeps): ApiMethod[] {
  const { store } = deps;
  return [
    defineMethod({
      name: "builds.list",
      permission: "read",
      summary: "Builds, newest first.",
      params: z.strictObject({
        builder: z.string().optional(),
        state: z.enum(["assigned", "running", "finished"]).optional(),
        result: result.optional(),
        branch: z.string().optional(),
        revision: z.string().optional(),
        request: z.int().optional(),
        ...pageParams(FIELDS, ["-id", "id"]),
      }),
      result: pageResult(buildShape),
      example: { limit: 10 },
      stability: "stable",
      async call({ limit = DEFAULT_LIMIT, cursor, order = "-id", fields, ...filter }, { caller }) {
        const names = await new View(caller, store).builders();
        const query = `builds.list ${order}`;
        const after = readCursor(cursor, query, idPlace);
        const down = order === "-id";
        const builderId = filter.builder === undefined ? undefined : await builderIdOf(filter.builder, names);
        if (builderId === null) return { items: [], next: null };
        const rows = await store.read
          .selectFrom("builds as b")
          .innerJoin("builders as n", "n.id", "b.builder_id")
          .select(COLUMNS)
          .$if(names !== null, (q) => q.where("n.name", "in", [...(names ?? []), ""]))
          .$if(builderId !== undefined, (q) => q.where("b.builder_id", "=", builderId as number))
          .$if(filter.state !== undefined, (q) => q.where("b.state", "=", filter.state as string))
          .$if(filter.result !== undefined, (q) => q.where("b.result", "=", filter.result as string))
          .$if(filter.branch !== undefined, (q) => q.where("b.branch", "=", filter.branch as string))
          .$if(filter.revision !== undefined, (q) => q.where("b.revision", "=", filter.revision as string))
          .$if(filter.request !== undefined, (q) => q.where("b.request_id", "=", idOrNone(filter.request as number)))
          .$if(after !== undefined, (q) => q.where("b.id", down ? "<" : ">", after as number))
          .orderBy("b.id", down ? "desc" : "asc")
          .limit(limit + 1)
          .execute();
        return toPage(rows.map(toBuild), limit, query, (last) => last.id, fields);
      },
    }),
    defineMethod({
      name: "builds.get",
      permission: "read",
      summary: "One build, with its source stamps, its properties and how long it usually takes.",
      params: z.strictObject(buildRef),
      result: buildShape.extend({
        reason: z.string(),
        sourceStamps: z.array(stampShape),
        properties: z.record(z.string(), propertyShape),
        usualMillis: z.number().nullable().describe("average of the last good builds of this builder"),
      }),
      stability: "stable",
      async call(ref, { caller }) {
        const row = await findBuild(deps, ref, caller);
        const [stamps, buildset, properties, usual] = await Promise.all([
          stampsOf(store.read, [row.buildset_id]),
          store.read.selectFrom("buildsets").select("reason").where("id", "=", row.buildset_id).executeTakeFirst(),
          store.read
            .selectFrom("properties")
            .select(["name", "value", "source"])
            .where("build_id", "=", row.id)
            .orderBy("name")
            .limit(1_000)
            .execute(),
          usualDuration(store, row.name),
        ]);
        return {
          ...toBuild(row),
          reason: buildset?.reason ?? "",
          sourceStamps: stamps.get(row.buildset_id) ?? [],
          properties: Object.fromEntries(
            properties.map(({ name, value, source }) => [name, { value: JSON.parse(value) as Json, source }]),
          ),
          usualMillis: usual ?? null,
        };
      },
    }),
    defineMethod({
      name: "builds.steps",
      permission: "read",
      summary: "The steps of a build that have begun, in their order.",
      params: z.strictObject(buildRef),
      result: z.object({ build: z.int(), items: z.array(stepShape) }),
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
        const items = rows.map((row) => ({
          build: id,
          step: row.step,
          name: row.name,
          kind: row.kind,
          startedAt: row.started_at,
          finishedAt: row.finished_at,
          result: row.result as Result | null,
          summary:
            row.finished_at === null ? (running?.find((step) => step.step === row.step)?.summary ?? "") : row.summary,
          error: row.error === null ? null : (JSON.parse(row.error) as Json),
        }));
        return { build: id, items };
      },
    }),
    defineMethod({
      name: "builds.stop",
      permission: "control",
      summary: "Stops a build; it ends as cancelled, with its request.",
      params: z.strictObject({ ...buildRef, reason: z.string().max(500).optional() }),
      result: z.object({ build: z.int() }),
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const { id } = await findBuild(deps, ref, caller);
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
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const build = await findBuild(deps, ref, caller);
        const [stamps, buildset, request, changes] = await Promise.all([
          stampsOf(store.read, [build.buildset_id]),
          store.read
            .selectFrom("buildsets")
            .select(["properties", "reason"])
            .where("id", "=", build.buildset_id)
            .executeTakeFirst(),
          store.read
            .selectFrom("build_requests")
            .select("priority")
            .where("id", "=", build.request_id)
            .executeTakeFirst(),
          store.read
            .selectFrom("buildset_changes")
            .select("change_id")
            .where("buildset_id", "=", build.buildset_id)
            .execute(),
        ]);
        const added = await store.write((tx) =>
          addBuildset(
            tx,
            {
              builders: [build.name],
              sourceStamps: stamps.get(build.buildset_id) ?? [],
              changes: changes.map((row) => row.change_id),
              reason: `rebuild of ${build.name} ${build.number} by ${caller.name}${reason ? `: ${reason}` : ""}`,
              properties: JSON.parse(buildset?.properties ?? "{}"),
              priority: request?.priority ?? 0,
            },
            { owner: caller.name },
          ),
        );
        return { buildset: added.id, request: added.requests[0]?.id ?? 0 };
      },
    }),
  ];

  /** `null` when there is no such builder, or the caller may not see it. */
  async function builderIdOf(name: string, visible: ReadonlySet<string> | null): Promise<number | null> {
    if (visible !== null && !visible.has(name)) return null;
    const row = await store.read.selectFrom("builders").select("id").where("name", "=", name).executeTakeFirst();
    return row?.id ?? null;
  }
}
