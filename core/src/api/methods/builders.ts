import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { ApiMethod } from "../../interfaces/api-method.ts";
import type { Row } from "../../store/tables.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { builderShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(builderShape.shape);

export function builderMethods(deps: ApiDeps): ApiMethod[] {
  const { store } = deps;
  const toBuilder = (row: Row<"builders">) => ({
    id: row.id,
    name: row.name,
    project: row.project,
    tags: JSON.parse(row.tags) as string[],
    description: row.description,
    configured: row.configured === 1,
    paused: row.paused === 1,
    workers: [...(deps.generation().builders.get(row.name)?.workers ?? [])],
  });
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
        ...pageParams(FIELDS, ["name", "-name"]),
      }),
      result: pageResult(builderShape),
      example: { limit: 10 },
      stability: "stable",
      async call({ configured, project, limit = DEFAULT_LIMIT, cursor, order = "name", fields }, { caller }) {
        const view = new View(caller, store);
        const names = await view.builders();
        const query = `builders.list ${order}`;
        const after = readCursor(cursor, query, z.string());
        const down = order === "-name";
        const rows = await store.read
          .selectFrom("builders")
          .selectAll()
          .$if(names !== null, (q) => q.where("name", "in", [...(names ?? []), ""]))
          .$if(configured !== undefined, (q) => q.where("configured", "=", configured ? 1 : 0))
          .$if(project !== undefined, (q) => q.where("project", "=", project as string))
          .$if(after !== undefined, (q) => q.where("name", down ? "<" : ">", after as string))
          .orderBy("name", down ? "desc" : "asc")
          .limit(limit + 1)
          .execute();
        return toPage(rows.map(toBuilder), limit, query, (last) => last.name, fields);
      },
    }),
    defineMethod({
      name: "builders.get",
      permission: "read",
      summary: "One builder by name.",
      params: z.strictObject({ builder: z.string() }),
      result: builderShape,
      stability: "stable",
      async call({ builder }, { caller }) {
        const row = await store.read.selectFrom("builders").selectAll().where("name", "=", builder).executeTakeFirst();
        if (!row || !(await new View(caller, store).sees(builder))) throw faults.notFound("builder", `"${builder}"`);
        return toBuilder(row);
      },
    }),
  ];
}
