import type { WaitReason } from "../engine/waiting.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import type { StoredEvent } from "../store/events.ts";

/** How many of the longest waits are kept. */
export const LONGEST_WAITS = 10;

/** A build of the simulation. */
export interface SimulatedBuild {
  build: number;
  builder: string;
  number: number;
  worker: string;
  request: number;
  submittedAt: Millis;
  startedAt: Millis;
  /** Null for one that was still being built at the end. */
  finishedAt: Millis | null;
  result: Result | null;
}

export interface Waiting {
  request: number;
  buildset: number;
  builder: string;
  /** When it began to wait: when it was submitted, or when its last build ended as retry. */
  since: Millis;
  /** What kept it when that was asked last. */
  why: { at: Millis; reasons: readonly WaitReason[] } | undefined;
}

export interface LongWait {
  request: number;
  builder: string;
  since: Millis;
  waited: Millis;
  /** Null for one that was still waiting at the end, or that ended without a build. */
  startedAt: Millis | null;
  /** What kept it, at a moment in its wait; null where nobody looked. */
  why: { at: Millis; reasons: readonly WaitReason[] } | null;
}

/** A build that begins. */
export interface Beginning {
  id: number;
  builder: string;
  number: number;
  worker: string;
  request: number;
  buildset: number;
}

/** Follows the events of a simulation and counts. */
export class Tally {
  readonly builds: SimulatedBuild[] = [];
  /** Requests that wait, the oldest first. */
  readonly waiting = new Map<number, Waiting>();
  /** Builds that run. */
  readonly running = new Map<number, SimulatedBuild>();
  readonly requests = new Map<string, number>();
  readonly collapsed = new Map<string, number>();
  readonly expired = new Map<string, number>();
  readonly longest: LongWait[] = [];
  buildsets = 0;
  readonly #buildsets = new Map<number, number>();

  /** Notes an event; gives the build that begins with it. */
  see({ type, time, data }: StoredEvent): Beginning | undefined {
    const request = Number(data["request"]);
    const builder = String(data["builder"]);
    switch (type) {
      case "buildset.added":
        this.buildsets += 1;
        return undefined;
      case "request.added":
      case "request.retried": {
        const buildset = Number(data["buildset"]);
        if (type === "request.added") add(this.requests, builder);
        this.#buildsets.set(request, buildset);
        this.waiting.set(request, { request, buildset, builder, since: time, why: undefined });
        return undefined;
      }
      case "request.collapsed":
        add(this.collapsed, builder);
        return undefined;
      case "request.finished": {
        this.#buildsets.delete(request);
        const waiting = this.waiting.get(request);
        if (!waiting) return undefined;
        if (data["result"] === "cancelled") add(this.expired, builder);
        this.#stopWaiting(waiting, time, null);
        return undefined;
      }
      case "build.assigned":
        return this.#begin(data, time, request, builder);
      case "build.finished": {
        const build = this.running.get(Number(data["build"]));
        if (!build) return undefined;
        build.finishedAt = time;
        build.result = data["result"] as Result;
        this.running.delete(build.build);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #begin(data: StoredEvent["data"], time: Millis, request: number, builder: string): Beginning {
    const waiting = this.waiting.get(request);
    if (waiting) this.#stopWaiting(waiting, time, time);
    const [id, number, worker] = [Number(data["build"]), Number(data["number"]), String(data["worker"])];
    const submittedAt = waiting?.since ?? time;
    const times = { submittedAt, startedAt: time, finishedAt: null, result: null };
    const build: SimulatedBuild = { build: id, builder, number, worker, request, ...times };
    this.builds.push(build);
    this.running.set(id, build);
    return { id, builder, number, worker, request, buildset: this.#buildsets.get(request) ?? 0 };
  }

  #stopWaiting(waiting: Waiting, now: Millis, startedAt: Millis | null): void {
    this.waiting.delete(waiting.request);
    this.#noteLong(waiting, now, startedAt);
  }

  /** Those that wait at the end are among the longest waits too. */
  end(now: Millis): void {
    for (const waiting of this.waiting.values()) this.#noteLong(waiting, now, null);
  }

  /** What a wait has to be longer than to be among the longest. */
  get leastOfLongest(): Millis {
    return this.longest.length < LONGEST_WAITS ? 0 : (this.longest.at(-1)?.waited ?? 0);
  }

  #noteLong({ request, builder, since, why }: Waiting, now: Millis, startedAt: Millis | null): void {
    const waited = now - since;
    if (waited <= this.leastOfLongest) return;
    this.longest.push({ request, builder, since, waited, startedAt, why: why ?? null });
    this.longest.sort((a, b) => b.waited - a.waited || a.request - b.request);
    this.longest.length = Math.min(this.longest.length, LONGEST_WAITS);
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
