import type { z } from "zod";
import type { StepFlags, StepNode } from "../interfaces/build-step.ts";
import type { CreateContext, PartDefinition, Plugin, Point } from "../interfaces/plugin.ts";
import type { Result } from "../interfaces/values.ts";
import {
  definitionOf,
  kindOf,
  pluginOf,
  STEP_FLAG_NAMES,
  shortKind,
  stepFlags,
  workerGives,
} from "../plugins/define.ts";
import type { Registry } from "../plugins/registry.ts";
import { type AnyEntry, type Draft, entriesOf, stepEntriesOf } from "./draft.ts";
import { attempt, type Report, reportIssues } from "./faults.ts";

/** What a retry policy comes to, with its defaults. */
export interface Retry {
  on: readonly Result[];
  max: number;
  within?: number;
}

export type Flags = Omit<StepFlags, "maxTime" | "retry"> & { maxTime?: number; retry?: Retry };

/** A part that was made from an entry. */
export interface MadePart {
  name: string;
  kind: string;
  plugin: Plugin;
  part: unknown;
  flags: Flags;
  /** What a worker gives to its builds. */
  gives: z.output<typeof workerGives>;
}

interface Known {
  definition: PartDefinition;
  plugin: Plugin;
}

type MakeContext = (plugin: Plugin, name: string) => CreateContext;

/** Loads the plugins of a configuration. Gives those that cannot be used. */
export function loadPlugins(draft: Draft, registry: Registry, report: Report): Set<Plugin> {
  const refused = new Set<Plugin>();
  const load = (path: string, plugin: Plugin) => {
    if (!attempt(report, path, () => registry.load(plugin))) refused.add(plugin);
  };
  for (const [i, plugin] of (draft.plugins ?? []).entries()) if (plugin) load(`plugins[${i}]`, plugin);
  for (const { path, entry } of entriesOf(draft)) {
    const definition = definitionOf(entry);
    const plugin = definition && pluginOf(definition);
    if (plugin) load(path, plugin);
    else if (definition) {
      const why = `the part "${definition.kind}" belongs to no plugin: list it in the parts of a definePlugin`;
      report(path, why, "BELFRY_PLUGIN_REFUSED");
    }
  }
  return refused;
}

/** Makes the part of every entry that is right, by the entry's path. */
export function makeParts(
  draft: Draft,
  registry: Registry,
  refused: ReadonlySet<Plugin>,
  context: MakeContext,
  report: Report,
): Map<string, MadePart> {
  const parts = new Map<string, MadePart>();
  for (const { path, point, entry } of entriesOf(draft)) {
    const known = findPart(path, point, entry, registry, report);
    if (!known || refused.has(known.plugin)) continue;
    const made = makePart(path, point, entry, known, context, report);
    if (made) parts.set(path, made);
  }
  return parts;
}

/** Makes the parts of steps that a running build adds; only of plugins that are loaded. */
export function makeAddedParts(
  nodes: readonly StepNode[],
  registry: Registry,
  context: MakeContext,
  report: Report,
): Map<string, MadePart> {
  const loaded = new Set(registry.plugins.map(({ plugin }) => plugin));
  const parts = new Map<string, MadePart>();
  for (const { path, point, entry } of stepEntriesOf(nodes, "steps")) {
    const known = findPart(path, point, entry, registry, report);
    if (!known) continue;
    if (loaded.has(known.plugin)) {
      const made = makePart(path, point, entry, known, context, report);
      if (made) parts.set(path, made);
    } else report(path, `its plugin "${known.plugin.name}" is not used by the configuration; list it in \`plugins\``);
  }
  return parts;
}

function findPart(path: string, point: Point, entry: AnyEntry, registry: Registry, report: Report): Known | undefined {
  const own = definitionOf(entry);
  const plugin = own && pluginOf(own);
  if (own && !plugin) return undefined;
  const known = own && plugin ? { definition: own, plugin } : registry.find(entry.kind);
  if (!known) {
    const near = registry.kinds(point).join(", ");
    const hint = near === "" ? "add its plugin to `plugins`" : `there are: ${near}`;
    report(`${path}.kind`, `there is no ${point} of kind "${entry.kind}"; ${hint}`);
    return undefined;
  }
  if (known.definition.point === point) return known;
  const kind = shortKind(kindOf(known.definition));
  report(path, `"${kind}" is a ${known.definition.point}; a ${point} is expected here`);
  return undefined;
}

function makePart(
  path: string,
  point: Point,
  entry: AnyEntry,
  { definition, plugin }: Known,
  context: MakeContext,
  report: Report,
): MadePart | undefined {
  const { own, common } = splitOptions(point, entry.options ?? {});
  const flags = stepFlags.safeParse(common);
  const gives = workerGives.safeParse(common);
  const options = definition.options.safeParse(own);
  for (const { error } of [flags, gives, options]) if (error) reportIssues(error.issues, [path, "options"], report);
  if (!flags.success || !gives.success || !options.success) return undefined;
  const kind = kindOf(definition);
  const name = flags.data.name ?? defaultName(kind);
  let part: unknown;
  if (!attempt(report, path, () => (part = definition.create(options.data, context(plugin, name))))) return undefined;
  if (typeof part === "object" && part !== null && !("then" in part)) {
    return { name, kind, plugin, part, flags: flags.data, gives: gives.data };
  }
  report(path, `the create of "${shortKind(kind)}" has to return the part, at once`, "BELFRY_PLUGIN_REFUSED");
  return undefined;
}

/** What an entry will be called, also if it is not right. */
export function nameOf(entry: AnyEntry): string {
  const name = entry.options?.["name"];
  if (typeof name === "string") return name;
  const definition = definitionOf(entry);
  if (definition) return defaultName(kindOf(definition));
  return entry.kind.includes("/") ? defaultName(entry.kind) : entry.kind.slice(entry.kind.indexOf(".") + 1);
}

function defaultName(kind: string): string {
  return kind.slice(kind.lastIndexOf("/") + 1);
}

/** The options that core handles at each point; all others are the part's own. */
const COMMON: Partial<Record<Point, readonly string[]>> = {
  step: STEP_FLAG_NAMES,
  source: ["name"],
  scheduler: ["name"],
  listener: ["name"],
  worker: ["name", "locks", ...Object.keys(workerGives.shape)],
};

function splitOptions(point: Point, options: Readonly<Record<string, unknown>>) {
  const names = COMMON[point] ?? [];
  const own: Record<string, unknown> = {};
  const common: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) (names.includes(key) ? common : own)[key] = value;
  return { own, common };
}
