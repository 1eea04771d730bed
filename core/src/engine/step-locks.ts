import { faults } from "../errors/catalogue.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LockUse } from "../interfaces/lock.ts";
import type { RenderContext } from "../interfaces/properties.ts";
import { LAST_PLACE } from "../store/lock-book.ts";
import { claimForStep, readLocks, type StepClaim, type StepLocks } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import { checkNeeds, type Locks, limitsOf, needsOf } from "./lock-needs.ts";

/** A lost ring costs this long. */
const LOOK_EVERY = 5_000;

export interface StepLockDeps {
  store: Store;
  clock: Clock;
  /** As they are configured now, which a reload may change while the step waits. */
  locks(): Locks;
  worker: string;
  /** Writes under the build's fence, and tries again while the database is away. */
  persist<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** What to show while it waits; "" when it does so no more. */
  progress(summary: string): void;
}

/**
 * Resolves once the step has all its locks; rejects with `signal.reason` when it shall wait no
 * longer. They are given back by the transaction that ends the step, however it ends.
 */
export async function takeStepLocks(
  deps: StepLockDeps,
  step: Omit<StepClaim, "needs"> & { use: LockUse | undefined },
  ctx: RenderContext,
  signal: AbortSignal,
): Promise<void> {
  const { use, ...rest } = step;
  if (use === undefined) return;
  const { locks, store } = deps;
  const owner = `the step "${step.name}"`;
  const needs = await needsOf(owner, use, deps.worker, locks(), ctx);
  if (needs.length === 0) return;
  const claim: StepClaim = { ...rest, needs };
  for (;;) {
    signal.throwIfAborted();
    // Listens before it looks: what is given back in between is not missed.
    using bell = listen(deps, signal);
    checkNeeds(owner, needs, deps.worker, locks());
    const taken: StepLocks = await deps.persist((tx) => claimForStep(tx, claim, limitsOf(locks())));
    const names = taken.state === "held" ? [] : [...new Set(taken.blocked.map(({ need }) => need.lock))];
    if (taken.state === "deadlock") throw faults.lockDeadlock(names);
    if (taken.state === "held") {
      deps.progress("");
      return;
    }
    deps.progress(`waits for the lock ${names.join(", ")}`);
    for (;;) {
      await bell.rung();
      signal.throwIfAborted();
      if (await seemsFree()) break;
    }
  }

  /** Looks without writing, so that many who wait do not stand in each other's way. */
  async function seemsFree(): Promise<boolean> {
    const book = await readLocks(store.read, limitsOf(locks()));
    const own = book.remove((entry) => entry.build === step.build.id && entry.step === step.step);
    const place = own[0]?.place ?? LAST_PLACE;
    const blocked = book.blocked(needs, { urgency: own[0]?.urgency ?? step.urgency, place }, step.build.id);
    return blocked.length === 0 || book.isDeadlock(blocked, step.build.id);
  }
}

/** Hears of locks that were given back, and looks by itself now and then. */
function listen({ store, clock }: StepLockDeps, signal: AbortSignal) {
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  const unlisten = store.doorbell.listen("locks", ring);
  signal.addEventListener("abort", ring, { once: true });
  return {
    async rung(): Promise<void> {
      if (!rung) {
        const timer = clock.setTimer(LOOK_EVERY, ring);
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (rung || signal.aborted) resolve();
        });
        timer.cancel();
      }
      rung = false;
    },
    [Symbol.dispose]() {
      unlisten();
      signal.removeEventListener("abort", ring);
    },
  };
}
