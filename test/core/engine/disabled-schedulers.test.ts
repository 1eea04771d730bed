import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, rejects, scheduler, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import { BelfryError, type Scheduler } from "belfry";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("schedulers that are disabled or sick");

const builders = [{ name: "b", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }];
const workers = [fakeWorker({ name: "w" })];

async function shown(kit: TestMaster, name: string) {
  const { items } = await kit.call("schedulers.list");
  return items.find((item: { name: string }) => item.name === name);
}

async function built(kit: TestMaster, by: string): Promise<number[]> {
  const rows = await kit.master.store.read
    .selectFrom("buildset_changes as l")
    .innerJoin("buildsets as s", "s.id", "l.buildset_id")
    .select("l.change_id")
    .where("s.scheduler", "=", by)
    .orderBy("l.change_id")
    .execute();
  return rows.map((row) => row.change_id);
}

const types = async (kit: TestMaster) =>
  (await kit.events()).filter(({ type }) => type.startsWith("scheduler.")).map(({ type, data }) => [type, data]);

for (const kind of DATABASES) {
  test(`${kind.name}: what came before it was disabled and after it was enabled is built, what came between is not`, async () => {
    await using database = await kind.open();
    const config = {
      database: database.entry,
      workers,
      builders,
      schedulers: [anyBranch({ name: "s", builders: ["b"] }), anyBranch({ name: "other", builders: ["b"] })],
    };
    const before: number[] = [];
    const all: number[] = [];
    const add = async (kit: TestMaster, list?: number[]) => {
      const id = await kit.addChange({ key: `k${all.length}` });
      all.push(id);
      list?.push(id);
    };
    {
      await using kit = await testMaster({ config });
      await add(kit, before);
      // At once, so that the change is not looked at yet.
      const answer = await kit.call("schedulers.disable", { scheduler: "s", reason: "too loud" });
      assert.equal(answer, { scheduler: "s", enabled: false, changed: true });
      assert.is((await kit.call("schedulers.disable", { scheduler: "s" })).changed, false);
      await add(kit);
      await until(async () => (await built(kit, "other")).length === 2, "the other one goes on");
      const { disabled } = await shown(kit, "s");
      assert.equal([disabled.by, disabled.reason], ["administrator", "too loud"]);
      assert.equal(
        (await kit.call("schedulers.why", { scheduler: "s" })).reasons.map((reason: any) => [
          reason.reason,
          reason.text,
        ]),
        [["scheduler-disabled", "too loud"]],
      );
    }
    await using kit = await testMaster({ config });
    assert.is.not((await shown(kit, "s")).disabled, null, "a restart changes nothing");
    await add(kit);
    assert.equal((await kit.call("schedulers.enable", { scheduler: "s" })).changed, true);
    assert.is((await kit.call("schedulers.enable", { scheduler: "s" })).changed, false);
    await add(kit, before);
    await kit.call("schedulers.disable", { scheduler: "s" });
    await add(kit);
    await kit.call("schedulers.enable", { scheduler: "s" });
    await add(kit, before);
    await until(async () => (await built(kit, "s")).length >= 3, "the changes that count");
    await until(async () => (await built(kit, "other")).length === all.length, "all, by the other one");
    assert.equal(await built(kit, "s"), before);
    const { skips } = await kit.master.store.read
      .selectFrom("schedulers")
      .select("skips")
      .where("name", "=", "s")
      .executeTakeFirstOrThrow();
    assert.is(skips, null, "nothing is kept of stretches that lie behind");
    assert.equal(
      (await types(kit)).map(([type]) => type),
      ["scheduler.disabled", "scheduler.enabled", "scheduler.disabled", "scheduler.enabled"],
    );
  });

  test(`${kind.name}: in any order of changes, switches and looks, exactly what came while it was enabled is built`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({
      config: { database: database.entry, workers, builders, schedulers: [anyBranch({ name: "s", builders: ["b"] })] },
    });
    const moves = fc.array(fc.constantFrom("change", "change", "disable", "enable", "look"), { maxLength: 25 });
    const wanted: number[] = [];
    let enabled = true;
    let keys = 0;
    const change = async () => {
      const id = await kit.addChange({ key: `k${keys++}` });
      if (enabled) wanted.push(id);
    };
    await fc.assert(
      fc.asyncProperty(moves, async (all) => {
        for (const move of [...all, "enable", "change"]) {
          if (move === "change") await change();
          else if (move === "look") await new Promise((resolve) => setTimeout(resolve, 5));
          else {
            await kit.call(`schedulers.${move}`, { scheduler: "s" });
            enabled = move === "enable";
          }
        }
        await until(async () => (await built(kit, "s")).at(-1) === wanted.at(-1), "the last change");
        assert.equal(await built(kit, "s"), wanted);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  test(`${kind.name}: a timer that ran when it was disabled goes on counting, and is looked at when it is enabled`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers,
        builders,
        schedulers: [anyBranch({ name: "s", builders: ["b"], treeStableTimer: "10m" })],
      },
      clock,
    });
    const change = await kit.addChange();
    await until(async () => (await shown(kit, "s")).wakeAt !== null, "the timer");
    const why = await kit.call("schedulers.why", { scheduler: "s" });
    assert.equal(why.reasons, [
      { reason: "tree-stable-timer", until: clock.now() + 600_000, branch: "main", codebase: "", changes: 1 },
    ]);
    await kit.call("schedulers.disable", { scheduler: "s" });
    await clock.advance(3_600_000);
    assert.equal(await built(kit, "s"), []);
    await kit.call("schedulers.enable", { scheduler: "s" });
    await until(async () => (await built(kit, "s")).length === 1, "the build");
    assert.equal(await built(kit, "s"), [change]);
  });

  test(`${kind.name}: what it decides while somebody disables it does not count`, async () => {
    await using database = await kind.open();
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let asked = 0;
    const slow: Scheduler = {
      builders: ["b"],
      wants: ["changes"],
      async process({ changes }) {
        if (changes.length === 0) return { buildsets: [] };
        asked += 1;
        await gate;
        return {
          buildsets: [{ builders: ["b"], sourceStamps: [], changes: changes.map(({ id }) => id), reason: "r" }],
        };
      },
    };
    await using kit = await testMaster({
      config: { database: database.entry, workers, builders, schedulers: [scheduler({ name: "s", scheduler: slow })] },
    });
    const change = await kit.addChange();
    await until(() => asked === 1, "the question");
    await kit.call("schedulers.disable", { scheduler: "s" });
    go();
    await kit.addChange({ key: "between" });
    await kit.call("schedulers.enable", { scheduler: "s" });
    await until(async () => (await built(kit, "s")).length > 0, "the decision");
    assert.equal(await built(kit, "s"), [change], "it was asked again, about what came before");
    assert.is(asked, 2);
  });

  test(`${kind.name}: a disabled scheduler cannot be forced`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({
      config: { database: database.entry, workers, builders, schedulers: [force({ name: "f", builders: ["b"] })] },
    });
    await kit.call("schedulers.disable", { scheduler: "f", reason: "not today" });
    const error = await rejects(kit.call("schedulers.force", { scheduler: "f" }));
    assert.ok(BelfryError.is(error));
    assert.is(error.code, "BELFRY_SCHEDULER_DISABLED");
    assert.match(error.message, /disabled by administrator, who says "not today"/);
    await kit.call("schedulers.enable", { scheduler: "f" });
    assert.is((await kit.call("schedulers.force", { scheduler: "f" })).requests.length, 1);
    const unknown = await rejects(kit.call("schedulers.disable", { scheduler: "nobody" }));
    assert.is((unknown as BelfryError).code, "BELFRY_NOT_FOUND");
  });

  test(`${kind.name}: a scheduler that throws is said to fail once, and to have recovered`, async () => {
    await using database = await kind.open();
    let broken = true;
    const sick: Scheduler = {
      builders: ["b"],
      wants: ["changes"],
      async process({ changes }) {
        if (broken) throw new TypeError("x is undefined");
        return {
          buildsets: changes.map(({ id }) => ({ builders: ["b"], sourceStamps: [], changes: [id], reason: "r" })),
        };
      },
    };
    await using kit = await testMaster({
      config: { database: database.entry, workers, builders, schedulers: [scheduler({ name: "s", scheduler: sick })] },
    });
    const change = await kit.addChange();
    await until(async () => (await shown(kit, "s")).failures >= 3, "some failures");
    assert.is((await shown(kit, "s")).error.message, "x is undefined");
    assert.equal(
      (await kit.call("schedulers.why", { scheduler: "s" })).reasons.map(({ reason, error }: any) => [reason, error]),
      [["scheduler-failing", "x is undefined"]],
    );
    broken = false;
    await until(async () => (await built(kit, "s")).length === 1, "its recovery");
    assert.equal(await built(kit, "s"), [change]);
    const { error, failures } = await shown(kit, "s");
    assert.equal([error, failures], [null, 0]);
    assert.equal(await types(kit), [
      ["scheduler.failing", { scheduler: "s", error: "x is undefined" }],
      ["scheduler.recovered", { scheduler: "s" }],
    ]);
  });
}

test.run();
