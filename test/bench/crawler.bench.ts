import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { shell } from "@belfry/steps";
import { localWorker } from "@belfry/worker";
import { type Row, rowAtMost } from "./bench.ts";
import { type BigFarm, bigFarm } from "./big-farm.ts";
import { percentiles, round, sleep } from "./measure.ts";

const SECONDS = Number(process.env.BELFRY_BENCH_SECONDS ?? 60);
const BUILDS = ["a", "b", "c", "d"];
const crawler = fileURLToPath(new URL("./crawl.ts", import.meta.url));
const collect = globalThis.gc as ((how: object) => void) | undefined;

/** Builds of a command that writes now and then, four at a time, while a crawler is at work, and while none is. */
async function run(): Promise<Row[]> {
  if (!collect) throw new Error("This needs --expose-gc.");
  const rows: Row[] = [];
  for (const [name, options] of [
    ["a crawler", {}],
    ["a crawler without a budget", { pagesPerMinute: 1_000_000 }],
  ] as const) {
    await using farm = await bigFarm(options, {
      workers: [localWorker({ name: "local", slots: 4 })],
      builders: BUILDS.map((name) => ({
        name,
        workers: ["local"],
        steps: [shell({ command: ["sh", "-c", "for i in $(seq 20); do echo line $i; sleep 0.05; done"] })],
      })),
    });
    await builds(farm, 5);
    const without = await builds(farm, Math.min(20, SECONDS));
    const before = await memory();
    const crawled = crawl(farm.url);
    const during = await builds(farm, SECONDS - 2);
    const counts = await crawled;
    const after = await memory();
    const ratio = during.p50 / without.p50;
    console.error(
      `  ${name}: ${JSON.stringify(counts)}; builds ${round(without.p50)} ms without, ${round(during.p50)} ms (p95 ${round(during.p95)}) with; ${round(before)} MB before, ${round(after)} after`,
    );
    rows.push({
      figure: `a build, ${name} at full speed`,
      value: round(during.p50),
      unit: "ms",
      limit: round(without.p50),
      ratio: round(ratio, 3),
      goal: "≤ 1.2 × that without",
      met: ratio <= 1.2,
    });
    rows.push(rowAtMost(`memory after ${name}, more`, "MB", round(after - before), 50));
  }
  return rows;
}

/** How long builds take, from their request to their end. */
async function builds({ kit }: BigFarm, seconds: number): Promise<{ p50: number; p95: number }> {
  const end = performance.now() + seconds * 1_000;
  const took: number[] = [];
  await Promise.all(
    BUILDS.map(async (builder) => {
      while (performance.now() < end) {
        const begun = performance.now();
        const { buildset } = await kit.call("schedulers.force", { scheduler: "force", builders: [builder] });
        while ((await kit.call("buildsets.get", { buildset })).completeAt === null) await sleep(5);
        took.push(performance.now() - begun);
      }
    }),
  );
  return percentiles(took);
}

/** Megabytes of the process, when what nobody holds was given back. */
async function memory(): Promise<number> {
  await sleep(3_000);
  for (let i = 0; i < 5; i += 1) {
    collect?.({ type: "major", execution: "sync", flavor: "last-resort" });
    await sleep(200);
  }
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  console.error(
    `  ${JSON.stringify({ rss, heapTotal, heapUsed, external, arrayBuffers }, (_, value) => (typeof value === "number" ? round(value / 1e6) : value))}`,
  );
  return rss / 1e6;
}

function crawl(url: string): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const child = fork(crawler, [`${url}/`, "8", String(SECONDS)], { execArgv: [] });
    child.once("message", (counts) => resolve(counts as Record<string, number>));
    child.once("error", reject);
    child.once("exit", (code) => code !== 0 && reject(new Error(`the crawler ended with ${code}`)));
  });
}

export default { name: "crawler", run };
