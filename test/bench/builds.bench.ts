import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import type { Row } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const BUILDS = 1_000;
const spawnTrue = fileURLToPath(new URL("./limits/spawn-true.mjs", import.meta.url));

/** 1,000 queued builds of one step `true`, 4 slots, logs kept. */
async function run(): Promise<Row[]> {
  const limit = () => Number(execFileSync(process.execPath, [spawnTrue, "1500"], { encoding: "utf8" }));
  const before = limit();
  await using kit = await testMaster({
    config: {
      database: sqlite({}),
      workers: [localWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps: [shell({ command: ["true"] })] }],
    },
  });
  const paused = kit.master.store.write((tx) => tx.db.updateTable("builders").set({ paused: 1 }).execute());
  await paused;
  for (let i = 0; i < BUILDS; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => kit.call("schedulers.force")));
  const begun = performance.now();
  await kit.master.store.write(async (tx) => {
    await tx.db.updateTable("builders").set({ paused: 0 }).execute();
    tx.ring("requests");
  });
  for (;;) {
    await sleep(20);
    const { pending, builds } = await kit.call("status.now");
    if (pending === 0 && builds.length === 0) break;
  }
  const value = (BUILDS / (performance.now() - begun)) * 1_000;
  const { items } = await kit.call("builds.list", { result: "success", limit: 500 });
  if (items.length !== 500) throw new Error("not every build was a success");
  const least = (before + limit()) / 2;
  const ratio = value / least;
  return [
    {
      figure: "builds/s",
      value: round(value),
      unit: "1/s",
      limit: round(least),
      ratio: round(ratio, 3),
      goal: "≥ 0.25 of spawn('true'), 4 at a time",
      met: ratio >= 0.25,
    },
  ];
}

export default { name: "builds", run };
