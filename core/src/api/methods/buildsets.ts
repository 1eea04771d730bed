import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { Result } from "../../interfaces/values.ts";
import { stampsOf } from "../../store/buildsets.ts";
import type { Store } from "../../store/store.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { lookThrough } from "../look-through.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, pageParams, pageResult, readCursor, toPage, writeCursor } from "../paging.ts";
import { buildsetShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const itemShape = buildsetShape.pick({
  id: true,
  scheduler: true,
  owner: true,
  reason: true,
  submittedAt: true,
  completeAt: true,
  result: true,
  sourceStamps: true,
});
const FIELDS = Object.keys(itemShape.shape);

/** What was asked for at once, as a list. */
export function buildsetMethods({ store }: ApiDeps) {
  return [
    defineMethod({
      name: "buildsets.list",
      permission: "read",
      summary: "Buildsets with their source stamps, newest first; `buildsets.get` tells the rest of one.",
      params: z.strictObject({
        scheduler: z.string().optional().describe("what this one began"),
        change: z.int().optional().describe("what this one is part of"),
        ...pageParams(FIELDS, ["-id", "id"]),
      }),
      result: pageResult(itemShape),
      example: { scheduler: "force", limit: 10 },
      stability: "experimental",
      lasts: () => true,
      async call({ scheduler, change, limit = DEFAULT_LIMIT, cursor, order = "-id", fields }, { caller }) {
        const view = new View(caller, store);
        const names = await view.builders();
        const query = `buildsets.list ${order}`;
        const after = readCursor(cursor, query, idPlace);
        const down = order === "-id";
        if (change !== undefined) {
          const known = await store.read
            .selectFrom("changes")
            .select("project")
            .where("id", "=", idOrNone(change))
            .executeTakeFirst();
          if (!known || !view.seesProject(known.project)) throw faults.notFound("change", String(change));
        }
        const list = (behind: number | undefined) =>
          store.read
            .selectFrom("buildsets as s")
            .$if(scheduler !== undefined, (q) => q.where("s.scheduler", "=", scheduler as string))
            .$if(change !== undefined, (q) =>
              q.where((eb) =>
                eb(
                  "s.id",
                  "in",
                  eb
                    .selectFrom("buildset_changes as l")
                    .select("l.buildset_id")
                    .where("l.change_id", "=", change as number),
                ),
              ),
            )
            .$if(behind !== undefined, (q) => q.where("s.id", down ? "<" : ">", behind as number))
            .orderBy("s.id", down ? "desc" : "asc");
        const whole = (behind: number | undefined) =>
          list(behind).select([
            "s.id",
            "s.scheduler",
            "s.owner",
            "s.reason",
            "s.submitted_at",
            "s.complete_at",
            "s.result",
          ]);
        // As with one of them: who sees one of its builders sees it.
        const { ids, goOn } =
          names === null
            ? { ids: undefined, goOn: undefined }
            : await lookThrough({
                from: after,
                limit,
                rows: (behind, count) => list(behind).select("s.id").limit(count).execute(),
                wanted: (rows) => seenOf(store, rows, names),
              });
        const rows =
          ids === undefined
            ? await whole(after)
                .limit(limit + 1)
                .execute()
            : ids.length === 0
              ? []
              : await whole(undefined).where("s.id", "in", ids).execute();
        const stamps = await stampsOf(
          store.read,
          rows.map(({ id }) => id),
        );
        const items = rows.map((row) => ({
          id: row.id,
          scheduler: row.scheduler,
          owner: row.owner,
          reason: row.reason,
          submittedAt: row.submitted_at,
          completeAt: row.complete_at,
          result: row.result as Result | null,
          sourceStamps: stamps.get(row.id) ?? [],
        }));
        const shown = toPage(items, limit, query, (last) => last.id, fields);
        return goOn === undefined ? shown : { ...shown, next: writeCursor(query, goOn) };
      },
    }),
  ];
}

/** Those that have a request for one of these builders. */
async function seenOf<R extends { id: number }>(store: Store, rows: R[], names: ReadonlySet<string>): Promise<R[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const requests = await store.read
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(["r.buildset_id", "n.name"])
    .where("r.buildset_id", "in", ids)
    .execute();
  const seen = new Set(requests.filter(({ name }) => names.has(name)).map((request) => request.buildset_id));
  return rows.filter(({ id }) => seen.has(id));
}
