import type { StepLog } from "../interfaces/build-step.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogAppender, LogChannel, LogTotals } from "../interfaces/log-store.ts";
import type { Masker, SecretSet } from "../logs/masker.ts";

const encoder = new TextEncoder();

/** A log of a running step: masks secrets and passes bytes on to the store. Ends by itself when the store cannot go on. */
export class RunningLog implements StepLog {
  readonly name: string;
  readonly number: number;
  readonly key: string;
  /** Why nothing more is kept, if so. */
  error: unknown;
  #over = false;
  readonly #appender: LogAppender;
  readonly #secrets: SecretSet;
  readonly #clock: Clock;
  readonly #maskers = new Map<LogChannel, Masker>();

  constructor(name: string, number: number, key: string, appender: LogAppender, secrets: SecretSet, clock: Clock) {
    this.name = name;
    this.number = number;
    this.key = key;
    this.#appender = appender;
    this.#secrets = secrets;
    this.#clock = clock;
  }

  get totals(): LogTotals {
    return this.#appender.totals;
  }

  async write(data: string | Uint8Array, channel: LogChannel = "stdout"): Promise<void> {
    await this.append(channel, typeof data === "string" ? encoder.encode(data) : data, this.#clock.now());
  }

  /** The way of a command's output: no promise unless there is something to wait for. */
  append(channel: LogChannel, data: Uint8Array, time: number): Promise<void> | undefined {
    if (this.error !== undefined || this.#over) return undefined;
    const masked = this.#masker(channel).mask(data);
    if (masked.length === 0) return undefined;
    const waits = this.#appender.append(channel, masked, time);
    return waits?.catch((error: unknown) => this.#fail(error));
  }

  /** Ends the log; what is written after that is ignored. */
  async finish(): Promise<LogTotals> {
    this.#over = true;
    try {
      for (const [channel, masker] of this.#maskers) {
        const rest = masker.flush();
        if (rest.length > 0 && this.error === undefined) await this.#appender.append(channel, rest, this.#clock.now());
      }
      return await this.#appender.finish();
    } catch (error) {
      this.#fail(error);
      return this.#appender.totals;
    }
  }

  #masker(channel: LogChannel): Masker {
    let masker = this.#maskers.get(channel);
    if (!masker) {
      masker = this.#secrets.masker();
      this.#maskers.set(channel, masker);
    }
    return masker;
  }

  #fail(error: unknown): void {
    this.error ??= error ?? new Error("the log store failed");
  }
}
