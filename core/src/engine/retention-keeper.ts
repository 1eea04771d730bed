import type { CheckedRetention } from "../config/config.ts";
import { messageOf } from "../errors/belfry-error.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { Millis } from "../interfaces/values.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { KEPT, RETENTION_LEASE, Sweep, type Swept } from "./retention.ts";

/** A master that has just started has other things to do. */
const FIRST = 600_000;
const NAME = "history";

export interface RetentionDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  logStore: LogStore;
  logger: Logger;
  kept(): false | CheckedRetention;
}

/** Removes old history in the background, on one master at a time. */
export class RetentionKeeper {
  readonly #deps: RetentionDeps;
  #progress: Swept | null = null;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  /** What the sweep that runs here has removed so far. */
  get progress(): Swept | null {
    return this.#progress;
  }

  /** One pass of its loop: sweeps if it is time. */
  async pass(signal: AbortSignal): Promise<{ wakeAt: Millis }> {
    const { store, clock, leases, kept } = this.#deps;
    const wanted = kept();
    if (wanted === false) return { wakeAt: clock.now() + FIRST };
    const lease = await leases.hold(RETENTION_LEASE);
    if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
    const row = await store.read.selectFrom("sweeps").selectAll().where("name", "=", NAME).executeTakeFirst();
    const due = row?.next_at ?? (await this.#plan(lease, clock.now() + FIRST));
    if (due > clock.now()) return { wakeAt: due };
    try {
      await this.#sweep(wanted, lease, AbortSignal.any([signal, lease.signal]));
    } finally {
      this.#progress = null;
    }
    return { wakeAt: clock.now() + (wanted.every ?? KEPT.every) };
  }

  async #plan(lease: HeldLease, next: Millis): Promise<Millis> {
    const row = { begun_at: 0, ended_at: null, next_at: next, removed: "{}", error: null };
    await this.#deps.store.write(async (tx) => {
      await tx.requireLease(lease);
      await tx.db
        .insertInto("sweeps")
        .values({ name: NAME, ...row })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
    });
    return next;
  }

  async #sweep(kept: CheckedRetention, lease: HeldLease, signal: AbortSignal): Promise<void> {
    const { store, clock, logStore, logger } = this.#deps;
    const begun = clock.now();
    const sweep = new Sweep(kept, {
      store,
      clock,
      logStore,
      lease,
      signal,
      progress: (swept) => {
        this.#progress = swept;
      },
    });
    let swept: Swept | undefined;
    let failure: unknown;
    try {
      swept = await sweep.run();
    } catch (error) {
      signal.throwIfAborted();
      failure = error ?? new Error("it failed");
    }
    await recordSweep(store, lease, {
      begun,
      every: kept.every ?? KEPT.every,
      swept: swept ?? this.#progress,
      failure,
    });
    if (failure !== undefined) throw failure;
    logger.info({ part: "retention", ...swept }, "old history was looked for");
  }
}

/** Writes down how a sweep went, and tells if it removed something. */
export async function recordSweep(
  store: Store,
  lease: HeldLease,
  sweep: { begun: Millis; every: number; swept: Swept | null; failure?: unknown },
): Promise<void> {
  const { begun, every, swept, failure } = sweep;
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    const row = {
      begun_at: begun,
      ended_at: tx.now,
      next_at: tx.now + every,
      removed: JSON.stringify(swept ?? {}),
      error: failure === undefined ? null : messageOf(failure),
    };
    await tx.db
      .insertInto("sweeps")
      .values({ name: NAME, ...row })
      .onConflict((conflict) => conflict.column("name").doUpdateSet(row))
      .execute();
    if (swept && Object.values(swept).some((count) => count > 0)) tx.event("retention.done", { ...swept });
  });
}

export interface LastSweep {
  begunAt: Millis | null;
  endedAt: Millis | null;
  nextAt: Millis | null;
  removed: Partial<Swept>;
  error: string | null;
}

export async function lastSweep(store: Store): Promise<LastSweep> {
  const row = await store.read.selectFrom("sweeps").selectAll().where("name", "=", NAME).executeTakeFirst();
  return {
    begunAt: row && row.begun_at > 0 ? row.begun_at : null,
    endedAt: row?.ended_at ?? null,
    nextAt: row?.next_at ?? null,
    removed: row ? JSON.parse(row.removed) : {},
    error: row?.error ?? null,
  };
}

/** Asks whichever master removes old history to do it now. */
export async function wantSweep(store: Store): Promise<void> {
  await store.write(async (tx) => {
    const row = { begun_at: 0, ended_at: null, next_at: 0, removed: "{}", error: null };
    await tx.db
      .insertInto("sweeps")
      .values({ name: NAME, ...row })
      .onConflict((conflict) => conflict.column("name").doUpdateSet({ next_at: 0 }))
      .execute();
    tx.ring("retention");
  });
}
