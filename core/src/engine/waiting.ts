import type { Millis } from "../interfaces/values.ts";

/** Why a request waits, as data. A request without reasons is given to a worker at the next pass. */
export type WaitReason =
  | { reason: "no-distributor"; since: Millis | null }
  | { reason: "builder-not-configured"; builder: string }
  | { reason: "builder-paused"; builder: string }
  | { reason: "retry-delay"; until: Millis; retries: number }
  | { reason: "no-worker-configured"; workers: string[] }
  | { reason: "no-worker-connected"; workers: string[] }
  | { reason: "workers-busy"; workers: { name: string; slots: number; builds: number[] }[] }
  | { reason: "behind-others"; ahead: number };

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
  builders: ReadonlyMap<string, { workers: readonly string[]; paused: boolean }>;
  workers: ReadonlyMap<string, KnownWorker>;
}

/** What keeps a request from being given to a worker now. The distributor starts a request exactly if there is nothing. */
export function reasonsToWait(request: WaitingRequest, world: World): WaitReason[] {
  const builder = world.builders.get(request.builder);
  if (!builder) return [{ reason: "builder-not-configured", builder: request.builder }];
  const reasons: WaitReason[] = [];
  if (builder.paused) reasons.push({ reason: "builder-paused", builder: request.builder });
  if (request.notBefore > world.now) {
    reasons.push({ reason: "retry-delay", until: request.notBefore, retries: request.retries });
  }
  const known = builder.workers.map((name) => world.workers.get(name)).filter((worker) => worker !== undefined);
  const connected = known.filter((worker) => worker.connected);
  if (known.length === 0) reasons.push({ reason: "no-worker-configured", workers: [...builder.workers] });
  else if (connected.length === 0)
    reasons.push({ reason: "no-worker-connected", workers: known.map((worker) => worker.name) });
  else if (!connected.some(hasFreeSlot)) {
    reasons.push({
      reason: "workers-busy",
      workers: connected.map(({ name, slots, builds }) => ({ name, slots, builds: builds.map((build) => build.id) })),
    });
  }
  return reasons;
}

export function hasFreeSlot(worker: KnownWorker): boolean {
  return worker.builds.length < worker.slots;
}

/** The free worker with the fewest builds for its slots, in the builder's order among equals. */
export function chooseWorker(request: WaitingRequest, world: World): KnownWorker | undefined {
  const names = world.builders.get(request.builder)?.workers ?? [];
  let best: KnownWorker | undefined;
  for (const name of names) {
    const worker = world.workers.get(name);
    if (!worker?.connected || !hasFreeSlot(worker)) continue;
    if (!best || worker.builds.length / worker.slots < best.builds.length / best.slots) best = worker;
  }
  return best;
}

/** The lowest number that no other build of this builder uses on this worker: it names the build's folder. */
export function freeSlot(worker: KnownWorker, builder: string): number {
  const used = new Set(worker.builds.filter((build) => build.builder === builder).map((build) => build.slot));
  let slot = 0;
  while (used.has(slot)) slot += 1;
  return slot;
}
