import type { Result } from "belfry";

/** What is needed to speak of a step: an item of `builds.steps`. */
export interface StepLike {
  name: string;
  result: Result | null;
  summary: string;
  startedAt: number;
  finishedAt: number | null;
}

const BUILD_TEXT: Record<Result, readonly string[]> = {
  success: ["build", "successful"],
  skipped: ["build", "successful"],
  warnings: ["warnings"],
  failure: ["failed"],
  exception: ["exception"],
  cancelled: ["exception"],
  retry: ["retry", "exception"],
};

const STEP_WORD: Record<Result, readonly string[]> = {
  success: [],
  skipped: ["skipped"],
  warnings: ["warnings"],
  failure: ["failed"],
  exception: ["exception"],
  cancelled: ["interrupted"],
  retry: ["retry"],
};

/** `["build", "successful"]`, `["failed", "compile"]`: how a build ended, then the steps that were not well. Empty while it runs. */
export function buildText(build: { result: Result | null; steps?: readonly StepLike[] }): string[] {
  if (build.result === null) return [];
  return [...BUILD_TEXT[build.result], ...(build.steps ?? []).flatMap(stepText2)];
}

/** `["compile", "failed"]`; only the name for a step that is well, or still runs. */
export function stepText(step: StepLike): string[] {
  return [step.name, ...(step.result === null ? [] : STEP_WORD[step.result])];
}

/** What a step adds to the text of its build: its name if it was not well. */
export function stepText2(step: StepLike): string[] {
  return step.result === null || step.result === "success" || step.result === "skipped" ? [] : [step.name];
}
