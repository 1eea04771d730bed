import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import { oldestPosition, type StoredEvent } from "../../store/events.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { readPosition } from "../positions.ts";
import { eventShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const SCANNED_AT_ONCE = 1_000;
/** After so many events of which none fitted, the answer is empty, with the position to go on from. */
const MOST_SCANNED = 100_000;

export function eventMethods(deps: ApiDeps) {
  const { feed, store, generation } = deps;
  return [
    defineMethod({
      name: "events.since",
      permission: "read",
      summary:
        "What happened behind a position, oldest first; waits for something to happen if asked to. An answer without items may still have moved on: go on from `next`.",
      params: z.strictObject({
        since: z
          .string()
          .max(40)
          .optional()
          .describe("a position; default: now, so that only what is still to come is told"),
        types: z.array(z.string().max(100)).max(50).optional().describe('exact, or by prefix such as "build."'),
        builder: z.string().optional(),
        limit: z.int().min(1).max(500).optional().describe("default 100"),
        waitSeconds: z.number().min(0).max(30).optional(),
      }),
      result: z.object({
        items: z.array(eventShape),
        next: z.string().describe("the position to go on from"),
        gap: z.boolean().describe("true when events behind `since` are no longer kept"),
        oldest: z.string().describe("the position before the oldest event that is kept"),
      }),
      example: { since: "0", limit: 10 },
      stability: "stable",
      async call({ since, types, builder, limit = 100, waitSeconds = 0 }, { caller, signal }) {
        const newest = await feed.newest();
        const begin = since === undefined ? newest : readPosition(since);
        if (begin > newest) throw faults.positionAhead(String(newest));
        const oldest = await oldestPosition(store);
        const gap = begin > 0 && begin + 1 < oldest;
        let look = generation();
        let view = new View(caller, store);
        let visible = await view.builders();
        const wanted = (event: StoredEvent) =>
          (types === undefined ||
            types.some((type) => type === event.type || (type.endsWith(".") && event.type.startsWith(type)))) &&
          (builder === undefined || event.builder === builder) &&
          sees(event);
        const sees = (event: StoredEvent) => {
          // Whose tokens there are is told by `tokens.list`, and to nobody else here.
          if (event.type.startsWith("token.") && !caller.scopes.has("admin")) return false;
          if (visible === null) return true;
          if (event.builder !== null) return visible.has(event.builder);
          return event.project !== null && view.seesProject(event.project);
        };
        const deadline = Date.now() + waitSeconds * 1_000;
        const items: StoredEvent[] = [];
        let at = begin;
        for (let scanned = 0; ; ) {
          const events = await feed.after(at, SCANNED_AT_ONCE);
          // With another configuration there may be builders that were not there, and another rule of who sees which.
          if (look !== generation() || events.some((event) => event.type === "config.loaded")) {
            look = generation();
            view = new View(caller, store);
            visible = await view.builders();
          }
          for (const event of events) {
            if (items.length === limit) break;
            at = event.seq;
            if (wanted(event)) items.push(event);
          }
          scanned += events.length;
          const more = events.length === SCANNED_AT_ONCE;
          if (items.length > 0 || signal.aborted || scanned >= MOST_SCANNED || (!more && Date.now() >= deadline)) break;
          // Whoever follows has to hear of it: asking again at once, and again, would hold up the stop itself.
          if (feed.closed && !more) throw faults.masterStopping();
          if (more) await new Promise((resolve) => setImmediate(resolve));
          else await feed.wait(at, deadline - Date.now(), signal);
        }
        return {
          items: items.map(({ seq: _seq, ...event }) => event),
          next: String(at),
          gap,
          oldest: String(Math.max(0, oldest - 1)),
        };
      },
    }),
  ];
}
