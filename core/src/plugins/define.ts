import { z } from "zod";
import { faults } from "../errors/catalogue.ts";
import type { GroupFlags, ParallelSteps, SequenceOfSteps, StepFlags, StepNode } from "../interfaces/build-step.ts";
import type {
  Entry,
  PartDefinition,
  PartFunction,
  Parts,
  PlainEntry,
  Plugin,
  PluginSpec,
  Point,
} from "../interfaces/plugin.ts";
import { isRenderable, type Renders } from "../interfaces/properties.ts";

const ENTRY = Symbol.for("belfry.entry");
const DEFINITION = Symbol.for("belfry.definition");
const PLUGIN = Symbol.for("belfry.plugin");

type Spec<P extends Point, S extends z.ZodType> = Omit<PartDefinition<P, S>, "point">;

function definePart<P extends Point, S extends z.ZodType>(point: P, spec: Spec<P, S>): PartFunction<P, S> {
  const definition: PartDefinition<P, S> = { point, ...spec };
  const make = (options: Record<string, unknown> = {}): Entry<P> => {
    const entry = { kind: kindOf(definition), options };
    Object.defineProperty(entry, ENTRY, { value: point });
    Object.defineProperty(entry, DEFINITION, { value: definition });
    return entry as Entry<P>;
  };
  return Object.assign(make, { definition }) as unknown as PartFunction<P, S>;
}

/** Defines a build step; returns the function with which a configuration uses it. */
export const defineStep = <S extends z.ZodType>(spec: Spec<"step", S>) => definePart("step", spec);
export const defineChangeSource = <S extends z.ZodType>(spec: Spec<"source", S>) => definePart("source", spec);
export const defineScheduler = <S extends z.ZodType>(spec: Spec<"scheduler", S>) => definePart("scheduler", spec);
export const defineListener = <S extends z.ZodType>(spec: Spec<"listener", S>) => definePart("listener", spec);
export const defineWorker = <S extends z.ZodType>(spec: Spec<"worker", S>) => definePart("worker", spec);
export const defineDatabase = <S extends z.ZodType>(spec: Spec<"database", S>) => definePart("database", spec);
export const defineLogStore = <S extends z.ZodType>(spec: Spec<"logStore", S>) => definePart("logStore", spec);
export const defineSecrets = <S extends z.ZodType>(spec: Spec<"secrets", S>) => definePart("secrets", spec);
export const defineService = <S extends z.ZodType>(spec: Spec<"service", S>) => definePart("service", spec);

/**
 * Makes a plugin: a value that names itself, lists its parts, and may register more when a master
 * loads it. A part belongs to one plugin; using the part's function in a configuration loads the
 * plugin.
 */
export function definePlugin(spec: PluginSpec): Plugin {
  const plugin: Plugin = { ...spec, belfryPlugin: 1 };
  for (const part of spec.parts ?? []) {
    const owner = pluginOf(part.definition);
    if (owner !== undefined) throw faults.partTwice(part.definition.kind, owner.name, spec.name);
    Object.defineProperty(part.definition, PLUGIN, { value: plugin });
  }
  return plugin;
}

export function isPlugin(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && (value as Plugin).belfryPlugin === 1;
}

export function pluginOf(definition: object): Plugin | undefined {
  return (definition as { [PLUGIN]?: Plugin })[PLUGIN];
}

/** A kind in full: `package/kind`. */
export function kindOf(definition: { kind: string }): string {
  const plugin = pluginOf(definition);
  return plugin ? `${plugin.name}/${definition.kind}` : definition.kind;
}

/** The short form of a kind of our own packages: `@belfry/git/poller` is `git.poller`. */
export function shortKind(kind: string): string {
  const match = /^@belfry\/([^/]+)\/(.+)$/.exec(kind);
  return match ? `${match[1]}.${match[2]}` : kind;
}

export function isEntry(value: unknown): value is Entry | PlainEntry {
  return typeof value === "object" && value !== null && typeof (value as PlainEntry).kind === "string";
}

/** The definition an entry was made from, unless it was written as plain data. */
export function definitionOf(entry: object): PartDefinition | undefined {
  return (entry as { [DEFINITION]?: PartDefinition })[DEFINITION];
}

/**
 * A schema for an option that may also be computed for each build: by a function, `property`,
 * `secret` or `interpolate`. Call `ctx.render` on it before use.
 */
export function renders<S extends z.ZodType>(schema: S): z.ZodType<Renders<z.output<S>>, Renders<z.input<S>>> {
  const computed = z.custom<Renders<z.output<S>>>((value) => typeof value === "function" || isRenderable(value), {
    error: "expected a value, a function of the build, or a template",
  });
  return z.union([computed, schema]) as unknown as z.ZodType<Renders<z.output<S>>, Renders<z.input<S>>>;
}

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A schema for lengths of time: milliseconds as a number, or "500ms", "2s", "10m", "1h", "3d". */
export const duration = z
  .union([
    z.number().nonnegative().finite(),
    z
      .string()
      .regex(/^\d+(\.\d+)?\s*(ms|s|m|h|d)$/, 'expected a length of time such as "500ms", "2s", "10m", "1h" or "3d"'),
  ])
  .transform((value): number => {
    if (typeof value === "number") return value;
    const [, amount, unit] = /^([\d.]+)\s*(\w+)$/.exec(value) ?? [];
    return Number(amount) * (UNITS[unit ?? "ms"] ?? 1);
  });

/** A schema for what builders, workers and other parts are called. */
export const partName = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\u0000-\u001f\u007f]*$/, "expected no control characters")
  .regex(/^(?!\.{1,2}$)/, 'expected something else than "." or "..", which no address can end in');

/** A schema for how a builder, a step or a worker uses locks. */
export const lockUse = renders(
  z.array(
    renders(
      z.strictObject({
        lock: renders(z.string().min(1)),
        mode: z.enum(["counting", "exclusive"]),
        count: renders(z.int().min(1).max(1_000_000)).optional(),
      }),
    ),
  ),
);

/** A schema for {@link RetryPolicy}. */
export const retryPolicy = z.strictObject({
  on: z
    .array(z.enum(["warnings", "failure", "exception"]))
    .min(1)
    .default(["failure", "exception"]),
  max: z.int().min(1).max(100),
  within: duration.optional(),
});

/** The options that every step has besides its own. */
export const stepFlags = z.object({
  name: partName.optional(),
  haltOnFailure: z.boolean().optional(),
  flunkOnFailure: z.boolean().optional(),
  flunkOnWarnings: z.boolean().optional(),
  warnOnFailure: z.boolean().optional(),
  warnOnWarnings: z.boolean().optional(),
  alwaysRun: z.boolean().optional(),
  doStepIf: z
    .union([z.boolean(), z.custom<Exclude<StepFlags["doStepIf"], boolean>>((value) => typeof value === "function")])
    .optional(),
  maxTime: duration.optional(),
  locks: lockUse.optional(),
  hideIf: z
    .union([z.boolean(), z.custom<Exclude<StepFlags["hideIf"], boolean>>((value) => typeof value === "function")])
    .optional(),
  retry: retryPolicy.optional(),
});

export const STEP_FLAG_NAMES = Object.keys(stepFlags.shape);

const group = { ...stepFlags.omit({ retry: true, locks: true }).shape };
const members = z.array(z.unknown()).min(1, "expected at least one step");

/** The two kinds of groups, before their steps are looked at. */
export const GROUPS = {
  parallel: z.strictObject({ ...group, parallel: members, limit: z.int().min(1).optional() }),
  sequence: z.strictObject({ ...group, sequence: members }),
} as const;

/** Which kind of group a value is; `undefined` for what is none. */
export function groupKindOf(value: unknown): keyof typeof GROUPS | undefined {
  if (typeof value !== "object" || value === null || "kind" in value) return undefined;
  return "parallel" in value ? "parallel" : "sequence" in value ? "sequence" : undefined;
}

/** Steps that run at the same time, at most `limit` of them: `parallel([lint, test], { name: "checks" })`. */
export function parallel(steps: readonly StepNode[], options: GroupFlags & { limit?: number } = {}): ParallelSteps {
  return { ...options, parallel: steps };
}

/** Steps one after the other that are one step of what is around them: `sequence([build, test], { name: "linux" })`. */
export function sequence(steps: readonly StepNode[], options: GroupFlags = {}): SequenceOfSteps {
  return { ...options, sequence: steps };
}

/** The options that every worker has besides its name and its own. */
export const workerGives = z.object({
  properties: z.record(z.string(), z.json()).optional(),
  defaultProperties: z.record(z.string(), z.json()).optional(),
});

export type AnyPart = Parts[Point];
