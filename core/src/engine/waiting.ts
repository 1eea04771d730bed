import type { LockMode } from "../interfaces/lock.ts";
import type { Millis } from "../interfaces/values.ts";

/** Why a request waits, as data. A request without reasons is given to a worker at the next pass. */
export type WaitReason =
  | { reason: "no-distributor"; since: Millis | null }
  | { reason: "builder-not-configured"; builder: string }
  | { reason: "builder-paused"; builder: string; why: string | null; by: string | null; since: Millis | null }
  | { reason: "retry-delay"; until: Millis; retries: number }
  | { reason: "no-worker-configured"; workers: string[] }
  | { reason: "no-worker-connected"; workers: string[] }
  | {
      reason: "workers-paused";
      workers: { name: string; why: string | null; by: string | null; since: Millis | null }[];
    }
  | { reason: "workers-busy"; workers: { name: string; slots: number; builds: number[] }[] }
  | ({ reason: "lock"; lock: string; worker: string | null; mode: LockMode; count: number } & LockQueue)
  | { reason: "hook-failed"; hook: string; error: string; since: Millis }
  | { reason: "can-start"; text: string; since: Millis }
  | { reason: "next-worker"; since: Millis }
  | { reason: "next-build"; since: Millis }
  | { reason: "collapsed"; into: number }
  | { reason: "expired"; at: Millis }
  | { reason: "behind-others"; ahead: number };

/** Who is in the way of somebody who waits for a lock. */
export interface LockQueue {
  /** Whose step it is that waits; null if the request does. */
  step: number | null;
  since: Millis | null;
  holders: { build: number; builder: string; number: number; step: number | null; since: Millis | null }[];
  /** How many others come first. */
  ahead: number;
}

export interface Pause {
  why: string | null;
  by: string | null;
  since: Millis | null;
}

export interface WaitingRequest {
  id: number;
  builder: string;
  priority: number;
  notBefore: Millis;
  retries: number;
}

export interface KnownWorker {
  name: string;
  connected: boolean;
  /** While it is paused it gets no builds; those that it has go on. */
  paused: Pause | null;
  slots: number;
  /** What it builds now. */
  builds: { id: number; builder: string; slot: number }[];
  masterId: number;
  masterFence: number;
}

/** What the distributor knows when it decides; `why` looks at the same. */
export interface World {
  now: Millis;
  /** Builders of the running configuration, with the workers they may use. */
  builders: ReadonlyMap<string, { workers: readonly string[]; paused: Pause | null }>;
  workers: ReadonlyMap<string, KnownWorker>;
}

/** What keeps a request from being given to a worker now. The distributor starts a request exactly if there is nothing. */
export function reasonsToWait(request: WaitingRequest, world: World): WaitReason[] {
  const builder = world.builders.get(request.builder);
  if (!builder) return [{ reason: "builder-not-configured", builder: request.builder }];
  const reasons: WaitReason[] = [];
  if (builder.paused) reasons.push({ reason: "builder-paused", builder: request.builder, ...builder.paused });
  if (request.notBefore > world.now) {
    reasons.push({ reason: "retry-delay", until: request.notBefore, retries: request.retries });
  }
  const known = builder.workers.map((name) => world.workers.get(name)).filter((worker) => worker !== undefined);
  const connected = known.filter((worker) => worker.connected);
  const ready = connected.filter(isReady);
  if (known.length === 0) reasons.push({ reason: "no-worker-configured", workers: [...builder.workers] });
  else if (connected.length === 0)
    reasons.push({ reason: "no-worker-connected", workers: known.map((worker) => worker.name) });
  else if (ready.length === 0)
    reasons.push({
      reason: "workers-paused",
      workers: connected.flatMap(({ name, paused }) => (paused === null ? [] : [{ name, ...paused }])),
    });
  else if (!ready.some(hasFreeSlot)) {
    reasons.push({
      reason: "workers-busy",
      workers: ready.map(({ name, slots, builds }) => ({ name, slots, builds: builds.map((build) => build.id) })),
    });
  }
  return reasons;
}

/** Whether it takes builds at all. */
export function isReady(worker: KnownWorker): boolean {
  return worker.connected && worker.paused === null;
}

export function hasFreeSlot(worker: KnownWorker): boolean {
  return worker.builds.length < worker.slots;
}

/** The workers that could take it now: first those with the fewest builds for their slots, in the builder's order among equals. */
export function freeWorkers(builder: string, world: World): KnownWorker[] {
  const names = world.builders.get(builder)?.workers ?? [];
  return names
    .map((name) => world.workers.get(name))
    .filter((worker) => worker !== undefined)
    .filter((worker) => isReady(worker) && hasFreeSlot(worker))
    .sort((a, b) => a.builds.length / a.slots - b.builds.length / b.slots);
}

/** The lowest number that no other build of this builder uses on this worker: it names the build's folder. */
export function freeSlot(worker: KnownWorker, builder: string): number {
  const used = new Set(worker.builds.filter((build) => build.builder === builder).map((build) => build.slot));
  let slot = 0;
  while (used.has(slot)) slot += 1;
  return slot;
}
