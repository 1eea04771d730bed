import type { Clock, Timer } from "../interfaces/clock.ts";
import type { Json } from "../interfaces/values.ts";
import { addBuildData, type DataRecord, noteStep, type StepNews } from "../store/build-details.ts";
import type { BuildKey } from "../store/builds.ts";
import type { Store } from "../store/store.ts";
import { storable } from "../store/text.ts";
import type { HeldLease, Tx } from "../store/tx.ts";

const LAZY_MILLIS = 25;
const ROWS_AT_ONCE = 100;

export interface CallRecord {
  step: number;
  call: number;
  method: string;
  argsHash: string;
  startedAt: number;
  finishedAt: number | null;
  outcome: Json;
  /** What it returned, as JSON, for a step that is resumed; null if that cannot be kept. */
  kept: string | null;
}

export interface LogRecord {
  step: number;
  log: number;
  name: string;
  key: string;
  finished: boolean;
  lines: number;
  bytes: number;
  truncated: boolean;
  error: Json;
}

/** How far a log is that is being written. */
export interface GrowthRecord {
  step: number;
  log: number;
  name: string;
  lines: number;
  bytes: number;
}

interface Dirty<T> {
  record: T;
  stored: boolean;
  dirty: boolean;
  ended: boolean;
}

/**
 * Writes what happens within one build, in order, each time under the master's lease. What may be
 * late (the journal, logs, properties) is collected for a moment, so that a short step costs one
 * transaction; `commit` writes all of it together with what must not be late.
 */
export class BuildRecorder {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #lease: HeldLease;
  readonly #build: BuildKey;
  readonly #onError: (error: unknown) => void;
  readonly #calls = new Map<string, Dirty<CallRecord>>();
  readonly #logs = new Map<string, Dirty<LogRecord>>();
  #grown = new Map<string, GrowthRecord>();
  #properties = new Map<string, { value: Json; source: string }>();
  #data = new Map<string, DataRecord>();
  #steps = new Map<string, StepNews>();
  #noted: ((tx: Tx) => Promise<void>)[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #frozen = false;

  constructor(store: Store, clock: Clock, lease: HeldLease, build: BuildKey, onError: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#lease = lease;
    this.#build = build;
    this.#onError = onError;
  }

  /** Knows of a call or log that an earlier life of the master has written down. */
  known(entry: { call: CallRecord } | { log: LogRecord }): void {
    const stored = { stored: true, dirty: false, ended: false };
    if ("call" in entry) this.#calls.set(`${entry.call.step}/${entry.call.call}`, { record: entry.call, ...stored });
    else this.#logs.set(`${entry.log.step}/${entry.log.log}`, { record: entry.log, ...stored });
  }

  call(record: CallRecord): void {
    this.#note(this.#calls, `${record.step}/${record.call}`, record, record.finishedAt !== null);
  }

  log(record: LogRecord): void {
    this.#note(this.#logs, `${record.step}/${record.log}`, record, record.finished);
  }

  /** After `log` has told of the log; what it says at the end counts alone. */
  logGrew(record: GrowthRecord): void {
    this.#grown.set(`${record.step}/${record.log}`, record);
    this.#soon();
  }

  property(name: string, value: Json, source: string): void {
    this.#properties.set(storable(name), { value, source: storable(source) });
    this.#soon();
  }

  data(record: DataRecord): void {
    this.#data.set(record.name, record);
    this.#soon();
  }

  /** An attempt of a step is over, or a link was added: all there are by now, and what is new. */
  step(news: StepNews): void {
    const key = `${news.step} ${news.column}`;
    const earlier = this.#steps.get(key)?.events ?? [];
    this.#steps.set(key, { ...news, events: [...earlier, ...news.events] });
    this.#soon();
  }

  /** From now on nothing is written but what waits for its turn. */
  freeze(): void {
    this.#frozen = true;
    this.#timer?.cancel();
  }

  /** Has `work` done in the transaction of the next `commit`, before what that one does; not sooner. */
  later(work: (tx: Tx) => Promise<void>): void {
    this.#noted.push(work);
  }

  /** Writes `work` and everything noted so far in one transaction. */
  commit<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#enqueue(async () => {
      const noted = this.#noted;
      this.#noted = [];
      try {
        return await this.#write(async (tx) => {
          for (const before of noted) await before(tx);
          return work(tx);
        });
      } catch (error) {
        this.#noted = [...noted, ...this.#noted];
        throw error;
      }
    });
  }

  #enqueue<T>(write: () => Promise<T>): Promise<T> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const result = this.#queue.then(write);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #note<T>(map: Map<string, Dirty<T>>, key: string, record: T, ended: boolean): void {
    const known = map.get(key);
    // The same entry, also while it is being written: only so is it known to be stored afterwards.
    if (known) Object.assign(known, { record, dirty: true, ended });
    else map.set(key, { record, stored: false, dirty: true, ended });
    this.#soon();
  }

  #soon(): void {
    if (this.#frozen) return;
    this.#timer ??= this.#clock.setTimer(LAZY_MILLIS, () => {
      this.#timer = undefined;
      this.#enqueue(() => this.#write(async () => undefined)).catch(this.#onError);
    });
  }

  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const calls = dirtyOnes(this.#calls);
    const logs = dirtyOnes(this.#logs);
    const grown = this.#grown;
    this.#grown = new Map();
    const properties = this.#properties;
    this.#properties = new Map();
    const data = this.#data;
    this.#data = new Map();
    const steps = this.#steps;
    this.#steps = new Map();
    for (const { entry } of [...calls, ...logs]) entry.dirty = false;
    let result: T;
    try {
      result = await this.#store.write(async (tx) => {
        await tx.requireLease(this.#lease);
        for (const { record, stored } of calls) await this.#writeCall(tx, record, stored);
        for (const { record, stored } of logs) {
          await this.#writeLog(tx, record, stored);
          if (record.finished) grown.delete(`${record.step}/${record.log}`);
        }
        for (const record of grown.values()) await this.#writeGrowth(tx, record);
        await this.#writeProperties(tx, [...properties]);
        for (const news of steps.values()) await noteStep(tx, this.#build, news);
        for (const record of data.values()) await addBuildData(tx, this.#build, record);
        return work(tx);
      });
    } catch (error) {
      for (const { entry } of [...calls, ...logs]) entry.dirty = true;
      this.#grown = new Map([...grown, ...this.#grown]);
      this.#properties = new Map([...properties, ...this.#properties]);
      this.#data = new Map([...data, ...this.#data]);
      const since = [...this.#steps.values()];
      this.#steps = steps;
      for (const news of since) this.step(news);
      throw error;
    }
    for (const { entry } of [...calls, ...logs]) entry.stored = true;
    forget(this.#calls);
    forget(this.#logs);
    return result;
  }

  async #writeCall(tx: Tx, record: CallRecord, stored: boolean): Promise<void> {
    const finished_at = record.finishedAt;
    const outcome = finished_at === null ? null : JSON.stringify(record.outcome);
    if (stored) {
      await tx.db
        .updateTable("step_calls")
        .set({ finished_at, outcome, kept: record.kept })
        .where("build_id", "=", this.#build.id)
        .where("step", "=", record.step)
        .where("call", "=", record.call)
        .execute();
      return;
    }
    await tx.db
      .insertInto("step_calls")
      .values({
        build_id: this.#build.id,
        step: record.step,
        call: record.call,
        method: record.method,
        args_hash: record.argsHash,
        fence: this.#lease.fence,
        started_at: record.startedAt,
        finished_at,
        outcome,
        kept: record.kept,
      })
      .execute();
  }

  async #writeLog(tx: Tx, record: LogRecord, stored: boolean): Promise<void> {
    const { id, builder, number, project } = this.#build;
    const facts = {
      finished: record.finished ? 1 : 0,
      lines: record.lines,
      bytes: record.bytes,
      truncated: record.truncated ? 1 : 0,
      error: record.error === null ? null : JSON.stringify(record.error),
    };
    const event = { build: id, builder, number, step: record.step, log: record.log, name: record.name };
    if (stored) {
      await tx.db
        .updateTable("logs")
        .set(facts)
        .where("build_id", "=", id)
        .where("step", "=", record.step)
        .where("log", "=", record.log)
        .execute();
    } else {
      await tx.db
        .insertInto("logs")
        .values({
          build_id: id,
          step: record.step,
          log: record.log,
          name: record.name,
          store_key: record.key,
          ...facts,
        })
        .execute();
      if (!record.finished) tx.event("log.added", event, { builder, project });
    }
    if (record.finished) {
      tx.event(
        "log.finished",
        { ...event, lines: record.lines, bytes: record.bytes, truncated: record.truncated },
        { builder, project },
      );
    }
  }

  async #writeGrowth(tx: Tx, { step, log, name, lines, bytes }: GrowthRecord): Promise<void> {
    const { id, builder, number, project } = this.#build;
    await tx.db
      .updateTable("logs")
      .set({ lines, bytes })
      .where("build_id", "=", id)
      .where("step", "=", step)
      .where("log", "=", log)
      .execute();
    tx.event("log.grew", { build: id, builder, number, step, log, name, lines, bytes }, { builder, project });
  }

  async #writeProperties(tx: Tx, properties: [name: string, { value: Json; source: string }][]): Promise<void> {
    const rows = properties.map(([name, { value, source }]) => ({
      build_id: this.#build.id,
      name,
      value: JSON.stringify(value),
      source,
    }));
    for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
      await tx.db
        .insertInto("properties")
        .values(rows.slice(at, at + ROWS_AT_ONCE))
        .onConflict((conflict) =>
          conflict
            .columns(["build_id", "name"])
            .doUpdateSet((eb) => ({ value: eb.ref("excluded.value"), source: eb.ref("excluded.source") })),
        )
        .execute();
    }
  }
}

/** What is to be written, as it is now: it may change while it is written. */
function dirtyOnes<T>(map: Map<string, Dirty<T>>): { entry: Dirty<T>; record: T; stored: boolean }[] {
  return [...map.values()]
    .filter((entry) => entry.dirty)
    .map((entry) => ({ entry, record: entry.record, stored: entry.stored }));
}

/** A step may make thousands of calls; those that are stored and over need not stay in memory. */
function forget(map: Map<string, Dirty<unknown>>): void {
  for (const [key, entry] of map) if (entry.ended && entry.stored && !entry.dirty) map.delete(key);
}
