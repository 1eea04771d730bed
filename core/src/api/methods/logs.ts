import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { ApiMethod } from "../../interfaces/api-method.ts";
import type { Json } from "../../interfaces/values.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { lineShape, logShape } from "../shapes.ts";
import { buildRef, findBuild } from "./builds.ts";

const MOST_LINES = 1_000;
const MOST_BYTES = 4 * 1024 * 1024;

export function logMethods(deps: ApiDeps): ApiMethod[] {
  const { store, logStore } = deps;
  return [
    defineMethod({
      name: "logs.list",
      permission: "read",
      summary: "The logs of a build, in order of step.",
      params: z.strictObject({ ...buildRef, step: z.int().optional().describe("only those of this step") }),
      result: z.object({ build: z.int(), items: z.array(logShape) }),
      stability: "stable",
      async call({ step, ...ref }, { caller }) {
        const { id } = await findBuild(deps, ref, caller);
        const rows = await store.read
          .selectFrom("logs")
          .selectAll()
          .where("build_id", "=", id)
          .$if(step !== undefined, (q) => q.where("step", "=", idOrNone(step as number)))
          .orderBy("step")
          .orderBy("log")
          .limit(10_000)
          .execute();
        const items = rows.map((row) => ({
          build: id,
          step: row.step,
          log: row.log,
          name: row.name,
          finished: row.finished === 1,
          lines: row.lines,
          bytes: row.bytes,
          truncated: row.truncated === 1,
          error: row.error === null ? null : (JSON.parse(row.error) as Json),
        }));
        return { build: id, items };
      },
    }),
    defineMethod({
      name: "logs.read",
      permission: "read",
      summary: "Lines of a log, from any line on; with `waitSeconds` it waits for lines that are still to come.",
      params: z.strictObject({
        ...buildRef,
        step: z.int().describe("the step's number"),
        log: z.union([z.int(), z.string()]).optional().describe("the log's number or name; default: the step's first"),
        first: z.int().optional().describe("number of the first line, from 0; a negative one counts from the end"),
        count: z.int().min(1).max(MOST_LINES).optional().describe(`default 100, most ${MOST_LINES}`),
        waitSeconds: z.number().min(0).max(30).optional(),
      }),
      result: z.object({
        items: z.array(lineShape),
        next: z.int().describe("the line to go on with"),
        lines: z.int().describe("how many there are now"),
        finished: z.boolean(),
        truncated: z.boolean(),
      }),
      stability: "stable",
      async call({ step, log = 1, first = 0, count = 100, waitSeconds = 0, ...ref }, { caller, signal }) {
        const { id } = await findBuild(deps, ref, caller);
        const row = await store.read
          .selectFrom("logs")
          .selectAll()
          .where("build_id", "=", id)
          .where("step", "=", idOrNone(step))
          .where(
            typeof log === "number" ? "log" : "name",
            "=",
            (typeof log === "number" ? idOrNone(log) : log) as never,
          )
          .executeTakeFirst();
        if (!row)
          throw faults.notFound("log", `${typeof log === "number" ? log : `"${log}"`} of step ${step} in build ${id}`);
        await using reader = await logStore.open(row.store_key);
        let info = await reader.info();
        const from = first < 0 ? Math.max(0, info.lines + first) : first;
        if (from >= info.lines && !info.finished && row.finished === 0 && waitSeconds > 0) {
          const timeout = AbortSignal.any([signal, AbortSignal.timeout(waitSeconds * 1_000)]);
          for await (const _lines of reader.follow(from, timeout)) break;
          signal.throwIfAborted();
          info = await reader.info();
        }
        const decoder = new TextDecoder();
        const items: { number: number; channel: "stdout" | "stderr" | "header"; time: number; text: string }[] = [];
        let bytes = 0;
        // In pieces, so that neither the answer nor the time in one turn grows with the length of lines.
        for (let at = from; items.length < count && bytes < MOST_BYTES; ) {
          const lines = await reader.lines(at, Math.min(count - items.length, 200));
          if (lines.length === 0) break;
          for (const line of lines) {
            items.push({
              number: line.number,
              channel: line.channel,
              time: line.time,
              text: decoder.decode(line.data),
            });
            bytes += line.data.length;
            if (bytes >= MOST_BYTES) break;
          }
          at = (items.at(-1)?.number ?? at) + 1;
        }
        return {
          items,
          next: (items.at(-1)?.number ?? from - 1) + 1,
          lines: info.lines,
          finished: info.finished || row.finished === 1,
          truncated: info.truncated,
        };
      },
    }),
  ];
}
