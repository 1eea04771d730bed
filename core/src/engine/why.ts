import type { Millis } from "../interfaces/values.ts";
import { leaseState } from "../store/leases.ts";
import { isAhead } from "../store/lock-book.ts";
import { type NamedLock, namedLocks } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import type { Db, Row } from "../store/tables.ts";
import { DISTRIBUTOR_LEASE } from "./distributor.ts";
import { freeWorkers, reasonsToWait, type WaitReason } from "./waiting.ts";
import { type DistributedBuilder, lookAround } from "./world.ts";

type RequestRow = Row<"build_requests"> & { name: string };

export interface Why {
  state: "pending" | "claimed" | "complete";
  reasons: WaitReason[];
  /** Requests for the same builder that come first; no more than {@link MOST_AHEAD} are counted. */
  ahead: number;
}

/** In a queue of a million, nobody waits for the exact number. */
export const MOST_AHEAD = 10_000;

/**
 * Every cause for which a request waits, or its build does; or why it ended without one. Of others who hold or want
 * the same locks, only those are told and counted whose builders are in `seen`; `null` for all.
 */
export async function whyItWaits(
  store: Store,
  row: RequestRow,
  configured: ReadonlyMap<string, DistributedBuilder>,
  now: Millis,
  seen: ReadonlySet<string> | null = null,
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
    return { state: "claimed", reasons: lockReasons(own, locks, seen), ahead: 0 };
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
  const ahead = await countAhead(store.read, row);
  const inLine = locks.filter((entry) => !entry.held && entry.build === 0);
  const own = inLine.filter((entry) => entry.request === row.id);
  // The first of a builder stands in line for those behind it.
  const first = inLine.find((entry) => entry.builder === builder && entry.urgency <= row.urgency)?.request;
  const stands = own.length > 0 ? own : ahead === 0 ? [] : inLine.filter((entry) => entry.request === first);
  reasons.push(...lockReasons(stands, locks, seen));
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

/** How many of the same builder come first, each part by its index and up to the most that are counted. */
async function countAhead(db: Db, { builder_id, urgency, id }: RequestRow): Promise<number> {
  const same = () =>
    db.selectFrom("build_requests").select("id").where("builder_id", "=", builder_id).where("state", "=", "pending");
  const counts = [
    same().where("urgency", "<", urgency),
    same().where("urgency", "=", urgency).where("id", "<", id),
  ].map(async (query) => {
    const { many } = await db
      .selectFrom(query.limit(MOST_AHEAD).as("before"))
      .select((eb) => eb.fn.countAll<number>().as("many"))
      .executeTakeFirstOrThrow();
    return Number(many);
  });
  const [more = 0, earlier = 0] = await Promise.all(counts);
  return Math.min(MOST_AHEAD, more + earlier);
}

/** For each lock that is waited for: who has it, and how many come first. */
function lockReasons(
  waiting: readonly NamedLock[],
  all: readonly NamedLock[],
  seen: ReadonlySet<string> | null,
): WaitReason[] {
  const shown = all.filter(({ builder }) => seen === null || seen.has(builder));
  return waiting.map((entry) => {
    const same = shown.filter((other) => other.lock === entry.lock && other.worker === entry.worker);
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
