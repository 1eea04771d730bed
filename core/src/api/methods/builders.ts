import { z } from "zod";
import type { Generation } from "../../config/generation.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import type { Row } from "../../store/tables.ts";
import { storable } from "../../store/text.ts";
import { BUILDER_DETAILS, builderDetails, builderDetailsShape, MOST_RECENT } from "../builder-details.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, MOST, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { builderShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(builderShape.shape);

const details = {
  include: z
    .array(z.enum(BUILDER_DETAILS))
    .min(1)
    .max(BUILDER_DETAILS.length)
    .optional()
    .describe("what there is besides the fields"),
  branch: z
    .string()
    .optional()
    .describe("with `include`: only builds of this branch count for `lastBuild`, `running` and `recent`"),
  recent: z
    .int()
    .min(1)
    .max(MOST_RECENT)
    .optional()
    .describe(`with \`include\` of "recent": how many builds of each; default 10`),
};

export function builderMethods(deps: ApiDeps) {
  const { store } = deps;
  const toBuilder = (row: Row<"builders">) => ({
    id: row.id,
    name: row.name,
    project: row.project,
    tags: JSON.parse(row.tags) as string[],
    description: row.description,
    configured: row.configured === 1,
    position: places(deps.generation()).get(row.name) ?? null,
    paused: row.paused === 1,
    pausedReason: row.paused_reason,
    pausedBy: row.paused_by,
    pausedAt: row.paused_at,
    workers: [...(deps.generation().builders.get(row.name)?.workers ?? [])],
  });
  /** The names of builders that fit, of those in `within`. Databases do not agree on what the case of letters is. */
  const fitting = async (
    { tag, search }: { tag?: string | undefined; search?: string | undefined },
    within: ReadonlySet<string> | null,
  ): Promise<Set<string>> => {
    const part = search?.toLowerCase() ?? "";
    const rows = await store.read.selectFrom("builders").select(["name", "tags"]).execute();
    const fits = ({ name, tags }: { name: string; tags: string }) =>
      (within === null || within.has(name)) &&
      name.toLowerCase().includes(part) &&
      (tag === undefined || (JSON.parse(tags) as string[]).includes(tag));
    return new Set(rows.filter(fits).map(({ name }) => name));
  };
  return [
    defineMethod({
      name: "builders.list",
      permission: "read",
      summary: "Builders, in order of name.",
      params: z.strictObject({
        configured: z
          .boolean()
          .optional()
          .describe("only those of the running configuration, or only those with nothing but history"),
        project: z.string().optional(),
        tag: z.string().optional(),
        search: z.string().max(200).optional().describe("only those whose name has this in it, in whatever case"),
        builders: z.array(z.string()).min(1).max(MOST).optional().describe("only these, by their names"),
        ...details,
        ...pageParams(FIELDS, ["name", "-name"]),
      }),
      result: pageResult(builderShape.extend(builderDetailsShape.shape)),
      example: { configured: true, include: ["lastBuild", "pending"], limit: 10 },
      stability: "stable",
      lasts: () => true,
      async call(params, { caller }) {
        const { configured, project, tag, search, builders, branch, recent, include } = params;
        const { limit = DEFAULT_LIMIT, cursor, order = "name", fields } = params;
        const visible = await new View(caller, store).builders();
        const names = tag === undefined && search === undefined ? visible : await fitting({ tag, search }, visible);
        const query = `builders.list ${order}`;
        const after = readCursor(cursor, query, z.string());
        const down = order === "-name";
        const rows = await store.read
          .selectFrom("builders")
          .selectAll()
          .$if(names !== null, (q) => q.where("name", "in", [...(names ?? []), ""]))
          .$if(configured !== undefined, (q) => q.where("configured", "=", configured ? 1 : 0))
          .$if(builders !== undefined, (q) => q.where("name", "in", builders as string[]))
          .$if(project !== undefined, (q) => q.where("project", "=", project as string))
          .$if(after !== undefined, (q) => q.where("name", down ? "<" : ">", after as string))
          .orderBy("name", down ? "desc" : "asc")
          .limit(limit + 1)
          .execute();
        const page = toPage(rows.map(toBuilder), limit, query, (last) => last.name, fields);
        if (!include) return page;
        const shown = rows.slice(0, limit).map((row) => row.id);
        const found = await builderDetails(deps, shown, { include, branch, recent });
        return { items: page.items.map((item, i) => ({ ...item, ...found.get(shown[i] ?? 0) })), next: page.next };
      },
    }),
    defineMethod({
      name: "builders.get",
      permission: "read",
      summary: "One builder by name.",
      params: z.strictObject({ builder: z.string(), ...details }),
      result: builderShape.extend(builderDetailsShape.partial().shape),
      example: { builder: "runtests" },
      stability: "stable",
      lasts: () => true,
      async call({ builder, include, branch, recent }, { caller }) {
        const row = await store.read.selectFrom("builders").selectAll().where("name", "=", builder).executeTakeFirst();
        if (!row || !(await new View(caller, store).sees(builder))) throw faults.notFound("builder", `"${builder}"`);
        const found = include && (await builderDetails(deps, [row.id], { include, branch, recent }));
        return { ...toBuilder(row), ...found?.get(row.id) };
      },
    }),
    defineMethod({
      name: "builders.pause",
      permission: "control",
      summary: "Starts no more builds of a builder, also after a restart; its requests wait, what is built goes on.",
      params: z.strictObject({ builder: z.string(), reason: z.string().max(500).optional() }),
      result: z.object({ builder: z.string(), paused: z.literal(true) }),
      example: { builder: "runtests", reason: "its disk is being replaced" },
      async call({ builder, reason = "" }, { caller }) {
        await pause("builders.pause", builder, caller, { paused: 1, paused_reason: reason, paused_by: caller.name });
        return { builder, paused: true as const };
      },
    }),
    defineMethod({
      name: "builders.resume",
      permission: "control",
      summary: "Lets a builder that was paused go on.",
      params: z.strictObject({ builder: z.string() }),
      result: z.object({ builder: z.string(), paused: z.literal(false) }),
      example: { builder: "runtests" },
      async call({ builder }, { caller }) {
        await pause("builders.resume", builder, caller, { paused: 0, paused_reason: null, paused_by: null });
        return { builder, paused: false as const };
      },
    }),
  ];

  async function pause(
    method: string,
    builder: string,
    caller: Caller,
    facts: { paused: 0 | 1; paused_reason: string | null; paused_by: string | null },
  ): Promise<void> {
    const view = new View(caller, store);
    if (!(await view.sees(builder))) throw faults.notFound("builder", `"${builder}"`);
    await view.requireControl(method, builder);
    await store.write(async (tx) => {
      const row = await tx.db
        .updateTable("builders")
        .set({ ...facts, paused_reason: storable(facts.paused_reason), paused_at: facts.paused === 1 ? tx.now : null })
        .where("name", "=", builder)
        .returning("project")
        .executeTakeFirst();
      if (!row) throw faults.notFound("builder", `"${builder}"`);
      const scope = { builder, project: row.project };
      if (facts.paused === 1)
        tx.event("builder.paused", { builder, reason: facts.paused_reason ?? "", by: caller.name }, scope);
      else tx.event("builder.resumed", { builder, by: caller.name }, scope);
      tx.ring("requests");
    });
  }
}

const placesOf = new WeakMap<Generation, Map<string, number>>();

function places(generation: Generation): Map<string, number> {
  let places = placesOf.get(generation);
  if (!places) {
    places = new Map([...generation.builders.keys()].map((name, i) => [name, i]));
    placesOf.set(generation, places);
  }
  return places;
}
