import {
  type BuildsetSpec,
  type Change,
  type Json,
  type Millis,
  type Scheduler,
  type SchedulerContext,
  type SchedulerDecision,
  type SchedulerWait,
  z,
} from "belfry";
import { ChangeSorter, changeOptions } from "./change-sorter.ts";
import { Codebases, codebases, oneCodebase, type Stamp, stampOf, stampSchema } from "./codebases.ts";
import { faults } from "./errors.ts";
import { FileMatching } from "./file-matching.ts";

/** The options of schedulers that build by the clock. */
export const timedOptions = {
  builders: z.array(z.string().min(1)).min(1).describe("builders to start"),
  onlyIfChanged: z
    .boolean()
    .default(false)
    .describe("builds only if there was an important change since it built last; changes are not looked at without it"),
  missed: z
    .enum(["once", "skip"])
    .default("once")
    .describe("what to do about times that passed while no master ran: build once for all of them, or leave them out"),
  ...changeOptions,
  ...oneCodebase,
  codebases: codebases.optional().describe("builds need all of these, instead of one codebase"),
  properties: z.record(z.string().min(1).max(256), z.json()).default({}).describe("properties of the builds"),
  priority: z.int().default(0).describe("builds of a higher one are started first"),
  reason: z.string().min(1).max(500).optional().describe("shown as the reason of the builds"),
};

const settingsSchema = z.object(timedOptions);
type Settings = z.output<typeof settingsSchema>;

/** When to build. */
export interface Times {
  /** What they are called in a reason, and what tells them from others that were configured before. */
  readonly text: string;
  /** The first time behind this moment. */
  next(after: Millis): Millis;
  /** Where to count from, when nothing is remembered of these times. */
  begin(now: Millis): Millis;
  /** Where to count from when `since` was written for other times. */
  changed(since: Millis, now: Millis): Millis;
}

/** A time that passed longer ago than this was missed. */
const LATE = 300_000;
const MOST_COUNTED = 20;
const MOST_CHANGES = 1_000;

const stateSchema = z.strictObject({
  version: z.literal(1),
  times: z.string(),
  /** Times up to this one are settled. */
  since: z.number(),
  /** How many times were left out since it was built last. */
  left: z.int(),
  changes: z.array(z.int()),
  important: z.boolean(),
  stamps: z.array(stampSchema),
  seen: z.array(stampSchema),
});
type State = z.output<typeof stateSchema>;

/** Builds at certain times. */
export class TimedScheduler implements Scheduler {
  readonly builders: readonly string[];
  readonly wants: readonly "changes"[];
  readonly #name: string;
  readonly #settings: Settings;
  readonly #times: Times;
  readonly #sorter: ChangeSorter;

  constructor(name: string, settings: Settings, times: Times) {
    this.#name = name;
    this.#settings = settings;
    this.#times = times;
    this.builders = [...new Set(settings.builders)];
    this.wants = settings.onlyIfChanged || settings.codebases ? ["changes"] : [];
    this.#sorter = new ChangeSorter(name, settings, (change) => this.#isOurs(change));
  }

  async process(ctx: SchedulerContext): Promise<SchedulerDecision> {
    const { now } = ctx;
    const before = this.#read(ctx.state);
    const state = this.#upToDate(before, ctx);
    const { codebases: given, branch, onlyIfChanged, missed } = this.#settings;
    const known = given && new Codebases(given, branch, state.seen);
    const matching = new FileMatching();
    for (const change of ctx.changes) {
      ctx.signal.throwIfAborted();
      known?.note(change);
      if (onlyIfChanged) await this.#collect(state, change, matching);
    }
    if (known) state.seen = known.seen;

    const buildsets: BuildsetSpec[] = [];
    const { passed, last } = this.#passed(state.since, now);
    if (passed > 0) {
      const late = now - last > LATE;
      if (onlyIfChanged && !state.important) state.left = 0;
      else if (late && missed === "skip") state.left += passed;
      else {
        buildsets.push(this.#buildset(state, known, passed - 1, late));
        Object.assign(state, { left: 0, changes: [], important: false, stamps: [] });
      }
      state.since = late ? now : last;
    }
    const stored: Json = JSON.parse(JSON.stringify(state));
    const same = JSON.stringify(stored) === JSON.stringify(before ?? null);
    return { buildsets, ...(same ? {} : { state: stored }), wakeAt: this.#times.next(state.since) };
  }

  waits(state: Json | undefined, now: Millis): SchedulerWait[] {
    const read = this.#read(state);
    const until = this.#times.next(read?.since ?? now);
    return [{ reason: "time", until, changes: read?.changes.length ?? 0 }];
  }

  #read(state: Json | undefined): State | undefined {
    if (state === undefined) return undefined;
    const read = stateSchema.safeParse(state);
    if (!read.success) throw faults.stateUnknown(this.#name);
    return read.data;
  }

  /** A copy of what is remembered, as of now. */
  #upToDate(before: State | undefined, { now, enabledAt }: SchedulerContext): State {
    const times = this.#times.text;
    const since =
      before === undefined
        ? this.#times.begin(now)
        : before.times === times
          ? before.since
          : this.#times.changed(before.since, now);
    // A clock that was set back must not keep it from building.
    const latest = now + LATE;
    return {
      version: 1,
      left: 0,
      changes: [],
      important: false,
      stamps: [],
      seen: [],
      ...structuredClone(before),
      times,
      since: since > latest ? now : Math.max(since, enabledAt === null || enabledAt > latest ? since : enabledAt),
    };
  }

  async #collect(state: State, change: Change, matching: FileMatching): Promise<void> {
    const sorted = await this.#sorter.sort(change, matching);
    if (sorted === undefined) return;
    state.important ||= sorted === "important";
    state.changes.push(change.id);
    if (state.changes.length > MOST_CHANGES) state.changes.shift();
    const stamp = stampOf(change);
    state.stamps = [stamp, ...state.stamps.filter(({ codebase }) => codebase !== stamp.codebase)];
    if (!this.#settings.codebases) state.stamps.length = 1;
  }

  #isOurs(change: Change): boolean {
    const { codebases: given, repository, branch, codebase } = this.#settings;
    if (given) {
      const own = Object.hasOwn(given, change.codebase) ? given[change.codebase] : undefined;
      return own !== undefined && change.branch === (own.branch === undefined ? branch : own.branch);
    }
    return (
      (repository === "" || change.repository === repository) &&
      (branch === null || change.branch === branch) &&
      (codebase === "" || change.codebase === codebase)
    );
  }

  /** How many times lie behind `since` and not behind `now`, as far as they can be counted in a moment, and the last of them. */
  #passed(since: Millis, now: Millis): { passed: number; last: Millis } {
    let passed = 0;
    let last = since;
    for (;;) {
      const next = this.#times.next(last);
      if (next > now) return { passed, last };
      passed += 1;
      last = next;
      if (passed === MOST_COUNTED)
        return { passed, last: this.#times.next(Math.max(last, now - LATE)) > now ? last : now };
    }
  }

  #buildset(state: State, known: Codebases | undefined, others: number, late: boolean): BuildsetSpec {
    const { properties, priority, reason } = this.#settings;
    const { repository, branch, codebase, project } = this.#settings;
    const one: Stamp = { repository, branch, revision: null, codebase, project };
    const stamps = state.stamps.length > 0 ? state.stamps : [one];
    return {
      builders: [...this.builders],
      sourceStamps: known ? known.fill(state.stamps) : stamps,
      changes: state.changes,
      reason: `${reason ?? this.#times.text}${this.#remark(others, state.left, late)}`,
      properties: { ...(structuredClone(properties) as Record<string, Json>), scheduler: this.#name },
      priority,
    };
  }

  /** Times that were not built are told of, not passed over in silence. */
  #remark(others: number, left: number, late: boolean): string {
    const many = (count: number) =>
      count >= MOST_COUNTED ? `${MOST_COUNTED} times or more` : `${count} ${count === 1 ? "time" : "times"}`;
    if (left > 0) return ` (${many(left)} before it passed while no master ran, and were left out)`;
    if (others > 0) return ` (and for ${many(others)} more that passed while no master ran)`;
    return late ? " (late: no master ran)" : "";
  }
}
