import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import { type Details, detailsOf, detailsShape } from "../build-details.ts";
import { buildRef, findBuild } from "../build-ref.ts";
import type { ApiDeps } from "../deps.ts";
import { failuresOf } from "../failures.ts";
import { defineMethod } from "../method.ts";
import { toBuild, toStep } from "../rows.ts";
import { buildShape, failureShape, stepShape } from "../shapes.ts";
import { View } from "../visibility.ts";

/** What there is to know of one build. */
export function buildMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
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
  ];
}
