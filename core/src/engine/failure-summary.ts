import { messageOf } from "../errors/belfry-error.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Json, Millis, Result } from "../interfaces/values.ts";
import { changesSince, failedSteps, lastGoodBuild, logsOfStep, type UnexplainedBuild } from "../store/failures.ts";
import type { Store } from "../store/store.ts";
import type { Row } from "../store/tables.ts";
import { type Excerpt, errorLines } from "./error-lines.ts";

const MOST_STEPS = 20;
const MOST_LOGS = 4;
const MOST_LINES = 20;
/** Lines of all logs of a build. */
const MOST_LINES_IN_ALL = 200;
const MOST_FAILING = 100;
const MOST_CHANGES = 100;
const LONGEST_COMMENT = 200;

/** Why a build failed, as it is kept: made once, the same for every reader. */
export interface FailureSummary {
  steps: {
    step: number;
    name: string;
    result: Result;
    summary: string;
    /** Logs with something to say. */
    logs: ({ log: number; name: string } & Excerpt)[];
    failing: string[];
  }[];
  /** True if more steps failed than are listed. */
  moreSteps: boolean;
  /** Names of all tests that are known to have failed. */
  failing: string[];
  lastGood: { build: number; number: number; revision: string | null; finishedAt: Millis | null } | null;
  /** What was built since the last good build, newest first. */
  changes: {
    change: number;
    author: string;
    revision: string | null;
    branch: string | null;
    comments: string;
    project: string;
    link: string | null;
  }[];
  moreChanges: boolean;
}

/** Looks into a build that failed. */
export async function explainFailure(
  store: Store,
  logStore: LogStore,
  build: UnexplainedBuild,
  signal: AbortSignal,
): Promise<FailureSummary> {
  const rows = await failedSteps(store, build.id, MOST_STEPS + 1);
  const steps: FailureSummary["steps"] = [];
  let left = MOST_LINES_IN_ALL;
  for (const row of rows.slice(0, MOST_STEPS)) {
    const logs: FailureSummary["steps"][number]["logs"] = [];
    for (const log of lastAttempt(row, await logsOfStep(store, build.id, row.step)).slice(0, MOST_LOGS)) {
      const excerpt = await excerptOf(logStore, log.store_key, Math.min(MOST_LINES, left), signal);
      if (excerpt.lines.length === 0) continue;
      left -= excerpt.lines.length;
      logs.push({ log: log.log, name: log.name, ...excerpt });
    }
    const { step, name, summary } = row;
    const failing = JSON.parse(row.failing ?? "[]") as string[];
    steps.push({ step, name, result: row.result as Result, summary, logs, failing });
  }
  const good = await lastGoodBuild(store, build);
  const changes = await changesSince(store, build, good, MOST_CHANGES + 1);
  return {
    steps,
    moreSteps: rows.length > MOST_STEPS,
    failing: [...new Set(steps.flatMap(({ failing }) => failing))].slice(0, MOST_FAILING),
    lastGood: good
      ? { build: good.id, number: good.number, revision: good.revision, finishedAt: good.finishedAt }
      : null,
    changes: changes.slice(0, MOST_CHANGES).map((row) => ({
      change: row.id,
      author: row.author,
      revision: row.revision,
      branch: row.branch,
      comments: (row.comments.split("\n", 1)[0] ?? "").slice(0, LONGEST_COMMENT),
      project: row.project,
      link: row.link,
    })),
    moreChanges: changes.length > MOST_CHANGES,
  };
}

/** The logs of a step's last attempt; earlier ones ended in another way, or in the same. */
function lastAttempt(step: Row<"steps">, logs: Row<"logs">[]): Row<"logs">[] {
  const { length } = JSON.parse(step.attempts ?? "[]") as Json[];
  return length === 0 ? logs : logs.filter(({ name }) => name.endsWith(` (attempt ${length + 1})`));
}

/** A log that cannot be read is no reason to explain nothing. */
async function excerptOf(logStore: LogStore, key: string, limit: number, signal: AbortSignal): Promise<Excerpt> {
  if (limit <= 0) return { of: "end", lines: [] };
  try {
    return await errorLines(logStore, key, limit, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { of: "end", lines: [{ number: 0, text: `(this log cannot be read: ${messageOf(error)})`.slice(0, 500) }] };
  }
}
