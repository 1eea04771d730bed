import { force } from "@belfry/schedulers";
import { rejects, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { type ScriptedWorker, scriptedWorker } from "./worker-scripted.ts";

const test = suite("workers of a master");

const good = step({ run: () => ({ result: "success" as const }) });
const config = (workers: readonly ScriptedWorker[], names: string[], steps = [good]) => ({
  workers: workers.map((worker) => worker.entry),
  schedulers: [force({ name: "force", builders: ["b"] })],
  builders: [{ name: "b", workers: names, steps }],
});
const listed = async (kit: TestMaster) =>
  (await kit.call("workers.list")).items.map(
    ({ name, connected, slots }: { name: string; connected: boolean; slots: number }) => [name, connected, slots],
  );
const reasons = async (kit: TestMaster, request: number) =>
  (await kit.call("requests.why", { request })).reasons.map((r: { reason: string }) => r.reason);

for (const kind of DATABASES) {
  test(`${kind.name}: a worker that connects later gets the build that waits for it`, async () => {
    await using database = await kind.open();
    const late = scriptedWorker("late", false);
    await using kit = await testMaster({ config: { database: database.entry, ...config([late], ["late"]) } });
    assert.equal(await listed(kit), [["late", false, 1]]);
    const { buildset, requests } = await kit.call("schedulers.force", {});
    await until(async () => (await reasons(kit, requests[0].id)).length === 1, "the distributor");
    assert.equal(await reasons(kit, requests[0].id), ["no-worker-connected"]);
    assert.equal(late.opened, []);
    late.connect(true);
    assert.is((await kit.buildsetEnd(buildset)).result, "success");
    const types = (await kit.events()).map((event) => event.type);
    assert.ok(types.indexOf("worker.connected") > types.indexOf("request.added"));
    late.connect(false);
    await kit.event("worker.disconnected");
    assert.equal(await listed(kit), [["late", false, 1]]);
  });

  test(`${kind.name}: invariant 4: a build that lost its worker ends as retry, and its request is built again`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w");
    let losses = 0;
    const lost = () =>
      new BelfryError(
        "BELFRY_TEST_LOST",
        { what: "The worker is gone.", why: "A test.", fix: "None." },
        { result: "retry" },
      );
    const open = worker.open;
    worker.open = async (build) => {
      const session = await open(build);
      losses += 1;
      if (losses === 1) throw lost();
      if (losses > 2) return session;
      return {
        ...session,
        run: async () => {
          worker.connect(false);
          setTimeout(() => worker.connect(true), 20);
          throw lost();
        },
      };
    };
    const runs = step({
      run: async (ctx) => (await ctx.worker.run({ command: ["x"] }), { result: "success" as const }),
    });
    await using kit = await testMaster({ config: { database: database.entry, ...config([worker], ["w"], [runs]) } });
    const { buildset, requests } = await kit.call("schedulers.force", {});
    assert.is((await kit.buildsetEnd(buildset)).result, "success");
    const { items } = await kit.call("builds.list", { order: "id" });
    assert.equal(
      items.map((build: { result: string }) => build.result),
      ["retry", "retry", "success"],
    );
    assert.match(items[0].summary, "The worker is gone.");
    const request = await kit.call("requests.get", { request: requests[0].id });
    assert.equal([request.state, request.result, request.retries], ["complete", "success", 2]);
    assert.is((await kit.events()).filter((event) => event.type === "request.finished").length, 1);
    assert.is((await kit.events()).filter((event) => event.type === "request.retried").length, 2);
  });

  test(`${kind.name}: more slots are used at once, and fewer never more than there are`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w");
    let running = 0;
    let most = 0;
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const counts = step({
      run: async () => {
        running += 1;
        most = Math.max(most, running);
        await gate;
        running -= 1;
        return { result: "success" as const };
      },
    });
    await using kit = await testMaster({ config: { database: database.entry, ...config([worker], ["w"], [counts]) } });
    const sets = [];
    for (let i = 0; i < 6; i += 1) sets.push((await kit.call("schedulers.force", {})).buildset);
    await until(() => running === 1, "the first build");
    worker.slots = 3;
    worker.connect(true);
    await until(() => running === 3, "two builds more");
    assert.equal(worker.opened.map(({ slot }) => slot).sort(), [0, 1, 2], "each has a folder of its own");
    release();
    for (const buildset of sets) await kit.buildsetEnd(buildset);
    assert.is(most, 3);
    await until(() => worker.closed === 6, "the end of all sessions");
  });
}

test("PostgreSQL: a master that starts takes no worker away that is connected to another one", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  const [near, far] = [scriptedWorker("w"), scriptedWorker("w", false)];
  const of = (name: string, worker: ScriptedWorker) => ({ name, database: database.entry, ...config([worker], ["w"]) });
  await using one = await testMaster({ config: of("one", near) });
  await using two = await testMaster({ config: of("two", far) });
  far.connect(false);
  assert.equal(await listed(two), [["w", true, 1]]);
  const built = async () => {
    const { buildset } = await two.call("schedulers.force", {});
    assert.is((await one.buildsetEnd(buildset)).result, "success");
  };
  await built();
  assert.equal([near.opened.length, far.opened.length], [1, 0]);
  near.connect(false);
  await until(async () => (await listed(two))[0]?.[1] === false, "its going");
  far.connect(true);
  await built();
  assert.equal([near.opened.length, far.opened.length], [1, 1]);
});

test("a build whose worker never opens a session can be stopped, and so can its master", async () => {
  const stuck = scriptedWorker("stuck");
  let give: (() => void) | undefined;
  const open = stuck.open;
  stuck.open = async (build) => {
    await new Promise<void>((resolve) => {
      give = resolve;
    });
    return open(build);
  };
  const kit = await testMaster({ config: config([stuck], ["stuck"]) });
  const { buildset } = await kit.call("schedulers.force", {});
  await until(() => give !== undefined, "the opening");
  await kit.call("builds.stop", { builder: "b", number: -1 });
  assert.is((await kit.buildsetEnd(buildset)).result, "cancelled");
  give?.();
  await until(() => stuck.closed === 1, "a session that comes too late is closed");
  give = undefined;
  await kit.call("schedulers.force", {});
  await until(() => give !== undefined, "the next opening");
  await kit.close();
});

test("a master that leaves after its builds gives out no other, also where a slot is free", async () => {
  const worker = scriptedWorker("w");
  worker.slots = 2;
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waits = step({ run: async () => (await gate, { result: "success" as const }) });
  const kit = await testMaster({ config: config([worker], ["w"], [waits]) });
  const first = await kit.call("schedulers.force", {});
  await kit.event("build.started");
  const stopping = kit.master.stop("after-builds");
  const second = await kit.call("schedulers.force", {});
  await until(async () => (await listed(kit))[0][1] === false, "the worker is withdrawn");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await kit.call("requests.get", { request: second.requests[0].id })).builds, []);
  assert.is((await kit.call("builds.list")).items.length, 1);
  release();
  await kit.buildsetEnd(first.buildset);
  await stopping;
  await kit.close();
});

test("if one worker cannot start, the master does not, and those that did are stopped", async () => {
  const well = scriptedWorker("well");
  const ill = scriptedWorker("ill");
  const entry = (ill.entry.options as { worker: { start: unknown } }).worker;
  entry.start = async () => {
    throw new Error("no such machine");
  };
  const error = await rejects(testMaster({ config: config([ill, well], ["well"]) }));
  assert.match((error as Error).message, "no such machine");
  assert.is(well.stopped, 1);
});

test("a build that cannot write its result is built again once the database takes it", async () => {
  const worker = scriptedWorker("w");
  let runs = 0;
  await using kit = await testMaster({
    config: config([worker], ["w"], [step({ run: () => ((runs += 1), { result: "success" as const }) })]),
  });
  const { store } = kit.master;
  const write = store.write.bind(store);
  let refuse = true;
  let refused = 0;
  store.write = (work) =>
    write(async (tx) => {
      const result = await work(tx);
      if (!refuse || runs === 0) return result;
      const row = await tx.db.selectFrom("builds").select("state").where("state", "=", "finished").executeTakeFirst();
      if (!row) return result;
      refused += 1;
      throw new Error("the disk is full");
    });
  const { buildset, requests } = await kit.call("schedulers.force", {});
  await until(() => refused >= 2, "some tries to write the end");
  assert.is((await kit.call("requests.get", { request: requests[0].id })).state, "claimed");
  refuse = false;
  assert.is((await kit.buildsetEnd(buildset)).result, "success");
  assert.is(runs, 1, "what was done is not done again while the master remembers it");
});

test.run();
