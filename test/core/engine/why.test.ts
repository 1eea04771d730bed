import type { postgres as postgresDatabase } from "@belfry/postgres";
import { force } from "@belfry/schedulers";
import { step, type TestMaster, testMaster, until } from "@belfry/testkit";
import type { StepContext } from "belfry";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { scriptedWorker } from "./worker-scripted.ts";

const test = suite("why a request waits");

const forces = [force({ name: "force", builders: ["b"] })];
const good = step({ run: () => ({ result: "success" as const }) });
const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

async function ask(kit: TestMaster): Promise<number> {
  const { requests } = await kit.call("schedulers.force", {});
  return requests[0].id;
}
const why = (kit: TestMaster, request: number) => kit.call("requests.why", { request });

for (const kind of DATABASES) {
  test(`${kind.name}: no-distributor and no-worker-configured: a process that only answers, beside no engine`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w");
    const builders = [{ name: "b", workers: ["w"], steps: [good] }];
    await using kit = await testMaster({
      config: { database: database.entry, workers: [worker.entry], schedulers: forces, builders },
      engine: false,
    });
    const { state, reasons, ahead } = await why(kit, await ask(kit));
    assert.equal([state, ahead], ["pending", 0]);
    assert.equal(reasons, [
      { reason: "no-distributor", since: null },
      { reason: "no-worker-configured", workers: ["w"] },
    ]);
  });

  test(`${kind.name}: builder-not-configured, builder-paused, no-worker-connected: each as long as it lasts`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w", false);
    const base = { database: database.entry, workers: [worker.entry] };
    const builders = [{ name: "b", workers: ["w"], steps: [good] }];
    let request = 0;
    {
      await using kit = await testMaster({ config: { ...base, schedulers: forces, builders } });
      request = await ask(kit);
      await until(async () => (await why(kit, request)).reasons.length === 1, "the distributor");
      assert.equal((await why(kit, request)).reasons, [{ reason: "no-worker-connected", workers: ["w"] }]);
    }
    {
      await using kit = await testMaster({ config: { ...base, builders: [{ name: "c", workers: ["w"], steps: [] }] } });
      await until(async () => (await why(kit, request)).reasons.length === 1, "the distributor");
      assert.equal((await why(kit, request)).reasons, [{ reason: "builder-not-configured", builder: "b" }]);
    }
    await using kit = await testMaster({ config: { ...base, schedulers: forces, builders } });
    const pause = (paused: number) =>
      kit.master.store.write(async (tx) => {
        await tx.db.updateTable("builders").set({ paused }).where("name", "=", "b").execute();
        tx.ring("requests");
      });
    await pause(1);
    worker.connect(true);
    await until(async () => (await kit.call("workers.list")).items[0].connected, "the worker");
    await until(async () => (await why(kit, request)).reasons.length === 1, "the distributor");
    assert.equal((await why(kit, request)).reasons, [
      { reason: "builder-paused", builder: "b", why: null, by: null, since: null },
    ]);
    assert.equal((await kit.call("requests.get", { request })).builds, []);
    await pause(0);
    await until(async () => (await kit.call("requests.get", { request })).state === "complete", "its build");
    assert.equal(await why(kit, request), { request, state: "complete", reasons: [], ahead: 0 });
  });

  test(`${kind.name}: retry-delay: a step asked to be built again a little later`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w");
    const again = step({ run: () => ({ result: "retry" as const }) });
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [worker.entry],
        schedulers: forces,
        builders: [{ name: "b", workers: ["w"], steps: [again] }],
      },
    });
    const request = await ask(kit);
    await kit.event("request.retried");
    const retried = Date.now();
    const { state, reasons } = await why(kit, request);
    assert.is(state, "pending");
    assert.is(reasons.length, 1);
    assert.is(reasons[0].reason, "retry-delay");
    assert.ok(reasons[0].retries >= 1 && reasons[0].until > retried - 10_000 && reasons[0].until < retried + 20_000);
    await kit.call("requests.cancel", { request });
    assert.is((await kit.call("requests.get", { request })).result, "cancelled");
  });

  test(`${kind.name}: workers-busy, with what they build, and how many requests come first`, async () => {
    await using database = await kind.open();
    const workers = [scriptedWorker("one"), scriptedWorker("two")];
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: workers.map((worker) => worker.entry),
        schedulers: forces,
        builders: [{ name: "b", workers: ["one", "two"], steps: [step({ run: untilAborted })] }],
      },
    });
    const requests = [];
    for (let i = 0; i < 4; i += 1) requests.push(await ask(kit));
    await until(async () => (await kit.call("builds.list", { state: "running" })).items.length === 2, "two builds");
    const { reasons, ahead } = await why(kit, requests[3] ?? 0);
    assert.is(ahead, 1);
    const builds = (await kit.call("builds.list", { order: "id" })).items as { id: number; worker: string }[];
    assert.equal(reasons, [
      {
        reason: "workers-busy",
        workers: ["one", "two"].map((name) => ({
          name,
          slots: 1,
          builds: builds.filter((build) => build.worker === name).map(({ id }) => id),
        })),
      },
    ]);
    assert.equal((await why(kit, requests[0] ?? 0)).reasons, []);
  });
}

test("PostgreSQL: behind-others: there is a slot, and somebody else comes first", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  const worker = scriptedWorker("w");
  await using kit = await testMaster({
    config: {
      database: database.entry,
      workers: [worker.entry],
      schedulers: forces,
      builders: [{ name: "b", workers: ["w"], steps: [good] }],
    },
  });
  const { url } = (database.entry as ReturnType<typeof postgresDatabase>).options as { url: string };
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let requests: number[] = [];
  try {
    await until(async () => (await kit.call("workers.list")).items.length === 1, "the worker");
    // The decider cannot write meanwhile: its lease's row is locked.
    const lease = "select * from leases where name = 'distributor' and owner <> ''";
    await until(async () => (await client.query(lease)).rowCount === 1, "the decider");
    await client.query("begin");
    await client.query(`${lease} for update`);
    requests = [await ask(kit), await ask(kit), await ask(kit)];
    const answers = [];
    for (const request of requests) answers.push(await why(kit, request));
    assert.equal(
      answers.map(({ reasons, ahead }) => [reasons, ahead]),
      [
        [[], 0],
        [[{ reason: "behind-others", ahead: 1 }], 1],
        [[{ reason: "behind-others", ahead: 2 }], 2],
      ],
    );
  } finally {
    await client.query("rollback");
    await client.end();
  }
  for (const request of requests)
    await until(async () => (await kit.call("requests.get", { request })).state === "complete", "its build");
});

test.run();
