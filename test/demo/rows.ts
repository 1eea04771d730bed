import { createHash } from "node:crypto";
import type { Result } from "belfry";
import type { UnexplainedBuild } from "../../core/src/store/failures.ts";
import { REPOSITORY } from "./farm.ts";
import { type DemoBuild, type DemoChange, NOW } from "./history.ts";
import { type DemoStep, stepsOf, summaryOfBuild } from "./steps.ts";

export type Row = Record<string, string | number | null>;

/** A log to be written, and whether its step has ended. */
export interface DemoLog {
  key: string;
  text: string;
  at: number;
  ended: boolean;
}

/** Builds whose logs are kept: the newest, and those of the last days that failed. */
const WITH_LOGS = 250;
const KEPT_FAILURES = 3 * 86_400_000;
const WORST: readonly (Result | null)[] = [
  "skipped",
  "success",
  "warnings",
  "failure",
  "exception",
  "retry",
  "cancelled",
];

/** What a master would have in its tables after all this. */
export class DemoRows {
  readonly tables: Record<string, Row[]> = {};
  readonly logs: DemoLog[] = [];
  readonly failed: UnexplainedBuild[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #builders: ReadonlyMap<string, number>;
  readonly #master: number;

  constructor(builders: ReadonlyMap<string, number>, master: number) {
    this.#builders = builders;
    this.#master = master;
  }

  /** The number that a builder's next build gets. */
  nextNumber(builder: string): number {
    return this.#numbers.get(builder) ?? 1;
  }

  add(table: string, row: Row): void {
    const rows = this.tables[table] ?? [];
    this.tables[table] = rows;
    rows.push(row);
  }

  addHistory(changes: readonly DemoChange[], builds: readonly DemoBuild[]): void {
    const changeIds = new Map(changes.map((change, i) => [change, i + 1]));
    for (const [change, id] of changeIds) this.add("changes", changeRow(change, id));
    const stamps = new Map<DemoChange, number>();
    const sets = Map.groupBy(
      builds,
      ({ change, scheduler, asked, owner }) => `${change.id} ${scheduler} ${asked} ${owner}`,
    );
    const buildIds = new Map(builds.filter(({ waits }) => !waits).map((build, i) => [build, i + 1]));
    const requestIds = new Map<number, number>();
    for (const [i, set] of [...sets.values()].sort((a, b) => (a[0]?.asked ?? 0) - (b[0]?.asked ?? 0)).entries()) {
      const [first] = set;
      if (first === undefined) continue;
      const { change } = first;
      const stamp = stamps.get(change) ?? stamps.size + 1;
      if (!stamps.has(change)) this.add("source_stamps", stampRow(change, stamp));
      stamps.set(change, stamp);
      this.add("buildset_stamps", { buildset_id: i + 1, stamp_id: stamp });
      const changeId = changeIds.get(change);
      if (changeId !== undefined && first.owner === undefined)
        this.add("buildset_changes", { buildset_id: i + 1, change_id: changeId });
      const requests = [...Map.groupBy(set, ({ request }) => request).values()];
      for (const tries of requests) this.#addRequest(i + 1, tries, requestIds);
      const open = requests.filter((tries) => !isOver(tries)).length;
      this.add("buildsets", {
        id: i + 1,
        scheduler: first.scheduler,
        reason: first.reason,
        owner: first.owner ?? null,
        external_id: null,
        properties: "{}",
        submitted_at: first.asked,
        complete_at: open > 0 ? null : Math.max(...set.map(({ to }) => to)),
        result:
          open > 0
            ? null
            : (WORST[Math.max(...requests.map((tries) => WORST.indexOf(tries.at(-1)?.result ?? null)))] ?? null),
        open_requests: open,
        parent_build: null,
        parent_step: null,
        ends_with_parent: null,
      });
      for (const build of set) {
        const id = buildIds.get(build);
        if (id === undefined) continue;
        const request = requestIds.get(build.request) ?? 0;
        this.#addBuild(build, { id, request, buildset: i + 1 }, id > buildIds.size - WITH_LOGS);
      }
    }
  }

  #addRequest(buildset: number, tries: readonly DemoBuild[], ids: Map<number, number>): void {
    const [first] = tries;
    const last = tries.at(-1);
    if (first === undefined || last === undefined) return;
    const id = ids.size + 1;
    ids.set(first.request, id);
    const over = isOver(tries);
    const priority = first.owner === undefined ? 0 : 10;
    this.add("build_requests", {
      id,
      buildset_id: buildset,
      builder_id: this.#builders.get(first.builder.name) ?? 0,
      priority,
      urgency: -priority,
      state: over ? "complete" : last.waits ? "pending" : "claimed",
      submitted_at: first.asked,
      not_before: 0,
      claimed_at: last.waits ? null : last.from,
      complete_at: over ? last.to : null,
      result: over ? last.result : null,
      retries: tries.length - 1,
      expires_at: null,
      collapsed_into: null,
      held: null,
      weighed: 0,
    });
  }

  #addBuild(build: DemoBuild, ids: { id: number; request: number; buildset: number }, recent: boolean): void {
    const { builder, change, worker, from, to } = build;
    const over = to <= NOW;
    const steps = stepsOf(build, NOW);
    // A farm of some years: its builders did not begin with the demo.
    const number =
      this.#numbers.get(builder.name) ?? 200 + ((builder.name.length * 389 + builder.minutes * 71) % 1_900);
    this.#numbers.set(builder.name, number + 1);
    const builderId = this.#builders.get(builder.name) ?? 0;
    const { id, request, buildset } = ids;
    this.add("builds", {
      id,
      number,
      builder_id: builderId,
      request_id: request,
      buildset_id: buildset,
      worker,
      slot: 0,
      master_id: this.#master,
      fence: 1,
      generation: 1,
      state: over ? "finished" : "running",
      branch: change.branch,
      revision: change.revision,
      assigned_at: from - 400,
      started_at: from,
      finished_at: over ? to : null,
      result: over ? build.result : null,
      summary: over ? summaryOfBuild(steps) : "",
      stop_reason: over && build.result === "cancelled" ? "stopped by Priya: superseded" : null,
      plan: null,
      secrets: null,
    });
    const red = over && (build.result === "failure" || build.result === "exception");
    const logged = recent || (red && from > NOW - KEPT_FAILURES);
    for (const [i, step] of steps.entries()) this.#addStep(id, i + 1, step, logged);
    this.add("properties", {
      build_id: id,
      name: "got_revision",
      value: JSON.stringify(change.revision),
      source: "git.checkout",
    });
    this.add("properties", { build_id: id, name: "variant", value: '"release"', source: "builder" });
    if (!red || !logged) return;
    const { name, project } = builder;
    this.add("build_failures", { build_id: id, state: "wanted", made_at: null, summary: null });
    this.failed.push({
      id,
      number,
      builder: name,
      builderId,
      project,
      branch: change.branch,
      requestId: request,
      buildsetId: buildset,
    });
  }

  #addStep(build: number, number: number, step: DemoStep, logged: boolean): void {
    this.add("steps", {
      build_id: build,
      step: number,
      name: step.name,
      kind: step.kind,
      started_at: step.from,
      finished_at: step.result === null ? null : step.to,
      result: step.result,
      summary: step.summary,
      error: step.error === undefined ? null : JSON.stringify({ message: step.error }),
      locks: 0,
      parent: null,
      hidden: 0,
      attempts: null,
      links: null,
      statistics: Object.keys(step.statistics).length === 0 ? null : JSON.stringify(step.statistics),
      failing: step.failing.length === 0 ? null : JSON.stringify(step.failing),
      added: 0,
    });
    if (!logged) return;
    const key = `b/${build}/${number}-1`;
    const ended = step.result !== null;
    this.logs.push({ key, text: step.log, at: step.from, ended });
    this.add("logs", {
      build_id: build,
      step: number,
      log: 1,
      name: "stdio",
      store_key: key,
      finished: ended ? 1 : 0,
      lines: step.log.split("\n").length - 1,
      bytes: Buffer.byteLength(step.log),
      truncated: 0,
      error: null,
    });
  }
}

const isOver = (tries: readonly DemoBuild[]): boolean => {
  const last = tries.at(-1);
  return last !== undefined && !last.waits && last.to <= NOW;
};

function changeRow({ author, subject, body, files, revision, branch, docs, at }: DemoChange, id: number): Row {
  return {
    id,
    source: "lumen",
    key: revision,
    author: `${author.name} <${author.mail}>`,
    comments: subject + body,
    files: JSON.stringify(files),
    revision,
    branch,
    repository: REPOSITORY,
    codebase: "",
    project: docs ? "site" : "lumen",
    category: null,
    link: `https://git.lumen.example/lumen/commit/${revision}`,
    when_at: at - 40_000,
    added_at: at,
    properties: "{}",
  };
}

function stampRow({ branch, revision, at }: DemoChange, id: number): Row {
  return {
    id,
    hash: createHash("sha256").update(revision).digest("hex"),
    repository: REPOSITORY,
    branch,
    revision,
    codebase: "",
    project: "lumen",
    patch: null,
    created_at: at,
  };
}
