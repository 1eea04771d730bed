import type { SourceStampSpec } from "./scheduler.ts";
import type { Json, Millis } from "./values.ts";

/** A request that waits, for the functions of its builder. */
export interface RequestInfo {
  readonly id: number;
  readonly builder: string;
  readonly buildset: number;
  readonly scheduler: string | null;
  readonly reason: string;
  readonly priority: number;
  readonly submittedAt: Millis;
  /** How many of its builds ended as retry. */
  readonly retries: number;
  readonly sourceStamps: readonly Required<SourceStampSpec>[];
  /** Ids of the changes that led to it; of very many the first ones. */
  readonly changes: readonly number[];
  readonly properties: Readonly<Record<string, Json>>;
}

/** A worker that is connected and has a free slot. */
export interface FreeWorker {
  readonly name: string;
  readonly slots: number;
  /** How many builds it has now. */
  readonly busy: number;
}

type Awaitable<T> = T | Promise<T>;

/**
 * A builder's own rules for its requests. They are asked by the one master that gives out work, outside of
 * transactions; what they answer is checked against the state of the moment before it counts, and
 * they may be asked the same again. One that throws, answers nonsense or takes longer than ten seconds
 * holds up its own builder only: `belfry why` shows it, and it is asked again after a growing pause.
 */
export interface DistributionRules {
  /**
   * Whose turn it is among the builder's waiting requests, of which it gets the first 100 in their
   * order: an id of theirs, or null for none now. Default: the first.
   */
  nextBuild?: (requests: readonly RequestInfo[]) => Awaitable<number | null>;
  /**
   * Which of the free workers builds it: a name of theirs, or null for none of them now. Default: the
   * one with the fewest builds for its slots.
   */
  nextWorker?: (request: RequestInfo, workers: readonly FreeWorker[]) => Awaitable<string | null>;
  /**
   * Whether it may start now on this worker. Text, or false, says no and holds this request alone;
   * it is asked again when something has changed, and every few seconds.
   */
  canStart?: (request: RequestInfo, worker: FreeWorker) => Awaitable<boolean | string>;
  /**
   * Whether waiting requests are built together. When the turn of one has come, the newest that is
   * compatible with it is built in its place, and all others that are compatible end as `skipped`
   * and point to that one. `true` goes by Buildbot's rule: the same codebases with the same
   * repository, branch and project, no patch, and either all from changes or all of the same revision;
   * and the same properties. A function decides instead of that rule, for each pair. Default false.
   */
  collapse?: boolean | ((kept: RequestInfo, other: RequestInfo) => Awaitable<boolean>);
  /** A number is added to the priority that each request comes with; a function is given the request once, when it is new, and tells its priority. */
  priority?: number | ((request: RequestInfo) => Awaitable<number>);
}
