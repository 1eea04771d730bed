import { force } from "@belfry/schedulers";
import { fakeWorker, step, testMaster, until } from "@belfry/testkit";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assignBuild, finishBuild } from "../../../core/src/store/builds.ts";
import { DATABASES } from "../databases.ts";

const test = suite("requests");

for (const kind of DATABASES) {
  test(`${kind.name}: invariant 3: a request ends with exactly one result, however many end it at once`, async () => {
    await using database = await kind.open();
    const results = ["success", "failure", "retry"] as const;
    let turns = 0;
    const random = step({
      run: async (ctx) => {
        turns += 1;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 15));
        // A retry waits a second; one for each request is enough.
        const result = results[Math.floor(Math.random() * (ctx.build.number > 60 ? 2 : 3))] ?? "success";
        return { result };
      },
    });
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [fakeWorker({ name: "w", slots: 6 })],
        schedulers: [force({ name: "force", builders: ["b"] })],
        builders: [{ name: "b", workers: ["w"], steps: [random] }],
      },
    });
    const forced: { request: number; buildset: number }[] = [];
    const ignore = () => undefined;
    for (let i = 0; i < 30; i += 1) {
      const { buildset, requests } = await kit.call("schedulers.force", {});
      const request = requests[0].id;
      forced.push({ request, buildset });
      if (i % 3 === 0) void kit.call("requests.cancel", { request }).catch(ignore);
      if (i % 4 === 0)
        setTimeout(() => void kit.call("builds.stop", { builder: "b", number: -1 }).catch(ignore), Math.random() * 20);
      if (i % 5 === 0)
        setTimeout(() => void kit.call("requests.cancel", { request }).catch(ignore), Math.random() * 30);
    }
    for (const { buildset } of forced) await kit.buildsetEnd(buildset);
    await until(async () => (await kit.call("status.now")).builds.length === 0, "the end of all builds");
    assert.ok(turns > 0);
    const events = await kit.events();
    for (const { request, buildset } of forced) {
      const ends = events.filter((event) => event.type === "request.finished" && event.data.request === request);
      assert.is(ends.length, 1);
      const row = await kit.call("requests.get", { request });
      assert.equal([row.state, row.result], ["complete", ends[0].data.result]);
      const set = await kit.call("buildsets.get", { buildset });
      assert.equal([set.result, set.completeAt === null], [row.result, false]);
      assert.is(events.filter((e) => e.type === "buildset.finished" && e.data.buildset === buildset).length, 1);
      const builds = [];
      for (const build of row.builds) builds.push((await kit.call("builds.get", { build })).result);
      const last = builds.at(-1);
      if (row.result !== "cancelled") assert.is(last, row.result);
      assert.ok(
        builds.slice(0, -1).every((result) => result === "retry"),
        builds.join(),
      );
    }
    const open = await kit.master.store.read
      .selectFrom("buildsets")
      .select(["id", "open_requests"])
      .where("open_requests", "!=", 0)
      .execute();
    assert.equal(open, []);
  });
}

test("PostgreSQL: a request that is cancelled while it is given to a worker has its build stopped", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  await using kit = await testMaster({
    config: {
      database: database.entry,
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps: [] }],
    },
    engine: false,
  });
  const { requests, buildset } = await kit.call("schedulers.force", {});
  const request = requests[0].id;
  const { store } = kit.master;
  const { id: masterId } = await store.read.selectFrom("masters").select("id").executeTakeFirstOrThrow();
  const key = { number: 1, builder: "b", project: "", requestId: request, buildsetId: buildset };
  let assigned = () => {};
  const begun = new Promise<void>((resolve) => {
    assigned = resolve;
  });
  const assigning = store.write(async (tx) => {
    const id = await assignBuild(tx, {
      ...key,
      builderId: 1,
      worker: "w",
      slot: 0,
      masterId,
      masterFence: 1,
      generation: null,
      branch: null,
      revision: null,
    });
    assigned();
    await sql`select pg_sleep(0.4)`.execute(tx.db);
    return id as number;
  });
  await begun;
  const { stopping } = await kit.call("requests.cancel", { request });
  const id = await assigning;
  assert.equal(stopping, [id]);
  const row = await kit.call("requests.get", { request });
  assert.equal([row.state, row.result], ["claimed", null], "it ends when its build has");
  assert.match((await kit.call("builds.get", { build: id })).stopReason, "cancelled by administrator");
  await store.write((tx) => finishBuild(tx, { id, ...key }, "cancelled", ""));
  assert.is((await kit.call("requests.get", { request })).result, "cancelled");
  await store.write((tx) => finishBuild(tx, { id, ...key }, "success", ""));
  assert.is((await kit.call("requests.get", { request })).result, "cancelled", "what has ended stays as it is");
});

test.run();
