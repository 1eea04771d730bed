import { blame, buildText, resultNumber, seconds } from "@belfry/buildbot-words";
import type { Json } from "belfry";
import type { Build, Reader } from "../reader.ts";
import type { Site } from "../site.ts";
import { NO_STAMP, sourceStampObject, triples } from "./source-stamp.ts";
import { currentStep, stepObjects } from "./step.ts";

export function buildObject(build: Build, reader: Reader, site: Site): { [key: string]: Json } {
  if (build.finishedAt === null) reader.changing = true;
  const stamps = build.sourceStamps.map((stamp) => sourceStampObject(stamp, build.changes));
  const steps = stepObjects(build, site);
  const stepNames = new Map(build.steps.map((step) => [step.step, step.name]));
  return {
    builderName: build.builder,
    number: build.number,
    sourceStamp: stamps[0] ?? sourceStampObject(NO_STAMP, []),
    sourceStamps: stamps,
    reason: build.reason,
    blame: blame(build.changes),
    properties: triples(propertiesOf(build)),
    times: [seconds(build.startedAt ?? build.assignedAt), build.finishedAt === null ? null : seconds(build.finishedAt)],
    text: buildText(build),
    results: resultNumber(build.result),
    slave: build.worker,
    logs: build.logs.map((log) => [
      log.name,
      site.log(build.builder, build.number, stepNames.get(log.step) ?? String(log.step), log.name),
    ]),
    eta: secondsLeft(build, reader.now),
    steps,
    currentStep: currentStep(build, steps),
  };
}

/** With the revision that was checked out under the name that old clients look for, too. */
function propertiesOf({ properties }: Build): [string, Json, string][] {
  const all = Object.entries(properties).map(([name, { value, source }]): [string, Json, string] => [
    name,
    value,
    source,
  ]);
  const got = all.find(([name]) => name === "gotRevision");
  if (got === undefined || Object.hasOwn(properties, "got_revision")) return all;
  return [...all, ["got_revision", got[1], got[2]]];
}

function secondsLeft({ finishedAt, startedAt, usualMillis }: Build, now: number): number | null {
  if (finishedAt !== null || startedAt === null || usualMillis === null) return null;
  return seconds(Math.max(0, startedAt + usualMillis - now));
}
