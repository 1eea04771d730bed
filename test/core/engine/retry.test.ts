import { force } from "@belfry/schedulers";
import { fakeWorker, rejects, step, type TestMaster, testMaster } from "@belfry/testkit";
import { BelfryError, type RetryPolicy, type StepContext, type StepNode } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EVENT_TYPES } from "../../../core/src/status/events.ts";
import { DATABASES, type TestDatabase } from "../databases.ts";

const test = suite("trying again");

const world = (steps: readonly StepNode[], database?: TestDatabase, retry?: RetryPolicy): Promise<TestMaster> =>
  testMaster({
    config: {
      ...(database ? { database: database.entry } : {}),
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["a", "b", "c"] })],
      builders: ["a", "b", "c"].map((name) => ({
        name,
        workers: ["w"],
        steps: [...steps],
        ...(retry ? { retry } : {}),
      })),
    },
  });

const forced = async (kit: TestMaster, builders = ["b"]) => {
  const { buildset } = await kit.call("schedulers.force", { builders });
  return kit.buildsetEnd(buildset);
};

/** A step that ends so, one after the other, and then goes on with the last. */
function ends(...results: string[]) {
  let turns = 0;
  return (more: object = {}) =>
    step({
      title: "flaky",
      async run(ctx) {
        const result = results[Math.min(turns, results.length - 1)];
        turns += 1;
        await ctx.log("stdio").write(`turn ${turns}\n`);
        await ctx.worker.run({ command: ["true"], log: null });
        if (result === "throws") throw new Error(`broken in turn ${turns}`);
        return { result, summary: `turn ${turns}` } as never;
      },
      ...more,
    });
}

for (const kind of DATABASES) {
  test(`${kind.name}: a step is tried again, each attempt with logs of its own, and the last one counts`, async () => {
    await using database = await kind.open();
    await using kit = await world([ends("failure", "throws", "success")({ retry: { max: 5 } })], database);
    const set = await forced(kit);
    assert.is(set.result, "success");
    const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
    assert.is(items.length, 1);
    assert.equal(
      items[0].attempts.map((one: { result: string; summary: string }) => [one.result, one.summary]),
      [
        ["failure", "turn 1"],
        ["exception", "broken in turn 2"],
      ],
    );
    assert.equal([items[0].result, items[0].summary], ["success", "turn 3"]);
    const logs = (await kit.call("logs.list", { builder: "b", number: 1 })).items;
    assert.equal(
      logs.map(({ log, name, finished }: { log: number; name: string; finished: boolean }) => [log, name, finished]),
      [
        [1, "stdio", true],
        [2, "stdio (attempt 2)", true],
        [3, "error (attempt 2)", true],
        [4, "stdio (attempt 3)", true],
      ],
    );
    assert.is(await kit.logText(items[0].build, 1, 4), "turn 3\n");
    const told = (await kit.events()).filter(({ type }) => type === "step.retried");
    for (const { data, builder } of told) {
      assert.is(builder, "b");
      EVENT_TYPES["step.retried"].parse(data);
    }
    assert.equal(
      told.map(({ data }) => [data.attempt, data.result]),
      [
        [1, "failure"],
        [2, "exception"],
      ],
    );
    const calls = await kit.master.store.read.selectFrom("step_calls").select(["call", "method"]).execute();
    assert.equal(
      calls.map(({ call }) => call),
      [1, 2, 3],
      "the journal has the calls of all attempts",
    );
  });

  test(`${kind.name}: a builder's policy builds a request again, and it ends with the last build`, async () => {
    await using database = await kind.open();
    await using kit = await world([ends("failure", "failure", "warnings")()], database, { max: 2 });
    const set = await forced(kit);
    assert.is(set.result, "warnings");
    const [request] = set.requests;
    assert.equal([request.result, request.retries], ["warnings", 0]);
    const { items } = await kit.call("builds.list", { request: request.id, order: "id" });
    assert.equal(
      items.map((b: { number: number; result: string }) => [b.number, b.result]),
      [
        [1, "failure"],
        [2, "failure"],
        [3, "warnings"],
      ],
    );
    assert.is((await kit.events()).filter(({ type }) => type === "request.retried").length, 2);
  });

  test(`${kind.name}: what failed of a buildset can be built again, and nothing else`, async () => {
    await using database = await kind.open();
    const some = step({
      run: (ctx) => ({ result: ctx.build.builder === "b" ? "success" : ctx.build.number > 1 ? "success" : "failure" }),
    });
    await using kit = await world([some], database);
    await kit.addChange({ revision: "r9" });
    const { buildset, requests } = await kit.call("schedulers.force", {
      builders: ["a", "b", "c"],
      revision: "r9",
      branch: "main",
      properties: { p: 1 },
      priority: 4,
    });
    assert.is((await kit.buildsetEnd(buildset)).result, "failure");
    assert.is(requests.length, 3);
    const again = await kit.call("buildsets.rebuild", { buildset, reason: "why not" });
    assert.equal(
      again.requests.map(({ builder }: { builder: string }) => builder),
      ["a", "c"],
    );
    const set = await kit.buildsetEnd(again.buildset);
    assert.is(set.result, "success");
    assert.is(set.properties.p, 1);
    assert.is(set.sourceStamps[0].revision, "r9");
    assert.is(set.requests[0].priority, 4);
    assert.match(set.reason, `what failed in buildset ${buildset} by administrator: why not`);
    const error = await rejects(kit.call("buildsets.rebuild", { buildset: again.buildset }));
    assert.is(BelfryError.is(error) && error.code, "BELFRY_NOTHING_TO_REBUILD");
  });
}

test("a step is tried at most so often, and only after the results that the policy names", async () => {
  await using kit = await world([
    ends("failure")({ name: "often", retry: { max: 2 }, haltOnFailure: false }),
    ends("failure", "success")({ name: "other", retry: { max: 2, on: ["exception"] }, haltOnFailure: false }),
    ends("warnings", "success")({ name: "warns", retry: { max: 1, on: ["warnings"] } }),
  ]);
  await forced(kit);
  const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.equal(
    items.map((one: { name: string; result: string; attempts: unknown[] }) => [
      one.name,
      one.result,
      one.attempts.length,
    ]),
    [
      ["often", "failure", 2],
      ["other", "failure", 0],
      ["warns", "success", 1],
    ],
  );
});

test("an attempt after the policy's time is not made, of steps and of builds", async () => {
  const slow = (ctx: StepContext) =>
    new Promise<{ result: "failure" }>((resolve) => ctx.clock.setTimer(20, () => resolve({ result: "failure" })));
  await using kit = await world([step({ run: slow, retry: { max: 50, within: "70ms" } })], undefined, {
    max: 50,
    within: "1ms",
  });
  const set = await forced(kit);
  assert.is(set.result, "failure");
  const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.ok(items[0].attempts.length >= 1 && items[0].attempts.length < 5, `${items[0].attempts.length} attempts`);
  assert.is((await kit.call("requests.get", { request: set.requests[0].id })).builds.length, 1);
});

test("each attempt has the step's whole time, and a build that is stopped is not tried again", async () => {
  let turns = 0;
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  await using kit = await world(
    [
      step({
        title: "hangs once",
        maxTime: 50,
        retry: { max: 3 },
        run: (ctx) =>
          (turns += 1) === 1
            ? new Promise<never>((_, reject) =>
                ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
              )
            : { result: "success" },
      }),
      step({
        title: "stopped",
        retry: { max: 3, on: ["failure", "exception", "warnings"] },
        async run() {
          turns += 1;
          stop();
          await new Promise((resolve) => setTimeout(resolve, 200));
          return { result: "failure" };
        },
      }),
    ],
    undefined,
    { max: 3 },
  );
  const { buildset } = await kit.call("schedulers.force", { builders: ["b"] });
  await stopped;
  await kit.call("builds.stop", { builder: "b", number: 1 });
  const set = await kit.buildsetEnd(buildset);
  assert.is(set.result, "cancelled");
  assert.is(turns, 3);
  const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.is(items[0].attempts[0].summary, "took longer than 50 ms");
  assert.is((await kit.call("requests.get", { request: set.requests[0].id })).builds.length, 1);
});

test("what an attempt that is repeated has added is forgotten", async () => {
  let turns = 0;
  const adds = step({
    retry: { max: 1 },
    run(ctx) {
      turns += 1;
      ctx.addSteps([step({ title: `of turn ${turns}`, run: () => ({ result: "success" }) })]);
      return { result: turns === 1 ? "failure" : "success" };
    },
  });
  await using kit = await world([adds]);
  await forced(kit);
  const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.equal(
    items.map(({ name }: { name: string }) => name),
    ["step", "of turn 2"],
  );
});

test("a policy that makes no sense is refused when the configuration is loaded", async () => {
  for (const retry of [{ max: 0 }, { max: 1, on: [] }, { max: 1, on: ["cancelled"] }, { max: 1, within: "soon" }, {}]) {
    const error = await rejects(world([ends("success")({ retry })]));
    assert.is(BelfryError.is(error) && error.code, "BELFRY_CONFIG_INVALID", JSON.stringify(retry));
    const other = await rejects(world([ends("success")()], undefined, retry as never));
    assert.is(BelfryError.is(other) && other.code, "BELFRY_CONFIG_INVALID", JSON.stringify(retry));
  }
});

test.run();
