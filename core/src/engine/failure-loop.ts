import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Json, Millis } from "../interfaces/values.ts";
import { keepFailure, nextUnexplained } from "../store/failures.ts";
import type { Store } from "../store/store.ts";
import { explainFailure } from "./failure-summary.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

export const FAILURES_LEASE = "failures";

/**
 * One pass: looks into the oldest build that failed and that nobody has looked into. What a build's end
 * asked for stays asked for until it is kept, whichever master lives.
 */
export async function failurePass(
  { store, clock, leases, logStore }: { store: Store; clock: Clock; leases: LeaseKeeper; logStore: LogStore },
  signal: AbortSignal,
): Promise<{ wakeAt?: Millis; again?: boolean }> {
  const lease = await leases.hold(FAILURES_LEASE);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const build = await nextUnexplained(store);
  if (!build) return {};
  const summary = await explainFailure(store, logStore, build, AbortSignal.any([signal, lease.signal]));
  await keepFailure(store, lease, build, summary as unknown as Json);
  return { again: true };
}
