import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { allParts, type Generation, type Part } from "../config/generation.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { Point } from "../interfaces/plugin.ts";
import type { Worker } from "../interfaces/worker.ts";
import type { EventFeed } from "../status/event-feed.ts";
import type { UnfinishedBuild } from "../store/builds.ts";
import { newestPosition } from "../store/events.ts";
import { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import { DISTRIBUTOR_LEASE, Distributor } from "./distributor.ts";
import { failurePass } from "./failure-loop.ts";
import { type JobEntry, jobPass } from "./job-loop.ts";
import { isLeaseLost, type LeaseKeeper } from "./lease-keeper.ts";
import { listenerPass } from "./listener-loop.ts";
import { Loop, type LoopState } from "./loop.ts";
import { isLost, masterLease, recoverBuilds, recoverOthers } from "./recovery.ts";
import { canGoOn } from "./resuming.ts";
import { RetentionKeeper } from "./retention-keeper.ts";
import { Runner } from "./runner.ts";
import { noteFailure, schedulerPass, wantsOf } from "./scheduler-loop.ts";
import { findSecret } from "./secrets.ts";
import { SourceActivity } from "./source-health.ts";
import { sourcePass, watchPass } from "./source-loop.ts";
import { WorkerKeeper } from "./worker-keeper.ts";

/** Milliseconds that workers keep commands for a master that restarts. */
export const KEEP_FOR = 120_000;

const RESTARTS = "the master restarts";

export interface EngineDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  feed: EventFeed;
  logStore: LogStore;
  logger: Logger;
  generation: Generation;
  generationId: number;
  masterId: number;
  stateFolder: string;
}

/** One life of a part: its queues are its own, whatever generation it belongs to. */
type PartLife = Part<Point>["jobs"];

/** Everything active in a master: the loops, the builds that run, the workers. */
export class Engine {
  readonly runner: Runner;
  readonly workers: WorkerKeeper;
  /** What the sources do now. */
  readonly activity = new SourceActivity();
  readonly retention: RetentionKeeper;
  readonly #deps: EngineDeps;
  readonly #loops = new Set<Loop>();
  readonly #partLoops = new Map<PartLife, Loop[]>();
  #generation: Generation;
  #generationId: number;
  #buildLoop: Loop | undefined;
  #distributor: Loop | undefined;
  #retention: Loop | undefined;
  /** Where builds were let go of for the next life of the master. */
  #kept: ReadonlySet<Worker> = new Set();

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    const { store, clock, logStore, masterId, logger, generation } = deps;
    this.#generation = generation;
    this.#generationId = deps.generationId;
    this.workers = new WorkerKeeper({
      store,
      clock,
      masterId,
      folder: join(deps.stateFolder, "workers"),
      workers: generation.workers,
      note: (worker, message, err) => logger[err === undefined ? "info" : "warn"]({ worker, err }, message),
      idle: (worker) => this.runner.idleOn(worker),
    });
    this.retention = new RetentionKeeper({
      store,
      clock,
      leases: deps.leases,
      logStore,
      logger,
      kept: () => this.#generation.retention,
    });
    this.runner = new Runner({
      store,
      clock,
      logStore,
      masterId,
      lease: () => deps.leases.get(masterLease(generation.masterName)),
      generation: () => this.#generation,
      generationId: () => this.#generationId,
      worker: (name) => this.workers.get(name),
      secret: (name, signal) => this.#secret(name, signal),
      onError: (message, err, build) => logger.error({ err, build: build.id, builder: build.builder }, message),
    });
  }

  loops(): LoopState[] {
    return [...this.#loops].map((loop) => loop.state);
  }

  async start(): Promise<void> {
    const { store, logStore, leases, logger, masterId, generation } = this.#deps;
    const lease = leases.get(masterLease(generation.masterName));
    if (lease) {
      const goesOn = (build: UnfinishedBuild) => {
        const worker = generation.workers.find(({ name }) => name === build.worker);
        return canGoOn(store, build, generation.builders.get(build.builder), worker);
      };
      const note = (message: string, err: unknown) => logger.error({ err }, message);
      const lost = await recoverBuilds(store, logStore, masterId, lease, note, goesOn);
      for (const build of lost)
        logger.warn(
          { build: build.id, builder: build.builder, number: build.number },
          "was being built when the master was lost; it is built again",
        );
    }
    await store.write((tx) => this.#rows(tx, generation));
    await this.workers.start();
    // Before anybody may ask why a request waits: a decider that has just started is no reason.
    await this.#deps.leases.hold(DISTRIBUTOR_LEASE);
    this.#makeLoops();
    for (const loop of this.#loops) loop.start();
    for (const [list, part] of allParts(generation)) this.#begin(list, part);
  }

  /**
   * Goes over to another generation. `record` writes it down, together with what this gives it to write; if that
   * fails, everything goes on as before. Loops of parts that are in both go on untouched, builds end as they began.
   */
  async change(next: Generation, record: (also: (tx: Tx) => Promise<void>) => Promise<number>): Promise<void> {
    const { leases, logger } = this.#deps;
    const workers = await this.workers.add(next.workers);
    const before = [...allParts(this.#generation)];
    const after = [...allParts(next)];
    const lives = (parts: typeof before) => new Set(parts.map(([, part]) => part.jobs));
    const stays = lives(after);
    const leaving = before.filter(([, part]) => !stays.has(part.jobs));
    await Promise.all(leaving.map(([, part]) => this.#end(part)));
    let id: number;
    try {
      id = await record((tx) => this.#rows(tx, next));
    } catch (error) {
      for (const [list, part] of leaving) this.#begin(list, part);
      await workers.undo().catch((err) => logger.error({ err }, "a new worker could not be stopped again"));
      throw error;
    }
    this.#generation = next;
    this.#generationId = id;
    this.workers.change(next.workers);
    const known = lives(before);
    for (const [list, part] of after) if (!known.has(part.jobs)) this.#begin(list, part);
    // Other masters may have a use for what is not configured here any more.
    const names = new Set([...this.#partLoops.values()].flat().map((loop) => loop.state.name));
    for (const name of leases.names()) {
      if (!/^(?:source|scheduler|listener|jobs):/.test(name) || names.has(name)) continue;
      await leases.release(name).catch((err) => logger.warn({ err, lease: name }, "could not be let go"));
    }
    this.#distributor?.ring();
    this.#buildLoop?.ring();
    this.#retention?.ring();
    // There may be more of a lock that steps wait for.
    this.#deps.store.doorbell.ring("locks");
  }

  /** No new builds; those that run go on. Resolves when all have ended, or can go on after a restart if there is one. */
  async drain(restarts = false): Promise<void> {
    this.runner.drain();
    // Otherwise it would give this master one build after the other, each to be given back.
    await this.#distributor?.stop();
    await this.#deps.leases.release(DISTRIBUTOR_LEASE);
    await this.workers.withdraw();
    await this.runner.idle(restarts);
    // At once: in its next step a build might be one that cannot go on.
    if (restarts) this.#kept = await this.runner.detach(RESTARTS);
  }

  /**
   * As `stop`, for a master that is about to be started again: builds that can go on then are let go of as they are,
   * and the workers keep their commands. Resolves with true if there are such builds.
   */
  async detach(): Promise<boolean> {
    const others = [...this.#loops].filter((loop) => loop !== this.#buildLoop);
    await Promise.all(others.map((loop) => loop.stop()));
    await this.#buildLoop?.stop();
    const places = new Set([...this.#kept, ...(await this.runner.detach(RESTARTS))]);
    await this.runner
      .pass()
      .catch((err) => this.#deps.logger.error({ err }, "assigned builds could not be given back"));
    await this.workers.stop({ keeps: (worker) => places.has(worker), keepFor: KEEP_FOR });
    return places.size > 0;
  }

  /** Ends everything. Builds that still run end as `retry` and are built again at the next start. */
  async stop(): Promise<void> {
    const others = [...this.#loops].filter((loop) => loop !== this.#buildLoop);
    await Promise.all(others.map((loop) => loop.stop()));
    await this.runner.interrupt("the master shut down");
    await this.#buildLoop?.stop();
    await this.runner
      .pass()
      .catch((err) => this.#deps.logger.error({ err }, "assigned builds could not be given back"));
    await this.workers.stop();
  }

  /** The rows that the parts of a generation work on, for those that have none yet. */
  async #rows(tx: Tx, generation: Generation): Promise<void> {
    const newest = await newestPosition(tx.db);
    for (const { name, plugin } of generation.sources) {
      const fresh = {
        plugin: plugin.name,
        version: plugin.state?.version ?? 1,
        state: null,
        polled_at: null,
        poll_wanted_at: null,
        error: null,
        failures: 0,
      };
      await tx.db
        .insertInto("change_sources")
        .values({ name, ...fresh })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      // A source of another kind under an old name starts anew: its state would mean something else.
      await tx.db
        .updateTable("change_sources")
        .set(fresh)
        .where("name", "=", name)
        .where("plugin", "!=", plugin.name)
        .execute();
    }
    for (const { name, plugin } of generation.schedulers) {
      const fresh = {
        plugin: plugin.name,
        version: plugin.state?.version ?? 1,
        cursor: newest,
        state: null,
        wake_at: null,
        passed_at: null,
        error: null,
        failures: 0,
      };
      await tx.db
        .insertInto("schedulers")
        .values({ name, ...fresh, disabled: null, enabled_at: null, skips: null })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      await tx.db
        .updateTable("schedulers")
        .set(fresh)
        .where("name", "=", name)
        .where("plugin", "!=", plugin.name)
        .execute();
    }
    for (const { name, part } of generation.listeners) {
      await tx.db
        .insertInto("listeners")
        .values({ name, cursor: part.from === "start" ? 0 : newest, attempts: 0, error: null, retry_at: null })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
    }
  }

  /** Makes a loop. Whoever asks for it starts it. */
  #add(
    name: string,
    topics: string[],
    pass: (signal: AbortSignal) => ReturnType<ConstructorParameters<typeof Loop>[0]["pass"]>,
    onError?: (error: unknown, failures: number) => void,
    idle?: number,
  ): Loop {
    const { store, clock, leases, logger } = this.#deps;
    const loop = new Loop({
      name,
      topics,
      pass,
      clock,
      doorbell: store.doorbell,
      ...(idle === undefined ? {} : { idle }),
      onError: (err, failures) => {
        logger.error({ loop: name, failures, err }, "a pass failed and is repeated");
        // A lease that was lost without notice shows at the next write; begin anew with taking it.
        if (isLeaseLost(err)) leases.drop(name, err);
        onError?.(err, failures);
      },
    });
    this.#loops.add(loop);
    return loop;
  }

  /** Starts the loops of a part. */
  #begin(list: string, part: Part<Point>): void {
    const loops: Loop[] = [];
    if (list === "sources") loops.push(...this.#sourceLoops(part as Part<"source">));
    else if (list === "schedulers") loops.push(this.#schedulerLoop(part as Part<"scheduler">));
    else if (list === "listeners") loops.push(this.#listenerLoop(part as Part<"listener">));
    const work = (job: JobEntry) => {
      const loop = this.#jobLoop(job);
      loops.push(loop);
      return loop;
    };
    for (const job of part.jobs.entries) work(job);
    part.jobs.added = (job) => work(job).start();
    this.#partLoops.set(part.jobs, loops);
    for (const loop of loops) loop.start();
  }

  /** Resolves when nothing of a part's loops runs any more. */
  async #end(part: Part<Point>): Promise<void> {
    delete part.jobs.added;
    const loops = this.#partLoops.get(part.jobs) ?? [];
    this.#partLoops.delete(part.jobs);
    for (const loop of loops) this.#loops.delete(loop);
    await Promise.all(loops.map((loop) => loop.stop()));
  }

  #sourceLoops(source: Part<"source">): Loop[] {
    const { store, clock, leases, logger } = this.#deps;
    const folder = join(this.#deps.stateFolder, "sources", encodeURIComponent(source.name));
    const entry = {
      name: source.name,
      kind: source.kind,
      source: source.part,
      records: new PluginRecords(source.plugin),
      folder,
    };
    const deps = {
      store,
      clock,
      leases,
      activity: this.activity,
      note: (name: string, message: string) => logger.info({ source: name }, message),
      secret: (name: string, signal: AbortSignal) => this.#secret(name, signal),
    };
    const loops = [
      this.#add(`source:${source.name}`, [`source:${source.name}`], async (signal) => {
        await mkdir(folder, { recursive: true });
        return sourcePass(entry, deps, signal);
      }),
    ];
    if (source.part.watch) {
      const forget = (error: unknown) => isLeaseLost(error) && leases.drop(`source:${source.name}`, error);
      const watch = async (signal: AbortSignal) => {
        await mkdir(folder, { recursive: true });
        return watchPass(entry, deps, signal);
      };
      loops.push(this.#add(`watch:${source.name}`, [], watch, forget));
    }
    return loops;
  }

  #schedulerLoop({ name, kind, plugin, part }: Part<"scheduler">): Loop {
    const { store, clock, leases, feed, logger } = this.#deps;
    const entry = { name, kind, scheduler: part, records: new PluginRecords(plugin) };
    const deps = { store, clock, leases, feed };
    return this.#add(
      `scheduler:${name}`,
      [`scheduler:${name}`, ...wantsOf(part).map((want) => `scheduling:${want}`)],
      (signal) => schedulerPass(entry, deps, signal),
      (error) => {
        noteFailure(name, deps, error).catch((err) =>
          logger.error({ err, scheduler: name }, "its failure could not be written"),
        );
      },
    );
  }

  #listenerLoop({ name, kind, part }: Part<"listener">): Loop {
    const { store, clock, leases, feed } = this.#deps;
    const entry = { name, kind, listener: part };
    return this.#add(`listener:${name}`, ["events"], (signal) =>
      listenerPass(entry, { store, clock, leases, feed }, signal),
    );
  }

  #jobLoop(job: JobEntry): Loop {
    const { store, clock, leases } = this.#deps;
    const name = `jobs:${job.records.plugin}/${job.queue}`;
    return this.#add(name, [name], (signal) => jobPass(job, { store, clock, leases }, signal));
  }

  #makeLoops(): void {
    const { store, clock, leases, masterId, logger, logStore } = this.#deps;
    this.#buildLoop = this.#add("builds", [`builds:${masterId}`], () => this.runner.pass(), undefined, 5_000);
    const distributor = new Distributor({
      store,
      clock,
      leases,
      config: () => this.#generation,
      generation: () => this.#generationId,
    });
    this.#distributor = this.#add("distributor", ["requests", "locks"], () => distributor.pass());
    this.#add("failures", ["failures"], (signal) => failurePass({ store, clock, leases, logStore }, signal));
    this.#add(
      "master",
      [],
      async () => {
        await this.#staysMaster();
        return { wakeAt: clock.now() + leases.ttl / 3 };
      },
      undefined,
      leases.ttl / 3,
    );
    this.#retention = this.#add("retention", ["retention"], (signal) => this.retention.pass(signal));
    this.#add(
      "recovery",
      [],
      async () => {
        await this.workers.reclaim((id) => isLost(store, id));
        const lease = await leases.hold("recovery");
        if (!lease) return { wakeAt: clock.now() + leases.ttl };
        const lost = await recoverOthers(store, logStore, masterId, leases.owner, leases.ttl, (message, err) =>
          logger.error({ err }, message),
        );
        for (const build of lost)
          logger.warn({ build: build.id, builder: build.builder }, "lost its master; it is built again");
        return { wakeAt: clock.now() + leases.ttl };
      },
      undefined,
      Math.min(leases.ttl, 30_000),
    );
  }

  /** Comes back after it was cut off: what it was building belongs to others now, so it begins a new life. */
  async #staysMaster(): Promise<void> {
    const { leases, generation, store, logStore, masterId, logger } = this.#deps;
    const name = masterLease(generation.masterName);
    if (leases.get(name)) return;
    logger.warn({}, "this master was cut off from the database for too long; its builds are given up");
    await this.runner.idle();
    const lease = await leases.hold(name);
    if (!lease) return;
    await recoverBuilds(store, logStore, masterId, lease, (message, err) => logger.error({ err }, message));
    await this.workers.announce();
    this.#buildLoop?.ring();
  }

  #secret(name: string, signal: AbortSignal): Promise<string> {
    const { logger } = this.#deps;
    return findSecret(this.#generation.secrets, name, signal, (provider, err) =>
      logger.error({ provider, err }, "a secret provider failed"),
    );
  }
}
