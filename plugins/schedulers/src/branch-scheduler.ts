import {
  type BuildsetSpec,
  type Change,
  duration,
  type Json,
  type Scheduler,
  type SchedulerContext,
  type SchedulerDecision,
  type SchedulerWait,
  type SourceStampSpec,
  z,
} from "belfry";
import { ChangeSorter, changeOptions, functionOf } from "./change-sorter.ts";
import { Codebases, codebases, stampOf } from "./codebases.ts";
import { faults } from "./errors.ts";
import { FileMatching } from "./file-matching.ts";
import { PendingBranches } from "./pending-branches.ts";

/** The options of schedulers that wait for changes. */
export const branchOptions = {
  builders: z.array(z.string().min(1)).min(1).describe("builders to start"),
  treeStableTimer: duration
    .refine((millis) => millis > 0, "must be longer than nothing")
    .optional()
    .describe("builds a branch when it had no important change for so long; without it each one is built"),
  ...changeOptions,
  codebases: codebases.optional().describe("builds need all of these; changes of others are not looked at"),
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
  readonly #sorter: ChangeSorter;
  readonly #branch: string | null;

  /** `isOurs` says whether a branch is looked at; `branch` is that of codebases that name none. */
  constructor(name: string, settings: Settings, isOurs: (branch: string | null) => boolean, branch: string | null) {
    const { codebases } = settings;
    this.#name = name;
    this.#settings = settings;
    this.#branch = branch;
    this.builders = [...new Set(settings.builders)];
    this.#sorter = new ChangeSorter(
      name,
      settings,
      (change) => isOurs(change.branch) && (codebases === undefined || Object.hasOwn(codebases, change.codebase)),
    );
  }

  async process(ctx: SchedulerContext): Promise<SchedulerDecision> {
    const branches = this.#read(ctx.state);
    const { treeStableTimer } = this.#settings;
    const codebases = this.#codebases(branches);
    const buildsets: BuildsetSpec[] = [];
    const matching = new FileMatching();
    for (const change of ctx.changes) {
      ctx.signal.throwIfAborted();
      codebases?.note(change);
      const sorted = await this.#sorter.sort(change, matching);
      if (sorted === undefined) continue;
      const important = sorted === "important";
      if (treeStableTimer !== undefined) branches.add(change, important ? ctx.now + treeStableTimer : null, ctx.now);
      else if (important) buildsets.push(this.#buildset([stampOf(change)], [change.id], [change], codebases));
    }
    // Without a timer, what an older configuration with one has left is built now.
    branches.shorten(ctx.now, treeStableTimer ?? 0);
    for (const { stamps, changes } of branches.takeDue(ctx.now)) {
      buildsets.push(this.#buildset(stamps, changes, await this.#changesFor(ctx, changes), codebases));
    }
    const state = branches.toState(codebases);
    const wakeAt = branches.next;
    return { buildsets, ...(state === undefined ? {} : { state }), ...(wakeAt === undefined ? {} : { wakeAt }) };
  }

  waits(state: Json | undefined): SchedulerWait[] {
    return this.#read(state).waits();
  }

  #read(state: Json | undefined): PendingBranches {
    const branches = PendingBranches.read(state, this.#settings.codebases !== undefined);
    if (branches === undefined) throw faults.stateUnknown(this.#name);
    return branches;
  }

  #codebases(branches: PendingBranches): Codebases | undefined {
    const { codebases } = this.#settings;
    return codebases && new Codebases(codebases, this.#branch, branches.seen);
  }

  #buildset(
    stamps: readonly SourceStampSpec[],
    ids: number[],
    changes: readonly Change[],
    codebases: Codebases | undefined,
  ): BuildsetSpec {
    const { properties, reason } = this.#settings;
    return {
      builders: [...this.builders],
      sourceStamps: codebases ? codebases.fill(stamps) : [...stamps],
      changes: ids,
      reason: reason ?? reasonOf(stamps[0]?.branch ?? null, ids.length),
      properties: { ...(structuredClone(properties) as Record<string, Json>), scheduler: this.#name },
      priority: this.#priority(ids, changes),
    };
  }

  #priority(ids: number[], changes: readonly Change[]): number {
    const { priority } = this.#settings;
    if (typeof priority === "number") return priority;
    const id = ids[ids.length - 1] ?? 0;
    let computed: number;
    try {
      computed = priority(changes);
    } catch (error) {
      throw faults.functionFailed(this.#name, "priority", id, error);
    }
    if (!Number.isSafeInteger(computed)) throw faults.functionFailed(this.#name, "priority", id, undefined);
    return computed;
  }

  async #changesFor(ctx: SchedulerContext, ids: number[]): Promise<Change[]> {
    if (typeof this.#settings.priority === "number") return [];
    const found = await ctx.changesById(ids);
    return found.sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
  }
}

function reasonOf(branch: string | null, count: number): string {
  const what = count === 1 ? "a change" : `${count} changes`;
  return branch === null ? what : `${what} on ${branch}`;
}
