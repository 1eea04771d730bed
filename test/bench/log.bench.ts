import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { anyBranch, force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { step, testMaster, until } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import type { Row } from "./bench.ts";
import { percentiles, round, sleep } from "./measure.ts";

const LINES = 1_000_000;
const writeLines = fileURLToPath(new URL("./limits/write-lines.mjs", import.meta.url));
const readPipe = fileURLToPath(new URL("./limits/read-pipe.mjs", import.meta.url));

/** One step that prints 100 MB in a million lines, beside builds that want to start meanwhile. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-log-"));
  try {
    const file = join(folder, "lines.txt");
    execFileSync(process.execPath, [writeLines, file, String(LINES)]);
    const limit = () => Number(execFileSync(process.execPath, [readPipe, file], { encoding: "utf8" })) / 1e6;
    const started: number[] = [];
    await using kit = await testMaster({
      config: {
        database: sqlite({}),
        workers: [localWorker({ name: "w", slots: 3 })],
        schedulers: [force({ name: "print", builders: ["print"] }), anyBranch({ name: "all", builders: ["other"] })],
        builders: [
          { name: "print", workers: ["w"], steps: [shell({ command: ["cat", file] })] },
          {
            name: "other",
            workers: ["w"],
            steps: [step({ run: () => (started.push(performance.now()), { result: "success" as const }) })],
          },
        ],
      },
    });
    const print = async () => {
      const { buildset } = await kit.call("schedulers.force", { scheduler: "print" });
      await kit.buildsetEnd(buildset, 120_000);
      const build = await kit.call("builds.get", { builder: "print", number: -1 });
      const { items } = await kit.call("logs.list", { build: build.id });
      if (items[0].lines < LINES) throw new Error(`${items[0].lines} lines are not all`);
      const { items: steps } = await kit.call("builds.steps", { build: build.id });
      return {
        build: build.id as number,
        megabytesPerSecond: items[0].bytes / 1e3 / (steps[0].finishedAt - steps[0].startedAt),
      };
    };
    await kit.addChange({ revision: "warm" });
    await until(() => started.length === 1, "the first build");
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 10);
    const alone = await print();
    const memory = (most - before) / 1e6;
    clearInterval(watch);
    const around = (limit() + limit()) / 2;

    // Again and again, with other builds that want to start while it prints.
    const latencies: number[] = [];
    while (latencies.length < 40) {
      let printing = true;
      const again = print().finally(() => {
        printing = false;
      });
      while (printing) {
        const count = started.length;
        const begun = performance.now();
        await kit.addChange({ revision: `r${count}` });
        await until(() => started.length > count, "another build");
        latencies.push((started[count] as number) - begun);
        await sleep(10);
      }
      await again;
    }
    const { p95 } = percentiles(latencies);

    const reads: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      const first = Math.floor(LINES / 2 + (i - 100) * 997);
      const begun = performance.now();
      const { items } = await kit.call("logs.read", { build: alone.build, step: 1, first, count: 100 });
      reads.push(performance.now() - begun);
      if (items.length !== 100 || items[0].number !== first) throw new Error("the wrong lines were read");
    }
    const read = percentiles(reads);
    const ratio = alone.megabytesPerSecond / around;
    return [
      {
        figure: "log of 100 MB",
        value: round(alone.megabytesPerSecond),
        unit: "MB/s",
        limit: round(around),
        ratio: round(ratio, 3),
        goal: "≥ 0.15 of the limit",
        met: ratio >= 0.15,
      },
      {
        figure: "log: memory grows",
        value: round(memory),
        unit: "MB",
        limit: null,
        ratio: null,
        goal: "≤ 64 MB",
        met: memory <= 64,
      },
      {
        figure: `log: other builds' latency p95 (${latencies.length})`,
        value: round(p95),
        unit: "ms",
        limit: null,
        ratio: null,
        goal: "≤ 100 ms",
        met: p95 <= 100,
      },
      {
        figure: "log read of 100 lines p50",
        value: round(read.p50, 2),
        unit: "ms",
        limit: null,
        ratio: null,
        goal: "≤ 5 ms",
        met: read.p50 <= 5,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export default { name: "log", run };
