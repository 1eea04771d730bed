import type { LockLimit } from "./committed-state.ts";

export interface Told {
  position: string;
  type: string;
  data: any;
}

/** What the builds of a builder hold from their assignment to their end. */
export interface BuilderLock {
  builder: string;
  lock: string;
  mode: "counting" | "exclusive";
  count: number;
  perWorker: boolean;
}

interface Tally {
  added: number;
  finished: string[];
  assigned: number[];
  open: Set<number>;
}

/**
 * What the event log says that cannot be: it is in the order of the commits, so whatever holds at each
 * moment holds between any two events.
 */
export function oddEvents(
  events: readonly Told[],
  locks: readonly BuilderLock[],
  limits: readonly LockLimit[],
): string[] {
  const odd: string[] = [];
  const requests = new Map<number, Tally>();
  const builds = new Map<number, { started: number; finished: number; steps: Map<number, number> }>();
  const paused = new Set<string>();
  const held: { build: number; lock: string; worker: string; mode: string; count: number }[] = [];
  const tally = (id: number) => {
    const known = requests.get(id) ?? { added: 0, finished: [], assigned: [], open: new Set() };
    requests.set(id, known);
    return known;
  };
  for (const [i, { type, data, position }] of events.entries()) {
    const say = (what: string) => odd.push(`${what} (${type} at ${position}: ${JSON.stringify(data)})`);
    if (i > 0 && Number(position) <= Number(events[i - 1]?.position)) say("positions do not grow");
    if (type === "request.added") tally(data.request).added += 1;
    else if (type === "request.finished") {
      const request = tally(data.request);
      request.finished.push(data.result);
      if (request.open.size > 0) say("a request ended while it was built");
    } else if (type === "builder.paused") paused.add(data.builder);
    else if (type === "builder.resumed") paused.delete(data.builder);
    else if (type === "build.assigned") {
      const request = tally(data.request);
      if (paused.has(data.builder)) say("a paused builder got a build");
      if (request.finished.length > 0) say("a request was built after its end");
      if (request.open.size > 0) say("a request was built twice at once");
      request.open.add(data.build);
      request.assigned.push(data.build);
      builds.set(data.build, { started: 0, finished: 0, steps: new Map() });
      for (const { builder, lock, mode, count, perWorker } of locks) {
        if (builder !== data.builder) continue;
        const worker = perWorker ? data.worker : "";
        held.push({ build: data.build, lock, worker, mode, count });
        const beside = held.filter((other) => other.lock === lock && other.worker === worker);
        const most = limits.find((limit) => limit.lock === lock && limit.worker === worker)?.most ?? 0;
        const taken = beside.reduce((sum, other) => sum + other.count, 0);
        if (taken > most || (beside.length > 1 && beside.some((other) => other.mode === "exclusive")))
          say(`too much of the lock ${lock} was held: ${JSON.stringify(beside)}`);
      }
    } else if (type.startsWith("build.") || type.startsWith("step.")) {
      const build = builds.get(data.build);
      if (!build) say("a build that was never assigned");
      else if (build.finished > 0) say("something happened in a build that had ended");
      else if (type === "build.started") build.started += 1;
      else if (type === "step.started") build.steps.set(data.step, (build.steps.get(data.step) ?? 0) + 1);
      else if (type === "step.finished") build.steps.set(data.step, (build.steps.get(data.step) ?? 0) - 1);
      else if (type === "build.finished") {
        build.finished += 1;
        if (build.started > 1) say("a build began twice");
        if ([...build.steps.values()].some((open) => open !== 0))
          say("a build ended before its steps, or a step twice");
        tally(data.request).open.delete(data.build);
        for (const mine of held.filter((one) => one.build === data.build)) held.splice(held.indexOf(mine), 1);
      }
    }
  }
  for (const [id, { added, finished, open }] of requests) {
    if (added !== 1) odd.push(`request ${id} was added ${added} times`);
    if (finished.length !== 1) odd.push(`request ${id} ended ${finished.length} times: ${finished}`);
    if (open.size > 0) odd.push(`request ${id} is still built`);
  }
  return odd;
}
