import "reflect-metadata";
import { join, resolve } from "node:path";
import { type DependencyContainer, container as root } from "tsyringe";
import type { Api } from "./api/api.ts";
import { internal } from "./api/callers.ts";
import { CoreApi } from "./api/core-api.ts";
import { EnginePass } from "./api/engine-pass.ts";
import { SocketServer } from "./api/socket-server.ts";
import { TOKENS } from "./api/tokens.ts";
import type { Difference, Reloaded } from "./config/difference.ts";
import { type Generation, makeGeneration } from "./config/generation.ts";
import type { PartJobs } from "./config/parts.ts";
import { Engine, KEEP_FOR } from "./engine/engine.ts";
import { LeaseKeeper } from "./engine/lease-keeper.ts";
import { becomeMaster, heirOf, ownerOf } from "./engine/mastership.ts";
import { masterLease } from "./engine/recovery.ts";
import { ServiceKeeper } from "./engine/service-keeper.ts";
import { lockState } from "./engine/state-lock.ts";
import { systemClock } from "./engine/system-clock.ts";
import { BelfryError } from "./errors/belfry-error.ts";
import { faults } from "./errors/catalogue.ts";
import type { Clock } from "./interfaces/clock.ts";
import type { DatabaseConnection } from "./interfaces/database.ts";
import type { Installation } from "./interfaces/installation.ts";
import type { LogStore } from "./interfaces/log-store.ts";
import type { Logger } from "./interfaces/logger.ts";
import type { CreateContext, Plugin } from "./interfaces/plugin.ts";
import type { PluginStore } from "./interfaces/plugin-store.ts";
import { createFileLogStore } from "./logs/file-log-store.ts";
import { endLogSearch } from "./logs/search/log-search.ts";
import { Registry, Shelf } from "./plugins/registry.ts";
import { type LoadedConfig, type Reloadable, Reloader } from "./reload.ts";
import { EventFeed } from "./status/event-feed.ts";
import { apiHistory, type History } from "./status/history.ts";
import { LoadWatch } from "./status/load.ts";
import { Status } from "./status/status.ts";
import { newestPosition } from "./store/events.ts";
import { type GenerationFacts, newestGeneration, recordGeneration } from "./store/generation.ts";
import { PluginRecords } from "./store/plugin-records.ts";
import { Store } from "./store/store.ts";
import type { Tx } from "./store/tx.ts";
import { version } from "./version.ts";

export interface MasterOptions {
  /** Where relative paths of the configuration start. Default: the working folder. */
  folder?: string;
  /** The master's own folder. Default: `.belfry` in `folder`. */
  stateFolder?: string;
  clock?: Clock;
  logger?: Logger;
  /** Milliseconds after which a master that was heard of no more counts as lost. Default 15,000. */
  leaseTtl?: number;
  /** False serves the API without an engine. Default true. */
  engine?: boolean;
  /**
   * `engine`: everything but the services that serve the API to others. `api`: those services and nothing else, beside
   * a process that has the engine and the same folders or, with a database for many writers, any number of them; what
   * only the engine can do is passed on through its socket. Default `all`.
   */
  role?: "all" | "engine" | "api";
  /** Loads the configuration for a reload, never from a cache. Without it a reload is refused. */
  load?(): Promise<LoadedConfig>;
  /** Of the configuration that is given to the constructor, see {@link LoadedConfig}. */
  loaded?: Pick<LoadedConfig, "code" | "release">;
  /** Called when somebody asks the master to stop through the API; the program that runs it then calls `stop`. */
  onStopWanted?(when: "now" | "after-builds", restart: boolean): void;
}

const DATABASE_PATIENCE = 3_000;

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** A build master: a configuration, checked as a whole, that can be started and stopped once, and loaded again meanwhile. */
export class Master {
  readonly folder: string;
  readonly stateFolder: string;
  readonly container: DependencyContainer = root.createChildContainer();
  readonly status: Status;
  readonly #options: MasterOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #shelf = new Shelf(this.container, (plugin) => this.#recordsOf(plugin));
  readonly #abort = new AbortController();
  /** What was opened, to be closed in reverse. */
  readonly #opened: { name: string; close(): Promise<void> }[] = [];
  #store: Store | undefined;
  #api: CoreApi | undefined;
  #engine: Engine | undefined;
  #generation: Generation;
  #generationId = 0;
  #registry: Registry;
  #reloader: Reloader | undefined;
  #services: ServiceKeeper | undefined;
  #stopping: Promise<void> | undefined;
  #restarts = false;
  /** True if builds were let go of, for the next life of this master. */
  #letGo = false;
  #began = "0";

  /** Checks the configuration and makes its parts. Throws `BELFRY_CONFIG_INVALID` with all faults. Starts nothing. */
  constructor(config: unknown, options: MasterOptions = {}) {
    this.#options = options;
    this.folder = resolve(options.folder ?? ".");
    this.stateFolder = resolve(options.stateFolder ?? join(this.folder, ".belfry"));
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? quiet;
    this.container.register(TOKENS.clock, { useValue: this.#clock });
    this.container.register(TOKENS.logger, { useValue: this.#logger });
    this.container.register(TOKENS.api, { useFactory: () => this.api });
    this.container.register(TOKENS.installation, { useValue: installationOf(() => this.#generation) });
    this.#registry = new Registry(this.#shelf);
    this.#shelf.inForce = this.#registry;
    this.#generation = makeGeneration(config, this.#registry, {
      context: this.#contexts(this.#registry),
      code: options.loaded?.code,
    });
    this.status = new Status(() => this.#engine);
  }

  /** The running generation of the configuration. */
  get generation(): Generation {
    return this.#generation;
  }

  /** The plugins of the running generation. */
  get registry(): Registry {
    return this.#registry;
  }

  /**
   * Loads the configuration again, checks it as a whole, and goes over to it: what is the same in both goes on
   * untouched, running builds end as they began. Rejects with all faults if it cannot be used; everything then
   * goes on as it was. Calls are carried out one after the other.
   */
  async reload(): Promise<Reloaded> {
    if (!this.#reloader) throw faults.reloadImpossible();
    return this.#reloader.reload();
  }

  /** What a reload would change now. */
  async plan(): Promise<Difference[]> {
    if (!this.#reloader) throw faults.reloadImpossible();
    return this.#reloader.plan();
  }

  /** The methods; throws before `start`. */
  get api(): Api {
    if (!this.#api) throw new Error("the master is not started");
    return this.#api;
  }

  get history(): History {
    return apiHistory(this.api, internal);
  }

  get store(): Store {
    if (!this.#store) throw new Error("the master is not started");
    return this.#store;
  }

  /** The position in the event log where this run began: what is behind it happened in this run. */
  get began(): string {
    return this.#began;
  }

  get socketPath(): string {
    return join(this.stateFolder, "master.sock");
  }

  /** Resolves once everything runs. If it rejects, nothing it opened stays open. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.#close().catch((err) => this.#logger.error({ err }, "not everything could be closed"));
      throw error;
    }
  }

  /**
   * Resolves once nothing is running. `after-builds` lets running builds end first. With `restart`, builds whose steps
   * are resumable are let go of as they are, for a master that is started in the same folder soon; only the others
   * end. Harmless when called twice.
   */
  stop(when: "now" | "after-builds" = "now", { restart = false }: { restart?: boolean } = {}): Promise<void> {
    if (when === "now" || !this.#engine) {
      if (!this.#stopping) {
        this.#restarts = restart;
        this.#stopping = this.#close();
      }
      return this.#stopping;
    }
    return this.#engine.drain(restart).then(() => this.stop("now", { restart }));
  }

  async #start(): Promise<void> {
    if (this.#options.role === "api") return this.#startBeside();
    const { generation } = this;
    const clock = this.#clock;
    const unlock = await lockState(this.stateFolder, generation.masterName);
    this.#opened.push({ name: "lock", close: unlock });
    const store = await this.#openStore(false);
    await store.migrate();
    this.#began = String(await newestPosition(store));
    const ttl = this.#options.leaseTtl ?? 15_000;
    const leases = new LeaseKeeper(store, ownerOf(generation.masterName), ttl, (err) =>
      this.#logger.error({ err }, "the leases could not be prolonged"),
    );
    const name = masterLease(generation.masterName);
    const will = { name, heir: heirOf(generation.masterName), millis: KEEP_FOR };
    // Other masters must not take up what was let go of for the next life of this one.
    this.#opened.push({ name: "leases", close: () => leases.stop(this.#letGo ? will : undefined) });
    const masterId = await becomeMaster(store, leases, generation.masterName, clock);
    leases.start();

    const logStore = await this.#openLogs();
    const generationId = await recordGeneration(store, masterId, factsOf(generation));
    this.#generationId = generationId;
    const { api, feed } = this.#openApi(store, logStore, () => this.#troubles(store, leases));
    if (this.#options.engine !== false) {
      const engine = new Engine({
        store,
        clock,
        leases,
        feed,
        logStore,
        logger: this.#logger,
        generation,
        generationId,
        masterId,
        stateFolder: this.stateFolder,
      });
      this.#engine = engine;
      this.#opened.push({ name: "engine", close: () => (this.#restarts ? this.#detach(engine) : engine.stop()) });
      await engine.start();
    }
    const services = await this.#startServices();
    this.#reloader = this.#makeReloader(api, services, {
      record: (next, changed, also) =>
        recordGeneration(store, masterId, { ...factsOf(next), changed }, async (tx) => {
          const lease = leases.get(masterLease(next.masterName));
          if (!lease) throw faults.leaseLost(masterLease(next.masterName));
          await tx.requireLease(lease);
          await also?.(tx);
        }),
      refused: (error) => this.#reloadRefused(store, error),
    });
    const socket = new SocketServer(this.socketPath, api);
    await socket.start();
    this.#opened.push({ name: "socket", close: () => socket.stop() });
  }

  async #detach(engine: Engine): Promise<void> {
    this.#letGo = await engine.detach();
  }

  /** The web beside an engine: writes nothing by itself, and has neither lock nor lease. */
  async #startBeside(): Promise<void> {
    const { oneWriter = false } = this.generation.database.part;
    const store = await this.#openStore(oneWriter);
    const { pending, unknown } = await store.migrations();
    if (unknown.length > 0) throw faults.databaseNewer(unknown);
    if (pending.length > 0) throw faults.databaseUnready(pending);
    this.#began = String(await newestPosition(store));
    this.#generationId = await newestGeneration(store);
    const elsewhere = new EnginePass(this.socketPath, !oneWriter);
    this.#opened.push({ name: "engine's socket", close: () => elsewhere.close() });
    const logStore = await this.#openLogs();
    const { api } = this.#openApi(store, logStore, () => this.#troubles(store), elsewhere);
    if (oneWriter) {
      const watch = watchForCommits(store);
      this.#opened.push({ name: "watch", close: async () => watch.stop() });
    }
    const services = await this.#startServices();
    this.#reloader = this.#makeReloader(api, services, {
      record: () => newestGeneration(store),
      refused: async (error) => void this.#noteRefused(error),
    });
  }

  async #openLogs(): Promise<LogStore> {
    const logStore: LogStore =
      this.generation.logStore?.part ?? createFileLogStore({ folder: join(this.stateFolder, "logs") });
    await logStore.start?.();
    this.#opened.push({ name: "log store", close: async () => logStore.stop?.() });
    this.#opened.push({ name: "log search", close: () => endLogSearch(logStore) });
    return logStore;
  }

  #openApi(store: Store, logStore: LogStore, troubles: () => Promise<string[]>, elsewhere?: EnginePass) {
    const load = new LoadWatch();
    this.#opened.push({ name: "load", close: async () => load.stop() });
    const feed = new EventFeed(store);
    this.#opened.push({ name: "feed", close: async () => feed.close() });
    const api = new CoreApi(
      {
        store,
        clock: this.#clock,
        feed,
        logStore,
        registry: () => this.#registry,
        generation: () => this.#generation,
        engine: () => this.#engine,
        elsewhere,
        load: () => load.load,
        troubles,
        reload: () => this.reload(),
        plan: () => this.plan(),
        version,
        startedAt: this.#clock.now(),
        stop: (when, restart) => this.#options.onStopWanted?.(when, restart),
      },
      this.#logger,
    );
    this.#api = api;
    return { api, feed };
  }

  async #startServices(): Promise<ServiceKeeper> {
    const services = new ServiceKeeper(this.#logger, this.#abort.signal, this.#options.role);
    this.#services = services;
    this.#opened.push({ name: "services", close: () => services.stop() });
    await services.start(this.generation.services);
    return services;
  }

  /** What the services that run here have to tell, such as where they can be asked: a line each. */
  describe(): string[] {
    return this.#services?.describe() ?? [];
  }

  async #troubles(store: Store, leases?: LeaseKeeper): Promise<string[]> {
    const troubles: string[] = [];
    if (this.#abort.signal.aborted) troubles.push("it is stopping");
    if (!this.#reloader) troubles.push("it is starting");
    try {
      const patience = AbortSignal.timeout(DATABASE_PATIENCE);
      await Promise.race([
        store.databaseNow(),
        new Promise((_, reject) => patience.addEventListener("abort", () => reject(patience.reason), { once: true })),
      ]);
    } catch {
      troubles.push("the database does not answer");
    }
    if (this.#engine && !leases?.get(masterLease(this.generation.masterName)))
      troubles.push("it was cut off from the database for too long");
    return troubles;
  }

  async #openStore(readOnly: boolean): Promise<Store> {
    const connection: DatabaseConnection = await this.generation.database.part.open({
      folder: this.stateFolder,
      signal: this.#abort.signal,
      note: (message) => this.#logger.info({ part: "database" }, message),
      readOnly,
    });
    const store = new Store(connection, this.#clock);
    this.#store = store;
    this.#opened.push({ name: "database", close: () => store.close() });
    return store;
  }

  async #close(): Promise<void> {
    this.#abort.abort(new Error("the master stops"));
    await this.#reloader?.close();
    const failures: unknown[] = [];
    // The socket and services go first, then the engine, then what they stand on.
    for (const { name, close } of this.#opened.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        this.#logger.error({ err: error, part: name }, "could not be stopped cleanly");
        failures.push(error);
      }
    }
    this.container.clearInstances();
    if (failures.length > 0) throw new AggregateError(failures, "not everything stopped cleanly");
  }

  #makeReloader(api: CoreApi, services: ServiceKeeper, notes: Pick<Reloadable, "record" | "refused">): Reloader {
    const { load, loaded } = this.#options;
    return new Reloader(
      {
        ...notes,
        load: load && (() => load()),
        shelf: this.#shelf,
        context: (registry) => this.#contexts(registry),
        running: () => ({ generation: this.#generation, registry: this.#registry }),
        api,
        engine: () => this.#engine,
        services,
        adopt: ({ generation, registry, id }) => {
          this.#generation = generation;
          this.#registry = registry;
          this.#generationId = id;
        },
        generationId: () => this.#generationId,
        logger: this.#logger,
      },
      loaded?.release,
    );
  }

  #noteRefused(error: unknown): number {
    const details = BelfryError.is(error) ? error.details : [];
    this.#logger.warn({ err: error, faults: details }, "the configuration was refused; the one that runs goes on");
    return Math.max(1, details.length);
  }

  async #reloadRefused(store: Store, error: unknown): Promise<void> {
    const count = this.#noteRefused(error);
    await store
      .write(async (tx: Tx) => tx.event("config.refused", { faults: count }))
      .catch((err) => this.#logger.error({ err }, "that a configuration was refused could not be written"));
  }

  #contexts(registry: Registry) {
    return (plugin: Plugin, name: string, jobs: PartJobs): CreateContext => ({
      name,
      clock: this.#clock,
      container: registry.container(plugin),
      store: this.#pluginStore(plugin, jobs),
      folder: this.folder,
      stateFolder: this.stateFolder,
    });
  }

  #recordsOf(plugin: Plugin, records = new PluginRecords(plugin)): Omit<PluginStore, "work"> {
    return {
      get: (key) => records.get(this.store, key, this.#clock.now()),
      list: (options) => records.list(this.store, this.#clock.now(), options),
      apply: (writes) => this.store.write((tx) => records.applyIn(tx, writes)),
    };
  }

  #pluginStore(plugin: Plugin, jobs: PartJobs): PluginStore {
    const records = new PluginRecords(plugin);
    return {
      ...this.#recordsOf(plugin, records),
      work: (queue, handler, options) => {
        const job = { queue, records, handler, attempts: options?.attempts ?? 10 };
        jobs.entries.push(job);
        jobs.added?.(job);
      },
    };
  }
}

function factsOf({ shown, code, builders }: Generation): GenerationFacts {
  return { shown, code, builders: [...builders.values()] };
}

/** How often a process that only reads looks whether another one has committed something; that costs microseconds. */
const LOOK_EVERY = 25;

/** Rings for what is committed by another process, where no bell rings between processes. */
function watchForCommits(store: Store): { stop(): void } {
  let known = store.version();
  const timer = setInterval(() => {
    const version = store.version();
    if (version === known) return;
    known = version;
    store.doorbell.ring("events");
  }, LOOK_EVERY);
  return { stop: () => clearInterval(timer) };
}

function installationOf(inForce: () => Generation): Installation {
  return {
    version,
    get title() {
      return inForce().title;
    },
    get master() {
      return inForce().masterName;
    },
  };
}
