import { TextDecoder } from "node:util";
import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { LogChannel, LogLine } from "../../interfaces/log-store.ts";
import { MOST_TEXT } from "../../logs/search/line-search.ts";
import { logSearchOf } from "../../logs/search/log-search.ts";
import { PatternError, type SearchQuery } from "../../logs/search/query.ts";
import type { Row } from "../../store/tables.ts";
import { buildRef, findBuild } from "../build-ref.ts";
import { clientOf } from "../callers.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { toLog } from "../rows.ts";
import { lineShape, logShape } from "../shapes.ts";

const MOST_LINES = 1_000;
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_BYTES_A_CHARACTER = 4;
/** Characters of what is searched for. */
const MOST_WANTED = 1_000;

/** How a log of a build is named. */
const logRef = {
  step: z.int().describe("the step's number"),
  log: z.union([z.int(), z.string()]).optional().describe("the log's number or name; default: the step's first"),
};

export function logMethods(deps: ApiDeps) {
  const { store, logStore } = deps;
  return [
    defineMethod({
      name: "logs.list",
      permission: "read",
      summary: "The logs of a build, in order of step.",
      params: z.strictObject({ ...buildRef, step: z.int().optional().describe("only those of this step") }),
      result: z.object({ build: z.int(), items: z.array(logShape) }),
      example: { builder: "runtests", number: 1 },
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
        return { build: id, items: rows.map(toLog) };
      },
    }),
    defineMethod({
      name: "logs.read",
      permission: "read",
      summary: "Lines of a log, from any line on; with `waitSeconds` it waits for lines that are still to come.",
      params: z.strictObject({
        ...buildRef,
        ...logRef,
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
      example: { builder: "runtests", number: 1, step: 1, first: -10, count: 10 },
      stability: "stable",
      async call({ step, log = 1, first = 0, count = 100, waitSeconds = 0, ...ref }, { caller, signal }) {
        const { id } = await findBuild(deps, ref, caller);
        const row = await findLog(deps, id, step, log);
        await using reader = await logStore.open(row.store_key);
        let info = await reader.info();
        const from = first < 0 ? Math.max(0, info.lines + first) : first;
        if (from >= info.lines && !info.finished && row.finished === 0 && waitSeconds > 0) {
          const timeout = AbortSignal.any([signal, AbortSignal.timeout(waitSeconds * 1_000)]);
          for await (const _lines of reader.follow(from, timeout)) break;
          signal.throwIfAborted();
          info = await reader.info();
        }
        const decode = new LineDecoder();
        if (from > 0) for (const line of await reader.lines(from - 1, 1)) decode.after(line);
        const items: z.output<typeof lineShape>[] = [];
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
              text: decode.text(line),
              ...(line.continues && { continues: true as const }),
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
    defineMethod({
      name: "logs.search",
      permission: "read",
      summary: "The lines of a log that hold a text or match a pattern, and how many there are in all of the log.",
      params: z.strictObject({
        ...buildRef,
        ...logRef,
        text: z.string().min(1).max(MOST_WANTED).optional().describe("what a line has to hold, as it is"),
        pattern: z
          .string()
          .min(1)
          .max(MOST_WANTED)
          .optional()
          .describe("instead of `text`: what a line has to match somewhere, in RE2's syntax, which has no look-around"),
        errors: z
          .literal(true)
          .optional()
          .describe(
            "instead of `text`: lines that look as if a program names an error, as builds that failed have them",
          ),
        ignoreCase: z.boolean().optional(),
        first: z.int().optional().describe("the line to begin with, from 0; a negative one counts from the end"),
        limit: z.int().min(1).max(MOST_LINES).optional().describe("default 100"),
      }),
      result: z.object({
        items: z.array(
          lineShape
            .omit({ continues: true })
            .extend({ text: z.string().describe(`the line's first ${MOST_TEXT} characters, decoded as UTF-8`) }),
        ),
        count: z.int().describe("how many lines match in the whole log, also before `first` and behind the items"),
        before: z.int().describe("how many of them are before `first`"),
        previous: z.int().nullable().describe("the last one of these; `null` when there is none"),
        lines: z.int().describe("how many lines the log has"),
        finished: z.boolean(),
        complete: z.boolean().describe("false when it took too long: then `count` is of a part of the log"),
        next: z.int().nullable().describe("give it as `first` to go on; `null` when there is no more"),
      }),
      example: { builder: "runtests", number: 1, step: 1, text: "error", ignoreCase: true },
      stability: "experimental",
      cost: 10,
      async call({ step, log = 1, text, pattern, errors, ignoreCase = false, first = 0, limit = 100, ...ref }, ctx) {
        const query = toQuery(text, pattern, errors === true, ignoreCase);
        const { id } = await findBuild(deps, ref, ctx.caller);
        const row = await findLog(deps, id, step, log);
        try {
          const range = { first, limit };
          const client = clientOf(ctx.caller);
          const search = logSearchOf(logStore).search(row.store_key, query, range, ctx.signal, client);
          const { finished, ...found } = await search;
          return { ...found, finished: finished || row.finished === 1 };
        } catch (error) {
          throw error instanceof PatternError ? refused("pattern", error.message) : error;
        }
      },
    }),
  ];
}

/** Decodes lines one after the other. A character that is cut with its line stands in the next piece of it. */
class LineDecoder {
  readonly #decoders = new Map<LogChannel, TextDecoder>();

  text({ channel, data, continues }: LogLine): string {
    const decoder = this.#decoders.get(channel) ?? new TextDecoder();
    this.#decoders.set(channel, decoder);
    return decoder.decode(data, { stream: continues === true });
  }

  /** Begins behind this line, which was read before. */
  after(line: LogLine): void {
    if (line.continues) this.text({ ...line, data: line.data.subarray(1 - MOST_BYTES_A_CHARACTER) });
  }
}

/** The row of a log, by number or name. */
async function findLog({ store }: ApiDeps, build: number, step: number, log: number | string): Promise<Row<"logs">> {
  const row = await store.read
    .selectFrom("logs")
    .selectAll()
    .where("build_id", "=", build)
    .where("step", "=", idOrNone(step))
    .where(typeof log === "number" ? "log" : "name", "=", (typeof log === "number" ? idOrNone(log) : log) as never)
    .executeTakeFirst();
  if (row) return row;
  throw faults.notFound("log", `${typeof log === "number" ? log : `"${log}"`} of step ${step} in build ${build}`);
}

function toQuery(
  text: string | undefined,
  pattern: string | undefined,
  errors: boolean,
  ignoreCase: boolean,
): SearchQuery {
  if (errors) {
    if (text === undefined && pattern === undefined) return { kind: "errors" };
    throw refused("errors", "either `errors` or `text` or `pattern`, not two of them");
  }
  if (pattern !== undefined) {
    if (text !== undefined) throw refused("pattern", "either `text` or `pattern`, not both");
    return { kind: "pattern", wanted: pattern, ignoreCase };
  }
  if (text === undefined) throw refused("text", "`text`, `pattern` or `errors` is needed");
  if (text.includes("\n")) throw refused("text", "a line has no line feed");
  return { kind: "text", wanted: text, ignoreCase };
}

function refused(path: string, message: string) {
  return faults.paramsInvalid("logs.search", [{ path, message }]);
}
