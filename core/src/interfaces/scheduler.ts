import type { PluginWrites } from "./plugin-store.ts";
import type { Json, Millis, Result } from "./values.ts";

/** A change as it is stored. */
export interface Change {
  id: number;
  source: string;
  key: string;
  author: string;
  comments: string;
  files: string[];
  revision: string | null;
  branch: string | null;
  repository: string;
  codebase: string;
  project: string;
  category: string | null;
  link: string | null;
  when: Millis;
  /** When Belfry stored it. */
  added: Millis;
  properties: Record<string, Json>;
}

/** Which code to build: one repository at one revision. `revision: null` means the newest of the branch. */
export interface SourceStampSpec {
  repository: string;
  branch: string | null;
  revision: string | null;
  codebase?: string;
  project?: string;
  patch?: { level: number; body: string; author?: string; comment?: string } | null;
}

/** What a scheduler decides: these builders build this code, for this reason. */
export interface BuildsetSpec {
  builders: string[];
  sourceStamps: SourceStampSpec[];
  /** Ids of the changes that led to it. */
  changes?: number[];
  reason: string;
  properties?: Record<string, Json>;
  /** Higher goes first. Default 0. */
  priority?: number;
  /** Milliseconds that its requests may wait; then they end as `cancelled`. Default: what their builders say. */
  maxWait?: number;
  /** Any text; a trigger finds its buildset again by it. Unique where given. */
  externalId?: string;
}

export interface FinishedBuildset {
  id: number;
  scheduler: string | null;
  result: Result;
  sourceStamps: SourceStampSpec[];
  changes: number[];
  builders: string[];
}

/** What is new for a scheduler since its last pass. */
export interface SchedulerContext {
  /** In the order in which they were stored. At most a few hundred; the rest comes in the next pass. */
  readonly changes: readonly Change[];
  /** Buildsets that ended, whoever asked for them. */
  readonly finished: readonly FinishedBuildset[];
  /** What the last decision stored; `undefined` the first time. */
  readonly state: Json | undefined;
  readonly now: Millis;
  /**
   * When it was enabled again after it had been disabled; `null` if it never was. What came between
   * is not among the news, and times that passed meanwhile should not count either.
   */
  readonly enabledAt: Millis | null;
  readonly signal: AbortSignal;
  /** Changes by id, for a scheduler that remembered ids in its state. Unknown ids are left out. */
  changesById(ids: number[]): Promise<Change[]>;
}

export interface SchedulerDecision {
  buildsets: BuildsetSpec[];
  /** Replaces the stored state; leave it out to keep it. */
  state?: Json;
  /** When to be asked again even if nothing new arrives. */
  wakeAt?: Millis;
  writes?: PluginWrites;
}

/** A wish to build now, from a person or a program. */
export interface ForceRequest {
  /** Subset of the scheduler's builders; all of them if left out. */
  builders?: string[];
  reason?: string;
  /** These three say what to build where there is one codebase. */
  branch?: string | null;
  revision?: string | null;
  repository?: string;
  /** What to build of each codebase, where it is not what the scheduler says. */
  codebases?: Record<string, { repository?: string; branch?: string | null; revision?: string | null }>;
  properties?: Record<string, Json>;
  priority?: number;
  /** Who asks, as the caller's name. */
  owner: string;
}

/** What a scheduler that is forced may check a wish against. */
export interface ForceContext {
  /** The workers of the running configuration. */
  readonly workers: readonly string[];
}

/**
 * One thing that a form for a forced build asks for, as data: what a page, a program or a chat needs
 * to ask for it. Fields of a type that is not known can be asked for as JSON.
 */
export interface FormField {
  /** The property that it sets; a group without a name only holds fields together. */
  name: string | null;
  type: string;
  label: string;
  help: string | null;
  required: boolean;
  default: Json;
  /** What may be chosen. */
  choices?: { value: Json; label: string }[];
  /** The fields of a group. */
  fields?: FormField[];
  /** Limits, by type: `min`, `max`, `minLength`, `maxLength`, `pattern`, `maxBytes`, `strict`, `layout` and so on. */
  limits?: Record<string, Json>;
}

/** The wish of a step that a scheduler builds now, as part of its own build. */
export interface TriggerRequest {
  /** What to build; where it is empty, or a codebase is missing, the scheduler decides. */
  sourceStamps: readonly SourceStampSpec[];
  changes: readonly number[];
  /** They win over the scheduler's own. */
  properties: Record<string, Json>;
  reason: string;
  /** Default: that of the scheduler. */
  priority?: number;
}

/** Something that a scheduler waits for before it builds. */
export type SchedulerWait =
  | { reason: "tree-stable-timer"; until: Millis; branch: string | null; codebase: string; changes: number }
  | { reason: "no-important-change"; branch: string | null; codebase: string; changes: number }
  | { reason: "time"; until: Millis; changes: number }
  | { reason: "upstream"; schedulers: string[] };

/**
 * Decides what to build.
 *
 * Core makes one instance per configured scheduler. Its loop runs on one master at a time, under a
 * lease, and never overlaps itself. Buildsets, state and the position up to which news was read are
 * written in one transaction, so each decision is carried out exactly once even if the master is
 * killed; `process` itself may be asked the same question again and must then come to an answer
 * from `ctx` alone.
 *
 * While it is disabled it is not asked at all. It keeps its state, so that what it had noted before
 * still counts when it is enabled again; changes and buildsets that came meanwhile do not.
 */
export interface Scheduler {
  /** The builders it may ask to build; core checks that they exist. */
  readonly builders: readonly string[];
  /** Names of the schedulers whose buildsets it waits for; core checks that they exist. */
  readonly upstream?: readonly string[];
  /**
   * What it is asked about. Besides, every scheduler is asked at its `wakeAt`, and once whenever a
   * master begins to run it. Default: both. Leave out what `process` ignores: it saves a transaction
   * for each change or buildset.
   */
  readonly wants?: readonly ("changes" | "finished")[];
  /** Throwing is shown as the scheduler's last error and repeated later; no other scheduler stops. */
  process(ctx: SchedulerContext): Promise<SchedulerDecision>;
  /**
   * Turns a wish into a buildset, or throws a BelfryError that says what is wrong with it. A
   * scheduler without `force` cannot be forced. Must not wait and must not have effects: it runs in
   * whichever master was asked.
   */
  force?(request: ForceRequest, ctx: ForceContext): BuildsetSpec;
  /** What `force` takes as properties, in the order of a form. `null` where any property may be given. */
  form?(ctx: ForceContext): FormField[] | null;
  /**
   * Turns the wish of a step into a buildset, or throws a BelfryError that says what is wrong with
   * it. A scheduler without `trigger` cannot be triggered. As with `force` it must not wait and must
   * not have effects.
   */
  trigger?(request: TriggerRequest): BuildsetSpec;
  /** What it waits for, by its state; for whoever asks why nothing is built. Must not wait. Bounded: a few hundred. */
  waits?(state: Json | undefined, now: Millis): SchedulerWait[];
}
