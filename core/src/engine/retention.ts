import { setTimeout as sleep } from "node:timers/promises";
import type { CheckedRetention } from "../config/config.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Millis } from "../interfaces/values.ts";
import {
  behindNewest,
  finishedBelow,
  type NumberedTable,
  type OldBuild,
  oldestOf,
  removeBuilds,
  removeNumbered,
  removeRequests,
  slowestCursor,
  unbuiltRequests,
} from "../store/history.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease, Tx } from "../store/tx.ts";

export const RETENTION_LEASE = "retention";

const DAY = 86_400_000;
const YEAR = 365 * DAY;

/** What is kept if a configuration says nothing. */
export const KEPT = {
  builds: { age: YEAR, count: 10_000, bytes: 100e9 },
  changes: { age: YEAR, count: Number.MAX_SAFE_INTEGER },
  events: { age: 90 * DAY, count: 5_000_000, lag: 180 * DAY },
  audit: { age: YEAR, count: 1_000_000 },
  every: 3_600_000,
} as const;

const BUILDS_AT_ONCE = 50;
const LOGS_AT_ONCE = 64;
const ROWS_AT_ONCE = 200;
/** Of the time that a batch took, so much is left to others before the next. */
const PAUSE = 1;

/** What a sweep has removed, or would remove. */
export interface Swept {
  builds: number;
  requests: number;
  buildsets: number;
  changes: number;
  events: number;
  audit: number;
  /** Of logs, as they were written. */
  bytes: number;
}

export const nothingSwept = (): Swept => ({
  builds: 0,
  requests: 0,
  buildsets: 0,
  changes: 0,
  events: 0,
  audit: 0,
  bytes: 0,
});

export interface SweepDeps {
  store: Store;
  clock: Clock;
  logStore: LogStore;
  /** The lease that every batch is removed under; without one nothing is removed, only counted. */
  lease: HeldLease | undefined;
  signal: AbortSignal;
  /** Told after each batch. */
  progress?(swept: Swept): void;
}

interface FullLimits {
  age: number;
  count: number;
  bytes: number;
}

/** Goes once through the history and removes, in small batches, what is to be kept no longer. */
export class Sweep {
  readonly #deps: SweepDeps;
  readonly #kept: CheckedRetention;
  readonly #now: Millis;
  readonly #swept = nothingSwept();

  constructor(kept: CheckedRetention, deps: SweepDeps) {
    this.#kept = kept;
    this.#deps = deps;
    this.#now = deps.clock.now();
  }

  async run(): Promise<Swept> {
    const builders = await this.#deps.store.read.selectFrom("builders").select(["id", "name"]).orderBy("id").execute();
    for (const builder of builders) await this.#builds(builder);
    await this.#requests();
    await this.#table("changes", { ...KEPT.changes, ...given(this.#kept.changes) }, 0);
    const events = { ...KEPT.events, ...given(this.#kept.events) };
    await this.#table("events", events, Math.max(events.lag, events.age));
    await this.#table("audit", { ...KEPT.audit, ...given(this.#kept.audit) }, 0);
    return this.#swept;
  }

  async #builds({ id, name }: { id: number; name: string }): Promise<void> {
    const keeper = new BuildKeeper(name, this.#kept, this.#now);
    for (let below = 2 ** 31 - 1; ; ) {
      const begun = performance.now();
      const builds = await finishedBelow(this.#deps.store, id, below, ROWS_AT_ONCE);
      const old = builds.filter((build) => !keeper.keeps(build));
      await this.#rest(begun);
      for (let at = 0; at < old.length; at += BUILDS_AT_ONCE) await this.#remove(old.slice(at, at + BUILDS_AT_ONCE));
      const last = builds.at(-1);
      if (!last || builds.length < ROWS_AT_ONCE) return;
      below = last.number;
    }
  }

  async #remove(builds: readonly OldBuild[]): Promise<void> {
    const begun = performance.now();
    const bytes = builds.reduce((sum, build) => sum + build.bytes, 0);
    if (this.#deps.lease) {
      // The bytes first: rows without logs are found again when this ends here, logs without rows never would be.
      const keys = await this.#logsOf(builds);
      for (let at = 0; at < keys.length; at += LOGS_AT_ONCE)
        await Promise.all(keys.slice(at, at + LOGS_AT_ONCE).map((key) => this.#deps.logStore.remove(key)));
    }
    const removed = await this.#write((tx) => removeBuilds(tx, builds), {
      builds: builds.length,
      requests: 0,
      buildsets: 0,
    });
    this.#add({ ...removed, bytes: removed.builds === builds.length ? bytes : 0 });
    await this.#rest(begun);
  }

  async #logsOf(builds: readonly OldBuild[]): Promise<string[]> {
    const ids = builds.map(({ id }) => id);
    const logs = this.#deps.store.read.selectFrom("logs").select("store_key").where("build_id", "in", ids);
    return (await logs.execute()).map((row) => row.store_key);
  }

  /** Requests that were cancelled before they were built hang on no build. */
  async #requests(): Promise<void> {
    const before = this.#now - (this.#kept.builds?.age ?? KEPT.builds.age);
    for (let after: number | undefined = 0; after !== undefined; ) {
      const begun = performance.now();
      const { ids, next }: { ids: number[]; next: number | undefined } = await unbuiltRequests(
        this.#deps.store,
        after,
        before,
        ROWS_AT_ONCE,
      );
      if (ids.length > 0)
        this.#add(await this.#write((tx) => removeRequests(tx, ids), { requests: ids.length, buildsets: 0 }));
      await this.#rest(begun);
      after = next;
    }
  }

  /** With `lag`, rows that somebody has yet to see stay till they are that old. */
  async #table(table: NumberedTable, { age, count }: { age: number; count: number }, lag: number): Promise<void> {
    const { store } = this.#deps;
    const most = await behindNewest(store, table, count);
    const seen = lag > 0 ? await slowestCursor(store) : Number.MAX_SAFE_INTEGER;
    for (let after = 0; ; ) {
      const begun = performance.now();
      const rows = await oldestOf(store, table, after, ROWS_AT_ONCE);
      const isOld = ({ id, at }: { id: number; at: Millis }) => at < this.#now - age || id <= most;
      const isDone = ({ id, at }: { id: number; at: Millis }) => id <= seen || at < this.#now - lag;
      const ids = rows.filter((row) => isOld(row) && isDone(row)).map(({ id }) => id);
      if (ids.length > 0) this.#add({ [table]: await this.#write((tx) => removeNumbered(tx, table, ids), ids.length) });
      await this.#rest(begun);
      const last = rows.at(-1);
      if (!last || rows.length < ROWS_AT_ONCE || !isOld(last) || (lag > 0 && !isDone(last))) return;
      after = last.id;
    }
  }

  /** Removes under the lease; without one it is only said what would be. */
  async #write<T>(work: (tx: Tx) => Promise<T>, otherwise: T): Promise<T> {
    const { store, lease, signal } = this.#deps;
    signal.throwIfAborted();
    if (!lease) return otherwise;
    return store.write(async (tx) => {
      await tx.requireLease(lease);
      return work(tx);
    });
  }

  #add(removed: Partial<Swept>): void {
    for (const [key, count] of Object.entries(removed)) this.#swept[key as keyof Swept] += count;
    this.#deps.progress?.({ ...this.#swept });
  }

  async #rest(begun: number): Promise<void> {
    await sleep(Math.ceil((performance.now() - begun) * PAUSE), undefined, { signal: this.#deps.signal });
  }
}

/** Decides which builds of one builder stay; asked with each of them, from the newest on. */
class BuildKeeper {
  readonly #own: FullLimits;
  readonly #branches: [pattern: RegExp, limits: FullLimits][];
  readonly #now: Millis;
  /** Of each group of builds that are counted together, how many there were and their bytes. */
  readonly #groups = new Map<FullLimits, { count: number; bytes: number }>();
  /** What had its last build, and its last good one. */
  readonly #last = new Set<string>();

  constructor(builder: string, kept: CheckedRetention, now: Millis) {
    const { branches, ...own } = kept.builders?.[builder] ?? {};
    this.#own = { ...KEPT.builds, ...given(kept.builds), ...given(own) };
    // A builder's own word on a branch goes before that for all.
    this.#branches = [...Object.entries(branches ?? {}), ...Object.entries(kept.branches ?? {})].map(
      ([pattern, limits]) => [patternOf(pattern), { ...this.#own, ...given(limits) }],
    );
    this.#now = now;
  }

  keeps(build: OldBuild): boolean {
    const { branch } = build;
    const limits = (branch !== null && this.#branches.find(([pattern]) => pattern.test(branch))?.[1]) || this.#own;
    const group = this.#groups.get(limits) ?? { count: 0, bytes: 0 };
    this.#groups.set(limits, group);
    group.count += 1;
    group.bytes += build.bytes;
    // Both are asked, so that both are noted.
    const isLast = [this.#isLast(build, ""), limits !== this.#own && this.#isLast(build, `on ${branch}`)].includes(
      true,
    );
    return (
      isLast ||
      (build.finished_at >= this.#now - limits.age && group.count <= limits.count && group.bytes <= limits.bytes)
    );
  }

  #isLast({ result }: OldBuild, where: string): boolean {
    const isGood = result === "success" || result === "warnings";
    const news = [`last ${where}`, ...(isGood ? [`good ${where}`] : [])].filter((what) => !this.#last.has(what));
    for (const what of news) this.#last.add(what);
    return news.length > 0;
  }
}

function patternOf(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*")}$`, "s");
}

/** What was given, without what was left out. */
function given<T extends object>(limits: T | undefined): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(limits ?? {}).filter(([, value]) => value !== undefined)) as never;
}
