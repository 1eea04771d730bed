import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, scheduler, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import type { Scheduler, SchedulerContext, SchedulerDecision } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("schedulers");

const builders = [{ name: "b", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }];
const workers = [fakeWorker({ name: "w" })];

const stamps = (ctx: SchedulerContext) =>
  ctx.changes.map(({ repository, branch, revision }) => ({ repository, branch, revision }));
const perChange = (ctx: SchedulerContext): SchedulerDecision => ({
  buildsets: ctx.changes.map((change, i) => ({
    builders: ["b"],
    sourceStamps: [stamps(ctx)[i] as never],
    changes: [change.id],
    reason: `change ${change.key}`,
  })),
  state: Number(ctx.state ?? 0) + ctx.changes.length,
});

async function shown(kit: TestMaster, name: string) {
  const { items } = await kit.call("schedulers.list");
  return items.find((item: { name: string }) => item.name === name);
}

async function decided(kit: TestMaster): Promise<number[]> {
  const rows = await kit.master.store.read
    .selectFrom("buildset_changes as l")
    .innerJoin("buildsets as s", "s.id", "l.buildset_id")
    .select("l.change_id")
    .orderBy("l.change_id")
    .execute();
  return rows.map((row) => row.change_id);
}

for (const kind of DATABASES) {
  for (const when of ["before", "after"] as const) {
    test(`${kind.name}: invariant 2: a decision counts once when the master fails ${when} its commit and asks again`, async () => {
      await using database = await kind.open();
      let asked = 0;
      let fails = 0;
      const deciding: Scheduler = {
        builders: ["b"],
        async process(ctx) {
          if (ctx.changes.length > 0) {
            asked += 1;
            if (fails < 2) fail = true;
          }
          return perChange(ctx);
        },
      };
      let fail = false;
      await using kit = await testMaster({
        config: {
          database: database.entry,
          workers,
          builders,
          schedulers: [scheduler({ name: "s", scheduler: deciding })],
        },
      });
      const { store } = kit.master;
      const write = store.write.bind(store);
      store.write = async (work) => {
        if (!fail) return write(work);
        fail = false;
        fails += 1;
        if (when === "after") await write(work);
        throw new Error(`cut off ${when} the commit`);
      };
      const ids = [];
      for (let i = 0; i < 4; i += 1) {
        ids.push(await kit.addChange({ key: `k${i}` }));
        await until(async () => (await decided(kit)).length > i, "the decision");
      }
      assert.is(fails, 2);
      assert.is(asked, when === "before" ? 6 : 4);
      assert.equal(await decided(kit), ids, "each change led to one buildset");
      const row = await store.read.selectFrom("schedulers").select("state").where("name", "=", "s").executeTakeFirst();
      assert.is(row?.state, "4", "and was counted once");
    });
  }

  test(`${kind.name}: what a scheduler reads of buildsets that ended, changes by id, and its wishes to be woken`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const finished: unknown[] = [];
    let byId: number[] = [];
    let woken = 0;
    let wakeAt = 0;
    const watching: Scheduler = {
      builders: ["b"],
      async process(ctx) {
        finished.push(
          ...ctx.finished.map(({ scheduler, result, builders, changes }) => ({ scheduler, result, builders, changes })),
        );
        byId = (await ctx.changesById([1, 2, -1, 2 ** 40, 0.5, 1])).map((change) => change.id);
        if (ctx.changes.length === 0 && ctx.finished.length === 0 && wakeAt > 0 && ctx.now >= wakeAt) woken += 1;
        if (wakeAt === 0) wakeAt = ctx.now + 3_600_000;
        return { ...perChange({ ...ctx, changes: ctx.changes }), ...(woken === 0 ? { wakeAt } : {}) };
      },
    };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers,
        builders,
        schedulers: [scheduler({ name: "s", scheduler: watching })],
      },
      clock,
    });
    const change = await kit.addChange();
    await until(() => finished.length === 1, "the news of the finished buildset");
    assert.equal(finished, [{ scheduler: "s", result: "success", builders: ["b"], changes: [change] }]);
    assert.equal(byId, [1]);
    assert.is((await shown(kit, "s")).wakeAt, wakeAt);
    await clock.advance(3_599_000);
    assert.is(woken, 0);
    await clock.advance(1_000);
    await until(() => woken === 1, "the waking");
    await clock.advance(7_200_000);
    await until(async () => (await shown(kit, "s")).wakeAt === null, "no further wish");
    assert.is(woken, 1);
  });

  test(`${kind.name}: a scheduler that throws, or asks for what is not there, is shown and stops no other`, async () => {
    await using database = await kind.open();
    let broken = true;
    const throwing: Scheduler = {
      builders: ["b"],
      async process(ctx) {
        if (broken && ctx.changes.length > 0) throw new TypeError("x is undefined");
        return perChange(ctx);
      },
    };
    const lost: Scheduler = {
      builders: ["b"],
      process: async (ctx) => ({
        buildsets: ctx.changes.map(() => ({ builders: ["nobody"], sourceStamps: [], reason: "" })),
      }),
    };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers,
        builders,
        schedulers: [
          scheduler({ name: "throwing", scheduler: throwing }),
          scheduler({ name: "lost", scheduler: lost }),
          anyBranch({ name: "good", builders: ["b"] }),
        ],
      },
    });
    const change = await kit.addChange();
    await kit.event("buildset.finished", (data) => data.scheduler === "good");
    await until(async () => (await shown(kit, "throwing")).failures >= 2, "another try");
    assert.equal((await shown(kit, "throwing")).error, { message: "x is undefined", code: null });
    await until(async () => (await shown(kit, "lost")).failures >= 1, "its failure");
    assert.is((await shown(kit, "lost")).error.code, "BELFRY_BUILDER_UNKNOWN");
    assert.is((await shown(kit, "good")).error, null);
    assert.equal(await decided(kit), [change]);
    broken = false;
    await kit.event("buildset.finished", (data) => data.scheduler === "throwing");
    assert.is((await shown(kit, "throwing")).error, null, "what failed is not lost: it is decided on when that works");
  });
}

test("a tree's changes are built together when it has been stable for a time, by the clock of the master", async () => {
  const clock = testClock();
  await using kit = await testMaster({
    config: {
      workers,
      builders,
      schedulers: [
        anyBranch({ name: "stable", builders: ["b"], treeStableTimer: "10m" }),
        force({ name: "force", builders: ["b"] }),
      ],
    },
    clock,
  });
  const wakeAt = async () => (await shown(kit, "stable")).wakeAt;
  const first = await kit.addChange({ revision: "r1" });
  await until(async () => (await wakeAt()) === clock.now() + 600_000, "the wish to be woken");
  await clock.advance(400_000);
  const second = await kit.addChange({ revision: "r2" });
  await until(async () => (await wakeAt()) === clock.now() + 600_000, "the wish to be woken later");
  await clock.advance(599_999);
  await until(async () => !(await kit.call("status.now")).loops.some((l: { running: boolean }) => l.running), "rest");
  assert.equal((await kit.call("requests.list")).items, []);
  await clock.advance(1);
  const { data } = await kit.event("buildset.finished");
  const set = await kit.call("buildsets.get", { buildset: data.buildset });
  assert.equal(set.changes, [first, second]);
  assert.is(set.sourceStamps[0].revision, "r2");
  assert.is((await kit.call("requests.list")).items.length, 1);
});

test("a scheduler that never answers does not keep the master from stopping", async () => {
  let begun = false;
  const deaf: Scheduler = {
    builders: ["b"],
    async process(ctx) {
      if (ctx.changes.length === 0) return { buildsets: [] };
      begun = true;
      return new Promise(() => undefined);
    },
  };
  const kit = await testMaster({
    config: { workers, builders, schedulers: [scheduler({ name: "deaf", scheduler: deaf })] },
  });
  await kit.addChange();
  await until(() => begun, "the question");
  await kit.close();
});

test.run();
