import type { ConfiguredStep } from "../config/generation.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { StepResult } from "../interfaces/build-step.ts";
import { RESULTS } from "../interfaces/values.ts";
import { finishStep, startStep } from "../store/builds.ts";
import { errorRecord, resultOf, seconds } from "./build-failure.ts";
import type { BuildScope } from "./build-scope.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost } from "./lease-keeper.ts";
import type { RunningStepView } from "./running-build.ts";
import { settle } from "./settle.ts";
import { type StepParts, stepContext, stepWorker } from "./step-context.ts";
import { StepLogs } from "./step-logs.ts";

const LONGEST_SUMMARY = 2_000;

type Outcome = StepResult & { error?: unknown };

/** Runs one step of a build, from its row's beginning to its result. */
export async function runStep(
  scope: BuildScope,
  number: number,
  configured: ConfiguredStep,
): Promise<StepResult & { summary: string }> {
  const { clock, writer, secrets, build } = scope;
  const { name, kind } = configured;
  const view: RunningStepView = {
    step: number,
    name,
    startedAt: clock.now(),
    finishedAt: null,
    result: null,
    summary: "",
  };
  scope.view.steps.push(view);
  await writer.persist((tx) => startStep(tx, build, { step: number, name, kind }));
  const logs = new StepLogs({ ...scope, step: number, recorder: writer.recorder });
  const outcome = await carryOut(scope, number, configured, logs, view).catch(async (error) => {
    await logs.abandon();
    throw error;
  });
  const summary = secrets.text(String(outcome.summary ?? "")).slice(0, LONGEST_SUMMARY);
  await logs.finish();
  const { result } = outcome;
  Object.assign(view, { finishedAt: clock.now(), result, summary });
  const error = outcome.error === undefined ? null : errorRecord(outcome.error, secrets);
  writer.later((tx) => finishStep(tx, build, { step: number, name, result, summary, error }));
  return { result, summary };
}

/** Calls the step, and turns whatever happens into a result. */
async function carryOut(
  scope: BuildScope,
  number: number,
  configured: ConfiguredStep,
  logs: StepLogs,
  view: RunningStepView,
): Promise<Outcome> {
  const { clock, hard, stop } = scope;
  const { name, step, flags } = configured;
  const timeUp = new AbortController();
  const limit = flags.maxTime;
  const timer =
    limit === undefined
      ? undefined
      : clock.setTimer(limit, () => timeUp.abort(new Interruption(`took longer than ${seconds(limit)}`, "failure")));
  // A step that always runs is not stopped by what stopped the build before it began.
  const signal = AbortSignal.any([hard, timeUp.signal, ...(stop.aborted ? [] : [stop])]);
  const parts: StepParts = { name, number, logs, signal, view };
  const worker = stepWorker(scope, parts);
  try {
    const info = scope.info();
    const { doStepIf = true } = flags;
    const wanted =
      typeof doStepIf === "boolean"
        ? doStepIf
        : await settle(Promise.resolve(doStepIf({ ...info, properties: scope.properties })), signal, name, clock);
    if (!wanted) return { result: "skipped", summary: "not needed" };
    await settle(worker.prepare(), signal, name, clock);
    const result = await settle(step.run(stepContext(scope, parts, info, worker.hands)), signal, name, clock);
    if (typeof result !== "object" || result === null || !RESULTS.includes(result.result))
      throw faults.resultInvalid(name);
    return result;
  } catch (error) {
    return await failedStep(error, signal, logs);
  } finally {
    timer?.cancel();
    worker.hands.end();
  }
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
