import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { BuildStep, StepFlags } from "../interfaces/build-step.ts";
import type { CreateContext, Entry, PartDefinition, Parts, PlainEntry, Plugin, Point } from "../interfaces/plugin.ts";
import { isRenderable } from "../interfaces/properties.ts";
import type { Json } from "../interfaces/values.ts";
import { definitionOf, kindOf, pluginOf, STEP_FLAG_NAMES, shortKind, stepFlags } from "../plugins/define.ts";
import type { Registry } from "../plugins/registry.ts";
import { type CheckedConfig, configSchema } from "./config.ts";

export interface Part<P extends Point> {
  name: string;
  kind: string;
  plugin: Plugin;
  part: Parts[P];
}

export interface ConfiguredStep {
  name: string;
  kind: string;
  plugin: Plugin;
  step: BuildStep;
  flags: Omit<StepFlags, "maxTime"> & { maxTime?: number };
}

export interface ConfiguredBuilder {
  name: string;
  workers: readonly string[];
  steps: readonly ConfiguredStep[];
  env: Record<string, unknown>;
  properties: Record<string, Json>;
  tags: readonly string[];
  project: string;
  description: string;
  maxTime: number | undefined;
}

/** A configuration that was checked as a whole, with an instance of every part. */
export interface Generation {
  title: string;
  masterName: string;
  anonymous: "none" | "read";
  logCap: number;
  /** The configuration as data, for `config_generations` and to compare by. */
  shown: string;
  database: Part<"database">;
  logStore: Part<"logStore"> | undefined;
  secrets: Part<"secrets">[];
  services: Part<"service">[];
  workers: Part<"worker">[];
  sources: Part<"source">[];
  schedulers: Part<"scheduler">[];
  listeners: Part<"listener">[];
  builders: Map<string, ConfiguredBuilder>;
}

interface Fault {
  path: string;
  message: string;
  code?: string;
}

type AnyEntry = Entry | PlainEntry;

/** Every entry of a configuration, with its path and the point it stands at. */
function* entriesOf(config: CheckedConfig): Generator<{ path: string; point: Point; entry: AnyEntry }> {
  yield { path: "database", point: "database", entry: config.database };
  if (config.logStore) yield { path: "logStore", point: "logStore", entry: config.logStore };
  const lists = [
    ["secrets", "secrets", config.secrets],
    ["services", "service", config.services],
    ["workers", "worker", config.workers],
    ["sources", "source", config.sources],
    ["schedulers", "scheduler", config.schedulers],
    ["listeners", "listener", config.listeners],
  ] as const;
  for (const [key, point, entries] of lists) {
    for (const [i, entry] of (entries ?? []).entries()) yield { path: `${key}[${i}]`, point, entry };
  }
  for (const [i, builder] of (config.builders ?? []).entries()) {
    for (const [j, entry] of builder.steps.entries())
      yield { path: `builders[${i}].steps[${j}]`, point: "step", entry };
  }
}

/**
 * Checks a configuration as a whole and makes its parts. Nothing is started. All faults come
 * together in one `BELFRY_CONFIG_INVALID`, each with its path.
 */
export function makeGeneration(
  value: unknown,
  registry: Registry,
  context: (plugin: Plugin, name: string) => CreateContext,
): Generation {
  const shape = configSchema.safeParse(value);
  if (!shape.success) {
    throw faults.configInvalid(
      shape.error.issues.map((issue) => ({ path: pathOf(issue.path), message: issue.message })),
    );
  }
  const config = shape.data;
  const found: Fault[] = [];
  const fault = (path: string, message: string, code?: string) =>
    found.push({ path, message, ...(code ? { code } : {}) });

  for (const plugin of config.plugins ?? []) attempt(fault, "plugins", () => registry.load(plugin));
  for (const { path, entry } of entriesOf(config)) {
    const definition = definitionOf(entry);
    const plugin = definition && pluginOf(definition);
    if (plugin) attempt(fault, path, () => registry.load(plugin));
    else if (definition)
      fault(
        path,
        `the part "${definition.kind}" belongs to no plugin: list it in the parts of a definePlugin`,
        "BELFRY_PLUGIN_REFUSED",
      );
  }

  const parts = new Map<
    string,
    { name: string; kind: string; plugin: Plugin; part: unknown; flags: ConfiguredStep["flags"] }
  >();
  for (const { path, point, entry } of entriesOf(config)) {
    const own = definitionOf(entry);
    if (own && !pluginOf(own)) continue;
    const known = own ? { definition: own, plugin: pluginOf(own) as Plugin } : registry.find(entry.kind);
    if (!known) {
      const near = registry.kinds(point).join(", ");
      fault(
        `${path}.kind`,
        `there is no ${point} of kind "${entry.kind}"${near ? `; there are: ${near}` : "; add its plugin to `plugins`"}`,
      );
      continue;
    }
    if (known.definition.point !== point) {
      fault(
        path,
        `"${shortKind(kindOf(known.definition))}" is a ${known.definition.point}; a ${point} is expected here`,
      );
      continue;
    }
    const made = makePart(path, point, entry, known.definition, known.plugin, fault, context);
    if (made) parts.set(path, made);
  }

  const list = <P extends Point>(key: string, count: number): Part<P>[] =>
    Array.from({ length: count }, (_, i) => parts.get(`${key}[${i}]`))
      .filter((part) => part !== undefined)
      .map(({ name, kind, plugin, part }) => ({ name, kind, plugin, part: part as Parts[P] }));
  const workers = list<"worker">("workers", config.workers?.length ?? 0);
  const sources = list<"source">("sources", config.sources?.length ?? 0);
  const schedulers = list<"scheduler">("schedulers", config.schedulers?.length ?? 0);
  const listeners = list<"listener">("listeners", config.listeners?.length ?? 0);
  for (const [key, entries] of Object.entries({ workers, sources, schedulers, listeners })) unique(key, entries, fault);
  unique("builders", config.builders ?? [], fault);

  const builders = new Map<string, ConfiguredBuilder>();
  const workerNames = new Set(workers.map((worker) => worker.name));
  for (const [i, builder] of (config.builders ?? []).entries()) {
    for (const [j, worker] of builder.workers.entries()) {
      if (!workerNames.has(worker)) fault(`builders[${i}].workers[${j}]`, `there is no worker named "${worker}"`);
    }
    const steps = builder.steps
      .map((_, j) => parts.get(`builders[${i}].steps[${j}]`))
      .filter((part) => part !== undefined);
    builders.set(builder.name, {
      name: builder.name,
      workers: builder.workers,
      steps: steps.map(({ kind, plugin, part, flags }) => ({
        name: flags.name ?? (part as BuildStep).name,
        kind,
        plugin,
        step: part as BuildStep,
        flags,
      })),
      env: builder.env ?? {},
      properties: builder.properties ?? {},
      tags: builder.tags ?? [],
      project: builder.project ?? "",
      description: builder.description ?? "",
      maxTime: builder.maxTime,
    });
  }
  for (const [i, { part }] of schedulers.entries()) {
    for (const name of part.builders) {
      if (!builders.has(name)) fault(`schedulers[${i}]`, `there is no builder named "${name}"`);
    }
  }
  if (found.length > 0) throw faults.configInvalid(found);

  const single = <P extends Point>(path: string) => parts.get(path) as unknown as Part<P>;
  return {
    title: config.title ?? "Belfry",
    masterName: config.name ?? "main",
    anonymous: config.access?.anonymous ?? "none",
    logCap: config.logs?.cap ?? 200_000_000,
    shown: showConfig(config),
    database: single<"database">("database"),
    logStore: config.logStore && single<"logStore">("logStore"),
    secrets: list<"secrets">("secrets", config.secrets?.length ?? 0),
    services: list<"service">("services", config.services?.length ?? 0),
    workers,
    sources,
    schedulers,
    listeners,
    builders,
  };
}

function makePart(
  path: string,
  point: Point,
  entry: AnyEntry,
  definition: PartDefinition,
  plugin: Plugin,
  fault: (path: string, message: string, code?: string) => void,
  context: (plugin: Plugin, name: string) => CreateContext,
) {
  const { own, common } = splitOptions(point, entry.options ?? {});
  const flags = stepFlags.safeParse(common);
  const options = definition.options.safeParse(own);
  for (const checked of [flags, options]) {
    if (!checked.success) {
      for (const issue of checked.error.issues) fault(pathOf([path, "options", ...issue.path]), issue.message);
    }
  }
  if (!flags.success || !options.success) return undefined;
  const kind = kindOf(definition);
  const name = flags.data.name ?? kind.slice(kind.lastIndexOf("/") + 1);
  let made: { part: unknown } | undefined;
  attempt(fault, path, () => {
    made = { part: definition.create(options.data, context(plugin, name)) };
  });
  return made && { name, kind, plugin, part: made.part, flags: flags.data };
}

/** Takes the options that core handles for every step, and the name of other entries, from a part's own. */
function splitOptions(point: Point, options: Record<string, unknown>) {
  const names =
    point === "step" ? STEP_FLAG_NAMES : ["source", "scheduler", "listener", "worker"].includes(point) ? ["name"] : [];
  const own: Record<string, unknown> = {};
  const common: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) (names.includes(key) ? common : own)[key] = value;
  return { own, common };
}

function attempt(fault: (path: string, message: string, code?: string) => void, path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (BelfryError.is(error))
      fault(
        path,
        error.details.length > 0
          ? error.details.map((d) => `${d.path}: ${d.message}`).join("; ")
          : `${error.what} ${error.why}`,
        error.code,
      );
    else fault(path, messageOf(error));
  }
}

function unique(
  key: string,
  entries: readonly { name: string }[],
  fault: (path: string, message: string) => void,
): void {
  const seen = new Map<string, number>();
  for (const [i, { name }] of entries.entries()) {
    const first = seen.get(name);
    if (first !== undefined)
      fault(`${key}[${i}].name`, `"${name}" is the name of ${key}[${first}] too; give each a name of its own`);
    else seen.set(name, i);
  }
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}

/** A configuration as text: functions by their source, so that a change in them shows; passwords left out. */
export function showConfig(config: unknown): string {
  return JSON.stringify(config, (key, value: unknown) => {
    if (typeof value === "string" && /password|passphrase|secret|token|api_?key/i.test(key)) return "****";
    if (typeof value === "string") return value.replace(/(\w:\/\/)[^/@\s]+@/g, "$1****@");
    if (typeof value === "function") return { $function: value.toString() };
    if (value instanceof RegExp) return { $pattern: String(value) };
    if (isRenderable(value)) return value.toJSON();
    if (isPluginValue(value)) return { $plugin: value.name, version: value.version };
    return value;
  });
}

function isPluginValue(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && (value as Plugin).belfryPlugin === 1;
}
