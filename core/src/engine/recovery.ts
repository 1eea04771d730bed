import type { LogStore } from "../interfaces/log-store.ts";
import { type BuildKey, endLostBuilds, lostBuilds, type UnfinishedBuild } from "../store/builds.ts";
import { leaseState, takeLease } from "../store/leases.ts";
import { takeOver } from "../store/resuming.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";
import { describe } from "./source-loop.ts";

/** The lease that a master holds as long as it lives; its fence is on every write of its builds. */
export function masterLease(name: string): string {
  return `master:${name}`;
}

/**
 * Takes up the builds of an earlier life of this master that `goesOn` says can go on, ends all others, and packs the
 * logs that those have left open. Gives those that were ended.
 */
export async function recoverBuilds(
  store: Store,
  logStore: LogStore,
  masterId: number,
  lease: HeldLease,
  onError: (message: string, error: unknown) => void,
  goesOn: (build: UnfinishedBuild) => Promise<boolean> = async () => false,
): Promise<BuildKey[]> {
  const all: BuildKey[] = [];
  for (;;) {
    const left = await lostBuilds(store, masterId, lease);
    if (left.length === 0) return all;
    const lost: BuildKey[] = [];
    for (const build of left) {
      if (await goesOn(build)) await takeOver(store, build, build.worker, lease);
      else lost.push(build);
    }
    // First the logs: if this master dies here, the next one finds the builds unfinished and begins again.
    for (const build of lost) await sealLogs(store, logStore, build, lease, onError);
    all.push(...(await endLostBuilds(store, lost, lease)));
  }
}

/** Packs the logs of a build that nobody writes any more, and notes their end. */
export async function sealLogs(
  store: Store,
  logStore: LogStore,
  build: BuildKey,
  lease: HeldLease,
  onError: (message: string, error: unknown) => void,
): Promise<void> {
  const open = await store.read
    .selectFrom("logs")
    .select(["step", "log", "name", "store_key", "lines", "bytes", "truncated"])
    .where("build_id", "=", build.id)
    .where("finished", "=", 0)
    .execute();
  for (const { store_key, step, log, name, ...known } of open) {
    let error: unknown;
    const totals = await logStore.seal(store_key, { fence: lease.fence }).catch((reason: unknown) => {
      onError(`the log ${store_key} of a lost build could not be packed`, reason);
      error = reason;
      return { ...known, truncated: known.truncated === 1 };
    });
    const { lines, bytes, truncated } = totals;
    await store.write(async (tx) => {
      await tx.requireLease(lease);
      await tx.db
        .updateTable("logs")
        .set({
          finished: 1,
          lines,
          bytes,
          truncated: truncated ? 1 : 0,
          ...(error === undefined ? {} : { error: JSON.stringify(describe(error)) }),
        })
        .where("build_id", "=", build.id)
        .where("step", "=", step)
        .where("log", "=", log)
        .execute();
      const { id, builder, number, project } = build;
      tx.event(
        "log.finished",
        { build: id, builder, number, step, log, name, lines, bytes, truncated },
        { builder, project },
      );
    });
  }
}

/** True for a master that nobody has heard of for longer than its lease. */
export async function isLost(store: Store, masterId: number): Promise<boolean> {
  const master = await store.read.selectFrom("masters").select("name").where("id", "=", masterId).executeTakeFirst();
  const state = master && (await leaseState(store, masterLease(master.name)));
  return !state || state.left <= 0;
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
