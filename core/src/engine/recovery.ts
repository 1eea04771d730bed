import type { LogStore } from "../interfaces/log-store.ts";
import { type BuildKey, endLostBuilds } from "../store/builds.ts";
import { leaseState, takeLease } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";

/** The lease that a master holds as long as it lives; its fence is on every write of its builds. */
export function masterLease(name: string): string {
  return `master:${name}`;
}

/** Ends everything that an earlier life of this master was building, and packs the logs it left open. */
export async function recoverBuilds(
  store: Store,
  logStore: LogStore,
  masterId: number,
  lease: HeldLease,
  onError: (message: string, error: unknown) => void,
): Promise<BuildKey[]> {
  const all: BuildKey[] = [];
  for (;;) {
    const ended = await endLostBuilds(store, masterId, lease);
    if (ended.length === 0) break;
    all.push(...ended);
    for (const build of ended) await sealLogs(store, logStore, build.id, lease, onError);
  }
  return all;
}

async function sealLogs(
  store: Store,
  logStore: LogStore,
  buildId: number,
  lease: HeldLease,
  onError: (message: string, error: unknown) => void,
): Promise<void> {
  const open = await store.read
    .selectFrom("logs")
    .select(["step", "log", "store_key"])
    .where("build_id", "=", buildId)
    .where("finished", "=", 0)
    .execute();
  for (const log of open) {
    try {
      const totals = await logStore.seal(log.store_key, { fence: lease.fence });
      await store.write(async (tx) => {
        await tx.requireLease(lease);
        await tx.db
          .updateTable("logs")
          .set({ finished: 1, lines: totals.lines, bytes: totals.bytes, truncated: totals.truncated ? 1 : 0 })
          .where("build_id", "=", buildId)
          .where("step", "=", log.step)
          .where("log", "=", log.log)
          .execute();
      });
    } catch (error) {
      onError(`the log ${log.store_key} of a lost build could not be packed`, error);
    }
  }
}

/** Looks for other masters whose time is over, takes their place, and ends their builds so that they are built again. */
export async function recoverOthers(
  store: Store,
  logStore: LogStore,
  ownMasterId: number,
  owner: string,
  ttl: number,
  onError: (message: string, error: unknown) => void,
): Promise<BuildKey[]> {
  const masters = await store.read
    .selectFrom("builds as b")
    .innerJoin("masters as m", "m.id", "b.master_id")
    .select(["m.id", "m.name"])
    .distinct()
    .where("b.state", "in", ["assigned", "running"])
    .where("b.master_id", "!=", ownMasterId)
    .execute();
  const all: BuildKey[] = [];
  for (const master of masters) {
    const state = await leaseState(store, masterLease(master.name));
    if (state && state.left > 0) continue;
    // Under an owner of its own: this process must not prolong it, the master may want to come back.
    const lease = await takeLease(store, masterLease(master.name), `${owner}/recovery`, ttl);
    if (!lease) continue;
    all.push(...(await recoverBuilds(store, logStore, master.id, lease, onError)));
    await store.write((tx) =>
      tx.db
        .updateTable("leases")
        .set({ owner: "", until_at: 0 })
        .where("name", "=", lease.name)
        .where("fence", "=", lease.fence)
        .execute(),
    );
  }
  return all;
}
