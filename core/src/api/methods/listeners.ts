import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import { listenerCursor, moveListenerCursor } from "../../store/listener-cursors.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { readPosition } from "../positions.ts";

const MOST_CURSORS = 100;

const listener = z.string().min(1).max(100).describe("the listener's name, which is the caller's own");

/** Where listeners in other processes are: kept here by name, for whoever has no place of his own. */
export function listenerMethods(deps: ApiDeps) {
  const { store, feed } = deps;
  const known = (method: string, caller: Caller) => {
    if (caller.kind === "anonymous") throw faults.forbidden(method, "read", caller.name);
  };
  return [
    defineMethod({
      name: "listeners.cursor",
      permission: "read",
      summary: "How far a listener in another process has come, as it said last. Needs a token.",
      params: z.strictObject({ listener }),
      result: z.object({ listener: z.string(), position: z.string().nullable().describe("null if it never said") }),
      example: { listener: "mailer" },
      stability: "stable",
      async call({ listener }, { caller }) {
        known("listeners.cursor", caller);
        const position = await listenerCursor(store, caller, listener);
        return { listener, position: position === undefined ? null : String(position) };
      },
    }),
    defineMethod({
      name: "listeners.acknowledge",
      place: "writer",
      permission: "read",
      summary: "Says that a listener in another process has dealt with everything up to a position. Needs a token.",
      params: z.strictObject({ listener, position: z.string().max(40) }),
      result: z.object({ listener: z.string(), position: z.string().describe("where it is now; it never moves back") }),
      example: { listener: "mailer", position: "1" },
      stability: "stable",
      async call({ listener, position }, { caller }) {
        known("listeners.acknowledge", caller);
        const seq = readPosition(position);
        const newest = await feed.newest();
        if (seq > newest) throw faults.positionAhead(String(newest));
        const now = await moveListenerCursor(store, caller, listener, seq, MOST_CURSORS);
        if (now === undefined) {
          const message = `this caller has ${MOST_CURSORS} listeners already`;
          throw faults.paramsInvalid("listeners.acknowledge", [{ path: "listener", message }]);
        }
        return { listener, position: String(now) };
      },
    }),
  ];
}
