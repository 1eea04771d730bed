import {
  type BuildsetSpec,
  type Change,
  duration,
  type Json,
  type Scheduler,
  type SchedulerContext,
  type SchedulerDecision,
  type SourceStampSpec,
  z,
} from "belfry";
import { changeFilter, compileFilter } from "./change-filter.ts";
import { faults } from "./errors.ts";
import { FileMatching } from "./file-matching.ts";
import { compilePatterns, patterns } from "./patterns.ts";
import { PendingBranches, stampOf } from "./pending-branches.ts";

const functionOf = <F>(wanted: string) => z.custom<F>((value) => typeof value === "function", `expected ${wanted}`);

/** The options of schedulers that wait for changes. */
export const branchOptions = {
  builders: z.array(z.string().min(1)).min(1).describe("builders to start"),
  treeStableTimer: duration
    .refine((millis) => millis > 0, "must be longer than nothing")
    .optional()
    .describe("builds a branch when it had no important change for so long; without it each one is built"),
  paths: patterns.optional().describe("a change is important if one of its files fits these patterns"),
  fileIsImportant: functionOf<(change: Change) => boolean | Promise<boolean>>("a function of a change")
    .optional()
    .describe("says whether a change is important; asked about those that fit `paths`"),
  onlyImportant: z.boolean().default(false).describe("leaves unimportant changes out of buildsets"),
  filter: changeFilter.default({}).describe("changes of other projects, repositories and so on are not looked at"),
  properties: z.record(z.string().min(1).max(256), z.json()).default({}).describe("properties of the builds"),
  priority: z
    .union([z.int(), functionOf<(changes: readonly Change[]) => number>("a whole number or a function of changes")])
    .default(0)
    .describe("builds of a higher one are started first"),
  reason: z.string().min(1).max(500).optional().describe("shown as the reason of the builds"),
};

const settingsSchema = z.object(branchOptions);
type Settings = z.output<typeof settingsSchema>;

/** Turns changes of branches into buildsets, at once or when the branch has become quiet. */
export class BranchScheduler implements Scheduler {
  readonly builders: readonly string[];
  readonly wants = ["changes"] as const;
  readonly #name: string;
  readonly #settings: Settings;
  readonly #isWanted: (change: Change) => boolean;
  readonly #fitsPaths: ((file: string) => boolean) | undefined;

  /** `isOurs` says whether a branch is looked at. */
  constructor(name: string, settings: Settings, isOurs: (branch: string | null) => boolean) {
    const filter = compileFilter(settings.filter);
    this.#name = name;
    this.#settings = settings;
    this.builders = [...new Set(settings.builders)];
    this.#isWanted = (change) => isOurs(change.branch) && filter(change);
    this.#fitsPaths = settings.paths === undefined ? undefined : compilePatterns(settings.paths);
  }

  async process(ctx: SchedulerContext): Promise<SchedulerDecision> {
    const branches = PendingBranches.read(ctx.state);
    if (branches === undefined) throw faults.stateUnknown(this.#name);
    const { treeStableTimer, onlyImportant } = this.#settings;
    const buildsets: BuildsetSpec[] = [];
    const matching = new FileMatching();
    for (const change of ctx.changes) {
      ctx.signal.throwIfAborted();
      if (!this.#ask("filter", change, () => this.#isWanted(change))) continue;
      const important = await this.#isImportant(change, matching);
      if (treeStableTimer === undefined) {
        if (important) buildsets.push(this.#buildset(stampOf(change), [change.id], [change]));
      } else if (important || !onlyImportant) {
        branches.add(change, important ? ctx.now + treeStableTimer : null, ctx.now);
      }
    }
    // Without a timer, what an older configuration with one has left is built now.
    branches.shorten(ctx.now, treeStableTimer ?? 0);
    for (const { stamp, changes } of branches.takeDue(ctx.now)) {
      buildsets.push(this.#buildset(stamp, changes, await this.#changesFor(ctx, changes)));
    }
    const state = branches.toState();
    const wakeAt = branches.next;
    return { buildsets, ...(state === undefined ? {} : { state }), ...(wakeAt === undefined ? {} : { wakeAt }) };
  }

  #buildset(stamp: SourceStampSpec, ids: number[], changes: readonly Change[]): BuildsetSpec {
    const { properties, reason } = this.#settings;
    return {
      builders: [...this.builders],
      sourceStamps: [stamp],
      changes: ids,
      reason: reason ?? reasonOf(stamp, ids.length),
      properties: { ...(structuredClone(properties) as Record<string, Json>), scheduler: this.#name },
      priority: this.#priority(ids, changes),
    };
  }

  #priority(ids: number[], changes: readonly Change[]): number {
    const { priority } = this.#settings;
    if (typeof priority === "number") return priority;
    const id = ids[ids.length - 1] ?? 0;
    const computed = guarded(this.#name, "priority", id, () => priority(changes));
    if (!Number.isSafeInteger(computed)) throw faults.functionFailed(this.#name, "priority", id, undefined);
    return computed;
  }

  async #changesFor(ctx: SchedulerContext, ids: number[]): Promise<Change[]> {
    if (typeof this.#settings.priority === "number") return [];
    const found = await ctx.changesById(ids);
    return found.sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
  }

  async #isImportant(change: Change, matching: FileMatching): Promise<boolean> {
    const { fileIsImportant } = this.#settings;
    if (this.#fitsPaths !== undefined && !(await matching.touches(change.files, this.#fitsPaths))) return false;
    if (fileIsImportant === undefined) return true;
    try {
      return Boolean(await fileIsImportant(change));
    } catch (error) {
      throw faults.functionFailed(this.#name, "fileIsImportant", change.id, error);
    }
  }

  #ask(option: string, change: Change, question: () => boolean): boolean {
    return guarded(this.#name, option, change.id, question);
  }
}

function guarded<T>(scheduler: string, option: string, change: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw faults.functionFailed(scheduler, option, change, error);
  }
}

function reasonOf({ branch }: SourceStampSpec, count: number): string {
  const what = count === 1 ? "a change" : `${count} changes`;
  return branch === null ? what : `${what} on ${branch}`;
}
