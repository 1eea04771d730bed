import { type Change, type Json, type Millis, type SchedulerWait, z } from "belfry";
import { type Stamp, stampOf, stampSchema } from "./codebases.ts";

/** What has collected on a branch since it was built last. */
export interface Pending {
  /** The newest of each codebase. */
  stamps: [Stamp, ...Stamp[]];
  /** When to build it; `null` while nothing important has come. */
  until: Millis | null;
  /** Ids of the changes, in the order in which they came. */
  changes: number[];
}

/** The most that is remembered of one branch. */
const MAX_OF_BRANCH = 1_000;
/** The most that is remembered of a branch while none of its changes is important. */
const MAX_UNIMPORTANT = 100;
/** The most that is remembered of all branches together: their changes, and so much for each branch. */
const MAX_OF_ALL = 22_000;
const BRANCH_WEIGHT = 10;

const MOST_SHOWN = 200;

const rest = { until: z.number().nullable(), changes: z.array(z.int()).min(1) };

const stateSchema = z.discriminatedUnion("version", [
  z.strictObject({
    version: z.literal(1),
    pending: z.array(z.strictObject({ stamp: stampSchema, ...rest })),
  }),
  z.strictObject({
    version: z.literal(2),
    pending: z.array(z.strictObject({ stamps: z.tuple([stampSchema], stampSchema), ...rest })),
    seen: z.array(stampSchema).optional(),
  }),
]);

/**
 * The branches that wait for their tree to become stable. Made from a scheduler's state at the
 * beginning of a pass, turned into state again at its end. Its size is bounded: a branch that has
 * collected {@link MAX_OF_BRANCH} changes is due at once; one without an important change forgets
 * all but the newest {@link MAX_UNIMPORTANT}; and where all together are more than
 * {@link MAX_OF_ALL}, those that were changed longest ago are forgotten if nothing in them is
 * important, and else are due at once.
 */
export class PendingBranches {
  /** The one that was changed last is last. */
  readonly #branches = new Map<string, Pending>();
  readonly #together: boolean;
  #size = 0;
  #changed = false;
  /** What is remembered beside: the newest states of codebases. */
  seen: Stamp[] = [];

  private constructor(together: boolean) {
    this.#together = together;
  }

  /**
   * Returns `undefined` for a state that it did not write. With `together`, a branch is one whatever
   * the codebase; else it is one of its repository, project and codebase.
   */
  static read(state: Json | undefined, together = false): PendingBranches | undefined {
    const branches = new PendingBranches(together);
    if (state === undefined) return branches;
    const read = stateSchema.safeParse(state);
    if (!read.success) return undefined;
    for (const old of read.data.pending) {
      const pending: Pending = "stamp" in old ? { stamps: [old.stamp], until: old.until, changes: old.changes } : old;
      branches.#put(pending);
    }
    if (read.data.version === 2) branches.seen = read.data.seen ?? [];
    return branches;
  }

  /** Notes a change. An important one makes its branch wait till `until`, counted anew. */
  add(change: Change, until: Millis | null, now: Millis): void {
    const stamp = stampOf(change);
    const key = this.#keyOf(stamp);
    const before = this.#branches.get(key);
    const others = before?.stamps.filter(({ codebase }) => codebase !== stamp.codebase) ?? [];
    const pending: Pending = {
      stamps: [stamp, ...others],
      until: until ?? before?.until ?? null,
      changes: [...(before?.changes ?? []), change.id],
    };
    if (pending.changes.length > MAX_UNIMPORTANT && pending.until === null) pending.changes.shift();
    this.#branches.delete(key);
    this.#branches.set(key, pending);
    this.#size += weightOf(pending) - (before === undefined ? 0 : weightOf(before));
    this.#changed = true;
    if (pending.changes.length >= MAX_OF_BRANCH && pending.until !== null) pending.until = now;
  }

  /** No branch waits longer than `longest` from now, whatever happened to the clock or the configuration. */
  shorten(now: Millis, longest: number): void {
    for (const pending of this.#branches.values()) {
      if (pending.until === null || pending.until <= now + longest) continue;
      pending.until = now + longest;
      this.#changed = true;
    }
  }

  /** Takes out the branches whose time has come, the earliest first. */
  takeDue(now: Millis): Pending[] {
    this.#forgetExcess(now);
    const due = [...this.#branches].filter(([, { until }]) => until !== null && until <= now);
    for (const [key, pending] of due) {
      this.#branches.delete(key);
      this.#size -= weightOf(pending);
      this.#changed = true;
    }
    return due.map(([, pending]) => pending).sort((a, b) => (a.until ?? 0) - (b.until ?? 0));
  }

  /** When the next branch is due. */
  get next(): Millis | undefined {
    let next: Millis | undefined;
    for (const { until } of this.#branches.values()) {
      if (until !== null && (next === undefined || until < next)) next = until;
    }
    return next;
  }

  /** What waits, and for what. */
  waits(): SchedulerWait[] {
    return [...this.#branches.values()]
      .slice(0, MOST_SHOWN)
      .map(({ stamps: [{ branch, codebase }], until, changes }) =>
        until === null
          ? { reason: "no-important-change", branch, codebase, changes: changes.length }
          : { reason: "tree-stable-timer", until, branch, codebase, changes: changes.length },
      );
  }

  /** The state to store, or `undefined` where nothing has changed. With `seen`, that is stored beside. */
  toState(seen?: { changed: boolean; seen: Stamp[] }): Json | undefined {
    if (!this.#changed && !seen?.changed) return undefined;
    const state = { version: 2, pending: [...this.#branches.values()], ...(seen && { seen: seen.seen }) };
    return JSON.parse(JSON.stringify(state));
  }

  /** Puts in what was read; of two that are one branch by now, one is made. */
  #put(pending: Pending): void {
    const key = this.#keyOf(pending.stamps[0]);
    const before = this.#branches.get(key);
    if (before) {
      const newer = new Set(pending.stamps.map(({ codebase }) => codebase));
      pending.stamps.push(...before.stamps.filter(({ codebase }) => !newer.has(codebase)));
      pending.changes = [...before.changes, ...pending.changes];
      if (before.until !== null) pending.until = Math.max(before.until, pending.until ?? 0);
      this.#size -= weightOf(before);
    }
    this.#branches.set(key, pending);
    this.#size += weightOf(pending);
  }

  #keyOf({ branch, repository, project, codebase }: Stamp): string {
    return JSON.stringify(this.#together ? [branch] : [branch, repository, project, codebase]);
  }

  #forgetExcess(now: Millis): void {
    let excess = this.#size - MAX_OF_ALL;
    for (const [key, pending] of this.#branches) {
      if (excess <= 0) return;
      if (pending.until !== null) continue;
      this.#branches.delete(key);
      this.#size -= weightOf(pending);
      excess -= weightOf(pending);
    }
    for (const pending of this.#branches.values()) {
      if (excess <= 0) return;
      pending.until = now;
      excess -= weightOf(pending);
    }
  }
}

function weightOf({ changes }: Pending): number {
  return BRANCH_WEIGHT + changes.length;
}
