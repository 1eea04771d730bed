import type { z } from "zod";
import type { JobEntry } from "../engine/job-loop.ts";
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
import { printOf } from "./print.ts";

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
  print: string;
  entry: AnyEntry;
  jobs: PartJobs;
}

/** The job queues that one part works on: those it has asked for so far, and whoever has to hear of more. */
export interface PartJobs {
  readonly entries: JobEntry[];
  added?: (job: JobEntry) => void;
}

interface Known {
  definition: PartDefinition;
  plugin: Plugin;
}

export type MakeContext = (plugin: Plugin, name: string, jobs: PartJobs) => CreateContext;

/** The parts of the running generation, by list and name. */
export interface Reusable {
  parts: ReadonlyMap<string, MadePart>;
  code: string | undefined;
}

interface Making {
  context: MakeContext;
  code: string | undefined;
  report: Report;
  reusable: Reusable | undefined;
}

/** Where a part is found again in another generation: by its name, and its place among those of one name. */
export function keyOf(list: string, name: string, taken: { has(key: string): boolean }): string {
  for (let i = 0; ; i += 1) if (!taken.has(`${list} ${name} ${i}`)) return `${list} ${name} ${i}`;
}

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

/** Makes the part of every entry that is right, by the entry's path; those that run already and are the same are kept. */
export function* makeParts(
  draft: Draft,
  registry: Registry,
  refused: ReadonlySet<Plugin>,
  making: Making,
): Generator<void, Map<string, MadePart>> {
  const parts = new Map<string, MadePart>();
  const keys = new Set<string>();
  for (const { path, point, entry } of entriesOf(draft)) {
    yield;
    const known = findPart(path, point, entry, registry, making.report);
    if (!known || refused.has(known.plugin)) continue;
    const key = placeOf(path, entry, draft, keys);
    keys.add(key);
    const made = makePart(path, point, entry, known, making, making.reusable?.parts.get(key));
    if (made) parts.set(path, made);
  }
  return parts;
}

/** Makes the parts of steps that a running build adds; only of plugins that are loaded. */
export function makeAddedParts(
  nodes: readonly StepNode[],
  registry: Registry,
  making: Omit<Making, "reusable">,
): Map<string, MadePart> {
  const { report } = making;
  const loaded = new Set(registry.plugins.map(({ plugin }) => plugin));
  const parts = new Map<string, MadePart>();
  const added = () => {
    throw new Error("a step that is added to a running build cannot work on a queue");
  };
  const context: MakeContext = (plugin, name, jobs) => making.context(plugin, name, Object.assign(jobs, { added }));
  for (const { path, point, entry } of stepEntriesOf(nodes, "steps")) {
    const known = findPart(path, point, entry, registry, report);
    if (!known) continue;
    if (loaded.has(known.plugin)) {
      const made = makePart(path, point, entry, known, { ...making, context, reusable: undefined }, undefined);
      if (made) parts.set(path, made);
    } else report(path, `its plugin "${known.plugin.name}" is not used by the configuration; list it in \`plugins\``);
  }
  return parts;
}

function placeOf(path: string, entry: AnyEntry, draft: Draft, keys: ReadonlySet<string>): string {
  const step = /^builders\[(\d+)\]\.(steps.*)$/.exec(path);
  if (step) return `builders ${draft.builders?.[Number(step[1])]?.name} ${step[2]}`;
  const list = /^(\w+)\[/.exec(path)?.[1];
  return list === undefined ? path : keyOf(list, nameOf(entry), keys);
}

function findPart(path: string, point: Point, entry: AnyEntry, registry: Registry, report: Report): Known | undefined {
  const own = definitionOf(entry);
  const plugin = own && pluginOf(own);
  if (own && !plugin) return undefined;
  const known =
    own && plugin ? { definition: own, plugin: registry.loaded(plugin) ?? plugin } : registry.find(entry.kind);
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
  { context, code, report }: Making,
  running: MadePart | undefined,
): MadePart | undefined {
  const { own, common } = splitOptions(point, entry.options ?? {});
  const flags = stepFlags.safeParse(common);
  const gives = workerGives.safeParse(common);
  const options = definition.options.safeParse(own);
  for (const { error } of [flags, gives, options]) if (error) reportIssues(error.issues, [path, "options"], report);
  if (!flags.success || !gives.success || !options.success) return undefined;
  const kind = kindOf(definition);
  const name = flags.data.name ?? defaultName(kind);
  const print = printOf([kind, entry.options ?? {}], code);
  const facts = { name, kind, plugin, flags: flags.data, gives: gives.data, print, entry };
  if (running?.print === print && running.plugin === plugin) {
    return { ...facts, part: running.part, jobs: running.jobs };
  }
  const jobs: PartJobs = { entries: [] };
  let part: unknown;
  const make = () => (part = definition.create(options.data, context(plugin, name, jobs)));
  if (!attempt(report, path, make)) return undefined;
  if (typeof part === "object" && part !== null && !("then" in part)) return { ...facts, part, jobs };
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
