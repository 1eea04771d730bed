import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { createPart, systemClock, testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import type { ConfiguredBuilder } from "../../core/src/config/generation.ts";
import { Distributor } from "../../core/src/engine/distributor.ts";
import { LeaseKeeper } from "../../core/src/engine/lease-keeper.ts";
import { finishBuild } from "../../core/src/store/builds.ts";
import { addBuildset } from "../../core/src/store/buildsets.ts";
import { recordGeneration } from "../../core/src/store/generation.ts";
import { Store } from "../../core/src/store/store.ts";
import { type Row, rowAtMost } from "./bench.ts";
import { percentiles, round, sleep } from "./measure.ts";

const PENDING = 10_000;
/** Enough that every start leaves some that wait. */
const FEW = 1_000;
const BUILDERS = 200;
const STARTS = 300;
const BUILDS = 600;

const names = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);

/** Requests in turn for one builder after the other. */
async function addRequests(store: Store, count: number): Promise<void> {
  for (let at = 0; at < count; at += 100) {
    await store.write(async (tx) => {
      for (let i = at; i < Math.min(at + 100, count); i += 1) {
        const stamp = { repository: "r", branch: "main", revision: `r${i}` };
        await addBuildset(tx, { builders: [names[i % BUILDERS] as string], sourceStamps: [stamp], reason: "" }, {});
      }
    });
  }
}

/** What one pass takes that starts a build: each builder has its own worker of one slot, and one build ends. */
async function decide(pending: number): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-bench-"));
  const connection = await createPart(sqlite, { file: join(folder, "farm.sqlite") }).open({
    folder,
    signal: new AbortController().signal,
    note: () => undefined,
    readOnly: false,
  });
  const store = new Store(connection, systemClock);
  const leases = new LeaseKeeper(store, "bench", 600_000, () => undefined);
  try {
    await store.migrate();
    const facts = { project: "", tags: [], description: "", maxWait: undefined };
    await recordGeneration(store, 1, {
      shown: "{}",
      code: undefined,
      builders: names.map((name) => ({ name, ...facts })),
    });
    await leases.hold("master:m");
    await store.write(async (tx) => {
      await tx.db.insertInto("masters").values({ id: 1, name: "m", host: "", pid: 1, started_at: 0 }).execute();
      for (const name of names)
        await tx.db
          .insertInto("workers")
          .values({ name, master_id: 1, connected: 1, slots: 1, info: "{}", seen_at: 0 })
          .execute();
    });
    await addRequests(store, pending);
    const builders = new Map(
      names.map((name) => [name, { name, workers: [name], rules: {} } as unknown as ConfiguredBuilder]),
    );
    const config = { builders, locks: new Map(), workerLocks: new Map() };
    const deps = { store, clock: systemClock, leases, config: () => config, generation: () => null };
    const distributor = new Distributor(deps);
    while ((await distributor.pass()).again);
    const took: number[] = [];
    for (let i = 0; i < STARTS; i += 1) {
      // Any of the builders, so that its next request is anywhere in the queue.
      const running = await store.read
        .selectFrom("builds as b")
        .innerJoin("builders as n", "n.id", "b.builder_id")
        .select(["b.id", "b.number", "b.request_id", "b.buildset_id", "n.name"])
        .where("b.state", "=", "assigned")
        .execute();
      const {
        id,
        number,
        request_id: requestId,
        buildset_id: buildsetId,
        name: builder,
      } = running[(i * 37) % running.length] as (typeof running)[number];
      const key = { id, number, builder, project: "", requestId, buildsetId };
      await store.write((tx) => finishBuild(tx, key, "success", ""));
      const begun = performance.now();
      await distributor.pass();
      took.push(performance.now() - begun);
    }
    return took;
  } finally {
    await leases.stop();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Builds a second, of one step `true` each, on 4 slots that all builders share. */
async function rate(pending: number): Promise<number> {
  await using kit = await testMaster({
    config: {
      database: sqlite({}),
      workers: [localWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "force", builders: ["b0"] })],
      builders: names.map((name) => ({ name, workers: ["w"], steps: [shell({ command: ["true"] })] })),
    },
  });
  const { store } = kit.master;
  const pause = (paused: number) =>
    store.write(async (tx) => {
      await tx.db.updateTable("builders").set({ paused }).execute();
      tx.ring("requests");
    });
  await pause(1);
  await addRequests(store, pending);
  const begun = performance.now();
  await pause(0);
  for (;;) {
    await sleep(10);
    const { count } = await store.read
      .selectFrom("builds")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("state", "=", "finished")
      .executeTakeFirstOrThrow();
    if (Number(count) >= BUILDS) return (Number(count) / (performance.now() - begun)) * 1_000;
  }
}

/** 10,000 requests that wait for 200 builders: what they cost a start, and builds a second. */
async function run(): Promise<Row[]> {
  const { p95 } = percentiles(await decide(PENDING));
  const { p95: few95 } = percentiles(await decide(FEW));
  // Each twice and in turn, so that a machine that becomes slower is slower for both.
  const few: number[] = [];
  const many: number[] = [];
  for (let i = 0; i < 2; i += 1) {
    few.push(await rate(BUILDS));
    many.push(await rate(PENDING));
  }
  const value = Math.max(...many);
  const limit = Math.max(...few);
  const ratio = value / limit;
  return [
    rowAtMost("a start decided, 10,000 pending, p95", "ms", round(p95, 2), 5, round(few95, 2)),
    {
      figure: "builds/s, 10,000 pending",
      value: round(value),
      unit: "1/s",
      limit: round(limit),
      ratio: round(ratio, 3),
      goal: `≥ 0.8 of builds/s with ${BUILDS} pending`,
      met: ratio >= 0.8,
    },
  ];
}

export default { name: "pending", run };
