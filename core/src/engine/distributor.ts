import { sql } from "kysely";
import type { Clock } from "../interfaces/clock.ts";
import type { Millis } from "../interfaces/values.ts";
import { assignBuild } from "../store/builds.ts";
import { stampsOf } from "../store/buildsets.ts";
import type { Store } from "../store/store.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { chooseWorker, freeSlot, type KnownWorker, reasonsToWait, type WaitingRequest, type World } from "./waiting.ts";

export const DISTRIBUTOR_LEASE = "distributor";
const REQUESTS_A_PASS = 200;

export interface DistributorDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  /** The running configuration's builders and the workers they may use. */
  builders(): ReadonlyMap<string, { workers: readonly string[] }>;
  generation(): number | null;
}

/** What is known of builders and workers now: from the configuration, the workers' table and the builds that run. */
export async function lookAround(
  store: Store,
  now: Millis,
  configured: ReadonlyMap<string, { workers: readonly string[] }>,
): Promise<World> {
  const paused = await store.read.selectFrom("builders").select("name").where("paused", "=", 1).execute();
  const pausedNames = new Set(paused.map((row) => row.name));
  const builders = new Map(
    [...configured].map(([name, { workers }]) => [name, { workers, paused: pausedNames.has(name) }]),
  );
  return { now, builders, workers: await knownWorkers(store) };
}

async function knownWorkers(store: Store): Promise<Map<string, KnownWorker>> {
  const databaseNow = await store.databaseNow();
  const rows = await store.read
    .selectFrom("workers as w")
    .innerJoin("masters as m", "m.id", "w.master_id")
    .innerJoin("leases as l", (join) => join.on(sql<boolean>`l.name = 'master:' || m.name`))
    .select(["w.name", "w.connected", "w.slots", "w.master_id", "l.fence", "l.until_at", "l.owner"])
    .execute();
  const workers = new Map<string, KnownWorker>();
  for (const row of rows) {
    const alive = row.owner !== "" && row.until_at > databaseNow;
    workers.set(row.name, {
      name: row.name,
      connected: row.connected === 1 && alive,
      slots: row.slots,
      builds: [],
      masterId: row.master_id,
      masterFence: row.fence,
    });
  }
  const running = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["b.id", "b.worker", "b.slot", "n.name"])
    .where("b.state", "in", ["assigned", "running"])
    .execute();
  for (const { id, worker, slot, name } of running) workers.get(worker)?.builds.push({ id, builder: name, slot });
  return workers;
}

/** One pass of the one decider: gives waiting requests to free workers, the most urgent first, oldest first among equals. */
export async function distributorPass(deps: DistributorDeps): Promise<{ wakeAt?: Millis; again?: boolean }> {
  const { store, clock, leases } = deps;
  const lease = await leases.hold(DISTRIBUTOR_LEASE);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const pending = await store.read
    .selectFrom("build_requests")
    .select("id")
    .where("state", "=", "pending")
    .limit(1)
    .execute();
  if (pending.length === 0) return {};

  const world = await lookAround(store, clock.now(), deps.builders());
  const able = [...world.builders].filter(
    ([name]) => reasonsToWait({ id: 0, builder: name, priority: 0, notBefore: 0, retries: 0 }, world).length === 0,
  );
  const later = await nextRetry(store, world.now);
  if (able.length === 0) return later;
  const rows = await store.read
    .selectFrom("build_requests as r")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .select(["r.id", "r.buildset_id", "r.builder_id", "r.priority", "r.not_before", "r.retries", "n.name", "n.project"])
    .where("r.state", "=", "pending")
    .where("r.not_before", "<=", world.now)
    .where(
      "n.name",
      "in",
      able.map(([name]) => name),
    )
    .orderBy("r.urgency")
    .orderBy("r.id")
    .limit(REQUESTS_A_PASS)
    .execute();

  const chosen: { row: (typeof rows)[number]; worker: KnownWorker; slot: number }[] = [];
  for (const row of rows) {
    const request: WaitingRequest = {
      id: row.id,
      builder: row.name,
      priority: row.priority,
      notBefore: row.not_before,
      retries: row.retries,
    };
    if (reasonsToWait(request, world).length > 0) continue;
    const worker = chooseWorker(request, world);
    if (!worker) continue;
    const slot = freeSlot(worker, row.name);
    worker.builds.push({ id: -row.id, builder: row.name, slot });
    chosen.push({ row, worker, slot });
  }
  if (chosen.length === 0) return later;
  const stamps = await stampsOf(
    store.read,
    chosen.map(({ row }) => row.buildset_id),
  );
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    for (const { row, worker, slot } of chosen) {
      const stamp = stamps.get(row.buildset_id)?.[0];
      await assignBuild(tx, {
        requestId: row.id,
        builderId: row.builder_id,
        builder: row.name,
        project: row.project,
        buildsetId: row.buildset_id,
        worker: worker.name,
        slot,
        masterId: worker.masterId,
        masterFence: worker.masterFence,
        generation: deps.generation(),
        branch: stamp?.branch ?? null,
        revision: stamp?.revision ?? null,
      });
    }
  });
  return { ...later, again: rows.length === REQUESTS_A_PASS };
}

async function nextRetry(store: Store, now: Millis): Promise<{ wakeAt?: Millis }> {
  const row = await store.read
    .selectFrom("build_requests")
    .select((eb) => eb.fn.min<number | null>("not_before").as("at"))
    .where("state", "=", "pending")
    .where("not_before", ">", now)
    .executeTakeFirst();
  return row?.at ? { wakeAt: Number(row.at) } : {};
}
