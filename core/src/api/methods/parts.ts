import { sql } from "kysely";
import { z } from "zod";
import { healthOf, lastSuccess, SOURCE_HEALTH } from "../../engine/source-health.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Json } from "../../interfaces/values.ts";
import { shortKind } from "../../plugins/define.ts";
import type { ApiDeps } from "../deps.ts";
import { failureShape, readFailure } from "../failure.ts";
import { defineMethod } from "../method.ts";

/** Sources and plugins: parts of the running configuration. */
export function partMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "sources.list",
      permission: "read",
      summary: "Change sources, with when they last looked, what they do now and what went wrong.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            kind: z.string(),
            polledAt: z.number().nullable(),
            nextPollAt: z.number().nullable(),
            lastSuccessAt: z.number().nullable().describe("when the last poll that went well began"),
            pollingSince: z.number().nullable().describe("a poll runs now, in the master that answers"),
            doing: z.string().nullable().describe("what that poll does, in the source's own words"),
            health: z
              .enum(SOURCE_HEALTH)
              .describe(
                "sick: the last poll failed; slow: one takes long; overdue: no master looks; new: not looked yet",
              ),
            healthText: z.string().nullable().describe("why it is not well, in one sentence"),
            error: failureShape,
            failures: z.int(),
          }),
        ),
      }),
      example: {},
      stability: "stable",
      async call() {
        const rows = new Map(
          (await store.read.selectFrom("change_sources").selectAll().execute()).map((row) => [row.name, row]),
        );
        const loops = deps.engine()?.loops() ?? [];
        const now = deps.clock.now();
        const items = deps.generation().sources.map(({ name, kind, part }) => {
          const row = rows.get(name);
          const running = deps.engine()?.activity.get(name);
          return {
            name,
            kind: shortKind(kind),
            polledAt: row?.polled_at ?? null,
            nextPollAt: loops.find((loop) => loop.name === `source:${name}`)?.wakeAt ?? null,
            lastSuccessAt: row ? lastSuccess(row) : null,
            pollingSince: running?.since ?? null,
            doing: running?.doing ?? null,
            ...healthOf(part, row, running, now),
            error: readFailure(row?.error ?? null),
            failures: row?.failures ?? 0,
          };
        });
        return { items };
      },
    }),
    defineMethod({
      name: "sources.poll",
      permission: "control",
      summary: "Asks a source to look now.",
      params: z.strictObject({ source: z.string() }),
      result: z.object({ source: z.string() }),
      example: { source: "repository" },
      stability: "stable",
      async call({ source }) {
        await store.write(async (tx) => {
          const row = await tx.db
            .updateTable("change_sources")
            .set({
              // Each wish has a time of its own, so that the loop can tell those it has heard.
              poll_wanted_at: sql<number>`case when poll_wanted_at >= ${tx.now} then poll_wanted_at + 1 else ${tx.now} end`,
            })
            .where("name", "=", source)
            .returning("name")
            .executeTakeFirst();
          if (!row) throw faults.notFound("source", `"${source}"`);
          tx.ring(`source:${source}`);
        });
        return { source };
      },
    }),
    defineMethod({
      name: "plugins.list",
      permission: "read",
      summary: "The plugins that are loaded, with what they offer.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            version: z.string().nullable(),
            kinds: z.array(z.object({ point: z.string(), kind: z.string() })),
            methods: z.array(z.string()),
            commands: z.array(z.string()),
          }),
        ),
      }),
      example: {},
      stability: "stable",
      lasts: () => true,
      async call() {
        const registry = deps.registry();
        const items = registry.plugins.map(({ plugin, kinds }) => ({
          name: plugin.name,
          version: plugin.version ?? null,
          kinds: kinds.map(({ point, kind }) => ({ point, kind: shortKind(kind) })),
          methods: registry.methods.filter((entry) => entry.plugin === plugin.name).map((entry) => entry.method.name),
          commands: registry.commands
            .filter((entry) => entry.plugin === plugin.name)
            .map((entry) => entry.command.name),
        }));
        return { items: items as Json & typeof items };
      },
    }),
  ];
}
