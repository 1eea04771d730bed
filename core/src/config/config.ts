import { z } from "zod";
import type { Caller, VisibilitySubject } from "../interfaces/api-method.ts";
import type { RetryPolicy, StepNode } from "../interfaces/build-step.ts";
import type { DistributionRules } from "../interfaces/distribution.ts";
import type { LockDefinition, LockUse } from "../interfaces/lock.ts";
import type { Entry, PlainEntry, Plugin, Point } from "../interfaces/plugin.ts";
import type { Renders } from "../interfaces/properties.ts";
import type { Duration, Json } from "../interfaces/values.ts";
import {
  duration,
  GROUPS,
  groupKindOf,
  isEntry,
  isPlugin,
  lockUse,
  partName,
  renders,
  retryPolicy,
} from "../plugins/define.ts";

type EntryOf<P extends Point> = Entry<P> | PlainEntry;

/** How much of something is kept; what goes beyond any of them is removed. */
export interface Limits {
  /** As long as this after its end. */
  age?: Duration;
  /** At most so many. */
  count?: number;
  /** As many as have this many bytes of logs together, counted as they were written. */
  bytes?: number;
}

/** What is kept of history, and for how long. */
export interface RetentionConfig {
  /** Of each builder. Default: a year, 10,000 builds and 100 GB of logs. What is not named keeps its default. */
  builds?: Limits;
  /**
   * Builders with limits of their own, by name, and branches of them, by name or pattern (`"release/*"`): the builds
   * of such a branch are counted apart, and of each branch the last and the last good build stay.
   */
  builders?: { [builder: string]: Limits & { branches?: { [branch: string]: Limits } } };
  /** Branches with limits of their own, of every builder. */
  branches?: { [branch: string]: Limits };
  /** Those that belong to no build that is kept. Default: a year. */
  changes?: Omit<Limits, "bytes">;
  /**
   * Default: 90 days and 5 million. Those that a listener or an enabled scheduler has not seen yet stay, up to `lag`
   * (default 180 days); who is further behind is told of a gap.
   */
  events?: Omit<Limits, "bytes"> & { lag?: Duration };
  /** Default: a year and 1 million. */
  audit?: Omit<Limits, "bytes">;
  /** How often old history is looked for. Default: an hour. */
  every?: Duration;
}

export interface BuilderConfig extends DistributionRules {
  /** Unique; what everybody calls it. */
  name: string;
  /** Names of the workers that may build it. */
  workers: string[];
  /** Run in this order. Groups of them are made by `parallel` and `sequence`. */
  steps: StepNode[];
  /** Set for every command of its builds; a step's own `env` wins. */
  env?: Record<string, Renders<string | null>>;
  /** Properties of its builds; they win over those of changes and schedulers, those of the worker and of steps win over them. */
  properties?: Record<string, Json>;
  /** Properties for builds that nothing before has given one of this name: what a change or whoever forces it may set otherwise. */
  defaultProperties?: Record<string, Json>;
  tags?: string[];
  project?: string;
  description?: string;
  /** Ends a build that takes longer, as failure. */
  maxTime?: Duration;
  /** Taken before a build is given to a worker, given back when it has ended. */
  locks?: LockUse;
  /** Requests that have waited so long end as `cancelled`. Counted from when they were made; what is being built goes on. */
  maxWait?: Duration;
  /**
   * Builds a request again when its build ends in a way that may pass; the request, and its buildset, end
   * with the last of them. A build that was stopped is not built again. Builds that end as `retry` are
   * built again in any case, and do not count.
   */
  retry?: RetryPolicy;
}

/** What a `belfry.config.ts` exports. */
export interface Config {
  /** What pages call this installation. */
  title?: string;
  /** This master's name among those that share a database. Default: "main". */
  name?: string;
  /** Plugins that are used by kind only, or that add methods and commands; using a typed function loads its plugin by itself. */
  plugins?: Plugin[];
  database: EntryOf<"database">;
  /** Where logs are kept. Default: files below the state folder. */
  logStore?: EntryOf<"logStore">;
  secrets?: EntryOf<"secrets">[];
  services?: EntryOf<"service">[];
  workers?: EntryOf<"worker">[];
  /** What `masterLock` and `workerLock` return: the locks that builders, steps and workers may name. */
  locks?: LockDefinition[];
  sources?: EntryOf<"source">[];
  schedulers?: EntryOf<"scheduler">[];
  listeners?: EntryOf<"listener">[];
  builders?: BuilderConfig[];
  access?: {
    /** What callers without a token may do over the network. Default "none". */
    anonymous?: "none" | "read";
    /**
     * Hides builders, with their builds, events and logs, from callers over the network. Asked with a
     * builder, or with a project alone (`builder` is "") for its changes; false hides it, and so does a
     * throw. It can only take away from what a token may see. Not asked for callers with the scope
     * admin. Must answer at once, and the same until the next configuration.
     */
    visible?: (subject: VisibilitySubject, caller: Pick<Caller, "name" | "kind" | "scopes">) => boolean;
    /** Units a minute that each client has for expensive calls. Default 600. */
    budget?: number;
  };
  logs?: {
    /** Bytes kept of one log. Default 200 MB. */
    cap?: number;
  };
  /** What is kept of history; `false` keeps everything. The last build of each builder and the last good one always stay. */
  retention?: false | RetentionConfig;
}

const owned = new WeakSet<object>();

/** Gives a configuration its type. Returns a copy that belongs to the master: it is emptied when a reload has replaced it. */
export function defineConfig(config: Config): Config {
  if (typeof config !== "object" || config === null) return config;
  const copy = { ...config };
  owned.add(copy);
  return copy;
}

/** A value that `defineConfig` made, or `undefined`. */
export function ownedCopy(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && owned.has(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

const entry = z
  .custom<Entry | PlainEntry>(isEntry, {
    error: ({ input }) =>
      typeof input === "function" && "definition" in input
        ? "this is the function itself; call it, with its options: shell({ … })"
        : "expected an entry such as shell({ … }) or { kind, options }",
  })
  .superRefine((value, ctx) => {
    const { kind: _, options, ...others } = value as PlainEntry;
    for (const key of Object.keys(others)) ctx.addIssue({ code: "custom", path: [key], message: "is not known here" });
    if (options === undefined || (typeof options === "object" && options !== null && !Array.isArray(options))) return;
    ctx.addIssue({ code: "custom", path: ["options"], message: "expected an object of options" });
  });

const fn = <T>() =>
  z
    .custom<Extract<T, (...args: never[]) => unknown>>((value) => typeof value === "function", "expected a function")
    .optional();
const maxCount = z.int().min(1).max(1_000_000);
const lockDefinition = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("master"), name: partName, maxCount }),
  z.strictObject({
    kind: z.literal("worker"),
    name: partName,
    maxCount,
    maxCountForWorker: z.record(z.string(), maxCount),
  }),
]);
const DEEPEST = 10;

/** What is wrong with a step or group, and with what is in it. */
function nodeIssues(value: unknown, depth: number): z.core.$ZodIssue[] {
  const kind = groupKindOf(value);
  if (kind === undefined) return entry.safeParse(value).error?.issues ?? [];
  if (depth > DEEPEST)
    return [{ code: "custom", path: [], message: `groups are at most ${DEEPEST} deep`, input: undefined }];
  const steps: unknown = (value as Record<string, unknown>)[kind];
  const inside = (Array.isArray(steps) ? steps : []).flatMap((step, i) =>
    nodeIssues(step, depth + 1).map((issue) => ({ ...issue, path: [kind, i, ...issue.path] })),
  );
  return [...(GROUPS[kind].safeParse(value).error?.issues ?? []), ...inside];
}

/** A step, or a group of steps and groups. */
export const stepNode: z.ZodType<StepNode, StepNode> = z.custom<StepNode>().superRefine((value, ctx) => {
  for (const issue of nodeIssues(value, 1)) ctx.issues.push({ ...issue, input: undefined } as z.core.$ZodRawIssue);
});
const age = duration.refine((millis) => millis >= 60_000, "expected at least a minute");
const kept = { age: age.optional(), count: z.int().min(0).optional() };
const limits = z.strictObject({ ...kept, bytes: z.int().min(0).optional() });
const branches = z.record(z.string().min(1).max(500), limits).optional();

const retentionSchema = z.strictObject({
  builds: limits.optional(),
  builders: z.record(z.string(), limits.extend({ branches })).optional(),
  branches,
  changes: z.strictObject(kept).optional(),
  events: z.strictObject({ ...kept, lag: age.optional() }).optional(),
  audit: z.strictObject(kept).optional(),
  every: age.optional(),
});

export type CheckedRetention = z.output<typeof retentionSchema>;

/** The shape of a configuration, before its entries are looked at. */
export const configSchema = z.strictObject({
  title: z.string().max(200).optional(),
  name: partName.optional(),
  plugins: z.array(z.custom<Plugin>(isPlugin, "expected what definePlugin returned")).optional(),
  database: entry,
  logStore: entry.optional(),
  secrets: z.array(entry).optional(),
  services: z.array(entry).optional(),
  workers: z.array(entry).optional(),
  locks: z.array(lockDefinition).optional(),
  sources: z.array(entry).optional(),
  schedulers: z.array(entry).optional(),
  listeners: z.array(entry).optional(),
  builders: z
    .array(
      z.strictObject({
        name: partName,
        workers: z.array(z.string()).min(1, "expected at least one worker"),
        steps: z.array(stepNode),
        env: z
          .record(z.string().regex(/^[^=\u0000]+$/, "expected the name of a variable"), renders(z.string().nullable()))
          .optional(),
        properties: z.record(z.string(), z.json()).optional(),
        defaultProperties: z.record(z.string(), z.json()).optional(),
        tags: z.array(z.string().max(100)).optional(),
        project: z.string().max(200).optional(),
        description: z.string().max(2_000).optional(),
        maxTime: duration.optional(),
        locks: lockUse.optional(),
        maxWait: duration.optional(),
        nextBuild: fn<DistributionRules["nextBuild"]>(),
        nextWorker: fn<DistributionRules["nextWorker"]>(),
        canStart: fn<DistributionRules["canStart"]>(),
        collapse: z.union([z.boolean(), fn<DistributionRules["collapse"]>()]).optional(),
        priority: z.union([z.int().min(-1_000_000).max(1_000_000), fn<DistributionRules["priority"]>()]).optional(),
        retry: retryPolicy.optional(),
      }),
    )
    .optional(),
  access: z
    .strictObject({
      anonymous: z.enum(["none", "read"]).optional(),
      visible: z
        .custom<NonNullable<NonNullable<Config["access"]>["visible"]>>(
          (value) => typeof value === "function",
          "expected a function",
        )
        .optional(),
      budget: z.int().min(1).max(1_000_000).optional(),
    })
    .optional(),
  logs: z.strictObject({ cap: z.int().min(1_000).optional() }).optional(),
  retention: z.union([z.literal(false), retentionSchema]).optional(),
});

export type CheckedConfig = z.output<typeof configSchema>;
