import type { Clock } from "belfry";

/** A clock that stands still until it is told to go on. */
export interface TestClock extends Clock {
  /** Goes on by so many milliseconds, running what becomes due, in order of time. */
  advance(millis: number): Promise<void>;
}

/** A clock for tests: a month passes in an instant. `start` is the time of day it begins with. */
export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start;
  let next = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  return {
    now: () => now,
    monotonic: () => now - start,
    setTimer(delay, run) {
      next += 1;
      const id = next;
      timers.set(id, { at: now + Math.max(delay, 0), run });
      // What is due already happens without the clock going on, as it does with a real one.
      if (delay <= 0) setImmediate(() => timers.delete(id) && run());
      return { cancel: () => timers.delete(id) };
    },
    async advance(millis) {
      const end = now + millis;
      for (;;) {
        const due = [...timers]
          .filter(([, timer]) => timer.at <= end)
          .sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (!due) break;
        const [id, timer] = due;
        timers.delete(id);
        now = Math.max(now, timer.at);
        timer.run();
        // Lets what the timer woke begin before later timers run.
        await new Promise((resolve) => setImmediate(resolve));
      }
      now = end;
    },
  };
}
