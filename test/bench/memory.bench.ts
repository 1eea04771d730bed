import { anyBranch } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, listener, step, testMaster } from "@belfry/testkit";
import { type Row, rowAtMost } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const FIRST = 1_000;
const BUILDS = Number(process.env.BELFRY_BENCH_BUILDS ?? 100_000);
const MORE = 30;
const BUILDERS = ["a", "b", "c", "d"];
/** Changes that are told of at a time; each is built by every builder. */
const AT_ONCE = 25;

const collect = globalThis.gc as ((how: object) => void) | undefined;

interface Memory {
  /** Megabytes of what is alive. */
  heap: number;
  /** Megabytes of the process. */
  whole: number;
}

/** After everything that nobody holds any more was let go of, and given back to the system. */
async function measure(): Promise<Memory> {
  for (let i = 0; i < 5; i += 1) {
    collect?.({ type: "major", execution: "sync", flavor: "last-resort" });
    await sleep(200);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / 1e6, whole: rss / 1e6 };
}

/** A master that has built 1,000 times, and then 100,000 times: changes, a scheduler, builds with a log each, a durable listener. */
async function run(): Promise<Row[]> {
  if (!collect) throw new Error("This needs --expose-gc.");
  let told = 0;
  await using kit = await testMaster({
    config: {
      database: sqlite({ synchronous: "normal" }),
      workers: [fakeWorker({ name: "w", slots: 8 })],
      schedulers: [anyBranch({ name: "all", builders: BUILDERS })],
      builders: BUILDERS.map((name) => ({
        name,
        workers: ["w"],
        steps: [
          step({
            run: async (ctx) => {
              ctx.properties.set("answer", 42);
              await ctx.worker.run({ command: ["x"] });
              return { result: "success" };
            },
          }),
        ],
      })),
      listeners: [
        listener({
          name: "counts",
          listener: {
            types: ["build.finished"],
            handle: async () => {
              told += 1;
            },
          },
        }),
      ],
    },
  });
  const build = async (upTo: number) => {
    for (let done = told; done < upTo; ) {
      const changes = Math.min(AT_ONCE, Math.ceil((upTo - done) / BUILDERS.length));
      await Promise.all(Array.from({ length: changes }, (_, i) => kit.addChange({ revision: `r${done}-${i}` })));
      done += changes * BUILDERS.length;
      while (told < done - AT_ONCE * BUILDERS.length) await sleep(2);
      if (done % 10_000 === 0) console.error(`  ${done} builds, ${round(process.memoryUsage().rss / 1e6)} MB`);
    }
    while (told < upTo) await sleep(5);
  };
  await build(FIRST);
  const before = await measure();
  const begun = performance.now();
  await build(BUILDS);
  const took = (performance.now() - begun) / 1_000;
  const after = await measure();
  console.error(
    `  ${round((BUILDS - FIRST) / took)} builds/s; before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
  );
  return [
    rowAtMost(`alive after ${BUILDS} builds more than after ${FIRST}`, "MB", round(after.heap - before.heap), MORE),
    rowAtMost("the whole process, more", "MB", round(after.whole - before.whole), MORE),
  ];
}

export default { name: "memory", run };
