/** Work that several wait for: it ends with the last of them, not with the first. */
export class SharedWork<T> {
  readonly result: Promise<T>;
  readonly #controller = new AbortController();
  #begun = false;
  #waiting = 0;

  /** Begins when `before` has settled, or at once. */
  constructor(before: Promise<unknown> | undefined, work: (signal: AbortSignal) => Promise<T>) {
    const begin = () => {
      this.#begun = true;
      return this.#controller.signal.aborted
        ? Promise.reject(this.#controller.signal.reason)
        : work(this.#controller.signal);
    };
    this.result = before === undefined ? begin() : before.then(begin, begin);
    this.result.catch(() => {});
  }

  /** Whether who comes now may wait for it: work that has begun may have missed what has happened since. */
  get open(): boolean {
    return !this.#begun && !this.#controller.signal.aborted;
  }

  /** The result, or the signal's reason as soon as it aborts. */
  wait(signal: AbortSignal): Promise<T> {
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#controller.abort(signal.reason);
        reject(signal.reason);
      };
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      const stay = () => signal.removeEventListener("abort", leave);
      this.result.then(resolve, reject).finally(stay);
    });
  }
}
