import { faults } from "../errors/catalogue.ts";
import type { BuildStep, StepNode } from "../interfaces/build-step.ts";
import type { DistributionRules } from "../interfaces/distribution.ts";
import type { LockDefinition, LockUse } from "../interfaces/lock.ts";
import type { CreateContext, Parts, Plugin, Point } from "../interfaces/plugin.ts";
import type { Scheduler } from "../interfaces/scheduler.ts";
import type { Json } from "../interfaces/values.ts";
import type { Registry } from "../plugins/registry.ts";
import { checkLocks } from "./check-locks.ts";
import type { CheckedConfig } from "./config.ts";
import { type Draft, readShape, stepEntriesOf } from "./draft.ts";
import { attempt, type Fault, type Report } from "./faults.ts";
import { loadPlugins, type MadePart, makeParts, nameOf, type Retry } from "./parts.ts";
import { showConfig } from "./shown.ts";
import { assembleSteps, type ConfiguredNode, makeAddedSteps } from "./steps.ts";

export interface Part<P extends Point> {
  name: string;
  kind: string;
  plugin: Plugin;
  part: Parts[P];
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
}

/** A configuration that was checked as a whole, with an instance of every part. */
export interface Generation {
  title: string;
  masterName: string;
  anonymous: "none" | "read";
  visible: NonNullable<CheckedConfig["access"]>["visible"];
  budget: number;
  logCap: number;
  /** The configuration as data, for `config_generations` and to compare by. */
  shown: string;
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

/**
 * Checks a configuration as a whole and makes its parts. Nothing is started. All faults come
 * together in one `BELFRY_CONFIG_INVALID`, each with its path.
 */
export function makeGeneration(
  value: unknown,
  registry: Registry,
  context: (plugin: Plugin, name: string) => CreateContext,
): Generation {
  const found: Fault[] = [];
  const report: Report = (path, message, code) => found.push({ path, message, ...(code ? { code } : {}) });
  const { draft, checked } = readShape(value, report);
  const refused = loadPlugins(draft, registry, report);
  const parts = makeParts(draft, registry, refused, context, report);
  checkNames(draft, parts, report);
  checkLocks(draft, report);
  if (found.length > 0 || !checked) throw faults.configInvalid(found);
  return assemble(checked, parts, (nodes) => makeAddedSteps(nodes, registry, context));
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

/** Puts together what was checked. */
function assemble(
  config: CheckedConfig,
  parts: ReadonlyMap<string, MadePart>,
  makeSteps: Generation["makeSteps"],
): Generation {
  const single = <P extends Point>(path: string): Part<P> => {
    const { name, kind, plugin, part } = parts.get(path) as MadePart;
    return { name, kind, plugin, part: part as Parts[P] };
  };
  const list = <P extends Point>(key: string, entries: readonly unknown[] | undefined): Part<P>[] =>
    (entries ?? []).map((_, i) => single<P>(`${key}[${i}]`));
  const builders = new Map<string, ConfiguredBuilder>();
  for (const [i, builder] of (config.builders ?? []).entries()) {
    builders.set(builder.name, {
      name: builder.name,
      workers: builder.workers,
      steps: assembleSteps(builder.steps, `builders[${i}].steps`, parts),
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
  return {
    title: config.title ?? "Belfry",
    masterName: config.name ?? "main",
    anonymous: config.access?.anonymous ?? "none",
    visible: config.access?.visible,
    budget: config.access?.budget ?? 600,
    logCap: config.logs?.cap ?? 200_000_000,
    shown: showConfig(config),
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
