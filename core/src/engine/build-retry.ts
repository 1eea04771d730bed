import type { Retry } from "../config/parts.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import type { BuildKey } from "../store/builds.ts";
import type { Store } from "../store/store.ts";
import { backOff } from "./loop.ts";

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 300_000;

/** How long a request waits before it is built once more. */
export function retryPause(times: number): number {
  return Math.min(backOff(times, FIRST_PAUSE, LONGEST_PAUSE), LONGEST_PAUSE);
}

/** From when on a builder's policy has a build's request built again; `undefined` if it has not. */
export async function notBeforeAgain(
  store: Store,
  clock: Clock,
  build: BuildKey,
  retry: Retry | undefined,
  result: Result,
): Promise<Millis | undefined> {
  if (!retry?.on.includes(result)) return undefined;
  const builds = await store.read
    .selectFrom("builds")
    .select(["id", "result", "assigned_at"])
    .where("request_id", "=", build.requestId)
    .execute();
  const before = builds.filter((row) => row.id !== build.id && retry.on.includes(row.result as Result)).length;
  const first = Math.min(...builds.map((row) => row.assigned_at));
  if (before >= retry.max || clock.now() - first > (retry.within ?? Number.POSITIVE_INFINITY)) return undefined;
  return clock.now() + retryPause(before + 1);
}
