import { defineScheduler, type Millis, z } from "belfry";
import { Cron } from "croner";
import { TimedScheduler, timedOptions } from "./timed-scheduler.ts";

/** Only `nextRun` is used: Belfry does the waiting. */
const compile = (pattern: string, timezone: string) => new Cron(pattern, { timezone, paused: true, mode: "5-part" });

const pattern = z.string().max(200);

/** Builds at certain times of day, days of the week, and so on. */
export const nightly = defineScheduler({
  kind: "nightly",
  options: z
    .strictObject({
      at: z
        .union([pattern, z.array(pattern).min(1).max(10)])
        .describe('when, as in a crontab: "30 2 * * MON-FRI" is half past two on working days; or several of these'),
      timeZone: z
        .string()
        .default(() => Intl.DateTimeFormat().resolvedOptions().timeZone)
        .describe('a name such as "Europe/Berlin"; that of the master if left out'),
      ...timedOptions,
    })
    .superRefine(({ at, timeZone }, ctx) => {
      const list = typeof at === "string" ? [at] : at;
      for (const [i, text] of list.entries()) {
        const path = typeof at === "string" ? ["at"] : ["at", i];
        const message = refusal(text, timeZone);
        if (message === "time zone") {
          ctx.addIssue({ code: "custom", path: ["timeZone"], message: 'expected a time zone such as "Europe/Berlin"' });
          return;
        }
        if (message !== undefined) ctx.addIssue({ code: "custom", path, message });
      }
    }),
  create({ at, timeZone, ...settings }, { name }) {
    const list = typeof at === "string" ? [at] : at;
    const crons = list.map((text) => compile(text, timeZone));
    return new TimedScheduler(name, settings, {
      text: `${list.join(" and ")} (${timeZone})`,
      next: (after) => Math.min(...crons.map((cron) => nextOf(cron, after))),
      begin: (now) => now,
      changed: (_since, now) => now,
    });
  },
});

/** Days that daylight saving shortens or repeats: a time that is skipped is the moment after, one that comes twice is the first. */
function nextOf(cron: Cron, after: Millis): Millis {
  return cron.nextRun(new Date(after))?.getTime() ?? Number.MAX_SAFE_INTEGER;
}

function refusal(text: string, timeZone: string): string | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    return "time zone";
  }
  try {
    return compile(text, timeZone).nextRun() ? undefined : "there is no such day";
  } catch (error) {
    return `expected five fields as in a crontab: ${error instanceof Error ? error.message.replace(/^CronPattern: /, "") : ""}`;
  }
}
