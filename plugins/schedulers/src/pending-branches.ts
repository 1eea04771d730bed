import { type Change, type Json, type Millis, type SourceStampSpec, z } from "belfry";

/** What has collected on a branch since it was built last. */
export interface Pending {
  stamp: SourceStampSpec;
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

const stateSchema = z.strictObject({
  version: z.literal(1),
  pending: z.array(
    z.strictObject({
      stamp: z.strictObject({
        repository: z.string(),
        branch: z.string().nullable(),
        revision: z.string().nullable(),
        codebase: z.string(),
        project: z.string(),
      }),
      until: z.number().nullable(),
      changes: z.array(z.int()).min(1),
    }),
  ),
});

/**
 * The branches that wait for their tree to become stable. Made from a scheduler's state at the
 * beginning of a pass, turned into state again at its end. Its size is bounded: a branch that has
 * collected {@link MAX_OF_BRANCH} changes is due at once; one without an important change forgets
 * all but the newest {@link MAX_UNIMPORTANT}; and where all together are more than
 * {@link MAX_OF_ALL}, those that were changed longest ago are forgotten if nothing in them is
 * important, and else are due at once.
 */
export class PendingBranches {
  /** By branch, repository, project and codebase; the one that was changed last is last. */
  readonly #branches = new Map<string, Pending>();
  #size = 0;
  #changed = false;

  /** Returns `undefined` for a state that it did not write. */
  static read(state: Json | undefined): PendingBranches | undefined {
    const branches = new PendingBranches();
    if (state === undefined) return branches;
    const read = stateSchema.safeParse(state);
    if (!read.success) return undefined;
    for (const pending of read.data.pending) {
      branches.#branches.set(keyOf(pending.stamp), pending);
      branches.#size += weightOf(pending);
    }
    return branches;
  }

  /** Notes a change. An important one makes its branch wait till `until`, counted anew. */
  add(change: Change, until: Millis | null, now: Millis): void {
    const stamp = stampOf(change);
    const key = keyOf(stamp);
    const before = this.#branches.get(key);
    const pending: Pending = {
      stamp,
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

  /** The state to store, or `undefined` where nothing has changed. */
  toState(): Json | undefined {
    if (!this.#changed) return undefined;
    return JSON.parse(JSON.stringify({ version: 1, pending: [...this.#branches.values()] }));
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

/** The code of a change. */
export function stampOf({ repository, branch, revision, codebase, project }: Change): SourceStampSpec {
  return { repository, branch, revision, codebase, project };
}

function keyOf({ branch, repository, project, codebase }: SourceStampSpec): string {
  return JSON.stringify([branch, repository, project, codebase]);
}
