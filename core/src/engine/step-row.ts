import type { ConfiguredNode } from "../config/steps.ts";
import type { Result } from "../interfaces/values.ts";
import { type FinishedStep, finishStep, startStep } from "../store/builds.ts";
import type { Tx } from "../store/tx.ts";
import type { BuildScope } from "./build-scope.ts";
import type { RunningStepView } from "./running-build.ts";
import type { Tally } from "./tally.ts";

/** Where in its build a step or group stands. */
export interface StepPlace {
  number: number;
  /** The number of the group that it belongs to. */
  parent: number | null;
  /** What the steps around it come to. */
  tally: Tally;
  /** What ends it besides the master: a stop of the build, the time of groups around it. None of them has come when it begins. */
  stops: readonly AbortSignal[];
}

/** Makes the row of a step or group, and its view. */
export async function beginStep(
  scope: BuildScope,
  { name, kind, flags }: ConfiguredNode,
  { number, parent }: StepPlace,
): Promise<RunningStepView> {
  const past = scope.past(number);
  const view: RunningStepView = {
    step: number,
    parent,
    name,
    startedAt: past?.startedAt ?? scope.clock.now(),
    finishedAt: null,
    result: null,
    summary: "",
  };
  scope.view.steps.push(view);
  const hidden = flags.hideIf === true;
  if (!past)
    await scope.writer.persist((tx) => startStep(tx, scope.build, { step: number, name, kind, parent, hidden }));
  return view;
}

/**
 * Writes the end of a step or group. Outside of groups the next step begins at once, or the build ends,
 * and that transaction does it; beside others it may be long until something else is written.
 */
export async function endStep({ writer, build }: BuildScope, { parent }: StepPlace, end: FinishedStep): Promise<void> {
  const write = (tx: Tx) => finishStep(tx, build, end);
  if (parent === null) writer.later(write);
  else await writer.persist(write);
}

/** What `hideIf` says of a step or group that has ended. */
export function isHidden(
  scope: BuildScope,
  { hideIf = false }: ConfiguredNode["flags"],
  ended: { result: Result; summary: string },
): boolean {
  if (typeof hideIf === "boolean") return hideIf;
  try {
    return hideIf(ended) === true;
  } catch (error) {
    scope.onError("hideIf failed; the step is shown", error);
    return false;
  }
}
