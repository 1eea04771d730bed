import type { StepLog } from "../interfaces/build-step.ts";
import type { Clock, Timer } from "../interfaces/clock.ts";
import type { LogAppender, LogChannel, LogTotals } from "../interfaces/log-store.ts";
import type { Masker, SecretSet } from "../logs/masker.ts";
import type { SaidBefore } from "./said-before.ts";

const encoder = new TextEncoder();

/** From one telling to the next, and from a log's beginning to its first. */
const TELL_EVERY = 1_000;
/** What was written so long ago can be read, also if this process is killed. */
const SETTLED_AFTER = 100;

export interface RunningLogHooks {
  onGrowth?: () => void;
  isReplayed?: () => boolean;
  /** What the step has written to it in an earlier life of the master. */
  said?: SaidBefore | undefined;
}

/** A log of a running step: masks secrets and passes bytes on to the store. Ends by itself when the store cannot go on. */
export class RunningLog implements StepLog {
  readonly name: string;
  readonly number: number;
  readonly key: string;
  /** How many commands write to it now. */
  writers = 0;
  /** True once two commands have written to it at a time. */
  shared = false;
  /** Why nothing more is kept, if so. */
  error: unknown;
  #over = false;
  readonly #appender: LogAppender;
  readonly #secrets: SecretSet;
  readonly #clock: Clock;
  readonly #onGrowth: () => void;
  readonly #isReplayed: () => boolean;
  readonly #said: SaidBefore | undefined;
  readonly #later = new Map<() => void, Timer>();
  readonly #maskers = new Map<LogChannel, Masker>();

  constructor(
    name: string,
    number: number,
    key: string,
    appender: LogAppender,
    secrets: SecretSet,
    clock: Clock,
    { onGrowth = () => {}, isReplayed = () => false, said }: RunningLogHooks = {},
  ) {
    this.name = name;
    this.number = number;
    this.key = key;
    this.#appender = appender;
    this.#secrets = secrets;
    this.#clock = clock;
    this.#onGrowth = onGrowth;
    this.#isReplayed = isReplayed;
    this.#said = said;
  }

  get totals(): LogTotals {
    return this.#appender.totals;
  }

  async write(data: string | Uint8Array, channel: LogChannel = "stdout"): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    // A step that is run again says again what stands there already.
    const replayed = this.#isReplayed();
    const rest = this.#said ? await this.#said.rest(channel, bytes, replayed) : bytes;
    if (!replayed && rest.length > 0) await this.append(channel, rest, this.#clock.now());
  }

  /** Does something once what was written so far would outlive this process, or the log has ended. */
  afterwards(work: () => void): void {
    if (this.#over) return work();
    const now = () => {
      this.#later.delete(now);
      work();
    };
    this.#later.set(now, this.#clock.setTimer(SETTLED_AFTER, now));
  }

  /** Leaves undone what was to be done `afterwards`. */
  forget(): void {
    for (const timer of this.#later.values()) timer.cancel();
    this.#later.clear();
  }

  /** The way of a command's output: no promise unless there is something to wait for. */
  append(channel: LogChannel, data: Uint8Array, time: number): Promise<void> | undefined {
    if (this.error !== undefined || this.#over) return undefined;
    const masked = this.#masker(channel).mask(data);
    if (masked.length === 0) return undefined;
    const waits = this.#appender.append(channel, masked, time);
    this.#onGrowth();
    return waits?.catch((error: unknown) => this.#fail(error));
  }

  /** Resolves once what was written so far is counted in `totals`. */
  async settle(): Promise<void> {
    if (this.error === undefined) await this.#appender.flush().catch((error: unknown) => this.#fail(error));
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
    } finally {
      this.#settled();
    }
  }

  /**
   * Makes readable what there is, for whoever goes on with it later. False if that fails, or if something was held back
   * that may be the beginning of a secret: it is neither written nor kept.
   */
  async suspend(): Promise<boolean> {
    this.#over = true;
    const { error } = this;
    const held = [...this.#maskers.values()].some((masker) => masker.flush().length > 0);
    await this.settle();
    this.#settled();
    return !held && this.error === error;
  }

  #settled(): void {
    for (const [work, timer] of [...this.#later]) {
      timer.cancel();
      work();
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

interface WatchedLog {
  step: number;
  log: RunningLog;
  since: number;
  told: LogTotals | undefined;
}

/** Tells now and then which of a build's logs have grown, all at once, and does nothing while none grows. */
export class GrowthWatch {
  readonly #clock: Clock;
  readonly #tell: (step: number, log: RunningLog, totals: LogTotals) => void;
  #logs: WatchedLog[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, tell: (step: number, log: RunningLog, totals: LogTotals) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  watch(step: number, log: RunningLog): void {
    this.#logs.push({ step, log, since: this.#clock.monotonic(), told: undefined });
  }

  /** Called whenever something was written to one of the logs. */
  grows(): void {
    this.#timer ??= this.#clock.setTimer(TELL_EVERY - SETTLED_AFTER, () => this.#look());
  }

  /** Forgets all logs: they are finished. */
  clear(): void {
    this.#logs = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const old = this.#clock.monotonic() - (TELL_EVERY - SETTLED_AFTER);
    const grown = this.#logs.filter(hasGrown).filter(({ since }) => since <= old);
    const totals = grown.map(({ log }) => log.totals);
    this.#timer = this.#clock.setTimer(SETTLED_AFTER, () => {
      this.#timer = undefined;
      for (const [i, watched] of grown.entries()) {
        watched.told = totals[i] as LogTotals;
        this.#tell(watched.step, watched.log, watched.told);
      }
      if (this.#logs.some(hasGrown)) this.grows();
    });
  }
}

function hasGrown({ log, told }: WatchedLog): boolean {
  return log.totals.bytes > (told?.bytes ?? 0);
}
