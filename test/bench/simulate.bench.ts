import { anyBranch, dependent, nightly } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step } from "@belfry/testkit";
import type { Config } from "belfry";
import { BuildModel } from "../../core/src/simulation/build-model.ts";
import type { TimedChange } from "../../core/src/simulation/change-file.ts";
import { simulate } from "../../core/src/simulation/simulation.ts";
import { type Row, rowAtLeast, rowAtMost } from "./bench.ts";
import { round } from "./measure.ts";

const BUILDERS = 200;
const PROJECTS = 20;
const WORKERS = 40;
const CHANGES = 3_000;
const DAY = 86_400_000;
const FROM = Date.UTC(2026, 2, 1);
const DAYS = 31;

/** Numbers that are the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Each project has ten builders: seven for each change, two when those went well, one at night. */
function farm(): Config {
  const names = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);
  const of = (project: number, from: number, to: number) => names.slice(project * 10 + from, project * 10 + to);
  const projects = Array.from({ length: PROJECTS }, (_, i) => i);
  const result = { result: "success" as const };
  return {
    database: sqlite(),
    workers: Array.from({ length: WORKERS }, (_, i) => fakeWorker({ name: `w${i}`, slots: 2 })),
    builders: names.map((name, i) => ({
      name,
      // Four workers that it shares with neighbours.
      workers: Array.from({ length: 4 }, (_, j) => `w${(Math.floor(i / 5) + j) % WORKERS}`),
      steps: [step({ run: () => result })],
    })),
    schedulers: projects.flatMap((i) => [
      anyBranch({
        name: `changes ${i}`,
        builders: of(i, 0, 7),
        filter: { project: `p${i}` },
        ...(i % 2 === 0 ? { treeStableTimer: "2m" } : {}),
      }),
      dependent({ name: `after ${i}`, upstream: `changes ${i}`, builders: of(i, 7, 9) }),
      nightly({ name: `night ${i}`, at: "0 3 * * *", timeZone: "Europe/Berlin", builders: of(i, 9, 10) }),
    ]),
  };
}

/** Most of them on working days between 8 and 19 o'clock. */
function changes(): TimedChange[] {
  const next = random(7);
  const times: number[] = [];
  while (times.length < CHANGES) {
    const at = FROM + Math.floor(next() * DAYS * DAY);
    const date = new Date(at);
    const busy = date.getUTCDay() % 6 !== 0 && date.getUTCHours() >= 8 && date.getUTCHours() < 19;
    if (busy || next() < 0.1) times.push(at);
  }
  return times
    .sort((a, b) => a - b)
    .map((at, i) => ({
      at,
      source: "poller",
      change: {
        key: `k${i}`,
        author: "dev",
        comments: "",
        files: ["src/a.c"],
        revision: `r${i}`,
        branch: next() < 0.7 ? "main" : `topic/${Math.floor(next() * 20)}`,
        repository: `repo${i % PROJECTS}`,
        project: `p${Math.floor(next() * PROJECTS)}`,
      },
    }));
}

/** A month of a farm of 200 builders. */
async function run(): Promise<Row[]> {
  const next = random(3);
  const written = new Map(
    Array.from({ length: BUILDERS }, (_, i) => [`b${i}`, new Map([["*", 120_000 + Math.floor(next() * 1_500_000)]])]),
  );
  const begun = performance.now();
  const outcome = await simulate({
    config: { value: farm(), folder: "/", stateFolder: "/" },
    from: FROM,
    until: FROM + DAYS * DAY,
    changes: changes(),
    model: new BuildModel(new Map(), written),
    signal: new AbortController().signal,
  });
  const seconds = (performance.now() - begun) / 1_000;
  const minutes = (millis: number | undefined) => round((millis ?? 0) / 60_000);
  console.error(
    `${outcome.builds.length} builds, waited p50 ${minutes(outcome.waited?.p50)} min, p95 ${minutes(outcome.waited?.p95)} min, ` +
      `${round(process.memoryUsage().rss / 1e6)} MB`,
  );
  return [
    rowAtMost("a month of 200 builders simulated", "s", round(seconds, 2), 30),
    rowAtLeast("builds in it", "builds", outcome.builds.length, 20_000),
  ];
}

export default { name: "simulate", run };
