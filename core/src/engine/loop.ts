import { messageOf } from "../errors/belfry-error.ts";
import type { Clock, Timer } from "../interfaces/clock.ts";
import type { Doorbell } from "../interfaces/doorbell.ts";
import type { Millis } from "../interfaces/values.ts";

export interface LoopOptions {
  /** Such as `scheduler:main`; what `status.now` shows. */
  name: string;
  /**
   * Looks once: reads what is new, decides, writes. Returns when it wants to look again without
   * being rung, if it does. `again` is true while more is waiting than this pass took.
   */
  pass(signal: AbortSignal): Promise<{ wakeAt?: Millis; again?: boolean } | undefined | void>;
  clock: Clock;
  doorbell: Doorbell;
  /** Bells that wake it. */
  topics: readonly string[];
  /** It looks by itself after this many milliseconds, since a ring may be lost. Default 30 s. */
  idle?: number;
  /** Told of every pass that threw. */
  onError(error: unknown, failures: number): void;
}

export interface LoopState {
  name: string;
  running: boolean;
  passes: number;
  failures: number;
  error: string | null;
  wakeAt: Millis | null;
}

const FIRST_DELAY = 250;
const LONGEST_DELAY = 60_000;

/** The growing pause after `failures` failures in a row. */
export function backOff(failures: number, first = FIRST_DELAY, longest = LONGEST_DELAY): number {
  return Math.min(first * 2 ** Math.max(failures - 1, 0), longest);
}

/**
 * An active part: passes that never overlap, woken by a bell, by the time asked for, and now and
 * then by itself. However many rings arrive during a pass, exactly one more pass follows. A pass
 * that throws is reported and repeated after a growing pause, which a ring does not cut short.
 */
export class Loop {
  readonly #options: LoopOptions;
  readonly #abort = new AbortController();
  readonly #unlisten: (() => void)[] = [];
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #scheduled: NodeJS.Immediate | undefined;
  #rung = false;
  #passes = 0;
  #failures = 0;
  #error: string | null = null;
  #wakeAt: Millis | null = null;
  #blockedTill = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  get state(): LoopState {
    return {
      name: this.#options.name,
      running: this.#running !== undefined,
      passes: this.#passes,
      failures: this.#failures,
      error: this.#error,
      wakeAt: this.#wakeAt,
    };
  }

  start(): void {
    for (const topic of this.#options.topics) {
      this.#unlisten.push(this.#options.doorbell.listen(topic, () => this.ring()));
    }
    this.ring();
  }

  /** Says "look again". Never waits, never throws. */
  ring(): void {
    if (this.#abort.signal.aborted) return;
    this.#rung = true;
    if (this.#running || this.#scheduled || this.#blockedTill > this.#options.clock.monotonic()) return;
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#rung) this.ring();
      });
    });
  }

  /** Aborts the pass that runs and resolves when it has ended. No pass follows. */
  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
    this.#abort.abort(new Error(`${this.#options.name} is stopping`));
    this.#timer?.cancel();
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, pass, onError, idle = 30_000 } = this.#options;
    this.#rung = false;
    this.#timer?.cancel();
    let delay = idle;
    try {
      this.#passes += 1;
      const next = await pass(this.#abort.signal);
      this.#failures = 0;
      this.#error = null;
      if (next?.again) this.#rung = true;
      if (next?.wakeAt !== undefined) delay = Math.min(delay, Math.max(next.wakeAt - clock.now(), 0));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failures += 1;
      this.#error = messageOf(error);
      delay = backOff(this.#failures);
      this.#blockedTill = clock.monotonic() + delay;
      onError(error, this.#failures);
    }
    if (this.#abort.signal.aborted) return;
    this.#wakeAt = clock.now() + delay;
    this.#timer = clock.setTimer(delay, () => {
      this.#blockedTill = 0;
      this.ring();
    });
  }
}
