/** One request that is being answered. */
export interface Exchange {
  abort(reason: Error): void;
}

/** How long aborted requests get to let go before nobody waits for them any more. */
const LAST_WAIT = 1_000;

/** The requests that are being answered, and waiting for their end. */
export class Running {
  readonly #exchanges = new Set<Exchange>();
  #waiters: (() => void)[] = [];

  get size(): number {
    return this.#exchanges.size;
  }

  add(exchange: Exchange): void {
    this.#exchanges.add(exchange);
  }

  delete(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size > 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /**
   * Resolves when all have ended: by themselves within `grace`, or aborted after it. `onAbort` is
   * called then. Resolves with the number of those that did not even end when aborted.
   */
  async drain(grace: number, reason: Error, onAbort?: () => void): Promise<number> {
    if (await this.#idle(grace)) return 0;
    for (const exchange of [...this.#exchanges]) exchange.abort(reason);
    onAbort?.();
    await this.#idle(LAST_WAIT);
    return this.#exchanges.size;
  }

  #idle(timeout: number): Promise<boolean> {
    if (this.#exchanges.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((waiter) => waiter !== wake);
        resolve(false);
      }, timeout);
      this.#waiters.push(wake);
    });
  }
}
