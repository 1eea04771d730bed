import { z } from "zod";
import { nothingSwept, Sweep } from "../../engine/retention.ts";
import { lastSweep, wantSweep } from "../../engine/retention-keeper.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";

const swept = z.object({
  builds: z.int(),
  requests: z.int(),
  buildsets: z.int(),
  changes: z.int(),
  events: z.int(),
  audit: z.int(),
  bytes: z.int().describe("of logs, as they were written"),
});

/** Old history, and how it is removed. */
export function retentionMethods(deps: ApiDeps) {
  const { store, clock, logStore } = deps;
  return [
    defineMethod({
      name: "retention.status",
      place: "engine",
      permission: "admin",
      summary: "When old history was last removed, what it came to, and when it is looked for again.",
      params: z.strictObject({}),
      result: z.object({
        enabled: z.boolean(),
        running: swept.nullable().describe("what the sweep that goes on in this process has removed so far"),
        begunAt: z.number().nullable(),
        endedAt: z.number().nullable(),
        nextAt: z.number().nullable(),
        removed: swept.describe("by the last sweep"),
        error: z.string().nullable(),
      }),
      example: {},
      stability: "experimental",
      async call() {
        const last = await lastSweep(store);
        return {
          ...last,
          enabled: deps.generation().retention !== false,
          running: deps.engine()?.retention.progress ?? null,
          removed: { ...nothingSwept(), ...last.removed },
        };
      },
    }),
    defineMethod({
      name: "retention.sweep",
      permission: "admin",
      summary:
        "Asks for old history to be removed now, without waiting for it; or tells how many builds and rows would be removed.",
      params: z.strictObject({ dryRun: z.boolean().optional() }),
      result: z.object({
        begun: z.boolean().describe("false for a dry run, and where everything is kept"),
        would: swept.nullable().describe("only for a dry run; requests and buildsets are not counted"),
      }),
      example: { dryRun: true },
      stability: "experimental",
      async call({ dryRun = false }, { signal }) {
        const kept = deps.generation().retention;
        if (!dryRun) {
          if (kept !== false) await wantSweep(store);
          return { begun: kept !== false, would: null };
        }
        const sweep = new Sweep(kept || {}, { store, clock, logStore, lease: undefined, signal });
        return { begun: false, would: kept === false ? nothingSwept() : await sweep.run() };
      },
    }),
  ];
}
