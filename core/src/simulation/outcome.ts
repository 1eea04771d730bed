import type { Generation } from "../config/generation.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import type { DurationSource } from "./build-model.ts";
import type { SimulatedBuilds } from "./simulated-builds.ts";
import type { LongWait, SimulatedBuild, Tally } from "./tally.ts";

/** How long requests waited that were given to a worker. */
export interface Waits {
  p50: Millis;
  p95: Millis;
  max: Millis;
}

export interface BuilderOutcome {
  builder: string;
  requests: number;
  /** Builds that began. */
  builds: number;
  results: Partial<Record<Result, number>>;
  /** Null if no build began. */
  waited: Waits | null;
  /** Milliseconds that it was built, of all builds together. */
  busy: Millis;
  /** Requests that were built together with a newer one. */
  collapsed: number;
  /** Requests that ended because they had waited for too long. */
  expired: number;
  /** Requests that waited at the end. */
  waiting: number;
  /** From where the lengths of its builds are known. */
  durations: Partial<Record<DurationSource, number>>;
}

export interface WorkerOutcome {
  worker: string;
  slots: number;
  builds: number;
  /** Milliseconds that its slots were in use, together. */
  busy: Millis;
  /** `busy` as a share of all its slots' time. */
  utilisation: number;
}

/** What came of a simulation. */
export interface Outcome {
  from: Millis;
  until: Millis;
  changes: number;
  buildsets: number;
  /** Buildsets that steps began. */
  triggered: number;
  requests: number;
  builds: SimulatedBuild[];
  waited: Waits | null;
  waiting: number;
  running: number;
  busy: Millis;
  builders: BuilderOutcome[];
  workers: WorkerOutcome[];
  longestWaits: LongWait[];
  /** What went wrong in the configuration's own code, with how often. */
  notes: { message: string; times: number }[];
}

export function outcomeOf(given: {
  from: Millis;
  until: Millis;
  generation: Generation;
  changes: number;
  tally: Tally;
  builds: SimulatedBuilds;
  notes: ReadonlyMap<string, number>;
}): Outcome {
  const { from, until, generation, changes, tally, notes } = given;
  const byBuilder = Map.groupBy(tally.builds, (build) => build.builder);
  const byWorker = Map.groupBy(tally.builds, (build) => build.worker);
  const stillWaiting = Map.groupBy(tally.waiting.values(), (waiting) => waiting.builder);
  const busyOf = (builds: readonly SimulatedBuild[]) =>
    builds.reduce((sum, build) => sum + (build.finishedAt ?? until) - build.startedAt, 0);
  const count = (builds: readonly SimulatedBuild[]) => {
    const results: Partial<Record<Result, number>> = {};
    for (const { result } of builds) if (result !== null) results[result] = (results[result] ?? 0) + 1;
    return results;
  };
  return {
    from,
    until,
    changes,
    buildsets: tally.buildsets,
    triggered: given.builds.triggered,
    requests: [...tally.requests.values()].reduce((sum, number) => sum + number, 0),
    builds: tally.builds,
    waited: waitsOf(tally.builds),
    waiting: tally.waiting.size,
    running: tally.running.size,
    busy: busyOf(tally.builds),
    builders: [...generation.builders.keys()].map((builder) => {
      const builds = byBuilder.get(builder) ?? [];
      return {
        builder,
        requests: tally.requests.get(builder) ?? 0,
        builds: builds.length,
        results: count(builds),
        waited: waitsOf(builds),
        busy: busyOf(builds),
        collapsed: tally.collapsed.get(builder) ?? 0,
        expired: tally.expired.get(builder) ?? 0,
        waiting: stillWaiting.get(builder)?.length ?? 0,
        durations: Object.fromEntries(given.builds.sources.get(builder) ?? []),
      };
    }),
    workers: generation.workers.map(({ name: worker, part: { slots } }) => {
      const builds = byWorker.get(worker) ?? [];
      const busy = busyOf(builds);
      const all = slots * (until - from);
      const utilisation = all > 0 ? busy / all : 0;
      return { worker, slots, builds: builds.length, busy, utilisation };
    }),
    longestWaits: tally.longest,
    notes: [...notes].map(([message, times]) => ({ message, times })),
  };
}

function waitsOf(builds: readonly SimulatedBuild[]): Waits | null {
  if (builds.length === 0) return null;
  const sorted = builds.map((build) => build.startedAt - build.submittedAt).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as Millis;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
