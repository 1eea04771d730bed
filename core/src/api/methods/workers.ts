import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import { pausesOf, setPauses } from "../../store/worker-pauses.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { View } from "../visibility.ts";

const MOST_AT_ONCE = 500;

const shape = z.object({
  name: z.string(),
  connected: z.boolean(),
  slots: z.int(),
  info: z.record(z.string(), z.string()),
  seenAt: z.number(),
  builds: z.array(z.int()),
  builders: z.array(z.string()).describe("that may use it by the running configuration"),
  paused: z.boolean().describe("it gets no builds; those that it has go on"),
  pausedReason: z.string().nullable(),
  pausedBy: z.string().nullable(),
  pausedAt: z.number().nullable(),
});
const several = z
  .array(z.string())
  .min(1)
  .max(MOST_AT_ONCE)
  .describe(`their names, at most ${MOST_AT_ONCE}; it is done to all of them or to none`);

/** Where builds run: looking at workers, and keeping builds from them for a while. */
export function workerMethods(deps: ApiDeps) {
  const { store } = deps;

  async function list(caller: Caller, worker?: string): Promise<z.output<typeof shape>[]> {
    const names = await new View(caller, store).builders();
    const sees = (builder: string) => names === null || names.has(builder);
    const rows = await store.read
      .selectFrom("workers")
      .selectAll()
      .$if(worker !== undefined, (q) => q.where("name", "=", worker as string))
      .orderBy("name")
      .execute();
    const builds = await store.read
      .selectFrom("builds as b")
      .innerJoin("builders as n", "n.id", "b.builder_id")
      .select(["b.id", "b.worker", "n.name"])
      .where("b.state", "in", ["assigned", "running"])
      .execute();
    const pauses = await pausesOf(store.read);
    const builders = [...deps.generation().builders.values()].filter(({ name }) => sees(name));
    return rows.map((row) => {
      const pause = pauses.get(row.name);
      return {
        name: row.name,
        connected: row.connected === 1,
        slots: row.slots,
        info: JSON.parse(row.info) as Record<string, string>,
        seenAt: row.seen_at,
        builds: builds.filter((build) => build.worker === row.name && sees(build.name)).map(({ id }) => id),
        builders: builders.filter(({ workers }) => workers.includes(row.name)).map(({ name }) => name),
        paused: pause !== undefined,
        pausedReason: pause?.why ?? null,
        pausedBy: pause?.by ?? null,
        pausedAt: pause?.since ?? null,
      };
    });
  }

  /** Who does not see all that a worker builds, or may not control it, may not keep builds from it. */
  async function requireWhole(method: string, workers: readonly string[], caller: Caller): Promise<void> {
    const known = await store.read
      .selectFrom("workers")
      .select("name")
      .where("name", "in", [...workers])
      .execute();
    const paused = await pausesOf(store.read, workers);
    const view = new View(caller, store);
    const names = await view.builders();
    const controlled = await view.controlled();
    for (const worker of workers) {
      const builders = [...deps.generation().builders.values()].filter((one) => one.workers.includes(worker));
      const whole = names === null || (builders.length > 0 && builders.every(({ name }) => names.has(name)));
      if (!whole || !(known.some(({ name }) => name === worker) || paused.has(worker)))
        throw faults.notFound("worker", `"${worker}"`);
      await view.requireControl(method, ...builders.map(({ name }) => name));
      if (controlled !== null && builders.length === 0)
        throw faults.forbidden(method, "control", caller.name, `the worker "${worker}", which is no builder's`);
    }
  }

  return [
    defineMethod({
      name: "workers.list",
      permission: "read",
      summary: "Workers, with what they build now.",
      params: z.strictObject({}),
      result: z.object({ items: z.array(shape) }),
      example: {},
      stability: "stable",
      call: async (_params, { caller }) => ({ items: await list(caller) }),
    }),
    defineMethod({
      name: "workers.get",
      permission: "read",
      summary: "One worker, with what it builds now.",
      params: z.strictObject({ worker: z.string() }),
      result: shape,
      example: { worker: "here" },
      async call({ worker }, { caller }) {
        const [found] = await list(caller, worker);
        if (!found) throw faults.notFound("worker", `"${worker}"`);
        return found;
      },
    }),
    defineMethod({
      name: "workers.pause",
      permission: "control",
      summary: "Gives no more builds to workers, also after a restart; what they build goes on.",
      params: z.strictObject({ workers: several, reason: z.string().max(500).optional() }),
      result: z.object({ workers: z.array(z.string()), paused: z.literal(true) }),
      example: { workers: ["here"], reason: "its disk is being replaced" },
      async call({ workers, reason = "" }, { caller }) {
        await requireWhole("workers.pause", workers, caller);
        await store.write((tx) => setPauses(tx, [...new Set(workers)], caller.name, { reason }));
        return { workers, paused: true as const };
      },
    }),
    defineMethod({
      name: "workers.resume",
      permission: "control",
      summary: "Lets workers that were paused build again.",
      params: z.strictObject({ workers: several }),
      result: z.object({ workers: z.array(z.string()), paused: z.literal(false) }),
      example: { workers: ["here"] },
      async call({ workers }, { caller }) {
        await requireWhole("workers.resume", workers, caller);
        await store.write((tx) => setPauses(tx, [...new Set(workers)], caller.name, undefined));
        return { workers, paused: false as const };
      },
    }),
  ];
}
