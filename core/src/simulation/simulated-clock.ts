import type { Clock, Timer } from "../interfaces/clock.ts";
import type { Millis } from "../interfaces/values.ts";
import { Timetable } from "./timetable.ts";

/** A clock that leaps from one event to the next. */
export class SimulatedClock implements Clock {
  readonly #start: Millis;
  readonly #timers = new Timetable<() => void>();
  #now: Millis;

  constructor(start: Millis) {
    this.#start = start;
    this.#now = start;
  }

  now(): Millis {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  setTimer(delay: number, run: () => void): Timer {
    const appointment = this.#timers.add(this.#now + Math.ceil(Math.max(delay, 0)), run);
    return {
      cancel: () => {
        appointment.cancelled = true;
      },
    };
  }

  /** When the next timer is due. */
  get next(): Millis | undefined {
    return this.#timers.next;
  }

  /** Goes on to this time; timers that are due by then run. */
  leap(to: Millis): void {
    this.#now = Math.max(this.#now, to);
    for (;;) {
      const run = this.#timers.take(this.#now);
      if (!run) return;
      run();
    }
  }
}

/** A clock that counts its timers that are still to come. */
export class CountingClock implements Clock {
  readonly #clock: Clock;
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get open(): number {
    return this.#open;
  }

  now(): Millis {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimer(delay: number, run: () => void): Timer {
    this.#open += 1;
    let over = false;
    const end = () => {
      if (!over) this.#open -= 1;
      over = true;
    };
    const timer = this.#clock.setTimer(delay, () => {
      end();
      run();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}

/**
 * Has `Date` tell the time of this clock in the whole process, so that functions of a configuration
 * that look at the hour see the simulated one. Returns how to end it.
 */
export function simulateDate(clock: Clock): () => void {
  const Real = globalThis.Date;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [clock.now()] : args, newTarget),
    apply: () => new Real(clock.now()).toString(),
    get: (target, key) => (key === "now" ? () => clock.now() : Reflect.get(target, key)),
  });
  return () => {
    globalThis.Date = Real;
  };
}
