import { z } from "zod";
import { faults } from "../errors/catalogue.ts";
import type { Json } from "../interfaces/values.ts";
import { usualDuration } from "../store/builds.ts";
import { stampsOf } from "../store/buildsets.ts";
import { toChange } from "../store/changes.ts";
import type { ApiDeps } from "./deps.ts";
import { failuresOf } from "./failures.ts";
import { parentsOf, triggeredBy, triggeredShape } from "./parents.ts";
import { toLog, toStep } from "./rows.ts";
import { changeShape, failureShape, logShape, parentShape, propertyShape, stampShape, stepShape } from "./shapes.ts";
import type { View } from "./visibility.ts";

/** What can be asked for with builds, so that a page of them costs one call. */
export const detailsShape = z.object({
  reason: z.string(),
  sourceStamps: z.array(stampShape),
  properties: z.record(z.string(), propertyShape),
  steps: z.array(stepShape),
  logs: z.array(logShape),
  changes: z.array(changeShape).describe("those of its buildset that the caller may see"),
  usualMillis: z.number().nullable().describe("average of the last good builds of this builder"),
  earlier: z.int().nullable().describe("the number of the build of this builder before it, if there is one still"),
  triggeredBy: parentShape.nullable().describe("the step that triggered its buildset"),
  triggered: z.array(triggeredShape).describe("buildsets that its steps triggered, with their builds so far"),
  failure: failureShape
    .nullable()
    .describe("why it failed; null if it did not, or while nobody has looked into it yet"),
});

export type Detail = keyof typeof detailsShape.shape;
export type Details = z.output<typeof detailsShape>;

export const DETAILS = Object.keys(detailsShape.shape) as [Detail, ...Detail[]];

/** With details, so many builds at once. */
export const MOST_DETAILED = 100;
const MOST_ROWS = 20_000;
/** How many milliseconds properties, which may be large, are parsed before everybody else gets a turn. */
const SLICE = 5;

interface Subject {
  id: number;
  builder: string;
  buildset: number;
}

/** The wanted details of builds, by the builds' ids. */
export async function detailsOf(
  deps: ApiDeps,
  view: View,
  builds: readonly Subject[],
  wanted: readonly Detail[],
): Promise<Map<number, Partial<Details>>> {
  const found = new Map<number, Partial<Details>>(builds.map(({ id }) => [id, {}]));
  if (builds.length === 0) return found;
  const ids = builds.map(({ id }) => id);
  const buildsets = [...new Set(builds.map(({ buildset }) => buildset))];
  const { read } = deps.store;
  const give = <D extends Detail>(detail: D, of: (build: Subject) => Details[D]) => {
    for (const build of builds) (found.get(build.id) as Partial<Details>)[detail] = of(build);
  };
  const makers: { [D in Detail]: () => Promise<void> } = {
    async reason() {
      const rows = await read.selectFrom("buildsets").select(["id", "reason"]).where("id", "in", buildsets).execute();
      const reasons = new Map(rows.map((row) => [row.id, row.reason]));
      give("reason", ({ buildset }) => reasons.get(buildset) ?? "");
    },
    async sourceStamps() {
      const stamps = await stampsOf(read, buildsets);
      give("sourceStamps", ({ buildset }) => stamps.get(buildset) ?? []);
    },
    async earlier() {
      const rows = await read
        .selectFrom("builds as b")
        .select("b.id")
        .select((eb) =>
          eb
            .selectFrom("builds as e")
            .select((one) => one.fn.max("e.number").as("number"))
            .whereRef("e.builder_id", "=", "b.builder_id")
            .whereRef("e.number", "<", "b.number")
            .as("earlier"),
        )
        .where("b.id", "in", ids)
        .execute();
      const of = new Map(rows.map((row) => [row.id, row.earlier]));
      give("earlier", ({ id }) => of.get(id) ?? null);
    },
    async properties() {
      const rows = bounded(
        await read
          .selectFrom("properties")
          .selectAll()
          .where("build_id", "in", ids)
          .orderBy("build_id")
          .orderBy("name")
          .limit(MOST_ROWS + 1)
          .execute(),
      );
      const of = new Map<number, [string, Details["properties"][string]][]>(ids.map((id) => [id, []]));
      let sliceEnd = performance.now() + SLICE;
      for (const { build_id, name, value, source } of rows) {
        of.get(build_id)?.push([name, { value: JSON.parse(value) as Json, source }]);
        if (performance.now() < sliceEnd) continue;
        await new Promise((resolve) => setImmediate(resolve));
        sliceEnd = performance.now() + SLICE;
      }
      give("properties", ({ id }) => Object.fromEntries(of.get(id) ?? []));
    },
    async steps() {
      const rows = bounded(
        await read
          .selectFrom("steps")
          .selectAll()
          .where("build_id", "in", ids)
          .orderBy("build_id")
          .orderBy("step")
          .limit(MOST_ROWS + 1)
          .execute(),
      );
      const of = Map.groupBy(rows, (row) => row.build_id);
      give("steps", ({ id }) => {
        const running = deps.engine()?.runner.get(id)?.view.steps;
        return (of.get(id) ?? []).map((row) => toStep(row, running?.find((step) => step.step === row.step)?.summary));
      });
    },
    async logs() {
      const rows = bounded(
        await read
          .selectFrom("logs")
          .selectAll()
          .where("build_id", "in", ids)
          .orderBy("build_id")
          .orderBy("step")
          .orderBy("log")
          .limit(MOST_ROWS + 1)
          .execute(),
      );
      const of = Map.groupBy(rows, (row) => row.build_id);
      give("logs", ({ id }) => (of.get(id) ?? []).map(toLog));
    },
    async changes() {
      const rows = bounded(
        await read
          .selectFrom("buildset_changes as c")
          .innerJoin("changes", "changes.id", "c.change_id")
          .selectAll("changes")
          .select("c.buildset_id")
          .where("c.buildset_id", "in", buildsets)
          .orderBy("c.buildset_id")
          .orderBy("changes.id")
          .limit(MOST_ROWS + 1)
          .execute(),
      );
      const of = Map.groupBy(
        rows.filter((row) => view.seesProject(row.project)),
        (row) => row.buildset_id,
      );
      give("changes", ({ buildset }) => (of.get(buildset) ?? []).map(toChange));
    },
    async failure() {
      const failures = await failuresOf(deps.store, view, ids);
      give("failure", ({ id }) => failures.get(id)?.failure ?? null);
    },
    async usualMillis() {
      const names = [...new Set(builds.map(({ builder }) => builder))];
      const usual = new Map(
        await Promise.all(names.map(async (name) => [name, await usualDuration(deps.store, name)] as const)),
      );
      give("usualMillis", ({ builder }) => usual.get(builder) ?? null);
    },
    async triggeredBy() {
      const parents = await parentsOf(deps, view, buildsets);
      give("triggeredBy", ({ buildset }) => parents.get(buildset) ?? null);
    },
    async triggered() {
      const children = await triggeredBy(deps, view, ids);
      give("triggered", ({ id }) => children.get(id) ?? []);
    },
  };
  await Promise.all([...new Set(wanted)].map((detail) => makers[detail]()));
  return found;
}

function bounded<T>(rows: T[]): T[] {
  if (rows.length <= MOST_ROWS) return rows;
  const message = `these builds have more than ${MOST_ROWS} of what \`include\` asks for; ask for fewer builds at once`;
  throw faults.paramsInvalid("builds.list", [{ path: "include", message }]);
}
