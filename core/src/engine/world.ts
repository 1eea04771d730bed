import { sql } from "kysely";
import type { LockUse } from "../interfaces/lock.ts";
import type { Millis } from "../interfaces/values.ts";
import type { Store } from "../store/store.ts";
import type { KnownWorker, World } from "./waiting.ts";

/** What the distributor has to know of the running configuration. */
export interface DistributedBuilder {
  readonly workers: readonly string[];
  readonly locks?: LockUse | undefined;
}

/** What is known of builders and workers now: from the configuration, the workers' table and the builds that run. */
export async function lookAround(
  store: Store,
  now: Millis,
  configured: ReadonlyMap<string, DistributedBuilder>,
): Promise<World> {
  const paused = await store.read
    .selectFrom("builders")
    .select(["name", "paused_reason", "paused_by", "paused_at"])
    .where("paused", "=", 1)
    .execute();
  const pauses = new Map(
    paused.map((row) => [row.name, { why: row.paused_reason, by: row.paused_by, since: row.paused_at }]),
  );
  const builders = new Map(
    [...configured].map(([name, { workers }]) => [name, { workers, paused: pauses.get(name) ?? null }]),
  );
  return { now, builders, workers: await knownWorkers(store) };
}

async function knownWorkers(store: Store): Promise<Map<string, KnownWorker>> {
  const databaseNow = await store.databaseNow();
  const rows = await store.read
    .selectFrom("workers as w")
    .innerJoin("masters as m", "m.id", "w.master_id")
    .innerJoin("leases as l", (join) => join.on(sql<boolean>`l.name = 'master:' || m.name`))
    .leftJoin("worker_pauses as p", "p.worker", "w.name")
    .select(["w.name", "w.connected", "w.slots", "w.master_id", "l.fence", "l.until_at", "l.owner"])
    .select(["p.reason", "p.by", "p.at"])
    .execute();
  const workers = new Map<string, KnownWorker>();
  for (const row of rows) {
    const alive = row.owner !== "" && row.until_at > databaseNow;
    workers.set(row.name, {
      name: row.name,
      connected: row.connected === 1 && alive,
      paused: row.at === null ? null : { why: row.reason, by: row.by, since: row.at },
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
