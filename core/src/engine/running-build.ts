import type { Millis, Result } from "../interfaces/values.ts";
import type { UnfinishedBuild } from "../store/builds.ts";

/** What a running step shows of itself. */
export interface RunningStepView {
  step: number;
  /** The number of the group that it belongs to. */
  parent: number | null;
  name: string;
  startedAt: Millis;
  finishedAt: Millis | null;
  result: Result | null;
  summary: string;
}

/** What a running build shows of itself, at once and from memory. */
export interface RunningBuildView {
  id: number;
  number: number;
  builder: string;
  project: string;
  worker: string;
  startedAt: Millis | null;
  reason: string;
  branch: string | null;
  revision: string | null;
  result: Result;
  stopping: boolean;
  steps: RunningStepView[];
  stepCount: number;
}

export function viewOf(build: UnfinishedBuild, stepCount: number): RunningBuildView {
  return {
    id: build.id,
    number: build.number,
    builder: build.builder,
    project: build.project,
    worker: build.worker,
    startedAt: null,
    reason: build.buildset.reason,
    branch: null,
    revision: null,
    result: "success",
    stopping: false,
    steps: [],
    stepCount,
  };
}
