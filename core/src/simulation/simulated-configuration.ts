import "reflect-metadata";
import { container as root } from "tsyringe";
import { TOKENS } from "../api/tokens.ts";
import { type Generation, makeGeneration } from "../config/generation.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Database } from "../interfaces/database.ts";
import type { Installation } from "../interfaces/installation.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { CreateContext, Plugin } from "../interfaces/plugin.ts";
import type { PluginStore } from "../interfaces/plugin-store.ts";
import { Registry, Shelf } from "../plugins/registry.ts";
import { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import { version } from "../version.ts";

/** A configuration as a file exports it, and where it is from. */
export interface ConfigurationFile {
  value: unknown;
  folder: string;
  stateFolder: string;
}

export interface SimulatedConfiguration {
  generation: Generation;
  /** Databases of it that can make an empty one, the configured one first. */
  scratches: NonNullable<Database["scratch"]>[];
}

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** Checks a configuration and makes its parts, with this clock and with plugin stores of the simulation. Starts nothing. */
export function simulatedConfiguration(
  { value, folder, stateFolder }: ConfigurationFile,
  clock: Clock,
  store: () => Store,
): SimulatedConfiguration {
  const container = root.createChildContainer();
  container.register(TOKENS.clock, { useValue: clock });
  container.register(TOKENS.logger, { useValue: quiet });
  container.register(TOKENS.installation, {
    useValue: { title: "a simulation", master: "simulated", version } satisfies Installation,
  });
  container.register(TOKENS.api, {
    useFactory: () => {
      throw new Error("there is no API in a simulation");
    },
  });
  const shelf = new Shelf(container);
  const registry = new Registry(shelf);
  shelf.inForce = registry;
  const context = (plugin: Plugin, name: string): CreateContext => ({
    name,
    clock,
    container: registry.container(plugin),
    store: pluginStore(plugin, clock, store),
    folder,
    stateFolder,
  });
  const generation = makeGeneration(value, registry, { context });
  return { generation, scratches: [...scratchesOf(generation, registry, context)] };
}

function* scratchesOf(
  { database }: Generation,
  registry: Registry,
  context: (plugin: Plugin, name: string) => CreateContext,
) {
  const { part } = database;
  if (part.scratch) yield part.scratch.bind(part);
  for (const { plugin, kinds } of registry.plugins) {
    for (const { point, kind } of kinds) {
      const definition = point === "database" ? registry.find(kind)?.definition : undefined;
      const options = definition?.options.safeParse({});
      if (!definition || !options?.success) continue;
      const other = definition.create(options.data, context(plugin, "scratch")) as Database;
      if (other.scratch) yield other.scratch.bind(other);
    }
  }
}

/** Records are kept for as long as the simulation lasts; nobody works on jobs. */
function pluginStore(plugin: Plugin, clock: Clock, store: () => Store): PluginStore {
  const records = new PluginRecords(plugin);
  return {
    get: (key) => records.get(store(), key, clock.now()),
    list: (options) => records.list(store(), clock.now(), options),
    apply: (writes) => store().write((tx) => records.applyIn(tx, writes)),
    work: () => undefined,
  };
}
