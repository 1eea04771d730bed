// time limit: 300 s
import { anyBranch, nightly } from "@belfry/schedulers";
import { fakeWorker, step, testMaster } from "@belfry/testkit";
import {
  type BuilderConfig,
  type Clock,
  type Config,
  type LockDefinition,
  masterLock,
  sleep,
  workerLock,
} from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuildModel } from "../../../core/src/simulation/build-model.ts";
import type { TimedChange } from "../../../core/src/simulation/change-file.ts";
import { SimulatedClock } from "../../../core/src/simulation/simulated-clock.ts";
import { change, MINUTE, play, START } from "./farm.ts";

const test = suite("a simulation and a master");

const UNTIL = START + 60 * MINUTE;
const WORKERS = ["v", "w", "x"];
const RUNS = Number(process.env["BELFRY_RUNS"] ?? 12);

interface Farm {
  slots: number[];
  builders: {
    workers: string[];
    millis: number;
    priority: number;
    collapse: boolean;
    maxWait: number | undefined;
    lock: "one" | "two" | "own" | undefined;
    stepLock: boolean;
    timer: number | undefined;
  }[];
  changes: { at: number; branch: number }[];
}

const span = (least: number, most: number) => fc.integer({ min: least, max: most });

const farms: fc.Arbitrary<Farm> = fc.record({
  slots: fc.array(span(1, 2), { minLength: 3, maxLength: 3 }),
  builders: fc.array(
    fc.record({
      workers: fc.subarray(WORKERS, { minLength: 1 }),
      millis: span(60_000, 600_000),
      priority: span(0, 2),
      collapse: fc.boolean(),
      maxWait: fc.option(span(60_000, 600_000), { nil: undefined, freq: 4 }),
      lock: fc.constantFrom("one" as const, "two" as const, "own" as const, undefined, undefined),
      stepLock: fc.boolean(),
      timer: fc.option(span(1_000, 300_000), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  changes: fc.array(fc.record({ at: span(1, 1_200_000), branch: span(0, 3) }), { minLength: 10, maxLength: 40 }),
});

const locks = [masterLock({ name: "one" }), masterLock({ name: "two", maxCount: 2 }), workerLock({ name: "own" })];
const stepLock = masterLock({ name: "step" });

function configOf(farm: Farm): Omit<Config, "database"> {
  return {
    locks: [...locks, stepLock] as LockDefinition[],
    workers: WORKERS.map((name, i) => fakeWorker({ name, slots: farm.slots[i] ?? 1 })),
    builders: farm.builders.map(
      ({ workers, millis, priority, collapse, maxWait, lock, stepLock: locked }, i): BuilderConfig => {
        const wait = async (ctx: { clock: Clock; signal: AbortSignal }) => {
          await sleep(ctx.clock, millis / 2, ctx.signal);
          return { result: "success" as const };
        };
        return {
          name: `b${i}`,
          workers,
          priority,
          collapse,
          ...(maxWait === undefined ? {} : { maxWait }),
          ...(lock === undefined ? {} : { locks: [{ lock, mode: "counting" }] }),
          steps: [
            step({ title: "first", run: wait }),
            step({ title: "second", run: wait, ...(locked ? { locks: [stepLock.access("exclusive")] } : {}) }),
          ],
        };
      },
    ),
    // Each has a branch of its own, so that no two of them act at the same moment.
    schedulers: [
      ...farm.builders.map(({ timer }, i) =>
        anyBranch({
          name: `s${i}`,
          builders: [`b${i}`],
          branches: `branch${i}`,
          ...(timer === undefined ? {} : { treeStableTimer: timer }),
        }),
      ),
      nightly({ name: "often", at: "*/7 * * * *", timeZone: "UTC", builders: farm.builders.map((_, i) => `b${i}`) }),
    ],
  };
}

/** Times that are all different, so that what happens first is the same for both. */
function changesOf(farm: Farm): TimedChange[] {
  const times = new Map(farm.changes.map(({ at, branch }) => [at, branch]));
  return [...times]
    .sort(([a], [b]) => a - b)
    .map(([at, branch]) => change(START + at, { branch: `branch${branch % farm.builders.length}`, key: String(at) }));
}

type Shown = [
  builder: string,
  number: number,
  worker: string,
  started: number,
  finished: number | null,
  result: string | null,
];

async function inReality(config: Omit<Config, "database">, changes: readonly TimedChange[]): Promise<Shown[]> {
  const clock = new SimulatedClock(START);
  await using kit = await testMaster({ config, clock });
  const { store } = kit.master;
  const quiet = async () => {
    let version = store.version();
    for (let turns = 0; turns < 20; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const busy = kit.master.status.loops().some((loop) => loop.running) || store.version() !== version;
      if (busy) turns = 0;
      version = store.version();
    }
  };
  const todo = [...changes];
  for (;;) {
    await quiet();
    const next = Math.min(clock.next ?? UNTIL + 1, todo[0]?.at ?? UNTIL + 1);
    if (next > UNTIL) break;
    clock.leap(next);
    await quiet();
    if (todo[0]?.at !== next) continue;
    const { at: _, change: told } = todo.shift() as TimedChange;
    await kit.call("changes.add", JSON.parse(JSON.stringify(told)));
  }
  const rows = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .select(["n.name", "b.number", "b.worker", "b.assigned_at", "b.finished_at", "b.result"])
    .orderBy("b.id")
    .execute();
  return rows.map((row) => [
    row.name,
    row.number,
    row.worker,
    row.assigned_at - START,
    minus(row.finished_at),
    row.result,
  ]);
}

const minus = (at: number | null) => (at === null ? null : at - START);

test("build the same at the same times on the same workers, for random farms", async () => {
  await fc.assert(
    fc.asyncProperty(farms, async (farm) => {
      farm.builders.forEach((builder) => {
        builder.millis += builder.millis % 2;
      });
      const changes = changesOf(farm);
      const written = new Map(farm.builders.map(({ millis }, i) => [`b${i}`, new Map([["*", millis]])]));
      const outcome = await play(configOf(farm), { changes, until: UNTIL, model: new BuildModel(new Map(), written) });
      const simulated: Shown[] = outcome.builds.map((build) => [
        build.builder,
        build.number,
        build.worker,
        build.startedAt - START,
        minus(build.finishedAt),
        build.result,
      ]);
      assert.equal(simulated, await inReality(configOf(farm), changes));
    }),
    // What is found is told at once, with its seed: to make it smaller takes minutes.
    {
      numRuns: RUNS,
      endOnFailure: true,
      timeout: 60_000,
      ...(process.env["BELFRY_SEED"] ? { seed: Number(process.env["BELFRY_SEED"]) } : {}),
    },
  );
});

test.run();
