import type { ChangeSource } from "../interfaces/change-source.ts";
import type { Millis } from "../interfaces/values.ts";
import { backOff } from "./loop.ts";

const SLOW = 30_000;
const PATIENCE = 60_000;
const POLL_TIMEOUT = 600_000;

/** A poll that runs in this process. */
export interface RunningPoll {
  readonly source: string;
  readonly since: Millis;
  /** In the source's own words. */
  doing: string | null;
  slow: boolean;
}

/** What the sources of this process do now. */
export class SourceActivity {
  readonly #running = new Map<string, RunningPoll>();

  begin(source: string, since: Millis): RunningPoll {
    const running: RunningPoll = { source, since, doing: null, slow: false };
    this.#running.set(source, running);
    return running;
  }

  end(running: RunningPoll): void {
    if (this.#running.get(running.source) === running) this.#running.delete(running.source);
  }

  get(source: string): RunningPoll | undefined {
    return this.#running.get(source);
  }
}

/** Milliseconds after which a poll that still runs is called slow. */
export function slowAfter({ pollInterval = 60_000, pollTimeout = POLL_TIMEOUT }: ChangeSource): Millis {
  return Math.min(Math.max(2 * pollInterval, SLOW), pollTimeout / 2);
}

/** What the database knows of a source. */
export interface SourceRecord {
  polled_at: Millis | null;
  /** With `lastSuccessAt`, which a failure keeps from the time before it. */
  error: string | null;
}

/** When a source last looked without a failure, as far as it is known. */
export function lastSuccess({ polled_at, error }: SourceRecord): Millis | null {
  if (error === null) return polled_at;
  const { lastSuccessAt } = JSON.parse(error) as { lastSuccessAt?: Millis | null };
  return lastSuccessAt ?? null;
}

export const SOURCE_HEALTH = ["new", "well", "slow", "overdue", "sick"] as const;

export interface SourceHealth {
  health: (typeof SOURCE_HEALTH)[number];
  /** Why it is not well, in one sentence. */
  healthText: string | null;
}

/** How a source is: `sick` goes before `slow`, which shows while a poll runs. */
export function healthOf(
  source: ChangeSource,
  row: (SourceRecord & { failures: number }) | undefined,
  running: RunningPoll | undefined,
  now: Millis,
): SourceHealth {
  if (row && row.error !== null) {
    const { message } = JSON.parse(row.error) as { message: string };
    const times = row.failures === 1 ? "once" : `${row.failures} times`;
    return { health: "sick", healthText: `It failed ${times}: ${message}` };
  }
  if (running) {
    const lasted = now - running.since;
    if (lasted < slowAfter(source)) return { health: row?.polled_at == null ? "new" : "well", healthText: null };
    const doing = running.doing === null ? "" : `: ${running.doing}`;
    return { health: "slow", healthText: `It has been looking for ${Math.round(lasted / 1_000)} seconds${doing}` };
  }
  if (!source.poll) return { health: "well", healthText: null };
  if (!row || row.polled_at === null) return { health: "new", healthText: null };
  const { pollInterval = 60_000, pollTimeout = POLL_TIMEOUT } = source;
  const due = row.polled_at + Math.max(pollInterval, row.failures > 0 ? backOff(row.failures, 1_000) : 0);
  // Another master may be in the middle of a poll, which is not seen from here.
  const late = now - due - pollTimeout - PATIENCE;
  if (late <= 0) return { health: "well", healthText: null };
  const seconds = Math.round((now - due) / 1_000);
  return { health: "overdue", healthText: `It should have looked ${seconds} seconds ago, and no master did` };
}
