import { Distributor } from "../engine/distributor.ts";
import { LeaseKeeper } from "../engine/lease-keeper.ts";
import { masterLease } from "../engine/recovery.ts";
import { noteFailure, schedulerPass, wantsOf } from "../engine/scheduler-loop.ts";
import { whyItWaits } from "../engine/why.ts";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { DatabaseConnection } from "../interfaces/database.ts";
import type { Json, Millis } from "../interfaces/values.ts";
import { EventFeed } from "../status/event-feed.ts";
import { addChange } from "../store/changes.ts";
import { newestPosition } from "../store/events.ts";
import { recordGeneration } from "../store/generation.ts";
import { PluginRecords } from "../store/plugin-records.ts";
import { furnish, requestRow } from "../store/simulated.ts";
import { Store } from "../store/store.ts";
import { Activity } from "./activity.ts";
import type { BuildModel } from "./build-model.ts";
import type { TimedChange } from "./change-file.ts";
import { DirectDoorbell } from "./direct-doorbell.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { SimulatedBuilds } from "./simulated-builds.ts";
import { CountingClock, SimulatedClock, simulateDate } from "./simulated-clock.ts";
import {
  type ConfigurationFile,
  type SimulatedConfiguration,
  simulatedConfiguration,
} from "./simulated-configuration.ts";
import { LONGEST_WAITS, Tally } from "./tally.ts";

const EVENTS_AT_ONCE = 500;
/** A lease of the simulation is never prolonged. */
const LEASE_MILLIS = 10 * 365 * 86_400_000;
/** So many passes at one moment are taken for a loop without end. */
const MOST_PASSES = 50_000;
/** What a function of the configuration may take of real time to answer; the hook keeper's limit is of simulated time. */
const PATIENCE = 10_000;
/** The same once one has not answered: it will be asked often. */
const SHORT_PATIENCE = 50;
/** Looks at what keeps a request: so many at least, and so many passes for each one more. */
const FREE_LOOKS = 500;
const PASSES_A_LOOK = 10;
const MOST_NOTES = 20;
const LONGEST_TURN = 10;

export interface SimulationOptions {
  config: ConfigurationFile;
  from: Millis;
  until: Millis;
  /** In the order of their times. */
  changes: readonly TimedChange[];
  model: BuildModel;
  signal: AbortSignal;
  /** Has `Date` tell the simulated time, in the whole process. */
  simulatesDate?: boolean;
  /** Milliseconds of real time that a function of the configuration has to answer. Default 10,000. */
  patience?: Millis;
  /** Called now and then. */
  progress?(now: Millis): void;
}

/**
 * Runs the schedulers and the distributor of a configuration from `from` until `until` on a clock
 * that leaps from event to event, in a database of its own. What decides is what decides in a
 * master. Nothing of the configuration is started, and its own database is not opened.
 */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const clock = new SimulatedClock(options.from);
  let opened: Store | undefined;
  const configuration = simulatedConfiguration(options.config, clock, () => {
    if (!opened) throw new Error("nothing is stored before the simulation begins");
    return opened;
  });
  const endDate = options.simulatesDate ? simulateDate(clock) : () => undefined;
  try {
    opened = await openStore(configuration, clock, options.signal);
    const simulation = new Simulation(options, configuration, opened, clock);
    await simulation.prepare();
    await simulation.run();
    return simulation.outcome();
  } finally {
    endDate();
    await opened?.close();
  }
}

async function openStore(
  { generation, scratches }: SimulatedConfiguration,
  clock: SimulatedClock,
  signal: AbortSignal,
): Promise<Store> {
  const scratch = scratches[0];
  if (!scratch) throw faults.simulationDatabase(generation.database.kind);
  const connection = await scratch({ signal, note: () => undefined });
  const doorbell = new DirectDoorbell();
  let appended = 0;
  doorbell.listen("events", () => {
    appended += 1;
  });
  const quiet: DatabaseConnection = {
    // Nothing but the event log is kept by it here.
    version: () => appended,
    read: connection.read,
    dialect: connection.dialect,
    doorbell,
    write: (work) => connection.write(work),
    orm: () => connection.orm(),
    close: () => connection.close(),
  };
  const store = new Store(quiet, clock);
  try {
    await store.migrate();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #configuration: SimulatedConfiguration;
  readonly #store: Store;
  readonly #clock: SimulatedClock;
  /** Its timers are questions to functions of the configuration that are not answered yet. */
  readonly #questions: CountingClock;
  readonly #leases: LeaseKeeper;
  readonly #feed: EventFeed;
  readonly #tally = new Tally();
  readonly #activities: Activity[] = [];
  /** Who wants to know of buildsets that ended, and of whose. */
  readonly #followers: { activity: Activity; upstream: readonly string[] | undefined }[] = [];
  readonly #notes = new Map<string, number>();
  #builds: SimulatedBuilds | undefined;
  #seen = 0;
  #news = true;
  #nextChange = 0;
  #turn = performance.now();
  #patience: Millis;
  #passes = 0;
  #looks = 0;

  constructor(options: SimulationOptions, configuration: SimulatedConfiguration, store: Store, clock: SimulatedClock) {
    this.#options = options;
    this.#configuration = configuration;
    this.#store = store;
    this.#clock = clock;
    this.#questions = new CountingClock(clock);
    this.#patience = options.patience ?? PATIENCE;
    this.#leases = new LeaseKeeper(store, "simulation", LEASE_MILLIS, () => undefined);
    this.#feed = new EventFeed(store);
    store.doorbell.listen("events", () => {
      this.#news = true;
    });
  }

  async prepare(): Promise<void> {
    const { generation } = this.#configuration;
    const store = this.#store;
    const workers = generation.workers.map(({ name, part }) => ({ name, slots: part.slots }));
    const schedulers = generation.schedulers.map(({ name, plugin }) => ({
      name,
      plugin: plugin.name,
      version: plugin.state?.version ?? 1,
    }));
    const masterId = await furnish(store, { master: generation.masterName, workers, schedulers });
    const generationId = await recordGeneration(store, masterId, {
      shown: "{}",
      code: undefined,
      builders: [...generation.builders.values()],
    });
    this.#seen = await newestPosition(store);
    const lease = await this.#leases.hold(masterLease(generation.masterName));
    if (!lease) throw new Error("the simulation's own lease was taken");
    const deps = { store, clock: this.#clock, leases: this.#leases, feed: this.#feed };
    for (const { name, kind, plugin, part } of generation.schedulers) {
      const entry = { name, kind, scheduler: part, records: new PluginRecords(plugin) };
      const activity = this.#add(
        `scheduler:${name}`,
        [`scheduler:${name}`, ...(wantsOf(part).includes("changes") ? ["scheduling:changes"] : [])],
        () => schedulerPass(entry, deps, this.#options.signal),
        async (error) => {
          this.#note(`the scheduler "${name}" failed: ${messageOf(error)}`);
          await noteFailure(name, deps, error);
        },
      );
      if (wantsOf(part).includes("finished")) this.#followers.push({ activity, upstream: part.upstream });
    }
    const distributor = new Distributor({
      ...deps,
      clock: this.#questions,
      config: () => generation,
      generation: () => generationId,
    });
    this.#add(
      "distributor",
      ["requests", "locks"],
      () => distributor.pass(),
      async (error) => {
        throw error;
      },
    );
    const { model } = this.#options;
    const note = (message: string) => this.#note(message);
    this.#builds = new SimulatedBuilds({ store, clock: this.#clock, lease, generation, model, note });
  }

  #add(
    name: string,
    topics: string[],
    pass: () => Promise<{ wakeAt?: Millis; again?: boolean }>,
    onError: (error: unknown) => Promise<void>,
  ): Activity {
    const failed = async (error: unknown) => {
      this.#options.signal.throwIfAborted();
      await onError(error);
    };
    const activity = new Activity({ name, topics, pass, onError: failed }, this.#clock, this.#store.doorbell);
    this.#activities.push(activity);
    return activity;
  }

  async run(): Promise<void> {
    const { until } = this.#options;
    for (;;) {
      await this.#settle();
      await this.#lookAtWaiting();
      const next = this.#next();
      if (next > until) break;
      await this.#giveWay();
      this.#clock.leap(next);
      await this.#builds?.carryOn();
      await this.#addChanges();
    }
    this.#clock.leap(until);
    this.#tally.end(until);
  }

  outcome(): Outcome {
    const { from, until } = this.#options;
    return outcomeOf({
      from,
      until,
      generation: this.#configuration.generation,
      changes: this.#nextChange,
      tally: this.#tally,
      builds: this.#builds as SimulatedBuilds,
      notes: this.#notes,
    });
  }

  #next(): Millis {
    const times = [this.#options.changes[this.#nextChange]?.at, this.#builds?.next, this.#clock.next];
    let next = Number.POSITIVE_INFINITY;
    for (const time of times) if (time !== undefined && time < next) next = time;
    for (const { wakeAt } of this.#activities) if (wakeAt < next) next = wakeAt;
    return next;
  }

  /** Lets everybody look as long as somebody wants to, without time going by. */
  async #settle(): Promise<void> {
    for (let passes = 0; ; ) {
      if (this.#news) await this.#readEvents();
      if (await this.#builds?.takeLocks()) continue;
      const ready = this.#activities.find((activity) => activity.ready);
      if (!ready) {
        if (this.#news) continue;
        if (this.#questions.open === 0 || !(await this.#answer())) return;
        continue;
      }
      passes += 1;
      this.#passes += 1;
      if (passes > MOST_PASSES) throw faults.simulationStuck(ready.name, new Date(this.#clock.now()).toISOString());
      await this.#giveWay();
      await ready.pass();
    }
  }

  /** Lets signals, timers and output of the process have their turn. */
  async #giveWay(): Promise<void> {
    if (performance.now() - this.#turn < LONGEST_TURN) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#turn = performance.now();
    this.#options.signal.throwIfAborted();
    this.#options.progress?.(this.#clock.now());
  }

  /** Waits in real time for functions that have not answered. False if none did. */
  async #answer(): Promise<boolean> {
    const before = this.#questions.open;
    const end = performance.now() + this.#patience;
    while (this.#questions.open === before) {
      this.#options.signal.throwIfAborted();
      if (performance.now() > end) {
        this.#note("a function of a builder did not answer in time");
        this.#patience = Math.min(this.#patience, SHORT_PATIENCE);
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return true;
  }

  async #readEvents(): Promise<void> {
    this.#news = false;
    for (;;) {
      const events = await this.#feed.after(this.#seen, EVENTS_AT_ONCE);
      for (const event of events) {
        this.#seen = event.seq;
        if (event.type === "buildset.finished") this.#tellOfEnd(event.data["scheduler"]);
        const beginning = this.#tally.see(event);
        if (beginning) await this.#builds?.begin(beginning);
      }
      if (events.length < EVENTS_AT_ONCE) return;
    }
  }

  /**
   * Wakes those that follow this scheduler. One that names those whose buildsets it waits for is told
   * of others too, but with its next pass is soon enough.
   */
  #tellOfEnd(scheduler: Json | undefined): void {
    for (const { activity, upstream } of this.#followers)
      if (upstream === undefined || upstream.includes(scheduler as string)) activity.ring();
  }

  async #addChanges(): Promise<void> {
    const { changes } = this.#options;
    const now = this.#clock.now();
    const due: TimedChange[] = [];
    for (; (changes[this.#nextChange]?.at ?? Number.POSITIVE_INFINITY) <= now; this.#nextChange += 1)
      due.push(changes[this.#nextChange] as TimedChange);
    if (due.length === 0) return;
    await this.#store.write(async (tx) => {
      for (const { source, change } of due) await addChange(tx, source, change);
    });
  }

  /**
   * Asks what keeps the oldest requests: those that come near the longest waits so far, each again
   * when it has waited twice as long.
   */
  async #lookAtWaiting(): Promise<void> {
    const now = this.#clock.now();
    const long = this.#tally.leastOfLongest / 2;
    let looked = 0;
    for (const waiting of this.#tally.waiting.values()) {
      looked += 1;
      const waited = now - waiting.since;
      if (looked > LONGEST_WAITS || waited < long) return;
      if (this.#looks > FREE_LOOKS + this.#passes / PASSES_A_LOOK) return;
      const { since, why } = waiting;
      if (why && waited < Math.max(60_000, 2 * (why.at - since))) continue;
      this.#looks += 1;
      const row = await requestRow(this.#store.read, waiting.request);
      const { reasons } = await whyItWaits(this.#store, row, this.#configuration.generation.builders, now);
      waiting.why = { at: now, reasons };
    }
  }

  #note(message: string): void {
    const known = this.#notes.get(message);
    if (known !== undefined || this.#notes.size < MOST_NOTES) this.#notes.set(message, (known ?? 0) + 1);
  }
}
