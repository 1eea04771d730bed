import { faults } from "../errors/catalogue.ts";
import type { Caller } from "../interfaces/api-method.ts";
import type { Clock } from "../interfaces/clock.ts";
import { clientOf } from "./callers.ts";

const MOST_CLIENTS = 10_000;

interface Budget {
  left: number;
  at: number;
}

/**
 * What each client has left for expensive calls: a bucket that is full at first, is filled
 * evenly, and holds a minute's worth. Whoever comes through the socket or from within has no limit.
 */
export class Budgets {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Budget>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes `cost` from a client's budget of `perMinute`; throws BELFRY_BUDGET_SPENT if that is not there. */
  spend(caller: Caller, method: string, cost: number, perMinute: number): void {
    const key = clientOf(caller);
    if (cost === 0 || key === undefined) return;
    const now = this.#clock.now();
    const known = this.#budgets.get(key);
    const filled = known === undefined ? perMinute : known.left + (Math.max(0, now - known.at) * perMinute) / 60_000;
    const left = Math.min(perMinute, filled);
    // A call that costs more than the whole budget is let through when the budget is full.
    const needed = Math.min(cost, perMinute);
    if (left < needed) throw faults.budgetSpent(method, Math.ceil(((needed - left) * 60) / perMinute));
    this.#budgets.delete(key);
    this.#budgets.set(key, { left: left - needed, at: now });
    if (this.#budgets.size > MOST_CLIENTS) this.#forgetOldest();
  }

  /** The longest unused one has had the most time to fill. */
  #forgetOldest(): void {
    for (const key of this.#budgets.keys()) {
      this.#budgets.delete(key);
      return;
    }
  }
}
