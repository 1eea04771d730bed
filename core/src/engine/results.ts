import type { StepFlags } from "../interfaces/build-step.ts";
import { type Result, worseResult } from "../interfaces/values.ts";

export type ResultFlags = Pick<
  StepFlags,
  "haltOnFailure" | "flunkOnFailure" | "flunkOnWarnings" | "warnOnFailure" | "warnOnWarnings"
>;

/**
 * What a step's result means for its build, as Buildbot computes it: the flags turn the step's
 * result into the build's, the worst of all steps wins, and `exception`, `retry` and `cancelled`
 * always end the build.
 */
export function combineResults(sofar: Result, step: Result, flags: ResultFlags): { result: Result; halt: boolean } {
  const {
    haltOnFailure = true,
    flunkOnFailure = true,
    flunkOnWarnings = false,
    warnOnFailure = false,
    warnOnWarnings = true,
  } = flags;
  if (step === "failure") {
    const counts: Result = flunkOnFailure ? "failure" : warnOnFailure ? "warnings" : "success";
    return { result: worseResult(sofar, counts), halt: haltOnFailure };
  }
  if (step === "warnings") {
    const counts: Result = flunkOnWarnings ? "failure" : warnOnWarnings ? "warnings" : "success";
    return { result: worseResult(sofar, counts), halt: false };
  }
  const ends = step === "exception" || step === "retry" || step === "cancelled";
  return { result: worseResult(sofar, step), halt: ends };
}
