import type { Renders } from "./properties.ts";

export type LockMode = "counting" | "exclusive";

/** How a builder, a step or a worker's builds use a lock. Made by the `access` of a lock, or written as plain data. */
export interface LockAccess {
  /** The name of a lock of the configuration. */
  lock: Renders<string>;
  /** `exclusive`: nobody else has any of it. `counting`: takes `count` of what there is. */
  mode: LockMode;
  /** For `counting`. Default 1. */
  count?: Renders<number>;
}

/**
 * The locks that a builder, a step or a worker names; all of them or each may be computed for each
 * build. For builders and workers that happens before there is a build: `ctx.build` has 0 as its id
 * and number then, and secrets are not to be had.
 */
export type LockUse = Renders<readonly Renders<LockAccess>[]>;

interface LockFacts {
  readonly name: string;
  /** How much there is of it. Default 1. */
  readonly maxCount: number;
}

/** One lock for all workers and all masters that share the database. */
export interface MasterLock extends LockFacts {
  readonly kind: "master";
}

/** One lock for each worker: builds on different workers do not wait for each other. */
export interface WorkerLock extends LockFacts {
  readonly kind: "worker";
  /** How much there is of it on workers that are named here. */
  readonly maxCountForWorker: Readonly<Record<string, number>>;
}

/**
 * A lock of the configuration, to be listed in its `locks`.
 *
 * Whoever needs locks gets all of them at once or none, and stands in line till then: the more
 * urgent first, by the priority of its request, and in the order of asking among equals. Nobody is
 * given what somebody ahead of him waits for, so that a wish for much is not put off for ever by
 * many for little. A builder's locks are taken before its build is given to a worker, of each builder
 * for the first request that could start otherwise; a step's before it begins. They are given back
 * in the transaction that ends the build or step.
 */
export type LockDefinition = MasterLock | WorkerLock;

type WithAccess<L extends LockDefinition> = L & {
  /** For the `locks` of builders, steps and workers. */
  access(mode: LockMode, count?: number): LockAccess;
};

/** Defines a lock that counts for all workers together. */
export function masterLock(spec: { name: string; maxCount?: number }): WithAccess<MasterLock> {
  return withAccess({ kind: "master", name: spec.name, maxCount: spec.maxCount ?? 1 });
}

/** Defines a lock that counts for each worker. */
export function workerLock(spec: {
  name: string;
  maxCount?: number;
  maxCountForWorker?: Record<string, number>;
}): WithAccess<WorkerLock> {
  const { name, maxCount = 1, maxCountForWorker = {} } = spec;
  return withAccess({ kind: "worker", name, maxCount, maxCountForWorker });
}

function withAccess<L extends LockDefinition>(lock: L): WithAccess<L> {
  const access = (mode: LockMode, count?: number): LockAccess => ({
    lock: lock.name,
    mode,
    ...(count === undefined ? {} : { count }),
  });
  // Not a part of the data: a configuration is shown and compared without it.
  return Object.defineProperty(lock, "access", { value: access }) as WithAccess<L>;
}
