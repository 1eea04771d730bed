import type { LockMode } from "../interfaces/lock.ts";

/** A lock that is needed, once it is computed; `worker` is "" for locks of the master. */
export interface LockNeed {
  lock: string;
  worker: string;
  mode: LockMode;
  count: number;
}

/** A place in the one line of all who wait for locks: the smaller urgency first, then the smaller place. */
export interface LinePlace {
  urgency: number;
  place: number;
}

/** One lock that a build or step holds, or that it or a request waits for. */
export interface LockEntry extends LockNeed, LinePlace {
  held: boolean;
  request: number;
  /** 0 while only the request waits. */
  build: number;
  /** 0 for the build itself. */
  step: number;
  askedAt: number;
  heldAt: number | null;
}

/** How much there is of a lock; `undefined` if the configuration has none of this name. */
export type LockLimits = (lock: string, worker: string) => number | undefined;

export const LAST_PLACE: number = Number.MAX_SAFE_INTEGER;

/** A lock that cannot be had now, and who is in the way. */
export interface Blocked {
  need: LockNeed;
  holders: LockEntry[];
  ahead: LockEntry[];
}

export function isSameLock(a: LockNeed, b: LockNeed): boolean {
  return a.lock === b.lock && a.worker === b.worker;
}

/** Who has and who waits for which locks: the rules, without a database. */
export class LockBook {
  #entries: LockEntry[];
  readonly #limits: LockLimits;

  constructor(entries: readonly LockEntry[], limits: LockLimits) {
    this.#entries = [...entries];
    this.#limits = limits;
  }

  get entries(): readonly LockEntry[] {
    return this.#entries;
  }

  add(...entries: LockEntry[]): void {
    this.#entries.push(...entries);
  }

  /** Takes away what fits; returns it. */
  remove(fits: (entry: LockEntry) => boolean): LockEntry[] {
    const gone = this.#entries.filter(fits);
    if (gone.length > 0) this.#entries = this.#entries.filter((entry) => !fits(entry));
    return gone;
  }

  /**
   * The needs that cannot be had together now by somebody at this place; none if all can. Who waits
   * ahead keeps what it needs, unless it waits itself, over however many others, for the build that
   * asks: otherwise both would wait for ever.
   */
  blocked(needs: readonly LockNeed[], at: LinePlace, build = 0): Blocked[] {
    const found: Blocked[] = [];
    for (const need of needs) {
      const holders: LockEntry[] = [];
      const ahead: LockEntry[] = [];
      for (const entry of this.#entries) {
        if (!isSameLock(entry, need)) continue;
        if (entry.held) holders.push(entry);
        else if (isAhead(entry, at) && !this.#waitsFor(entry, build)) ahead.push(entry);
      }
      if (!this.#fits(need, [...holders, ...ahead])) found.push({ need, holders, ahead });
    }
    return found;
  }

  /** True if those who hold what a step needs wait, over however many others, for its build. */
  isDeadlock(blocked: readonly Blocked[], build: number): boolean {
    return this.#reaches(
      blocked.flatMap(({ holders }) => holders.filter(isOfBuild).map((holder) => holder.build)),
      build,
      false,
    );
  }

  #fits(need: LockNeed, others: readonly LockEntry[]): boolean {
    if (need.mode === "exclusive") return others.length === 0;
    if (others.some((other) => other.mode === "exclusive")) return false;
    const taken = others.reduce((sum, other) => sum + other.count, 0);
    return taken + need.count <= (this.#limits(need.lock, need.worker) ?? 0);
  }

  #waitsFor(entry: LockEntry, build: number): boolean {
    if (build === 0 || !this.#entries.some((other) => other.held && isOfBuild(other) && other.build === build))
      return false;
    return this.#reaches(this.#next(entry, true), build, true);
  }

  #reaches(from: readonly number[], build: number, overLine: boolean): boolean {
    const seen = new Set<number>();
    const open = [...from];
    for (;;) {
      const next = open.pop();
      if (next === undefined) return false;
      if (next === build) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      for (const entry of this.#entries)
        if (!entry.held && entry.build === next) open.push(...this.#next(entry, overLine));
    }
  }

  /** The builds that somebody in the line waits for; also those that others wait for who are ahead, if `overLine`. */
  #next(waiting: LockEntry, overLine: boolean): number[] {
    const builds = new Set<number>();
    const seen = new Set<LockEntry>();
    const open = this.#claim(waiting);
    for (;;) {
      const entry = open.pop();
      if (!entry) return [...builds];
      if (seen.has(entry)) continue;
      seen.add(entry);
      for (const other of this.#entries) {
        if (!isSameLock(other, entry)) continue;
        if (other.held && isOfBuild(other)) builds.add(other.build);
        else if (!other.held && overLine && isAhead(other, entry)) open.push(...this.#claim(other));
      }
    }
  }

  /** All that the same build, step or request waits for. */
  #claim(entry: LockEntry): LockEntry[] {
    return this.#entries.filter((other) => !other.held && other.place === entry.place);
  }
}

/** A step has all its locks at once and waits for no others; a build has its own while its steps wait. */
function isOfBuild(entry: LockEntry): boolean {
  return entry.step === 0;
}

export function isAhead(a: LinePlace, b: LinePlace): boolean {
  return a.urgency < b.urgency || (a.urgency === b.urgency && a.place < b.place);
}

/** One need for each lock: an exclusive one swallows the others, counts are added. */
export function mergeNeeds(needs: readonly LockNeed[]): LockNeed[] {
  const merged = new Map<string, LockNeed>();
  for (const need of needs) {
    const key = JSON.stringify([need.lock, need.worker]);
    const known = merged.get(key);
    if (!known) merged.set(key, { ...need });
    else if (need.mode === "exclusive") merged.set(key, { ...need });
    else if (known.mode === "counting") known.count += need.count;
  }
  return [...merged.values()];
}
