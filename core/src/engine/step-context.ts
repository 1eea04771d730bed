import type { BuildInfo, StepContext, StepNode, TriggerWish } from "../interfaces/build-step.ts";
import { type RenderContext, render } from "../interfaces/properties.ts";
import type { Json } from "../interfaces/values.ts";
import type { SecretSet } from "../logs/masker.ts";
import type { BuildScope } from "./build-scope.ts";
import type { RunningStepView } from "./running-build.ts";
import type { StepExtras } from "./step-extras.ts";
import type { StepJournal } from "./step-journal.ts";
import type { RunningLog } from "./step-log.ts";
import type { StepLogs } from "./step-logs.ts";
import { JournaledWorker } from "./step-worker.ts";
import { StepTriggers } from "./triggering.ts";

const LONGEST_PROGRESS = 200;

export interface StepParts {
  name: string;
  number: number;
  logs: StepLogs;
  signal: AbortSignal;
  view: RunningStepView;
  extras: StepExtras;
  /** Counts the calls of the step's worker, and the buildsets that it asks for. */
  calls: { count: number; triggers: number };
  keeps: boolean;
  journal: StepJournal | undefined;
  info: BuildInfo;
  /** Takes the steps that it adds. */
  add(nodes: readonly StepNode[]): void;
}

/** A step's hands on the worker; `prepare` computes the environment of its commands. */
export function stepWorker(
  scope: BuildScope,
  { number, logs, signal, calls, info, keeps, journal }: StepParts,
): { hands: JournaledWorker; prepare(): Promise<void> } {
  const env: Record<string, string | null> = {};
  const hands = new JournaledWorker({
    session: scope.session,
    workerName: scope.build.worker,
    buildId: scope.build.id,
    step: number,
    recorder: scope.writer.recorder,
    secrets: scope.secrets,
    signal,
    now: () => scope.clock.now(),
    log: (name) => logs.get(name),
    env,
    calls,
    keeps,
    journal,
    linesOf: (log, first, end) => linesOf(scope, log, first, end),
    frozen: scope.frozen,
    giveUp: scope.giveUp,
  });
  const prepare = async () => {
    const rendered = await render(scope.env, renderContext(scope, info, signal));
    for (const [key, value] of Object.entries(rendered))
      env[key] = value === null || value === undefined ? null : String(value);
  };
  return { hands, prepare };
}

/** Everything that a running step is given. */
export function stepContext(
  scope: BuildScope,
  { name, number, logs, signal, view, extras, info, calls, add }: StepParts,
  worker: JournaledWorker,
): StepContext {
  const { store, clock, build, properties, secrets, writer } = scope;
  const triggers = new StepTriggers({
    store,
    clock,
    build,
    step: number,
    calls,
    signal,
    sourceStamps: info.sourceStamps,
    scheduler: scope.scheduler,
    persist: (work) => writer.persist(work),
    check: () => worker.check(),
  });
  return {
    build: info,
    properties: {
      has: (key) => properties.has(key),
      get: (key) => properties.get(key),
      source: (key) => properties.source(key),
      set(key, value, source = name) {
        worker.check();
        properties.set(key, value, source);
      },
      all: () => properties.all(),
    },
    worker,
    clock,
    signal,
    log: (log) => {
      worker.check();
      return logs.get(log);
    },
    render: (value) => render(value, renderContext(scope, info, signal)),
    secret: (secret) => scope.secret(secret, signal),
    trigger: (wish) => triggers.trigger(masked(secrets, wish)),
    progress: (summary) => {
      if (view.finishedAt === null) view.summary = secrets.text(summary).slice(0, LONGEST_PROGRESS);
    },
    addSteps(nodes) {
      worker.check();
      add(nodes);
    },
    link(label, url) {
      worker.check();
      extras.link(label, url);
    },
    statistic(label, value) {
      worker.check();
      extras.statistic(label, value);
    },
    buildData(label, value) {
      worker.check();
      extras.buildData(label, value);
    },
    async lastGood() {
      worker.check();
      return scope.lastGood(name);
    },
  };
}

const LINES_AT_ONCE = 500;

/** The lines of a log as they are stored, up to `end`, or to what there is now. */
async function* linesOf({ logStore }: BuildScope, { key }: RunningLog, first: number, end?: number) {
  await using reader = await logStore.open(key);
  const last = end ?? (await reader.info()).lines;
  for (let at = first; at < last; ) {
    const lines = await reader.lines(at, Math.min(LINES_AT_ONCE, last - at));
    if (lines.length === 0) return;
    yield* lines;
    at += lines.length;
  }
}

/** What another build is told is stored, so secrets are not told. */
function masked(secrets: SecretSet, wish: TriggerWish): TriggerWish {
  const { properties, reason } = wish;
  return {
    ...wish,
    ...(properties === undefined ? {} : { properties: secrets.json(properties) as Record<string, Json> }),
    ...(reason === undefined ? {} : { reason: secrets.text(reason) }),
  };
}

export function renderContext(scope: BuildScope, info: BuildInfo, signal: AbortSignal): RenderContext {
  return {
    properties: scope.properties,
    build: info,
    secret: (name: string) => scope.secret(name, signal),
  };
}
