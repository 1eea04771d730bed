import type { Json, Result } from "../interfaces/values.ts";
import type { Attempt } from "../store/build-details.ts";
import type { Row } from "../store/tables.ts";

/** Columns of a build with its builder's name, from `builds as b` joined with `builders as n`. */
export const BUILD_COLUMNS = [
  "b.id",
  "b.number",
  "b.request_id",
  "b.buildset_id",
  "b.worker",
  "b.state",
  "b.branch",
  "b.revision",
  "b.assigned_at",
  "b.started_at",
  "b.finished_at",
  "b.result",
  "b.summary",
  "b.stop_reason",
  "n.name",
] as const;

type ColumnOf<C> = C extends `b.${infer Name}` ? Name : never;

export type BuildRow = Pick<Row<"builds">, ColumnOf<(typeof BUILD_COLUMNS)[number]> & keyof Row<"builds">> & {
  name: string;
};

export function toBuild(row: BuildRow) {
  return {
    id: row.id,
    builder: row.name,
    number: row.number,
    request: row.request_id,
    buildset: row.buildset_id,
    worker: row.worker,
    state: row.state as "assigned" | "running" | "finished",
    branch: row.branch,
    revision: row.revision,
    assignedAt: row.assigned_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    result: row.result as Result | null,
    summary: row.summary,
    stopReason: row.stop_reason,
  };
}

/** `now` is the summary of a step that runs here. */
export function toStep(row: Row<"steps">, now?: string) {
  return {
    build: row.build_id,
    step: row.step,
    parent: row.parent,
    name: row.name,
    kind: row.kind,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    result: row.result as Result | null,
    summary: row.finished_at === null ? (now ?? "") : row.summary,
    error: row.error === null ? null : (JSON.parse(row.error) as Json),
    hidden: row.hidden === 1,
    attempts: (JSON.parse(row.attempts ?? "[]") as Attempt[]).map(({ result, summary, startedAt, finishedAt }) => ({
      result,
      summary,
      startedAt,
      finishedAt,
    })),
    links: JSON.parse(row.links ?? "[]") as { name: string; url: string }[],
    statistics: JSON.parse(row.statistics ?? "{}") as Record<string, number>,
  };
}

export function toLog(row: Row<"logs">) {
  return {
    build: row.build_id,
    step: row.step,
    log: row.log,
    name: row.name,
    finished: row.finished === 1,
    lines: row.lines,
    bytes: row.bytes,
    truncated: row.truncated === 1,
    error: row.error === null ? null : (JSON.parse(row.error) as Json),
  };
}
