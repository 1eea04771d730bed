import { force } from "@belfry/schedulers";
import { fakeWorker, rejects, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import { BelfryError, type Clock, type Entry, type StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";

const test = suite("steps that give odd things");

const world = (database: TestDatabase, steps: Entry<"step">[], clock?: Clock): Promise<TestMaster> =>
  testMaster({
    ...(clock ? { clock } : {}),
    config: {
      database: database.entry,
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps, description: "with \0 in it" }],
    },
  });

async function build(kit: TestMaster) {
  const { buildset } = await kit.call("schedulers.force", {});
  const { result } = await kit.buildsetEnd(buildset);
  const got = await kit.call("builds.get", { builder: "b", number: -1 });
  const { items: steps } = await kit.call("builds.steps", { build: got.id });
  return { ...got, steps, result };
}

for (const kind of DATABASES) {
  test(`${kind.name}: text that no database can keep, in a summary, an error, a log's name, a property, ends no build half way`, async () => {
    await using database = await kind.open();
    const odd = "a\0b\ud800c";
    const shown = "a\ufffdb\ufffdc";
    await using kit = await world(database, [
      step({
        title: "one",
        name: "n",
        run: async (ctx) => {
          await ctx.log(odd).write(`${odd}\n`);
          ctx.properties.set(odd, odd, odd);
          ctx.properties.set("plain", { [odd]: odd });
          ctx.progress(odd);
          return { result: "success", summary: odd };
        },
      }),
      step({ title: "two", run: () => Promise.reject(new Error(odd)) }),
    ]);
    const got = await build(kit);
    assert.is(got.result, "exception");
    assert.is(got.steps[0].summary, shown);
    assert.match(got.steps[1].summary, "a");
    assert.ok(got.summary.includes(shown));
    const { value, source } = got.properties[shown];
    assert.is(source, shown);
    // Within JSON there is room for everything.
    assert.equal([value, got.properties.plain.value], [odd, { [odd]: odd }]);
    const { items } = await kit.call("logs.list", { build: got.id, step: 1 });
    assert.is(items[0].name, shown);
    assert.is((await kit.call("builders.get", { builder: "b" })).description, "with \ufffd in it");
  });

  test(`${kind.name}: very many properties and very long text are kept, or cut, and hurt nobody`, async () => {
    await using database = await kind.open();
    await using kit = await world(database, [
      step({
        run: (ctx) => {
          for (let i = 0; i < 3_000; i += 1) ctx.properties.set(`p${i}`, i);
          ctx.properties.set("long", "x".repeat(1_000_000));
          return { result: "success", summary: "y".repeat(1_000_000) };
        },
      }),
      step({ title: "wrong", run: () => ({ result: "success", summary: 7 as never }) }),
    ]);
    const got = await build(kit);
    assert.is(got.result, "success");
    assert.is(got.steps[0].summary.length, 2_000);
    assert.is(got.steps[1].summary, "7");
    const { count } = await kit.master.store.read
      .selectFrom("properties")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("build_id", "=", got.id)
      .where("name", "like", "p%")
      .executeTakeFirstOrThrow();
    assert.is(count, 3_000);
    assert.is(got.properties.long.value.length, 1_000_000);
  });
}

test("what a step does after it is over is refused or has no effect", async () => {
  const kind = DATABASES[0];
  assert.ok(kind);
  await using database = await kind.open();
  let kept: { ctx: StepContext; log: ReturnType<StepContext["log"]> } | undefined;
  await using kit = await world(database, [
    step({
      run: async (ctx) => {
        kept = { ctx, log: ctx.log("stdio") };
        await kept.log.write("in time\n");
        return { result: "success", summary: "fine" };
      },
    }),
    step({
      title: "second",
      run: async () => {
        assert.ok(kept);
        const { ctx, log } = kept;
        for (const late of [
          async () => ctx.worker.run({ command: ["x"] }),
          async () => ctx.properties.set("late", 1),
          async () => ctx.log("late"),
        ]) {
          const error = await rejects(late());
          assert.ok(BelfryError.is(error), String(error));
          assert.is(error.code, "BELFRY_STEP_OVER");
        }
        await log.write("too late\n");
        ctx.progress("too late");
        return { result: "success" };
      },
    }),
  ]);
  const got = await build(kit);
  assert.is(got.result, "success", JSON.stringify(got.steps));
  assert.is(got.properties.late, undefined);
  assert.is(got.steps[0].summary, "fine");
  assert.is(await kit.logText(got.id, 1), "in time\n");
  assert.is((await kit.call("logs.list", { build: got.id })).items.length, 1);
});

test("a question whether to run that never settles is given up, as a step is", async () => {
  const kind = DATABASES[0];
  assert.ok(kind);
  await using database = await kind.open();
  const clock = testClock();
  let asked = false;
  const doStepIf = () => {
    asked = true;
    return new Promise<boolean>(() => undefined);
  };
  await using kit = await world(
    database,
    [step({ run: () => ({ result: "success" }), doStepIf, maxTime: "1m" })],
    clock,
  );
  const { buildset } = await kit.call("schedulers.force", {});
  await until(() => asked, "the question");
  await clock.advance(60_000);
  await clock.advance(30_000);
  assert.is((await kit.buildsetEnd(buildset)).result, "failure");
});

test.run();
