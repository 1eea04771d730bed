import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { type TestMaster, testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import { placeOf, segmentPath } from "../../core/src/logs/log-path.ts";
import type { Store } from "../../core/src/store/store.ts";
import { percentile, type Row, rowAtMost } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const OLD = 100_000;
const ROWS = 500;
const PACE = 50;

/** A hundred thousand old builds, each with a request, a step and a log of its own, as if by a builder of long ago. */
async function addOld(store: Store, logs: string): Promise<void> {
  const builder = await store.read
    .selectFrom("builders")
    .select("id")
    .where("name", "=", "old")
    .executeTakeFirstOrThrow();
  const base = { builder_id: builder.id, result: "success" };
  for (let at = 1; at <= OLD; at += ROWS) {
    const ids = Array.from({ length: ROWS }, (_, i) => at + i);
    await store.write(async (tx) => {
      const rows = <T>(row: (id: number) => T) => ids.map(row);
      for (let i = 0; i < ROWS; i += 50) {
        const some = <T>(row: (id: number) => T) => rows(row).slice(i, i + 50);
        await tx.db
          .insertInto("buildsets")
          .values(
            some((id) => ({
              id,
              scheduler: null,
              reason: "",
              owner: null,
              external_id: null,
              properties: "{}",
              submitted_at: 1,
              complete_at: 1,
              result: "success",
              open_requests: 0,
            })),
          )
          .execute();
        await tx.db
          .insertInto("build_requests")
          .values(
            some((id) => ({
              id,
              buildset_id: id,
              ...base,
              priority: 0,
              urgency: 0,
              state: "complete",
              submitted_at: 1,
              not_before: 0,
              claimed_at: 1,
              complete_at: 1,
              retries: 0,
            })),
          )
          .execute();
        await tx.db
          .insertInto("builds")
          .values(
            some((id) => ({
              id,
              number: id,
              request_id: id,
              buildset_id: id,
              ...base,
              worker: "w",
              slot: 0,
              master_id: 1,
              fence: 0,
              generation: null,
              state: "finished",
              branch: "main",
              revision: null,
              assigned_at: 1,
              started_at: 1,
              finished_at: 1,
              summary: "",
              stop_reason: null,
            })),
          )
          .execute();
        await tx.db
          .insertInto("steps")
          .values(
            some((id) => ({
              build_id: id,
              step: 1,
              name: "s",
              kind: "k",
              started_at: 1,
              finished_at: 1,
              result: "success",
              summary: "",
              error: null,
            })),
          )
          .execute();
        await tx.db
          .insertInto("logs")
          .values(
            some((id) => ({
              build_id: id,
              step: 1,
              log: 1,
              name: "stdio",
              store_key: `b/${id}/1-1`,
              finished: 1,
              lines: 1,
              bytes: 100,
              truncated: 0,
              error: null,
            })),
          )
          .execute();
        await tx.db
          .insertInto("properties")
          .values(some((id) => ({ build_id: id, name: "p", value: "1", source: "" })))
          .execute();
      }
    });
    await Promise.all(
      ids.map(async (id) => {
        const path = segmentPath(placeOf(logs, `b/${id}/1-1`), 0);
        if (id % 128 === 0 || id === at) await mkdir(dirname(path), { recursive: true });
        await writeFile(path, "x".repeat(100)).catch(async () => {
          await mkdir(dirname(path), { recursive: true });
          await writeFile(path, "x".repeat(100));
        });
      }),
    );
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
  await addOld(kit.master.store, join(kit.folder, ".belfry", "logs"));
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
