import { branchOf, buildText, resultWord, revisionOf, seconds, stepText } from "@belfry/buildbot-words";
import { Double } from "../codec/numbers.ts";
import type { FinishedBuild } from "./answers.ts";

/** A time as these methods tell it: seconds since 1970, always as a double. */
export function time(millis: number): Double {
  return new Double(seconds(millis));
}

/** Seven fields: all that `getAllBuildsInInterval` ever told, and `getLastBuilds` up to 0.7.10. */
export function sevenFields(build: FinishedBuild): unknown[] {
  return [
    build.builder,
    build.number,
    time(build.finishedAt),
    branchOf(build) ?? "",
    revisionOf(build),
    resultWord(build.result),
    buildText(build),
  ];
}

/** Nine fields: `getLastBuilds` from 0.7.11 on. The text of a failed build is the names of what failed. */
export function nineFields(build: FinishedBuild): unknown[] {
  const result = resultWord(build.result);
  const failed = result === "failure";
  const text = buildText(build).slice(failed ? 1 : 0);
  return [
    build.builder,
    build.number,
    time(build.startedAt ?? build.assignedAt),
    time(build.finishedAt),
    branchOf(build) ?? "",
    revisionOf(build),
    result,
    text,
    failed ? build.steps.filter(({ name }) => text.includes(name)).map(stepText) : [],
  ];
}
