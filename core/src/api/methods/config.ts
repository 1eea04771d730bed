import { z } from "zod";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";

const items = z.array(
  z.object({
    change: z.enum(["added", "removed", "changed"]),
    list: z.string().describe('"builders", "workers" …, or "settings"'),
    name: z.string(),
    paths: z.array(z.string()).describe("what is different, at most 20; empty for what was added or removed"),
    effect: z
      .enum(["started", "stopped", "restarted", "drained", "next-builds", "at-once", "needs-restart"])
      .describe(
        "drained: its running builds end first; next-builds: builds that begin from then on; needs-restart: a reload would be refused",
      ),
  }),
);

/** The configuration as a whole: loading it again. */
export function configMethods(deps: ApiDeps) {
  return [
    defineMethod({
      name: "config.plan",
      place: "engine",
      permission: "admin",
      summary:
        "What a reload would change: loads the configuration, checks it, and compares it with the one that runs.",
      params: z.strictObject({}),
      result: z.object({ items }),
      example: {},
      stability: "experimental",
      async call() {
        return { items: await deps.plan() };
      },
    }),
    defineMethod({
      name: "config.reload",
      place: "engine",
      permission: "admin",
      summary:
        "Loads the configuration again and goes over to it; a broken one is refused with all faults, and the running one goes on. A service that is restarted may be the one that the answer comes through.",
      params: z.strictObject({}),
      result: z.object({
        generation: z.int(),
        items,
        draining: z.array(z.string()).describe("workers that end, or are replaced, when their builds have ended"),
      }),
      example: {},
      stability: "experimental",
      async call() {
        return deps.reload();
      },
    }),
  ];
}
