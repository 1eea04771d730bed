import type { Caller } from "../interfaces/api-method.ts";
import type { Clock } from "../interfaces/clock.ts";
import { clientOf } from "./callers.ts";

/** Who has a budget: a name, of a kind, at an address. */
export type Spender = Pick<Caller, "kind" | "name" | "origin">;

const MOST_CLIENTS = 10_000;

interface Budget {
  left: number;
  at: number;
}

/**
 * What each client has left, of calls or of anything else that costs the master much: a bucket that is full at first, is filled
 * evenly, and holds a minute's worth. Whoever comes through the socket or from within has no limit.
 */
export class Budgets {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Budget>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes `cost` from a client's budget of `perMinute` and returns 0; or takes nothing and returns in how many seconds it is there. */
  spend(caller: Spender, cost: number, perMinute: number): number {
    const key = cost === 0 ? undefined : clientOf(caller);
    if (key === undefined) return 0;
    const now = this.#clock.now();
    const known = this.#budgets.get(key);
    const filled = known === undefined ? perMinute : known.left + (Math.max(0, now - known.at) * perMinute) / 60_000;
    const left = Math.min(perMinute, filled);
    // A call that costs more than the whole budget is let through when the budget is full.
    const needed = Math.min(cost, perMinute);
    if (left < needed) return Math.ceil(((needed - left) * 60) / perMinute);
    this.#budgets.delete(key);
    this.#budgets.set(key, { left: left - needed, at: now });
    if (this.#budgets.size > MOST_CLIENTS) this.#forgetOldest();
    return 0;
  }

  /** The longest unused one has had the most time to fill. */
  #forgetOldest(): void {
    for (const key of this.#budgets.keys()) {
      this.#budgets.delete(key);
      return;
    }
  }
}
