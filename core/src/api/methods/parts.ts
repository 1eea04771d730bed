import { sql } from "kysely";
import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { ForceRequest } from "../../interfaces/scheduler.ts";
import type { Json } from "../../interfaces/values.ts";
import { shortKind } from "../../plugins/define.ts";
import { addBuildset } from "../../store/buildsets.ts";
import type { ApiDeps } from "../deps.ts";
import { MOST_ID } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { View } from "../visibility.ts";

const failure = z.object({ message: z.string(), code: z.string().nullable() }).nullable();
const parse = (text: string | null) =>
  text === null ? null : (JSON.parse(text) as { message: string; code: string | null });

/** Sources, schedulers, workers and plugins: the parts of the running configuration. */
export function partMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "sources.list",
      permission: "read",
      summary: "Change sources, with when they last looked and what went wrong.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            kind: z.string(),
            polledAt: z.number().nullable(),
            nextPollAt: z.number().nullable(),
            error: failure,
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
        const items = deps.generation().sources.map(({ name, kind }) => {
          const row = rows.get(name);
          return {
            name,
            kind: shortKind(kind),
            polledAt: row?.polled_at ?? null,
            nextPollAt: loops.find((loop) => loop.name === `source:${name}`)?.wakeAt ?? null,
            error: parse(row?.error ?? null),
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
      name: "schedulers.list",
      permission: "read",
      summary: "Schedulers, with their builders, their next wake-up and what went wrong.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            kind: z.string(),
            builders: z.array(z.string()),
            canForce: z.boolean(),
            wakeAt: z.number().nullable(),
            passedAt: z.number().nullable(),
            error: failure,
            failures: z.int(),
          }),
        ),
      }),
      example: {},
      stability: "stable",
      async call(_params, { caller }) {
        const names = await new View(caller, store).builders();
        const rows = new Map(
          (await store.read.selectFrom("schedulers").selectAll().execute()).map((row) => [row.name, row]),
        );
        const items = deps
          .generation()
          .schedulers.map(({ name, kind, part }) => {
            const row = rows.get(name);
            return {
              name,
              kind: shortKind(kind),
              builders: part.builders.filter((builder) => names === null || names.has(builder)),
              canForce: part.force !== undefined,
              wakeAt: row?.wake_at ?? null,
              passedAt: row?.passed_at ?? null,
              error: parse(row?.error ?? null),
              failures: row?.failures ?? 0,
            };
          })
          .filter((item) => names === null || item.builders.length > 0);
        return { items };
      },
    }),
    defineMethod({
      name: "schedulers.force",
      permission: "control",
      summary: "Asks a scheduler to build now.",
      params: z.strictObject({
        scheduler: z.string().optional().describe("default: the only one that can be forced"),
        builders: z.array(z.string()).min(1).optional(),
        reason: z.string().max(1_000).optional(),
        branch: z.string().max(500).nullish(),
        revision: z.string().max(500).nullish(),
        repository: z.string().max(2_000).optional(),
        properties: z.record(z.string().max(255), z.json()).optional(),
        priority: z.int().min(-MOST_ID).max(MOST_ID).optional(),
      }),
      result: z.object({ buildset: z.int(), requests: z.array(z.object({ id: z.int(), builder: z.string() })) }),
      example: { scheduler: "force", builders: ["runtests"], branch: "main", reason: "try it", priority: 1 },
      stability: "stable",
      async call({ scheduler, ...wish }, { caller }) {
        const names = await new View(caller, store).builders();
        const sees = (builder: string) => names === null || names.has(builder);
        const all = deps.generation().schedulers.filter(({ part }) => names === null || part.builders.some(sees));
        const able = all.filter(({ part }) => part.force !== undefined);
        const named =
          scheduler === undefined
            ? able.length === 1
              ? able[0]
              : undefined
            : all.find(({ name }) => name === scheduler);
        if (!named)
          throw faults.notFound(
            "scheduler",
            scheduler === undefined
              ? `to choose: name one of ${able.map(({ name }) => `"${name}"`).join(", ") || "none that can be forced"}`
              : `"${scheduler}"`,
          );
        if (!named.part.force) throw faults.schedulerCannotForce(named.name);
        const request: ForceRequest = { ...withoutUndefined(wish), owner: caller.name };
        if (names !== null) {
          // Here and not by the scheduler, whose refusal may name what this caller may not see.
          const hidden = request.builders?.find((builder) => !sees(builder) || !named.part.builders.includes(builder));
          if (hidden !== undefined) throw faults.notFound("builder", `"${hidden}"`);
          request.builders ??= named.part.builders.filter(sees);
        }
        const spec = named.part.force(request);
        if (!spec.builders.every(sees)) throw faults.notFound("builder", "that this scheduler chose");
        const added = await store.write((tx) => addBuildset(tx, spec, { scheduler: named.name, owner: caller.name }));
        return { buildset: added.id, requests: added.requests };
      },
    }),
    defineMethod({
      name: "workers.list",
      permission: "read",
      summary: "Workers, with what they build now.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            connected: z.boolean(),
            slots: z.int(),
            info: z.record(z.string(), z.string()),
            seenAt: z.number(),
            builds: z.array(z.int()),
            builders: z.array(z.string()).describe("that may use it by the running configuration"),
          }),
        ),
      }),
      example: {},
      stability: "stable",
      async call(_params, { caller }) {
        const names = await new View(caller, store).builders();
        const rows = await store.read.selectFrom("workers").selectAll().orderBy("name").execute();
        const builds = await store.read
          .selectFrom("builds as b")
          .innerJoin("builders as n", "n.id", "b.builder_id")
          .select(["b.id", "b.worker", "n.name"])
          .where("b.state", "in", ["assigned", "running"])
          .execute();
        const builders = [...deps.generation().builders.values()].filter(
          ({ name }) => names === null || names.has(name),
        );
        const items = rows.map((row) => ({
          name: row.name,
          connected: row.connected === 1,
          slots: row.slots,
          info: JSON.parse(row.info) as Record<string, string>,
          seenAt: row.seen_at,
          builds: builds
            .filter((build) => build.worker === row.name && (names === null || names.has(build.name)))
            .map((build) => build.id),
          builders: builders.filter(({ workers }) => workers.includes(row.name)).map(({ name }) => name),
        }));
        return { items };
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

/** Parameters that were left out are not there at all, so that a scheduler's defaults count. */
function withoutUndefined<T extends object>(wish: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined)) as never;
}
