import { resultNumber, seconds, stepText, stepText2 } from "@belfry/buildbot-words";
import type { Json } from "belfry";
import type { Build } from "../reader.ts";
import type { Site } from "../site.ts";

/** The steps of a build that have begun, in their order. */
export function stepObjects(build: Build, site: Site): Json[] {
  const logs = Map.groupBy(build.logs, (log) => log.step);
  return build.steps.map((step, index) => ({
    name: step.name,
    text: stepText(step),
    results: [resultNumber(step.result), stepText2(step)],
    isStarted: true,
    isFinished: step.finishedAt !== null,
    statistics: {},
    times: [seconds(step.startedAt), step.finishedAt === null ? null : seconds(step.finishedAt)],
    expectations: [],
    eta: null,
    urls: {},
    step_number: index,
    hidden: false,
    logs: (logs.get(step.step) ?? []).map((log) => [
      log.name,
      site.log(build.builder, build.number, step.name, log.name),
    ]),
  }));
}

/**
 * The step that a running build is at. Old clients take a build without one for finished, so between
 * two steps it is the one before, and before the first one it is a step that has not begun.
 */
export function currentStep(build: Build, objects: readonly Json[]): Json {
  if (build.finishedAt !== null) return null;
  const running = build.steps.findIndex((step) => step.finishedAt === null);
  return objects.at(running) ?? WAITING;
}

const WAITING = {
  name: "waiting for the first step",
  text: ["waiting for the first step"],
  results: [null, []],
  isStarted: false,
  isFinished: false,
  statistics: {},
  times: [null, null],
  expectations: [],
  eta: null,
  urls: {},
  step_number: 0,
  hidden: false,
  logs: [],
} satisfies Json;
