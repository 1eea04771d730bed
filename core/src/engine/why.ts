import type { Millis } from "../interfaces/values.ts";
import { leaseState } from "../store/leases.ts";
import { isAhead } from "../store/lock-book.ts";
import { type NamedLock, namedLocks } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import type { Row } from "../store/tables.ts";
import { DISTRIBUTOR_LEASE } from "./distributor.ts";
import { freeWorkers, reasonsToWait, type WaitReason } from "./waiting.ts";
import { type DistributedBuilder, lookAround } from "./world.ts";

type RequestRow = Row<"build_requests"> & { name: string };

export interface Why {
  state: "pending" | "claimed" | "complete";
  reasons: WaitReason[];
  /** Requests for the same builder that come first. */
  ahead: number;
}

/** Every cause for which a request waits, or its build does; or why it ended without one. */
export async function whyItWaits(
  store: Store,
  row: RequestRow,
  configured: ReadonlyMap<string, DistributedBuilder>,
  now: Millis,
): Promise<Why> {
  const held = row.held === null ? null : JSON.parse(row.held);
  if (row.state === "complete") {
    const reasons: WaitReason[] = [];
    if (row.collapsed_into !== null) reasons.push({ reason: "collapsed", into: row.collapsed_into });
    if (held?.reason === "expired") reasons.push(held);
    return { state: "complete", reasons, ahead: 0 };
  }
  const locks = await namedLocks(store.read);
  if (row.state === "claimed") {
    const own = locks.filter((entry) => !entry.held && entry.request === row.id);
    return { state: "claimed", reasons: lockReasons(own, locks), ahead: 0 };
  }
  const world = await lookAround(store, now, configured);
  const { id, name: builder, priority, not_before: notBefore, retries } = row;
  const reasons = reasonsToWait({ id, builder, priority, notBefore, retries }, world);
  const lease = await leaseState(store, DISTRIBUTOR_LEASE);
  if (!lease || lease.left <= 0 || lease.owner === "") reasons.unshift({ reason: "no-distributor", since: null });
  const { trouble } = await store.read
    .selectFrom("builders")
    .select("trouble")
    .where("id", "=", row.builder_id)
    .executeTakeFirstOrThrow();
  if (trouble !== null) reasons.push({ reason: "hook-failed", ...JSON.parse(trouble) });
  if (held !== null) reasons.push(held);
  const { ahead: count } = await store.read
    .selectFrom("build_requests")
    .select((eb) => eb.fn.countAll<number>().as("ahead"))
    .where("state", "=", "pending")
    .where("builder_id", "=", row.builder_id)
    .where((eb) =>
      eb.or([eb("urgency", "<", row.urgency), eb.and([eb("urgency", "=", row.urgency), eb("id", "<", row.id)])]),
    )
    .executeTakeFirstOrThrow();
  const ahead = Number(count);
  const inLine = locks.filter((entry) => !entry.held && entry.build === 0);
  const own = inLine.filter((entry) => entry.request === row.id);
  // The first of a builder stands in line for those behind it.
  const first = inLine.find((entry) => entry.builder === builder && entry.urgency <= row.urgency)?.request;
  const stands = own.length > 0 ? own : ahead === 0 ? [] : inLine.filter((entry) => entry.request === first);
  reasons.push(...lockReasons(stands, locks));
  const nothingElse = reasons.every(({ reason }) => reason === "lock");
  if (
    nothingElse &&
    own.length === 0 &&
    ahead > 0 &&
    (reasons.length > 0 || ahead >= freeWorkers(builder, world).length)
  )
    reasons.push({ reason: "behind-others", ahead });
  return { state: "pending", reasons, ahead };
}

/** For each lock that is waited for: who has it, and how many come first. */
export function lockReasons(waiting: readonly NamedLock[], all: readonly NamedLock[]): WaitReason[] {
  return waiting.map((entry) => {
    const same = all.filter((other) => other.lock === entry.lock && other.worker === entry.worker);
    return {
      reason: "lock",
      lock: entry.lock,
      worker: entry.worker === "" ? null : entry.worker,
      mode: entry.mode,
      count: entry.count,
      step: entry.step === 0 ? null : entry.step,
      since: entry.askedAt,
      holders: same
        .filter((other) => other.held)
        .map(({ build, builder, number, step, heldAt }) => ({
          build,
          builder,
          number: number ?? 0,
          step: step === 0 ? null : step,
          since: heldAt,
        })),
      ahead: same.filter((other) => !other.held && isAhead(other, entry)).length,
    };
  });
}
