import type { Clock } from "../interfaces/clock.ts";

/** The machine's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delay, run) {
    // Node fires timers beyond 2^31 - 1 ms at once; a wake-up that comes early is harmless.
    const timer = setTimeout(run, Math.min(Math.max(delay, 0), 2_147_483_647));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
