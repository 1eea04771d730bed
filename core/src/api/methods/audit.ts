import { z } from "zod";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, pageParams, pageResult, readCursor, toPage } from "../paging.ts";

const auditShape = z.object({
  id: z.int(),
  at: z.number().describe("milliseconds since 1970"),
  caller: z.string(),
  kind: z.string().describe('how it came: "token", "session", "socket", "anonymous" or "internal"'),
  from: z.string().nullable().describe("the address it called from; null within this machine"),
  method: z.string(),
  params: z.string().describe("as JSON; cut if it is long"),
  outcome: z.string().describe('"ok", or the code of an error'),
});

const FIELDS = Object.keys(auditShape.shape);

export function auditMethods({ store }: ApiDeps) {
  return [
    defineMethod({
      name: "audit.list",
      permission: "admin",
      summary: "Who called what needs more than to read, from where, and how it ended; newest first.",
      params: z.strictObject({
        caller: z.string().optional(),
        method: z.string().optional(),
        ...pageParams(FIELDS, ["-id", "id"]),
      }),
      result: pageResult(auditShape),
      example: { method: "builds.stop", limit: 10 },
      stability: "stable",
      async call({ caller, method, limit = DEFAULT_LIMIT, cursor, order = "-id", fields }) {
        const query = `audit.list ${order}`;
        const after = readCursor(cursor, query, idPlace);
        const down = order === "-id";
        const rows = await store.read
          .selectFrom("audit")
          .selectAll()
          .$if(caller !== undefined, (q) => q.where("caller", "=", caller as string))
          .$if(method !== undefined, (q) => q.where("method", "=", method as string))
          .$if(after !== undefined, (q) => q.where("id", down ? "<" : ">", after as number))
          .orderBy("id", down ? "desc" : "asc")
          .limit(limit + 1)
          .execute();
        const items = rows.map(({ origin, ...row }) => ({ ...row, from: origin }));
        return toPage(items, limit, query, (last) => last.id, fields);
      },
    }),
  ];
}
