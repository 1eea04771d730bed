import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { SecretSet } from "../logs/masker.ts";
import { storable } from "../store/text.ts";
import { errorRecord } from "./build-failure.ts";
import type { BuildRecorder } from "./build-recorder.ts";
import { GrowthWatch, RunningLog } from "./step-log.ts";

const LONGEST_NAME = 200;

export interface StepLogsDeps {
  build: { id: number; fence: number };
  step: number;
  clock: Clock;
  logStore: LogStore;
  logCap: number;
  recorder: BuildRecorder;
  secrets: SecretSet;
  onError(message: string, error: unknown): void;
}

/** The logs of one running step, by name; those of a later attempt have its number in their name. */
export class StepLogs {
  readonly #deps: StepLogsDeps;
  readonly #logs = new Map<string, RunningLog>();
  readonly #growth: GrowthWatch;
  #attempt = 1;
  /** How many logs there are of all attempts. */
  #count = 0;

  constructor(deps: StepLogsDeps) {
    this.#deps = deps;
    this.#growth = new GrowthWatch(deps.clock, (step, { number, name }, { lines, bytes }) =>
      deps.recorder.logGrew({ step, log: number, name, lines, bytes }),
    );
  }

  /** The log of this name, made when first asked for. */
  get(name: string): RunningLog {
    const known = this.#logs.get(name);
    if (known) return known;
    const { build, step, clock, logStore, logCap, recorder, secrets } = this.#deps;
    this.#count += 1;
    const number = this.#count;
    const key = `b/${build.id}/${step}-${number}`;
    const appender = logStore.create(key, { fence: build.fence, capBytes: logCap });
    const title = name.slice(0, LONGEST_NAME);
    const shown = storable(this.#attempt === 1 ? title : `${title} (attempt ${this.#attempt})`);
    const log = new RunningLog(shown, number, key, appender, secrets, clock, () => this.#growth.grows());
    this.#logs.set(name, log);
    this.#growth.watch(step, log);
    recorder.log({
      step,
      log: number,
      name: log.name,
      key,
      finished: false,
      lines: 0,
      bytes: 0,
      truncated: false,
      error: null,
    });
    return log;
  }

  /** Ends all of them, and notes how they ended. What is asked for afterwards belongs to the next attempt. */
  async finish(): Promise<void> {
    const { step, recorder, secrets, onError } = this.#deps;
    this.#growth.clear();
    for (const log of this.#logs.values()) {
      const totals = await log.finish();
      recorder.log({
        step,
        log: log.number,
        name: log.name,
        key: log.key,
        finished: true,
        ...totals,
        error: log.error === undefined ? null : errorRecord(log.error, secrets),
      });
      if (log.error !== undefined) onError(`the log "${log.name}" could not be kept`, log.error);
    }
    this.#logs.clear();
    this.#attempt += 1;
  }

  /** Lets go of the files, and writes nothing down: the build belongs to somebody else. */
  async abandon(): Promise<void> {
    this.#growth.clear();
    await Promise.all([...this.#logs.values()].map((log) => log.finish()));
  }
}
