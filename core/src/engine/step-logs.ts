import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { SecretSet } from "../logs/masker.ts";
import type { PastLog, PastStep } from "../store/resuming.ts";
import { storable } from "../store/text.ts";
import { errorRecord } from "./build-failure.ts";
import type { BuildRecorder } from "./build-recorder.ts";
import { SaidBefore } from "./said-before.ts";
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
  /** What there is of it from an earlier life of the master. */
  past?: PastStep | undefined;
  /** True while the step does again what it has done before. */
  isReplayed?(): boolean;
}

/** The logs of one running step, by name; those of a later attempt have its number in their name. */
export class StepLogs {
  readonly #deps: StepLogsDeps;
  readonly #logs = new Map<string, RunningLog>();
  readonly #growth: GrowthWatch;
  #attempt: number;
  /** How many logs there are of all attempts. */
  #count: number;
  readonly #past: PastLog[];

  constructor(deps: StepLogsDeps) {
    this.#deps = deps;
    this.#attempt = (deps.past?.attempts.length ?? 0) + 1;
    this.#count = deps.past?.logCount ?? 0;
    this.#past = [...(deps.past?.logs ?? [])];
    this.#growth = new GrowthWatch(deps.clock, (step, { number, name }, { lines, bytes }) =>
      deps.recorder.logGrew({ step, log: number, name, lines, bytes }),
    );
  }

  /** The log of this name, made when first asked for. */
  get(name: string): RunningLog {
    const known = this.#logs.get(name);
    if (known) return known;
    const { build, step, clock, logStore, logCap, recorder, secrets } = this.#deps;
    const title = name.slice(0, LONGEST_NAME);
    const shown = storable(this.#attempt === 1 ? title : `${title} (attempt ${this.#attempt})`);
    const past = this.#past.find((log) => log.name === shown);
    if (!past) this.#count += 1;
    const number = past?.log ?? this.#count;
    const key = past?.key ?? `b/${build.id}/${step}-${number}`;
    const appender = logStore.create(key, { fence: build.fence, capBytes: logCap });
    const log = new RunningLog(shown, number, key, appender, secrets, clock, {
      onGrowth: () => this.#growth.grows(),
      isReplayed: () => this.#deps.isReplayed?.() ?? false,
      said: past && new SaidBefore(logStore, key, secrets),
    });
    this.#logs.set(name, log);
    this.#growth.watch(step, log);
    const facts = { step, log: number, name: log.name, key };
    const record = { ...facts, finished: false, lines: 0, bytes: 0, truncated: false, error: null };
    if (past) recorder.known({ log: record });
    else recorder.log(record);
    return log;
  }

  /** Opens those again that an earlier life of the master has left open. */
  reopen(): void {
    const mark = ` (attempt ${this.#attempt})`;
    for (const { name } of [...this.#past]) this.get(name.endsWith(mark) ? name.slice(0, -mark.length) : name);
  }

  /** Makes readable what there is; false if that is not all. */
  async suspend(): Promise<boolean> {
    this.#growth.clear();
    const kept = await Promise.all([...this.#logs.values()].map((log) => log.suspend()));
    return kept.every(Boolean);
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
    this.#past.length = 0;
    this.#attempt += 1;
  }

  /** Lets go of the files, and writes nothing down: the build belongs to somebody else. */
  async abandon(): Promise<void> {
    this.#growth.clear();
    for (const log of this.#logs.values()) log.forget();
    await Promise.all([...this.#logs.values()].map((log) => log.finish()));
  }
}
