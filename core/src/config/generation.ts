import { createHash, randomUUID } from "node:crypto";
import { faults } from "../errors/catalogue.ts";
import type { BuildStep, StepNode } from "../interfaces/build-step.ts";
import type { DistributionRules } from "../interfaces/distribution.ts";
import type { LockDefinition, LockUse } from "../interfaces/lock.ts";
import type { Parts, Plugin, Point } from "../interfaces/plugin.ts";
import type { Scheduler } from "../interfaces/scheduler.ts";
import type { Json } from "../interfaces/values.ts";
import type { Registry } from "../plugins/registry.ts";
import { version } from "../version.ts";
import { checkLocks } from "./check-locks.ts";
import type { CheckedConfig, CheckedRetention } from "./config.ts";
import { type AnyEntry, type Draft, readShape, stepEntriesOf } from "./draft.ts";
import { attempt, type Fault, type Report } from "./faults.ts";
import {
  keyOf,
  loadPlugins,
  type MadePart,
  type MakeContext,
  makeParts,
  nameOf,
  type PartJobs,
  type Retry,
  type Reusable,
} from "./parts.ts";
import { printOf } from "./print.ts";
import { showConfig } from "./shown.ts";
import { assembleSteps, type ConfiguredNode, makeAddedSteps, stepPrints } from "./steps.ts";

export interface Part<P extends Point> {
  name: string;
  kind: string;
  plugin: Plugin;
  part: Parts[P];
  /** Equal prints mean equal parts, see `printOf`. */
  print: string;
  /** As the configuration gave it. */
  entry: AnyEntry;
  /** The queues it works on. */
  jobs: PartJobs;
}

export interface ConfiguredWorker extends Part<"worker"> {
  properties: Record<string, Json>;
  defaultProperties: Record<string, Json>;
}

export interface ConfiguredBuilder {
  name: string;
  workers: readonly string[];
  steps: readonly ConfiguredNode[];
  env: Record<string, unknown>;
  properties: Record<string, Json>;
  defaultProperties: Record<string, Json>;
  tags: readonly string[];
  project: string;
  description: string;
  maxTime: number | undefined;
  locks: LockUse | undefined;
  maxWait: number | undefined;
  rules: DistributionRules;
  retry: Retry | undefined;
  /** A hash of all that its builds are made by, the same in another process; null if no step of it is resumable. */
  plan: string | null;
  print: string;
  /** As the configuration gave it. */
  entry: unknown;
  /** The parts of its steps, by their place in it, such as `steps[0].parallel[1]`. */
  made: ReadonlyMap<string, MadePart>;
}

/** A configuration that was checked as a whole, with an instance of every part. */
export interface Generation {
  title: string;
  masterName: string;
  anonymous: "none" | "read";
  visible: NonNullable<CheckedConfig["access"]>["visible"];
  budget: number;
  logCap: number;
  retention: false | CheckedRetention;
  /** The configuration as data, for `config_generations` and to compare by. */
  shown: string;
  /** What is neither a list nor a part, as it was given. */
  settings: Readonly<Record<string, unknown>>;
  /** A hash of the local modules it came from, if it came from any. */
  code: string | undefined;
  database: Part<"database">;
  logStore: Part<"logStore"> | undefined;
  secrets: Part<"secrets">[];
  services: Part<"service">[];
  workers: ConfiguredWorker[];
  sources: Part<"source">[];
  schedulers: Part<"scheduler">[];
  listeners: Part<"listener">[];
  builders: Map<string, ConfiguredBuilder>;
  locks: Map<string, LockDefinition>;
  /** What each build on a worker needs besides, by the worker's name. */
  workerLocks: Map<string, LockUse>;
  /** Makes steps that a running build adds; throws `BELFRY_STEPS_REFUSED`. */
  makeSteps(nodes: readonly StepNode[]): ConfiguredNode[];
}

export interface GenerationOptions {
  context: MakeContext;
  /** A hash of the local modules that the configuration came from. */
  code?: string | undefined;
  /** The running one: what is the same in both is not made again. */
  before?: Generation | undefined;
}

/**
 * Checks a configuration as a whole and makes its parts. Nothing is started. All faults come
 * together in one `BELFRY_CONFIG_INVALID`, each with its path.
 */
export function makeGeneration(value: unknown, registry: Registry, options: GenerationOptions): Generation {
  const making = generationInPieces(value, registry, options);
  for (;;) {
    const piece = making.next();
    if (piece.done) return piece.value;
  }
}

/** The same in pieces of a few milliseconds at most, so that others can have their turn between two of them. */
export function* generationInPieces(
  value: unknown,
  registry: Registry,
  { context, code, before }: GenerationOptions,
): Generator<void, Generation> {
  const found: Fault[] = [];
  const report: Report = (path, message, code) => found.push({ path, message, ...(code ? { code } : {}) });
  const { draft, checked } = readShape(value, report);
  yield;
  const refused = loadPlugins(draft, registry, report);
  yield;
  const parts = yield* makeParts(draft, registry, refused, {
    context,
    code,
    report,
    reusable: before && reusable(before),
  });
  checkNames(draft, parts, report);
  yield;
  checkLocks(draft, report);
  if (found.length > 0 || !checked) throw faults.configInvalid(found);
  yield;
  const makeSteps = (nodes: readonly StepNode[]) => makeAddedSteps(nodes, registry, { context, code });
  return yield* assemble(checked, parts, { code, before, makeSteps });
}

/** The parts of a generation, as `makeParts` looks for them. */
function reusable(before: Generation): Reusable {
  const parts = new Map<string, MadePart>();
  const plain = { flags: {}, gives: {} };
  for (const list of PART_LISTS) {
    for (const part of before[list] as Part<Point>[])
      parts.set(keyOf(list, nameOf(part.entry), parts), { ...part, ...plain });
  }
  parts.set("database", { ...before.database, ...plain });
  if (before.logStore) parts.set("logStore", { ...before.logStore, ...plain });
  for (const { name, made } of before.builders.values()) {
    for (const [place, part] of made) parts.set(`builders ${name} ${place}`, part);
  }
  return { parts, code: before.code };
}

function checkNames(draft: Draft, parts: ReadonlyMap<string, MadePart>, report: Report): void {
  for (const key of ["workers", "sources", "schedulers", "listeners"] as const) {
    unique(
      key,
      (draft[key] ?? []).map((entry) => entry && nameOf(entry)),
      report,
    );
  }
  unique(
    "locks",
    (draft.locks ?? []).map((lock) => lock?.name),
    report,
  );
  const builderNames = (draft.builders ?? []).map((builder) => builder?.name);
  unique("builders", builderNames, report);
  // An entry that is not right, and was reported, may be the one that is missed.
  const workerNames = (draft.workers ?? []).map((entry) => entry && nameOf(entry));
  const missing = (names: readonly (string | undefined)[], name: string) =>
    !names.includes(undefined) && !names.includes(name);
  const schedulerNames = (draft.schedulers ?? []).map((entry) => entry && nameOf(entry));
  for (const [i, builder] of (draft.builders ?? []).entries()) {
    for (const { path } of stepEntriesOf(builder?.steps ?? [], `builders[${i}].steps`)) {
      const step = parts.get(path)?.part as BuildStep | undefined;
      for (const name of step?.triggers ?? []) {
        if (missing(schedulerNames, name)) report(path, `there is no scheduler named "${name}"`);
      }
    }
    for (const [j, name] of (builder?.workers ?? []).entries()) {
      if (name !== undefined && missing(workerNames, name)) {
        report(`builders[${i}].workers[${j}]`, `there is no worker named "${name}"`);
      }
    }
  }
  for (const i of (draft.schedulers ?? []).keys()) {
    const path = `schedulers[${i}]`;
    const scheduler = parts.get(path)?.part as Scheduler | undefined;
    if (!scheduler) continue;
    attempt(report, path, () => {
      for (const name of scheduler.builders) {
        if (missing(builderNames, name)) report(path, `there is no builder named "${name}"`);
      }
      for (const name of scheduler.upstream ?? []) {
        if (missing(schedulerNames, name)) report(path, `there is no scheduler named "${name}"`);
      }
    });
  }
}

function unique(key: string, names: readonly (string | undefined)[], report: Report): void {
  for (const [i, name] of names.entries()) {
    const first = names.indexOf(name);
    if (name === undefined || first === i) continue;
    report(`${key}[${i}].name`, `"${name}" is the name of ${key}[${first}] too; give each a name of its own`);
  }
}

function rulesOf(builder: NonNullable<CheckedConfig["builders"]>[number]): DistributionRules {
  const { nextBuild, nextWorker, canStart, collapse, priority } = builder;
  return {
    ...(nextBuild && { nextBuild }),
    ...(nextWorker && { nextWorker }),
    ...(canStart && { canStart }),
    ...(collapse !== undefined && { collapse }),
    ...(priority !== undefined && { priority }),
  };
}

export const PART_LISTS = ["secrets", "services", "workers", "sources", "schedulers", "listeners"] as const;

/** Every part of a generation once, with the list it stands in. */
export function* allParts(generation: Generation): Generator<[list: string, part: Part<Point>]> {
  yield ["database", generation.database as Part<Point>];
  if (generation.logStore) yield ["logStore", generation.logStore as Part<Point>];
  for (const list of PART_LISTS) for (const part of generation[list] as Part<Point>[]) yield [list, part];
  for (const { made } of generation.builders.values()) {
    for (const { flags: _, gives: __, ...step } of made.values()) yield ["steps", step as Part<Point>];
  }
}

const SETTINGS = ["title", "name", "access", "logs", "retention", "plugins"] as const;

/** Where nothing else tells code apart, only this process knows it again. */
const thisProcess = randomUUID();

function planOf(print: string, code: string | undefined, made: ReadonlyMap<string, MadePart>): string | null {
  const parts = [...made.values()];
  if (!parts.some(({ part }) => (part as BuildStep).resumable === true)) return null;
  const plugins = parts.map(({ plugin }) => `${plugin.name} ${plugin.version ?? ""}`);
  return createHash("sha256")
    .update(JSON.stringify([version, code ?? thisProcess, print, plugins]))
    .digest("base64url");
}

interface Assembling {
  code: string | undefined;
  before: Generation | undefined;
  makeSteps: Generation["makeSteps"];
}

/** Puts together what was checked. */
function* assemble(
  config: CheckedConfig,
  parts: ReadonlyMap<string, MadePart>,
  { code, before, makeSteps }: Assembling,
): Generator<void, Generation> {
  const single = <P extends Point>(path: string): Part<P> => {
    const { flags: _, gives: __, part, ...facts } = parts.get(path) as MadePart;
    return { ...facts, part: part as Parts[P] };
  };
  const list = <P extends Point>(key: string, entries: readonly unknown[] | undefined): Part<P>[] =>
    (entries ?? []).map((_, i) => single<P>(`${key}[${i}]`));
  const builders = new Map<string, ConfiguredBuilder>();
  for (const [i, builder] of (config.builders ?? []).entries()) {
    yield;
    const base = `builders[${i}].`;
    const { steps: nodes, ...rest } = builder;
    const made = new Map(
      [...stepEntriesOf(nodes, `${base}steps`)].map(({ path }) => [
        path.slice(base.length),
        parts.get(path) as MadePart,
      ]),
    );
    const print = printOf([rest, stepPrints(nodes, `${base}steps`, parts)], code);
    const running = before?.builders.get(builder.name);
    if (running?.print === print && [...made].every(([place, { part }]) => running.made.get(place)?.part === part)) {
      builders.set(builder.name, running);
      continue;
    }
    builders.set(builder.name, {
      print,
      plan: planOf(print, code, made),
      entry: builder,
      made,
      name: builder.name,
      workers: builder.workers,
      steps: assembleSteps(nodes, `builders[${i}].steps`, parts),
      env: builder.env ?? {},
      properties: builder.properties ?? {},
      defaultProperties: builder.defaultProperties ?? {},
      tags: builder.tags ?? [],
      project: builder.project ?? "",
      description: builder.description ?? "",
      maxTime: builder.maxTime,
      locks: builder.locks,
      maxWait: builder.maxWait,
      rules: rulesOf(builder),
      retry: builder.retry as Retry | undefined,
    });
  }
  yield;
  const shown = showConfig(config);
  yield;
  return {
    title: config.title ?? "Belfry",
    masterName: config.name ?? "main",
    anonymous: config.access?.anonymous ?? "none",
    visible: config.access?.visible,
    budget: config.access?.budget ?? 600,
    logCap: config.logs?.cap ?? 200_000_000,
    retention: config.retention ?? {},
    shown,
    settings: Object.fromEntries(SETTINGS.map((key) => [key, config[key]])),
    code,
    database: single<"database">("database"),
    logStore: config.logStore && single<"logStore">("logStore"),
    secrets: list<"secrets">("secrets", config.secrets),
    services: list<"service">("services", config.services),
    workers: list<"worker">("workers", config.workers).map((worker, i) => {
      const { properties = {}, defaultProperties = {} } = (parts.get(`workers[${i}]`) as MadePart).gives;
      return { ...worker, properties, defaultProperties };
    }),
    sources: list<"source">("sources", config.sources),
    schedulers: list<"scheduler">("schedulers", config.schedulers),
    listeners: list<"listener">("listeners", config.listeners),
    builders,
    locks: new Map((config.locks ?? []).map((lock) => [lock.name, lock])),
    workerLocks: new Map(
      (config.workers ?? []).flatMap((_, i) => {
        const { name, flags } = parts.get(`workers[${i}]`) as MadePart;
        return flags.locks === undefined ? [] : [[name, flags.locks]];
      }),
    ),
    makeSteps,
  };
}
