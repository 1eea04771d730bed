import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { ApiMethod } from "../../interfaces/api-method.ts";
import type { Json } from "../../interfaces/values.ts";
import { usualDuration } from "../../store/builds.ts";
import { behind } from "../../store/history.ts";
import { addToken, listTokens, revokeToken } from "../../store/tokens.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { result } from "../shapes.ts";
import { View } from "../visibility.ts";

const scope = z.enum(["read", "control", "admin"]);

const tokenShape = z.object({
  name: z.string(),
  scopes: z.array(scope),
  builders: z.array(z.string()).nullable(),
  projects: z.array(z.string()).nullable(),
  tags: z.array(z.string()).nullable(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  usedAt: z.number().nullable(),
  revokedAt: z.number().nullable(),
});

export function masterMethods(deps: ApiDeps, methods: () => readonly ApiMethod[]) {
  const { store, clock } = deps;
  return [
    defineMethod({
      name: "status.now",
      place: "engine",
      permission: "read",
      summary: "What this master does now, at once and from memory: running builds with their steps, workers, loops.",
      params: z.strictObject({}),
      result: z.object({
        title: z.string(),
        master: z.string(),
        version: z.string(),
        startedAt: z.number(),
        now: z.number(),
        engine: z.boolean(),
        pending: z.int(),
        load: z
          .object({
            lag: z
              .object({ p50: z.number(), p99: z.number(), max: z.number() })
              .describe("milliseconds by which the event loop was late, in the last minute or two"),
            memory: z.object({ heap: z.int(), resident: z.int() }).describe("bytes"),
            behind: z
              .object({ schedulers: z.int(), listeners: z.int(), jobs: z.int() })
              .describe("events that the slowest of them has yet to see, and jobs that wait"),
          })
          .describe("of this process, and its queues"),
        builds: z.array(
          z.object({
            id: z.int(),
            number: z.int(),
            builder: z.string(),
            project: z.string(),
            worker: z.string(),
            startedAt: z.number().nullable(),
            reason: z.string(),
            branch: z.string().nullable(),
            revision: z.string().nullable(),
            result,
            stopping: z.boolean(),
            stepCount: z.int(),
            usualMillis: z.number().nullable(),
            steps: z.array(
              z.object({
                step: z.int(),
                parent: z.int().nullable(),
                name: z.string(),
                startedAt: z.number(),
                finishedAt: z.number().nullable(),
                result: result.nullable(),
                summary: z.string(),
              }),
            ),
          }),
        ),
        workers: z.array(z.object({ name: z.string(), connected: z.boolean(), slots: z.int(), busy: z.int() })),
        loops: z.array(
          z.object({
            name: z.string(),
            running: z.boolean(),
            passes: z.int(),
            failures: z.int(),
            error: z.string().nullable(),
            wakeAt: z.number().nullable(),
          }),
        ),
      }),
      example: {},
      stability: "experimental",
      async call(_params, { caller }) {
        const engine = deps.engine();
        const names = await new View(caller, store).builders();
        const sees = (builder: string) => names === null || names.has(builder);
        const { title, masterName } = deps.generation();
        const running = (engine?.runner.running ?? []).map((run) => run.view).filter((view) => sees(view.builder));
        const pending = await store.read
          .selectFrom("build_requests")
          .select((eb) => eb.fn.countAll<number>().as("count"))
          .where("state", "=", "pending")
          .$if(names !== null, (q) =>
            q.where("builder_id", "in", (eb) =>
              eb
                .selectFrom("builders")
                .select("id")
                .where("name", "in", [...(names ?? []), ""]),
            ),
          )
          .executeTakeFirstOrThrow();
        const usual = new Map<string, number | undefined>();
        for (const { builder } of running)
          if (!usual.has(builder)) usual.set(builder, await usualDuration(store, builder));
        return {
          title,
          master: masterName,
          version: deps.version,
          startedAt: deps.startedAt,
          now: clock.now(),
          engine: engine !== undefined,
          pending: Number(pending.count),
          load: { ...deps.load(), behind: await behind(store) },
          builds: running.map((view) => ({ ...view, usualMillis: usual.get(view.builder) ?? null })),
          workers: (engine?.workers.workers ?? []).map(({ name, part }) => ({
            name,
            connected: part.connected,
            slots: part.slots,
            busy: running.filter((view) => view.worker === name).length,
          })),
          loops: caller.scopes.has("admin") ? (engine?.loops() ?? []) : [],
        };
      },
    }),
    defineMethod({
      name: "master.ready",
      permission: "read",
      summary: "Whether this master can do its work: it runs, the database answers, and it was not cut off from it.",
      params: z.strictObject({}),
      result: z.object({ ready: z.boolean(), troubles: z.array(z.string()) }),
      example: {},
      stability: "experimental",
      async call() {
        const troubles = await deps.troubles();
        return { ready: troubles.length === 0, troubles };
      },
    }),
    defineMethod({
      name: "master.stop",
      place: "engine",
      permission: "admin",
      summary: "Stops this master: at once, so that running builds are built again later, or when they have ended.",
      params: z.strictObject({ when: z.enum(["now", "after-builds"]).optional() }),
      result: z.object({ when: z.enum(["now", "after-builds"]), builds: z.int().describe("how many run") }),
      example: { when: "after-builds" },
      stability: "stable",
      async call({ when = "now" }) {
        deps.stop(when, false);
        return { when, builds: deps.engine()?.runner.running.length ?? 0 };
      },
    }),
    defineMethod({
      name: "master.restart",
      place: "engine",
      permission: "admin",
      summary:
        "Starts this master again, with its configuration and plugins loaded anew; a configuration that is broken is refused before. Builds whose running steps are resumable go on, others are built again, or are waited for with `after-builds`.",
      params: z.strictObject({ when: z.enum(["now", "after-builds"]).optional() }),
      result: z.object({
        when: z.enum(["now", "after-builds"]),
        startedAt: z.number().describe("of the present life; the next one has another"),
        builds: z.int().describe("how many run"),
        resumable: z.int().describe("how many of them could go on now"),
      }),
      example: { when: "after-builds" },
      stability: "experimental",
      async call({ when = "now" }) {
        await deps.plan();
        const running = deps.engine()?.runner.running ?? [];
        deps.stop(when, true);
        const { startedAt } = deps;
        return { when, startedAt, builds: running.length, resumable: running.filter((run) => run.resumable).length };
      },
    }),
    defineMethod({
      name: "api.methods",
      permission: "read",
      summary: "The methods there are, with the schemas of their parameters and results.",
      params: z.strictObject({ method: z.string().optional() }),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            permission: scope,
            summary: z.string(),
            stability: z.enum(["stable", "experimental"]),
            params: z.json(),
            result: z.json(),
            example: z.json(),
          }),
        ),
      }),
      example: { method: "builds.list" },
      stability: "stable",
      lasts: () => true,
      async call({ method }) {
        const found = methods().filter((known) => method === undefined || known.name === method);
        if (method !== undefined && found.length === 0) throw faults.methodUnknown(method);
        const items = found.map((known) => ({
          name: known.name,
          permission: known.permission,
          summary: known.summary,
          stability: known.stability ?? ("experimental" as const),
          params: z.toJSONSchema(known.params, { io: "input", unrepresentable: "any" }) as Json,
          result: z.toJSONSchema(known.result, { unrepresentable: "any" }) as Json,
          example: known.example ?? null,
        }));
        return { items };
      },
    }),
    defineMethod({
      name: "tokens.add",
      permission: "admin",
      summary: "Makes a token. Its text is in this answer and nowhere else: only a hash of it is kept.",
      params: z.strictObject({
        name: z.string().min(1).max(100),
        scopes: z.array(scope).min(1),
        builders: z.array(z.string()).optional().describe("only these builders are seen and controlled"),
        projects: z.array(z.string()).optional(),
        tags: z.array(z.string()).optional(),
        expiresAt: z.int().optional(),
      }),
      result: z.object({ name: z.string(), token: z.string() }),
      example: { name: "robot", scopes: ["control"], builders: ["runtests"] },
      stability: "experimental",
      async call({ name, scopes, builders, projects, tags, expiresAt }) {
        const narrows = builders || projects || tags;
        if (narrows && scopes.includes("admin")) {
          const message = "a token that is narrowed to builders, projects or tags cannot have the scope admin";
          throw faults.paramsInvalid("tokens.add", [{ path: "scopes", message }]);
        }
        const narrowed =
          builders || projects || tags
            ? { builders: builders ?? null, projects: projects ?? null, tags: tags ?? null }
            : null;
        return { name, token: await addToken(store, { name, scopes, narrowed, expiresAt: expiresAt ?? null }) };
      },
    }),
    defineMethod({
      name: "tokens.list",
      permission: "admin",
      summary: "Tokens, without their text.",
      params: z.strictObject({}),
      result: z.object({ items: z.array(tokenShape) }),
      example: {},
      stability: "experimental",
      async call() {
        const items = (await listTokens(store)).map(({ narrowed, ...token }) => ({
          ...token,
          builders: narrowed?.builders ?? null,
          projects: narrowed?.projects ?? null,
          tags: narrowed?.tags ?? null,
        }));
        return { items };
      },
    }),
    defineMethod({
      name: "tokens.revoke",
      permission: "admin",
      summary: "Revokes a token at once.",
      params: z.strictObject({ name: z.string() }),
      result: z.object({ name: z.string() }),
      example: { name: "robot" },
      stability: "experimental",
      async call({ name }) {
        if (!(await revokeToken(store, name))) throw faults.notFound("token", `"${name}"`);
        return { name };
      },
    }),
  ];
}
