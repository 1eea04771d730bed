import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";

if (!existsSync("/tmp/lines.txt"))
  execSync(
    "seq 1 1000000 | awk '{printf \"%8d the quick brown fox jumps over the lazy dog the quick brown fox jumps over the lazy dog 123456\\n\", $1}' > /tmp/lines.txt",
  );
let major = 0,
  minor = 0,
  majorMs = 0,
  minorMs = 0,
  incr = 0,
  incrMs = 0;
new PerformanceObserver((l) => {
  for (const e of l.getEntries() as any) {
    const k = e.detail.kind;
    if (k === 4) {
      major++;
      majorMs += e.duration;
    } else if (k === 1) {
      minor++;
      minorMs += e.duration;
    } else {
      incr++;
      incrMs += e.duration;
    }
  }
}).observe({ entryTypes: ["gc"] });
await using kit = await testMaster({
  config: {
    database: sqlite({}),
    workers: [localWorker({ name: "w", slots: 3 })],
    schedulers: [force({ name: "print", builders: ["print"] })],
    builders: [{ name: "print", workers: ["w"], steps: [shell({ command: ["cat", "/tmp/lines.txt"] })] }],
  },
});
let peak = 0;
const iv = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);
const rss0 = process.memoryUsage.rss();
const N = 5;
const step = 0;
const steps: number[] = [];
const tc0 = (process as any).threadCpuUsage();
const c0 = process.cpuUsage();
for (let i = 0; i < N; i++) {
  const { buildset } = (await kit.call("schedulers.force", {})) as any;
  await kit.buildsetEnd(buildset, 60000);
  const { items } = (await kit.call("builds.steps", { builder: "print", number: -1 })) as any;
  steps.push(items[0].finishedAt - items[0].startedAt);
  await new Promise((r) => setTimeout(r, 900));
}
const tc = (process as any).threadCpuUsage(tc0);
const c = process.cpuUsage(c0);
clearInterval(iv);
console.log(
  JSON.stringify({
    steps,
    mbps: ((107 * N * 1000) / steps.reduce((a, b) => a + b, 0)).toFixed(0),
    majorPer: major / N,
    minorPer: minor / N,
    incrPer: incr / N,
    majorMs: +(majorMs / N).toFixed(1),
    minorMs: +(minorMs / N).toFixed(1),
    incrMs: +(incrMs / N).toFixed(1),
    mainCpu: +((tc.user + tc.system) / 1000 / N).toFixed(0),
    procCpu: +((c.user + c.system) / 1000 / N).toFixed(0),
    growMB: ((peak - rss0) / 1e6).toFixed(0),
  }),
);
