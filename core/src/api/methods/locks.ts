import { z } from "zod";
import { limitsOf } from "../../engine/lock-needs.ts";
import { type NamedLock, namedLocks } from "../../store/locks.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { View } from "../visibility.ts";

const claim = {
  builder: z.string(),
  request: z.int(),
  build: z.int().nullable().describe("null while only the request waits"),
  number: z.int().nullable(),
  step: z.int().nullable().describe("null for the build as a whole"),
  mode: z.enum(["counting", "exclusive"]),
  count: z.int(),
  since: z.number(),
};

const lockShape = z.object({
  name: z.string(),
  kind: z.enum(["master", "worker"]),
  worker: z.string().nullable().describe("of a lock for each worker: which one; null as long as none has it"),
  maxCount: z.int(),
  holders: z.array(z.object(claim)),
  queue: z.array(z.object(claim)).describe("who waits, in the order in which they will get it"),
});

export function lockMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "locks.list",
      permission: "read",
      summary: "The locks of the running configuration, with who holds them and who waits for them.",
      params: z.strictObject({ lock: z.string().optional() }),
      result: z.object({ items: z.array(lockShape) }),
      example: {},
      async call({ lock: wanted }, { caller }) {
        const { locks } = deps.generation();
        const limits = limitsOf(locks);
        const names = await new View(caller, store).builders();
        const all = (await namedLocks(store.read)).filter((entry) => names === null || names.has(entry.builder));
        const items = [...locks.values()]
          .filter(({ name }) => wanted === undefined || name === wanted)
          .flatMap(({ name, kind, maxCount }) => {
            const entries = all.filter((entry) => entry.lock === name);
            const workers = [...new Set(entries.map((entry) => entry.worker))].sort();
            // Whoever may not see everything learns only of locks that something he sees has to do with.
            if (workers.length === 0) return names === null ? [item(name, kind, null, maxCount, [])] : [];
            return workers.map((worker) =>
              item(
                name,
                kind,
                worker === "" ? null : worker,
                limits(name, worker) ?? maxCount,
                entries.filter((entry) => entry.worker === worker),
              ),
            );
          });
        return { items };
      },
    }),
  ];
}

function item(
  name: string,
  kind: "master" | "worker",
  worker: string | null,
  maxCount: number,
  entries: readonly NamedLock[],
) {
  const [holders, queue] = [entries.filter((entry) => entry.held), entries.filter((entry) => !entry.held)];
  return { name, kind, worker, maxCount, holders: holders.map(shown), queue: queue.map(shown) };
}

function shown({ builder, request, build, number, step, mode, count, askedAt, heldAt }: NamedLock) {
  return {
    builder,
    request,
    build: build === 0 ? null : build,
    number,
    step: step === 0 ? null : step,
    mode,
    count,
    since: heldAt ?? askedAt,
  };
}
