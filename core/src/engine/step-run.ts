import type { Retry } from "../config/parts.ts";
import type { ConfiguredNode, ConfiguredStep } from "../config/steps.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { BuildInfo, StepResult } from "../interfaces/build-step.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LockUse } from "../interfaces/lock.ts";
import { type Millis, RESULTS, type Result } from "../interfaces/values.ts";
import type { Attempt } from "../store/build-details.ts";
import { storable } from "../store/text.ts";
import type { Tx } from "../store/tx.ts";
import { errorRecord, resultOf, seconds } from "./build-failure.ts";
import type { BuildScope, RunningStep } from "./build-scope.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost } from "./lease-keeper.ts";
import { settle } from "./settle.ts";
import { renderContext, type StepParts, stepContext, stepWorker } from "./step-context.ts";
import { StepExtras } from "./step-extras.ts";
import { StepJournal } from "./step-journal.ts";
import { takeStepLocks } from "./step-locks.ts";
import { StepLogs } from "./step-logs.ts";
import { beginStep, endStep, isHidden, type StepPlace } from "./step-row.ts";

const LONGEST_SUMMARY = 2_000;
const MOST_FAILING = 100;
const LONGEST_FAILING = 500;

type Outcome = StepResult & { error?: unknown };

export interface EndedStep {
  result: Result;
  summary: string;
  /** What it wants to be run after it. */
  added: readonly ConfiguredNode[];
}

/** Runs one step of a build, with all of its attempts, from its row's beginning to its result. */
export async function runStep(scope: BuildScope, step: ConfiguredStep, place: StepPlace): Promise<EndedStep> {
  const { clock, writer, secrets } = scope;
  const { name, flags } = step;
  const { number } = place;
  const past = scope.past(number);
  const keeps = step.step.resumable === true;
  const view = await beginStep(scope, step, place);
  let journal = past && new StepJournal(past.calls);
  const isReplayed = () => journal?.replaying ?? false;
  const logs = new StepLogs({ ...scope, step: number, recorder: writer.recorder, past, isReplayed });
  const extras = new StepExtras(number, writer.recorder, secrets, scope.data);
  const attempts: Attempt[] = [...(past?.attempts ?? [])];
  const { calls: count = 0, triggers = 0 } = attempts.at(-1) ?? {};
  const calls = { count: past?.calls.at(-1)?.call ?? count, triggers };
  logs.reopen();
  const running: RunningStep = { resumable: keeps, logs };
  scope.steps.set(number, running);
  const summaryOf = (outcome: Outcome) =>
    secrets.text(storable(String(outcome.summary ?? ""))).slice(0, LONGEST_SUMMARY);
  let began = attempts.at(-1)?.finishedAt ?? view.startedAt;
  for (;;) {
    let added: ConfiguredNode[] = [];
    const info = scope.info(place.tally.sofar);
    const parts = { name, number, logs, view, extras, calls, keeps, journal, info };
    const add: StepParts["add"] = (nodes) => {
      added = [...added, ...scope.makeSteps(nodes)];
    };
    const outcome = await carryOut(scope, step, place, { ...parts, add }, began).catch(async (error) => {
      if (!scope.frozen()) await logs.abandon();
      throw error;
    });
    if (scope.frozen()) await new Promise(() => {});
    const summary = summaryOf(outcome);
    const end = Promise.withResolvers<void>();
    running.ending = end.promise;
    await logs.finish();
    const { result } = outcome;
    const now = clock.now();
    if (triesAgain(flags.retry, result, attempts.length, now - view.startedAt) && !isOver(scope, place)) {
      attempts.push({
        result,
        summary,
        startedAt: began,
        finishedAt: now,
        calls: calls.count,
        triggers: calls.triggers,
      });
      began = now;
      journal = undefined;
      const event = { type: "step.retried", data: { name, attempt: attempts.length, result, summary } } as const;
      writer.recorder.step({
        step: number,
        column: "attempts",
        value: attempts.map((one) => ({ ...one })),
        events: [event],
      });
      end.resolve();
      if (scope.frozen()) await new Promise(() => {});
      continue;
    }
    const hidden = isHidden(scope, flags, { result, summary });
    Object.assign(view, { finishedAt: now, result, summary });
    await endStep(scope, place, {
      step: number,
      name,
      result,
      summary,
      error: outcome.error === undefined ? null : errorRecord(outcome.error, secrets),
      hidden,
      statistics: extras.statistics,
      failing: failingOf(outcome).map((test) => secrets.text(test)),
      added: added.length,
    });
    scope.steps.delete(number);
    end.resolve();
    return { result, summary, added };
  }
}

function triesAgain(retry: Retry | undefined, result: Result, before: number, elapsed: number): boolean {
  if (!retry?.on.includes(result)) return false;
  return before < retry.max && elapsed <= (retry.within ?? Number.POSITIVE_INFINITY);
}

/** True if it was stopped, or something around it was: then nothing is tried again. */
function isOver({ hard }: BuildScope, { stops }: StepPlace): boolean {
  return hard.aborted || stops.some((stop) => stop.aborted);
}

function failingOf({ failing }: Outcome): string[] {
  if (!Array.isArray(failing)) return [];
  return failing.slice(0, MOST_FAILING).map((test) => storable(String(test)).slice(0, LONGEST_FAILING));
}

/** Calls the step, and turns whatever happens into a result. */
async function carryOut(
  scope: BuildScope,
  { name, step, flags }: ConfiguredStep,
  { stops }: StepPlace,
  partial: Omit<StepParts, "signal">,
  began: Millis,
): Promise<Outcome> {
  const { clock, hard } = scope;
  const { journal } = partial;
  // Its time counts from when it had its locks; then it called its worker.
  const since = journal && (flags.locks === undefined ? began : (journal.since ?? began));
  using time = timeLimit(clock, flags.maxTime, { since });
  const signal = AbortSignal.any([hard, time.signal, ...stops]);
  const parts: StepParts = { ...partial, signal };
  const worker = stepWorker(scope, parts);
  try {
    const wanted = parts.journal?.replaying || (await isWanted(scope, flags, parts.info, signal, name));
    if (!wanted) return { result: "skipped", summary: "not needed" };
    if (flags.locks !== undefined) {
      // Whoever has called its worker had its locks, and has them still.
      const hasThem = parts.journal?.replaying === true;
      if (!hasThem) time.pause();
      await takeLocks(scope, flags.locks, parts);
      if (!hasThem) time.restart();
    }
    await settle(worker.prepare(), signal, name, clock);
    const result = await settle(step.run(stepContext(scope, parts, worker.hands)), signal, name, clock);
    if (typeof result !== "object" || result === null || !RESULTS.includes(result.result))
      throw faults.resultInvalid(name);
    if (journal?.replaying) throw new Error(`the step did not call ${journal.next} again`);
    return result;
  } catch (error) {
    if (journal?.replaying && !signal.aborted && !isLeaseLost(error))
      scope.giveUp(`it could not go on after a restart of the master: the step did not call ${journal.next} again`);
    return await failedStep(error, signal, parts.logs);
  } finally {
    worker.hands.end();
  }
}

function takeLocks(scope: BuildScope, use: LockUse, { name, number, view, info, signal }: StepParts): Promise<void> {
  const { store, clock, locks, build, writer } = scope;
  const claim = { build, step: number, name, urgency: -build.request.priority, use };
  const deps = {
    store,
    clock,
    locks,
    worker: build.worker,
    persist: <T>(work: (tx: Tx) => Promise<T>) => writer.persist(work),
    progress: (summary: string) => {
      view.summary = summary;
    },
  };
  return takeStepLocks(deps, claim, renderContext(scope, info, signal), signal);
}

interface TimeLimit extends Disposable {
  signal: AbortSignal;
  /** Its time stands still till it begins anew. */
  pause(): void;
  restart(): void;
}

/** Aborts when the time of a step or group is over; never without a limit. */
export function timeLimit(
  clock: Clock,
  limit: number | undefined,
  { text = "took longer than", since }: { text?: string; since?: Millis | undefined } = {},
): TimeLimit {
  const timeUp = new AbortController();
  const over = () => timeUp.abort(new Interruption(`${text} ${seconds(limit ?? 0)}`, "failure"));
  const begin = (left = limit) => (left === undefined ? undefined : clock.setTimer(Math.max(0, left), over));
  let timer = begin(limit === undefined || since === undefined ? limit : limit - (clock.now() - since));
  const pause = () => timer?.cancel();
  return {
    signal: timeUp.signal,
    pause,
    restart: () => {
      timer = begin();
    },
    [Symbol.dispose]: pause,
  };
}

/** Whether `doStepIf` lets it run. */
export async function isWanted(
  scope: BuildScope,
  { doStepIf = true }: ConfiguredNode["flags"],
  info: BuildInfo,
  signal: AbortSignal,
  name: string,
): Promise<boolean> {
  if (typeof doStepIf === "boolean") return doStepIf;
  const { properties, clock } = scope;
  return settle(Promise.resolve(doStepIf({ ...info, properties })), signal, name, clock);
}

async function failedStep(error: unknown, signal: AbortSignal, logs: StepLogs): Promise<Outcome> {
  if (isLeaseLost(error) || (signal.aborted && isLeaseLost(signal.reason))) throw error;
  if (signal.aborted && signal.reason instanceof Interruption) {
    return {
      result: signal.reason.result,
      summary: signal.reason.message,
      ...(error === signal.reason ? {} : { error }),
    };
  }
  if (signal.aborted) throw signal.reason;
  const known = BelfryError.is(error);
  const text = known
    ? `${error.what}\n${error.why}\n${error.fix}\n`
    : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
  await logs.get(known ? "stdio" : "error").write(text, "stderr");
  return { result: resultOf(error), summary: known ? error.what : messageOf(error), error };
}
