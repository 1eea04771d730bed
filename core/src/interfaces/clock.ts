import type { Millis } from "./values.ts";

/** A pending call of {@link Clock.setTimer}; `cancel` is harmless when it has already run. */
export interface Timer {
  cancel(): void;
}

/**
 * Where the engine and plugins get the time from, leases excepted (the database judges those).
 * A test or a simulation puts a clock of its own into the container.
 */
export interface Clock {
  /** The time of day. May jump when the machine's clock is set. */
  now(): Millis;
  /** Milliseconds since some fixed moment; never goes back. For measuring how long something took. */
  monotonic(): number;
  /**
   * Calls `run` once after `delay` milliseconds. The timer alone does not keep a process alive.
   * What `run` throws is the caller's fault: catch inside.
   */
  setTimer(delay: number, run: () => void): Timer;
}

/** Waits on a clock. Rejects with `signal.reason` when the signal aborts first. */
export function sleep(clock: Clock, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delay, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
