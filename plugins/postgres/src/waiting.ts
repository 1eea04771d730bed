/**
 * A delay that grows from 50 ms to 2 s, with jitter so that masters do not come back all at once.
 * Ends early, without an error, when the signal aborts.
 */
export function backOff(attempt: number, signal: AbortSignal): Promise<void> {
  const delay = Math.min(2_000, 50 * 2 ** Math.min(attempt, 8)) * (0.5 + Math.random());
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delay);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Lets a number of holders in at once; the others wait in order. */
export class Permits {
  #free: number;
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #whenIdle: (() => void) | undefined;

  constructor(most: number) {
    this.#most = most;
    this.#free = most;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else {
      this.#free += 1;
      if (this.#free === this.#most) this.#whenIdle?.();
    }
  }

  /** Resolves when nobody holds a permit. To be called once, by who lets nobody in any more. */
  async idle(): Promise<void> {
    if (this.#free < this.#most) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
  }
}
