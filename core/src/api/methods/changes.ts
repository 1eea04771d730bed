import { randomUUID } from "node:crypto";
import { z } from "zod";
import { newChangeSchema } from "../../engine/source-loop.ts";
import { faults } from "../../errors/catalogue.ts";
import type { NewChange } from "../../interfaces/change-source.ts";
import { addChange, toChange } from "../../store/changes.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { lookThrough } from "../look-through.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, pageParams, pageResult, readCursor, toPage, writeCursor } from "../paging.ts";
import { beginsWith, revisionPrefix } from "../revision-prefix.ts";
import { changeShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(changeShape.shape);

const addParams = newChangeSchema
  .extend({
    key: newChangeSchema.shape.key
      .optional()
      .describe("names the change for ever; adding it again adds nothing. Default: one of its own"),
    author: newChangeSchema.shape.author.optional(),
    comments: newChangeSchema.shape.comments.optional(),
    files: newChangeSchema.shape.files.optional(),
    revision: newChangeSchema.shape.revision.optional(),
    branch: newChangeSchema.shape.branch.optional(),
  })
  .strict();

export function changeMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "changes.list",
      permission: "read",
      summary: "Changes, newest first.",
      params: z.strictObject({
        branch: z.string().optional(),
        revision: z.string().optional(),
        revisionPrefix,
        author: z
          .string()
          .max(200)
          .optional()
          .describe("what its author's name or address has in it, in capitals or not"),
        project: z.string().optional(),
        source: z.string().optional().describe("told of by this change source; `api` for those that a program told of"),
        addedSince: z.int().optional().describe("told of at this time or later"),
        addedUntil: z.int().optional().describe("told of at this time or before"),
        ...pageParams(FIELDS, ["-id", "id"]),
      }),
      result: pageResult(changeShape),
      example: { limit: 10 },
      stability: "stable",
      lasts: () => true,
      async call(params, { caller }) {
        const {
          branch,
          revision,
          revisionPrefix: beginning,
          author,
          project,
          source,
          addedSince,
          addedUntil,
          ...page
        } = params;
        const { limit = DEFAULT_LIMIT, cursor, order = "-id", fields } = page;
        const view = new View(caller, store);
        const query = `changes.list ${order}`;
        const after = readCursor(cursor, query, idPlace);
        const down = order === "-id";
        const list = (from: number | undefined) =>
          store.read
            .selectFrom("changes")
            .$if(branch !== undefined, (q) => q.where("branch", "=", branch as string))
            .$if(revision !== undefined, (q) => q.where("revision", "=", revision as string))
            .$if(beginning !== undefined, (q) => q.where(beginsWith("revision", beginning as string)))
            .$if(addedSince !== undefined, (q) => q.where("added_at", ">=", addedSince as number))
            .$if(addedUntil !== undefined, (q) => q.where("added_at", "<=", addedUntil as number))
            .$if(from !== undefined, (q) => q.where("id", down ? "<" : ">", from as number))
            .orderBy("id", down ? "desc" : "asc");
        const place = (last: { id: number }) => last.id;
        const wanted = (row: { author: string; project: string; source: string }) =>
          (source === undefined || row.source === source) &&
          (project === undefined || row.project === project) &&
          (author === undefined || row.author.toLowerCase().includes(author.toLowerCase()));
        if (view.all && author === undefined && project === undefined && source === undefined) {
          const rows = await list(after)
            .selectAll()
            .limit(limit + 1)
            .execute();
          return toPage(rows.map(toChange), limit, query, place, fields);
        }
        // Only the rule knows of which projects it lets changes be seen, and no index has parts of names: each is looked at, in pieces.
        const { ids, goOn } = await lookThrough({
          from: after,
          limit,
          rows: (behind, count) => list(behind).select(["id", "project", "author", "source"]).limit(count).execute(),
          wanted: (rows) => rows.filter((row) => wanted(row) && view.seesProject(row.project)),
        });
        const rows = ids.length === 0 ? [] : await list(undefined).selectAll().where("id", "in", ids).execute();
        const shown = toPage(rows.map(toChange), limit, query, place, fields);
        return goOn === undefined ? shown : { ...shown, next: writeCursor(query, goOn) };
      },
    }),
    defineMethod({
      name: "changes.get",
      permission: "read",
      summary: "One change.",
      params: z.strictObject({ change: z.int() }),
      result: changeShape,
      example: { change: 1 },
      stability: "stable",
      lasts: () => true,
      async call({ change }, { caller }) {
        const row = await store.read
          .selectFrom("changes")
          .selectAll()
          .where("id", "=", idOrNone(change))
          .executeTakeFirst();
        if (!row || !new View(caller, store).seesProject(row.project)) throw faults.notFound("change", String(change));
        return toChange(row);
      },
    }),
    defineMethod({
      name: "changes.add",
      permission: "control",
      summary: "Tells of a change. When the answer comes it is stored and will not be lost.",
      params: addParams,
      result: z.object({ change: z.int(), added: z.boolean().describe("false if this key was known") }),
      example: {
        repository: "https://example.org/app.git",
        branch: "main",
        revision: "5f6c835a",
        author: "Ada",
        comments: "mend the build",
        files: ["src/app.c"],
        key: "5f6c835a",
      },
      stability: "stable",
      async call(params, { caller }) {
        const view = new View(caller, store);
        if (!view.seesProject(params.project ?? "")) {
          throw faults.notFound("project", `"${params.project ?? ""}"`);
        }
        view.requireProjectControl("changes.add", params.project ?? "");
        const change: NewChange = {
          ...params,
          category: params.category ?? null,
          link: params.link ?? null,
          key: params.key ?? randomUUID(),
          author: params.author ?? caller.name,
          comments: params.comments ?? "",
          files: params.files ?? [],
          revision: params.revision ?? null,
          branch: params.branch ?? null,
        } as NewChange;
        const stored = await store.write((tx) => addChange(tx, "api", change));
        return { change: stored.id, added: stored.added };
      },
    }),
  ];
}
