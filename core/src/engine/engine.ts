import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Generation } from "../config/generation.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { EventFeed } from "../status/event-feed.ts";
import { newestPosition } from "../store/events.ts";
import { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import { DISTRIBUTOR_LEASE, Distributor } from "./distributor.ts";
import { failurePass } from "./failure-loop.ts";
import { type JobEntry, jobPass } from "./job-loop.ts";
import { isLeaseLost, type LeaseKeeper } from "./lease-keeper.ts";
import { listenerPass } from "./listener-loop.ts";
import { Loop, type LoopState } from "./loop.ts";
import { isLost, masterLease, recoverBuilds, recoverOthers } from "./recovery.ts";
import { Runner } from "./runner.ts";
import { noteFailure, schedulerPass, wantsOf } from "./scheduler-loop.ts";
import { findSecret } from "./secrets.ts";
import { SourceActivity } from "./source-health.ts";
import { sourcePass, watchPass } from "./source-loop.ts";
import { WorkerKeeper } from "./worker-keeper.ts";

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
  jobs: readonly JobEntry[];
}

/** Everything active in a master: the loops, the builds that run, the workers. */
export class Engine {
  readonly runner: Runner;
  readonly workers: WorkerKeeper;
  /** What the sources do now. */
  readonly activity = new SourceActivity();
  readonly #deps: EngineDeps;
  readonly #loops: Loop[] = [];
  #buildLoop: Loop | undefined;
  #distributor: Loop | undefined;
  #addJob: ((job: JobEntry) => Loop) | undefined;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    const { store, clock, logStore, masterId, logger, generation } = deps;
    this.workers = new WorkerKeeper({
      store,
      clock,
      masterId,
      folder: join(deps.stateFolder, "workers"),
      workers: generation.workers,
      note: (worker, message, err) => logger.info({ worker, err }, message),
    });
    this.runner = new Runner({
      store,
      clock,
      logStore,
      masterId,
      lease: () => deps.leases.get(masterLease(generation.masterName)),
      generation: () => generation,
      worker: (name) => this.workers.get(name),
      secret: (name, signal) => this.#secret(name, signal),
      onError: (message, err, build) => logger.error({ err, build: build.id, builder: build.builder }, message),
    });
  }

  loops(): LoopState[] {
    return this.#loops.map((loop) => loop.state);
  }

  async start(): Promise<void> {
    const { store, logStore, leases, logger, masterId, generation } = this.#deps;
    const lease = leases.get(masterLease(generation.masterName));
    if (lease) {
      const lost = await recoverBuilds(store, logStore, masterId, lease, (message, err) =>
        logger.error({ err }, message),
      );
      for (const build of lost)
        logger.warn(
          { build: build.id, builder: build.builder, number: build.number },
          "was being built when the master was lost; it is built again",
        );
    }
    await this.#rows();
    await this.workers.start();
    // Before anybody may ask why a request waits: a decider that has just started is no reason.
    await this.#deps.leases.hold(DISTRIBUTOR_LEASE);
    this.#makeLoops();
    for (const loop of this.#loops) loop.start();
  }

  /** One more queue to work on, while the engine runs. */
  addJob(job: JobEntry): void {
    this.#addJob?.(job).start();
  }

  /** No new builds; those that run go on. */
  async drain(): Promise<void> {
    this.runner.drain();
    // Otherwise it would give this master one build after the other, each to be given back.
    await this.#distributor?.stop();
    await this.#deps.leases.release(DISTRIBUTOR_LEASE);
    await this.workers.withdraw();
    await this.runner.idle();
  }

  /** Ends everything. Builds that still run end as `retry` and are built again at the next start. */
  async stop(): Promise<void> {
    const others = this.#loops.filter((loop) => loop !== this.#buildLoop);
    await Promise.all(others.map((loop) => loop.stop()));
    await this.runner.interrupt("the master shut down");
    await this.#buildLoop?.stop();
    await this.runner
      .pass()
      .catch((err) => this.#deps.logger.error({ err }, "assigned builds could not be given back"));
    await this.workers.stop();
  }

  async #rows(): Promise<void> {
    const { store, generation } = this.#deps;
    const newest = await newestPosition(store);
    await store.write(async (tx) => {
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
    });
  }

  #makeLoops(): void {
    const { store, clock, leases, feed, generation, masterId, logger, logStore } = this.#deps;
    const add = (
      name: string,
      topics: string[],
      pass: (signal: AbortSignal) => ReturnType<ConstructorParameters<typeof Loop>[0]["pass"]>,
      onError?: (error: unknown, failures: number) => void,
      idle?: number,
    ) => {
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
      this.#loops.push(loop);
      return loop;
    };

    this.#buildLoop = add("builds", [`builds:${masterId}`], () => this.runner.pass(), undefined, 5_000);
    const distributor = new Distributor({
      store,
      clock,
      leases,
      config: () => generation,
      generation: () => this.#deps.generationId,
    });
    this.#distributor = add("distributor", ["requests", "locks"], () => distributor.pass());
    for (const source of generation.sources) {
      const folder = join(this.#deps.stateFolder, "sources", encodeURIComponent(source.name));
      const entry = {
        name: source.name,
        kind: source.kind,
        source: source.part,
        records: new PluginRecords(source.plugin),
        folder,
      };
      const sourceDeps = {
        store,
        clock,
        leases,
        activity: this.activity,
        note: (name: string, message: string) => logger.info({ source: name }, message),
        secret: (name: string, signal: AbortSignal) => this.#secret(name, signal),
      };
      add(`source:${source.name}`, [`source:${source.name}`], async (signal) => {
        await mkdir(folder, { recursive: true });
        return sourcePass(entry, sourceDeps, signal);
      });
      if (source.part.watch) {
        const name = `watch:${source.name}`;
        const forget = (error: unknown) => isLeaseLost(error) && leases.drop(`source:${source.name}`, error);
        const watch = async (signal: AbortSignal) => {
          await mkdir(folder, { recursive: true });
          return watchPass(entry, sourceDeps, signal);
        };
        add(name, [], watch, forget);
      }
    }
    for (const scheduler of generation.schedulers) {
      const { name, kind, plugin } = scheduler;
      const entry = { name, kind, scheduler: scheduler.part, records: new PluginRecords(plugin) };
      const schedulerDeps = { store, clock, leases, feed };
      add(
        `scheduler:${name}`,
        [`scheduler:${name}`, ...wantsOf(scheduler.part).map((want) => `scheduling:${want}`)],
        (signal) => schedulerPass(entry, schedulerDeps, signal),
        (error) => {
          noteFailure(name, schedulerDeps, error).catch((err) =>
            logger.error({ err, scheduler: name }, "its failure could not be written"),
          );
        },
      );
    }
    for (const listener of generation.listeners) {
      const entry = { name: listener.name, kind: listener.kind, listener: listener.part };
      add(`listener:${listener.name}`, ["events"], (signal) =>
        listenerPass(entry, { store, clock, leases, feed }, signal),
      );
    }
    add("failures", ["failures"], (signal) => failurePass({ store, clock, leases, logStore }, signal));
    this.#addJob = (job) => {
      const name = `jobs:${job.records.plugin}/${job.queue}`;
      return add(name, [name], (signal) => jobPass(job, { store, clock, leases }, signal));
    };
    for (const job of this.#deps.jobs) this.#addJob(job);
    add(
      "master",
      [],
      async () => {
        await this.#staysMaster();
        return { wakeAt: clock.now() + leases.ttl / 3 };
      },
      undefined,
      leases.ttl / 3,
    );
    add(
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
    const { generation, logger } = this.#deps;
    return findSecret(generation.secrets, name, signal, (provider, err) =>
      logger.error({ provider, err }, "a secret provider failed"),
    );
  }
}
