import { BelfryError } from "../errors/belfry-error.ts";
import { bequeathLease, releaseLeases, renewLeases, takeLease } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";

export interface KeptLease extends HeldLease {
  /** Aborts when the lease is lost or let go. */
  readonly signal: AbortSignal;
}

interface Held {
  lease: KeptLease;
  abort: AbortController;
}

/**
 * Takes leases for one process and prolongs them while it lives. Leases are judged by the
 * database's clock; the timer here is the machine's, also under a simulated clock, since another
 * master judges in real time.
 */
export class LeaseKeeper {
  readonly owner: string;
  readonly ttl: number;
  readonly #store: Store;
  readonly #held = new Map<string, Held>();
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;

  constructor(store: Store, owner: string, ttl: number, onError: (error: unknown) => void) {
    this.#store = store;
    this.owner = owner;
    this.ttl = ttl;
    this.#onError = onError;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#renewing ??= this.renew()
        .catch(this.#onError)
        .finally(() => {
          this.#renewing = undefined;
        });
    }, this.ttl / 3).unref();
  }

  get(name: string): KeptLease | undefined {
    return this.#held.get(name)?.lease;
  }

  names(): string[] {
    return [...this.#held.keys()];
  }

  /** The lease if it is ours or free; `undefined` while another master has it. */
  async hold(name: string, force = false): Promise<KeptLease | undefined> {
    const held = this.#held.get(name);
    if (held) return held.lease;
    const taken = await takeLease(this.#store, name, this.owner, this.ttl, force);
    if (!taken) return undefined;
    const abort = new AbortController();
    const lease = { ...taken, signal: abort.signal };
    this.#held.set(name, { lease, abort });
    return lease;
  }

  /** Forgets a lease that turned out to be lost; whoever works under it is told. */
  drop(name: string, reason: unknown): void {
    const held = this.#held.get(name);
    this.#held.delete(name);
    held?.abort.abort(reason);
  }

  async renew(): Promise<void> {
    const before = [...this.#held.keys()];
    if (before.length === 0) return;
    const still = await renewLeases(this.#store, this.owner, this.ttl);
    for (const name of before) if (!still.has(name)) this.drop(name, new Error(`lease ${name} was lost`));
  }

  async release(name: string): Promise<void> {
    if (!this.#held.has(name)) return;
    this.drop(name, new Error(`lease ${name} was let go`));
    await releaseLeases(this.#store, this.owner, name);
  }

  /** Lets go of all leases; one may be kept for an heir, for a while. */
  async stop(will?: { name: string; heir: string; millis: number }): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (will && this.#held.has(will.name)) await bequeathLease(this.#store, this.owner, will);
    for (const name of [...this.#held.keys()]) this.drop(name, new Error("the master stops"));
    await releaseLeases(this.#store, this.owner);
  }
}

/** True for what `requireLease` throws. */
export function isLeaseLost(error: unknown): boolean {
  return BelfryError.is(error) && error.code === "BELFRY_LEASE_LOST";
}
