import {
  BelfryError,
  type BuildStep,
  defineStep,
  type Json,
  type Renders,
  type Result,
  renders,
  type SourceStampSpec,
  type StepContext,
  type StepResult,
  type TriggeredBuildset,
  type TriggerOutcome,
  worseResult,
  z,
} from "belfry";
import { faults } from "./errors.ts";
import { isJson } from "./json-value.ts";
import { propertyName } from "./property-name.ts";
import type { Value } from "./set-property.ts";

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(100)]);
const stamp = z.strictObject({
  repository: z.string(),
  branch: z.string().nullable(),
  revision: z.string().nullable(),
  codebase: z.string().optional(),
  project: z.string().optional(),
});

const SOURCES = ["built", "asked", "newest", "scheduler"] as const;

/** Starts schedulers that can be triggered, and may wait for what they build. */
export const trigger = defineStep({
  kind: "trigger",
  options: z.strictObject({
    schedulers: renders(names).describe("names of schedulers that can be triggered"),
    wait: z.boolean().default(false).describe("waits for the end of what they build; the worst result is the step's"),
    properties: z
      .record(
        propertyName,
        z.custom<Value>((value) => value !== undefined, "expected a value"),
      )
      .default({})
      .describe("properties that the builds get"),
    copy: z.array(propertyName).default([]).describe("properties of this build that they get too, where they are set"),
    source: z
      .union([z.enum(SOURCES), renders(z.array(stamp))])
      .default("built")
      .describe(
        "what they build: what this build has checked out, what it was asked for, the newest of its branches, what the scheduler says, or source stamps",
      ),
    unimportant: z.array(z.string().min(1)).default([]).describe("schedulers whose results do not count"),
    endsWithBuild: z
      .boolean()
      .default(false)
      .describe("cancels what has not ended when this build is stopped, fails or is built again"),
    reason: renders(z.string()).optional().describe("shown as the reason of the builds"),
    priority: z.int().optional().describe("theirs; that of the scheduler if left out"),
  }),
  create(options): BuildStep {
    const fixed = names.safeParse(options.schedulers);
    const listed = fixed.success ? listOf(fixed.data) : undefined;
    const name = listed ? `trigger ${listed.join(", ").slice(0, 100)}` : "trigger";
    return {
      name,
      resumable: true,
      ...(listed && { triggers: listed }),
      async run(ctx): Promise<StepResult> {
        const { wait, unimportant } = options;
        const begun = await beginAll(ctx, name, options);
        const started = begun.filter((one) => one.buildset !== undefined);
        if (started.length === 0) return { result: "skipped", summary: line(begun.map(toText)) };
        if (!wait) return { result: "success", summary: line(begun.map(toText)) };
        await waitForAll(ctx, started);
        const counted = started.filter(({ scheduler }) => !unimportant.includes(scheduler));
        const result = counted.reduce<Result>(
          (worst, { outcome }) => worseResult(worst, outcome?.result ?? "success"),
          "success",
        );
        return { result, summary: line(begun.map(toText)) };
      },
    };
  },
});

interface Begun {
  scheduler: string;
  /** Not there for one that is disabled. */
  buildset?: TriggeredBuildset;
  outcome?: TriggerOutcome;
}

const listOf = (given: string | readonly string[]) => (typeof given === "string" ? [given] : [...new Set(given)]);

interface Options {
  schedulers: Renders<string | string[]>;
  properties: Record<string, Value>;
  copy: readonly string[];
  source: (typeof SOURCES)[number] | Renders<SourceStampSpec[]>;
  endsWithBuild: boolean;
  reason?: Renders<string> | undefined;
  priority?: number | undefined;
}

async function beginAll(ctx: StepContext, step: string, options: Options): Promise<Begun[]> {
  const { endsWithBuild, priority } = options;
  const computed: unknown = await ctx.render(options.schedulers as unknown);
  const wanted = names.safeParse(computed);
  if (!wanted.success) throw faults.computedWrong(step, "schedulers", "one name or several", computed);
  const properties = await propertiesFor(ctx, step, options);
  const sourceStamps = await stampsFor(ctx, step, options.source);
  const reason: unknown = await ctx.render(options.reason as unknown);
  if (reason !== undefined && typeof reason !== "string") throw faults.computedWrong(step, "reason", "a text", reason);
  // What the scheduler or the configuration says is not what the changes of this build are about.
  const own = typeof options.source === "string" && options.source !== "scheduler";
  const begun: Begun[] = [];
  for (const scheduler of listOf(wanted.data)) {
    try {
      const wish = {
        scheduler,
        properties,
        endsWithBuild,
        ...(sourceStamps && { sourceStamps }),
        ...(own ? {} : { changes: [] }),
        ...(reason === undefined || reason === "" ? {} : { reason }),
        ...(priority === undefined ? {} : { priority }),
      };
      const buildset = await ctx.trigger(wish);
      begun.push({ scheduler, buildset });
      const requests = buildset.requests.map(({ id, builder }) => `${builder} (request ${id})`);
      await ctx.log("stdio").write(`${scheduler}: buildset ${buildset.id}: ${requests.join(", ")}\n`);
    } catch (error) {
      if (!BelfryError.is(error) || error.code !== "BELFRY_SCHEDULER_DISABLED") throw error;
      begun.push({ scheduler });
      await ctx.log("stdio").write(`${scheduler}: ${error.what} ${error.why}\n`);
    }
  }
  return begun;
}

async function propertiesFor(ctx: StepContext, step: string, options: Options): Promise<Record<string, Json>> {
  const copied = options.copy.flatMap((name): [string, Json][] => {
    const value = ctx.properties.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const set: unknown = await ctx.render(options.properties as unknown);
  if (!isJson(set)) throw faults.computedWrong(step, "properties", "values of JSON", set);
  return { ...Object.fromEntries(copied), ...(set as Record<string, Json>) };
}

async function stampsFor(
  ctx: StepContext,
  step: string,
  source: Options["source"],
): Promise<SourceStampSpec[] | undefined> {
  const own = ctx.build.sourceStamps;
  if (source === "scheduler") return [];
  if (source === "asked") return undefined;
  if (source === "newest") return own.map((one) => ({ ...one, revision: null, patch: null }));
  if (source === "built") return checkedOut(own, ctx.properties.get("gotRevision"));
  const computed: unknown = await ctx.render(source as unknown);
  const stamps = z.array(stamp).safeParse(computed);
  if (!stamps.success) throw faults.computedWrong(step, "source", "a list of source stamps", computed);
  return stamps.data.map(({ codebase = "", project = "", ...rest }) => ({ ...rest, codebase, project }));
}

/** The build's source stamps at the revisions that were checked out. */
function checkedOut(own: StepContext["build"]["sourceStamps"], got: Json | undefined): SourceStampSpec[] {
  return own.map((one) => {
    const revision =
      typeof got === "object" && got !== null && !Array.isArray(got)
        ? got[one.codebase]
        : own.length === 1
          ? got
          : undefined;
    return typeof revision === "string" && revision !== "" ? { ...one, revision } : one;
  });
}

/** Waits until all have ended, also when the build is stopped: then each is let go of. */
async function waitForAll(ctx: StepContext, started: Begun[]): Promise<void> {
  let ended = 0;
  const show = () => {
    const open = started.filter(({ outcome }) => outcome === undefined).map(({ scheduler }) => scheduler);
    ctx.progress(`waits for ${open.join(", ")} (${ended} of ${started.length} ended)`);
  };
  show();
  const waits = started.map(async (one) => {
    one.outcome = await one.buildset?.ended();
    ended += 1;
    if (ended < started.length) show();
    await ctx.log("stdio").write(`${toText(one)}\n`);
  });
  for (const settled of await Promise.allSettled(waits)) if (settled.status === "rejected") throw settled.reason;
}

function toText({ scheduler, buildset, outcome }: Begun): string {
  if (!buildset) return `${scheduler} is disabled`;
  if (!outcome) return `${scheduler}: ${buildset.requests.map(({ builder }) => builder).join(", ")} begun`;
  const builds = outcome.builds.map(({ builder, number, result }) => `${builder} ${number} ${result ?? "running"}`);
  return `${scheduler}: ${builds.length === 0 ? outcome.result : builds.join(", ")}`;
}

/** A step's summary is one line. */
function line(texts: string[]): string {
  const all = texts.join("; ").replace(/\s+/g, " ");
  return all.length > 500 ? `${all.slice(0, 499)}…` : all;
}
