import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { type TestMaster, testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import Database from "better-sqlite3";
import { placeOf, segmentPath } from "../../core/src/logs/log-path.ts";
import { percentile, type Row, rowAtMost } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const OLD = 100_000;
const PACE = 50;

/** A hundred thousand old builds, each with a request, a step and a log of its own, as if by a builder of long ago. */
async function addOld(file: string, logs: string): Promise<void> {
  const db = new Database(file, { timeout: 30_000 });
  const builder = db.prepare("select id from builders where name = 'old'").pluck().get();
  const numbers = `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${OLD})`;
  const fill = (table: string, columns: string, values: string) =>
    db.exec(`${numbers} insert into ${table} (${columns}) select ${values} from n`);
  db.transaction(() => {
    fill(
      "buildsets",
      "id, reason, properties, submitted_at, complete_at, result, open_requests",
      "i, '', '{}', 1, 1, 'success', 0",
    );
    fill(
      "build_requests",
      "id, buildset_id, builder_id, priority, urgency, state, submitted_at, not_before, claimed_at, complete_at, result, retries",
      `i, i, ${builder}, 0, 0, 'complete', 1, 0, 1, 1, 'success', 0`,
    );
    fill(
      "builds",
      "id, number, builder_id, request_id, buildset_id, worker, slot, master_id, fence, state, branch, assigned_at, started_at, finished_at, result, summary",
      `i, i, ${builder}, i, i, 'w', 0, 1, 0, 'finished', 'main', 1, 1, 1, 'success', ''`,
    );
    fill(
      "steps",
      "build_id, step, name, kind, started_at, finished_at, result, summary",
      "i, 1, 's', 'k', 1, 1, 'success', ''",
    );
    fill(
      "logs",
      "build_id, step, log, name, store_key, finished, lines, bytes, truncated",
      "i, 1, 1, 'stdio', 'b/' || i || '/1-1', 1, 1, 100, 0",
    );
    fill("properties", "build_id, name, value, source", "i, 'p', '1', ''");
    db.prepare(`update builders set next_number = ${OLD + 1} where id = ?`).run(builder);
  }).immediate();
  db.close();
  const folders = new Set<string>();
  for (let id = 1; id <= OLD; id += 1) {
    const path = segmentPath(placeOf(logs, `b/${id}/1-1`), 0);
    if (!folders.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, "x".repeat(100));
    if (id % 1_000 === 0) await sleep(1);
  }
}

/** Milliseconds from the wish for a build to its end, one wish every {@link PACE} ms, till `over`. */
async function latencies(kit: TestMaster, over: () => boolean): Promise<number[]> {
  const took: number[] = [];
  const wishes: Promise<void>[] = [];
  const ended = new Map<number, () => void>();
  let since = String((await kit.call("events.since", {})).next);
  let watching = true;
  const watch = (async () => {
    while (watching) {
      const { items, next } = await kit.call("events.since", {
        since,
        types: ["buildset.finished"],
        limit: 500,
        waitSeconds: 1,
      });
      since = next;
      for (const { data } of items) ended.get(data.buildset)?.();
    }
  })();
  while (!over()) {
    wishes.push(
      (async () => {
        const begun = performance.now();
        const { buildset } = await kit.call("schedulers.force");
        await new Promise<void>((resolve) => ended.set(buildset, resolve));
        took.push(performance.now() - begun);
      })(),
    );
    await sleep(PACE);
  }
  await Promise.all(wishes);
  watching = false;
  await watch;
  return took;
}

async function run(): Promise<Row[]> {
  await using kit = await testMaster({
    config: {
      database: sqlite({}),
      retention: { builds: { age: "1h" } },
      workers: [localWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [
        { name: "b", workers: ["w"], steps: [shell({ command: ["true"] })] },
        { name: "old", workers: ["w"], steps: [] },
      ],
    },
  });
  const state = join(kit.folder, ".belfry");
  await addOld(join(state, "belfry.sqlite"), join(state, "logs"));
  let end = performance.now() + 3_000;
  await latencies(kit, () => performance.now() > end);
  end = performance.now() + 15_000;
  const without = await latencies(kit, () => performance.now() > end);
  const begun = performance.now();
  await kit.call("retention.sweep");
  let swept = false;
  const looking = (async () => {
    while (!swept) {
      await sleep(100);
      swept = (await kit.call("retention.status")).endedAt !== null;
    }
  })();
  const beside = await latencies(kit, () => swept);
  await looking;
  const seconds = (performance.now() - begun) / 1_000;
  const { removed } = await kit.call("retention.status");
  if (removed.builds < OLD - 1) throw new Error(`only ${removed.builds} builds were removed`);
  const limit = percentile(without, 0.95);
  const value = percentile(beside, 0.95);
  return [
    {
      figure: "latency of builds while 100,000 are removed, p95",
      value: round(value),
      unit: "ms",
      limit: round(limit),
      ratio: round(value / limit, 3),
      goal: "≤ 2 × without",
      met: value <= 2 * limit,
    },
    { ...rowAtMost("the removal itself", "s", round(seconds), 3_600), goal: "none" },
  ];
}

export default { name: "retention", run };
