import type { Json } from "belfry";
import type { Reader } from "../reader.ts";
import { object } from "../tree.ts";

type Alarm = ["OK" | "WARN" | "CRIT" | "UNKNOWN", string?];

/** What `check_buildbot` looks at: an alarm for the workers, and one for each source, scheduler and loop. */
export async function metricsObject(reader: Reader): Promise<Json> {
  const [status, workers, sources, schedulers] = await Promise.all([
    reader.status(),
    reader.workers(),
    reader.sources(),
    reader.schedulers(),
  ]);
  reader.changing ||= status.builds.length > 0;
  const away = workers.filter(({ connected }) => !connected).map(({ name }) => name);
  const alarms = new Map<string, Alarm>();
  alarms.set("attached_slaves", workersAlarm(workers.length, away));
  for (const { name, error } of sources) alarms.set(`source ${name}`, failing(error?.message));
  for (const { name, error } of schedulers) alarms.set(`scheduler ${name}`, failing(error?.message));
  for (const { name, failures, error } of status.loops)
    alarms.set(`loop ${name}`, failing(failures > 0 ? (error ?? "it fails") : undefined));
  return {
    counters: {
      attached_slaves: workers.length - away.length,
      configured_slaves: workers.length,
      running_builds: status.builds.length,
      pending_requests: status.pending,
      sources: sources.length,
      schedulers: schedulers.length,
    },
    timers: status.builds.length === 0 ? {} : { running_builds: runningTime(status.builds, status.now) },
    alarms: object([...alarms].map(([name, alarm]) => [name, alarm as Json])),
  };
}

function workersAlarm(count: number, away: readonly string[]): Alarm {
  if (away.length === 0) return ["OK"];
  return [away.length === count ? "CRIT" : "WARN", `not connected: ${away.join(", ")}`];
}

function failing(message: string | undefined): Alarm {
  return message === undefined ? ["OK"] : ["WARN", message];
}

/** How long the running builds have been running, on average, in seconds. */
function runningTime(builds: readonly { startedAt: number | null }[], now: number): number {
  const all = builds.reduce((sum, { startedAt }) => sum + (now - (startedAt ?? now)), 0);
  return all / builds.length / 1000;
}
