import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { anyBranch } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { step, testMaster, until } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import Database from "better-sqlite3";
import type { Row } from "./bench.ts";
import { percentiles, round, sleep } from "./measure.ts";

const TIMES = 100;

/** A change added by the API to an idle master, until the first step has started and runs its command. */
async function run(): Promise<Row[]> {
  const started: number[] = [];
  await using kit = await testMaster({
    config: {
      database: sqlite({}),
      workers: [localWorker({ name: "w", slots: 2 })],
      schedulers: [anyBranch({ name: "all", builders: ["b"] })],
      builders: [
        {
          name: "b",
          workers: ["w"],
          steps: [
            step({
              run: () => {
                started.push(performance.now());
                return { result: "success" };
              },
            }),
          ],
        },
      ],
    },
  });
  const values: number[] = [];
  for (let i = 0; i < TIMES + 5; i += 1) {
    const begun = performance.now();
    await kit.addChange({ revision: `r${i}` });
    await until(() => started.length > i, "the step");
    if (i >= 5) values.push((started[i] as number) - begun);
    await sleep(30);
  }
  const limits = percentiles(await commitAndSpawn());
  const { p50, p95 } = percentiles(values);
  return [
    {
      figure: "latency p50",
      value: round(p50),
      unit: "ms",
      limit: round(limits.p50),
      ratio: round(p50 / limits.p50),
      goal: "≤ 15 ms",
      met: p50 <= 15,
    },
    {
      figure: "latency p95",
      value: round(p95),
      unit: "ms",
      limit: round(limits.p95),
      ratio: round(p95 / limits.p95),
      goal: "≤ 40 ms",
      met: p95 <= 40,
    },
  ];
}

/** One durable commit and one spawn. */
async function commitAndSpawn(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-limit-"));
  const db = new Database(join(folder, "x.sqlite"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("create table t (a text)");
  const insert = db.prepare("insert into t values (?)");
  const values: number[] = [];
  for (let i = 0; i < TIMES; i += 1) {
    const begun = performance.now();
    insert.run("x");
    await new Promise((resolve) => spawn("true").on("spawn", resolve));
    values.push(performance.now() - begun);
    await sleep(10);
  }
  db.close();
  await rm(folder, { recursive: true, force: true });
  return values;
}

export default { name: "latency", run };
