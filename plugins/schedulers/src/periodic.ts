import { defineScheduler, duration, z } from "belfry";
import { TimedScheduler, timedOptions } from "./timed-scheduler.ts";

/** Builds again and again, with the same time between. */
export const periodic = defineScheduler({
  kind: "periodic",
  options: z.strictObject({
    every: duration.refine((millis) => millis >= 1_000, "must be a second or longer").describe("the time between"),
    ...timedOptions,
  }),
  create({ every, ...settings }, { name }) {
    return new TimedScheduler(name, settings, {
      text: `every ${durationText(every)}`,
      next: (after) => after + every,
      // As in Buildbot, the first time is now.
      begin: (now) => now - every,
      changed: (since) => since,
    });
  },
});

const UNITS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
] as const;

function durationText(millis: number): string {
  for (const [size, name] of UNITS) {
    if (millis % size !== 0) continue;
    const count = millis / size;
    return count === 1 ? name : `${count} ${name}s`;
  }
  return `${millis} milliseconds`;
}
