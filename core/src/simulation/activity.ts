import { backOff } from "../engine/loop.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Doorbell } from "../interfaces/doorbell.ts";
import type { Millis } from "../interfaces/values.ts";

export interface ActivityOptions {
  name: string;
  topics: readonly string[];
  pass(): Promise<{ wakeAt?: Millis; again?: boolean }>;
  onError(error: unknown): Promise<void>;
}

/**
 * An active part of the engine, driven from outside: what a `Loop` is to the real one, with the same
 * rules for rings, wishes to be woken and failures, but for the look now and then at what a lost
 * ring would have told; none is lost here.
 */
export class Activity {
  readonly name: string;
  readonly #options: ActivityOptions;
  readonly #clock: Clock;
  #rung = true;
  #wakeAt: Millis = Number.POSITIVE_INFINITY;
  #failures = 0;
  #blockedTill: Millis = Number.NEGATIVE_INFINITY;

  constructor(options: ActivityOptions, clock: Clock, doorbell: Doorbell) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    for (const topic of options.topics) doorbell.listen(topic, () => this.ring());
  }

  ring(): void {
    this.#rung = true;
  }

  /** True if it wants a pass now. */
  get ready(): boolean {
    const now = this.#clock.now();
    return this.#wakeAt <= now || (this.#rung && this.#blockedTill <= now);
  }

  /** When it wants a pass by itself. */
  get wakeAt(): Millis {
    return this.#wakeAt;
  }

  async pass(): Promise<void> {
    this.#rung = false;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    try {
      const { wakeAt, again } = await this.#options.pass();
      this.#failures = 0;
      this.#blockedTill = Number.NEGATIVE_INFINITY;
      if (again) this.#rung = true;
      if (wakeAt !== undefined) this.#wakeAt = wakeAt;
    } catch (error) {
      this.#failures += 1;
      this.#wakeAt = this.#blockedTill = this.#clock.now() + backOff(this.#failures);
      await this.#options.onError(error);
    }
  }
}
