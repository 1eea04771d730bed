import { trigger } from "@belfry/steps";
import { createPart, rejects, runChecks, stepContract, testBuild } from "@belfry/testkit";
import { BelfryError, type BuildInfo, property, type z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("trigger");
type Options = z.input<typeof trigger.definition.options>;
const make = (options: Options) => createPart(trigger, options);

const stamp = { repository: "repo", branch: "main", revision: null, codebase: "", project: "p", patch: null };
const build = { sourceStamps: [stamp] } satisfies Partial<BuildInfo>;
const ok = { result: "success" as const, builds: [{ id: 7, builder: "unit", number: 3, result: "success" as const }] };
const bad = {
  result: "failure" as const,
  retries: 1,
  builds: [
    { id: 8, builder: "lint", number: 1, result: "retry" as const },
    { id: 9, builder: "lint", number: 2, result: "failure" as const },
  ],
};

test("without wait it goes on at once, and says what it began", async () => {
  await using world = await testBuild({ build, schedulers: { nightly: () => new Promise(() => {}) } });
  const ended = await world.run(make({ schedulers: "nightly" }));
  assert.equal(ended, { result: "success", summary: "nightly: nightly begun" });
  assert.match(world.logs.get("stdio") ?? "", /^nightly: buildset 1: nightly \(request 1\)\n$/);
});

test("with wait the worst result is its own, and the builds are told, also those that were built again", async () => {
  await using world = await testBuild({ build, schedulers: { a: ok, b: bad } });
  assert.equal(await world.run(make({ schedulers: ["a", "b", "a"], wait: true })), {
    result: "failure",
    summary: "a: unit 3 success; b: lint 1 retry, lint 2 failure",
  });
  assert.equal(
    world.triggered.map(({ scheduler }) => scheduler),
    ["a", "b"],
  );
  assert.match(world.logs.get("stdio") ?? "", /\na: unit 3 success\n/);
  assert.ok(world.progress.some((text) => /waits for a, b \(0 of 2 ended\)/.test(text)));
});

test("what is unimportant is waited for, and does not count", async () => {
  await using world = await testBuild({ build, schedulers: { a: ok, b: bad } });
  const { result, summary } = await world.run(make({ schedulers: ["a", "b"], wait: true, unimportant: ["b"] }));
  assert.is(result, "success");
  assert.match(summary ?? "", /lint 2 failure/);
});

test("properties are set and copied; what is set wins, and what is not there is not copied", async () => {
  await using world = await testBuild({
    build,
    properties: { version: "1.2", os: "linux", deep: { a: [1] } },
    schedulers: { a: ok },
  });
  const options: Options = {
    schedulers: property("next", "a") as never,
    copy: ["version", "os", "missing", "deep"],
    properties: { os: "mac", tag: [property("version"), (b) => b.build.number] },
    reason: (b) => `after ${b.build.builder}`,
    priority: 4,
    endsWithBuild: true,
  };
  await world.run(make(options));
  assert.equal(world.triggered, [
    {
      scheduler: "a",
      properties: { version: "1.2", os: "mac", deep: { a: [1] }, tag: ["1.2", 1] },
      endsWithBuild: true,
      sourceStamps: [stamp],
      reason: "after test",
      priority: 4,
    },
  ]);
});

test("what they build is what was checked out, asked for, the newest, the scheduler's, or what is given", async () => {
  const asked = { ...stamp, revision: "asked", patch: { level: 1, body: "x" } };
  const wish = async (source: Options["source"], gotRevision?: unknown, stamps: object[] = [asked]) => {
    await using world = await testBuild({
      build: { sourceStamps: stamps as never },
      properties: gotRevision === undefined ? {} : { gotRevision: gotRevision as never },
      schedulers: { a: ok },
    });
    await world.run(make({ schedulers: "a", ...(source === undefined ? {} : { source }) }));
    const { sourceStamps, changes } = world.triggered[0] ?? {};
    return { revisions: sourceStamps?.map(({ revision }) => revision), patch: sourceStamps?.[0]?.patch, changes };
  };
  const { patch } = asked;
  assert.equal(await wish(undefined, "got"), { revisions: ["got"], patch, changes: undefined });
  assert.equal(await wish(undefined), { revisions: ["asked"], patch, changes: undefined });
  assert.equal(await wish("asked", "got"), { revisions: undefined, patch: undefined, changes: undefined });
  assert.equal(await wish("newest", "got"), { revisions: [null], patch: null, changes: undefined });
  assert.equal(await wish("scheduler", "got"), { revisions: [], patch: undefined, changes: [] });
  const given = [{ repository: "r", branch: "b", revision: "given" }];
  assert.equal(await wish(() => given), { revisions: ["given"], patch: undefined, changes: [] });
  const two = [
    { ...asked, codebase: "app" },
    { ...asked, codebase: "lib" },
  ];
  assert.equal((await wish("built", { app: "g1" }, two)).revisions, ["g1", "asked"]);
  assert.equal((await wish("built", "g1", two)).revisions, ["asked", "asked"], "nobody knows of which it is");
});

const disabled = () => {
  throw new BelfryError("BELFRY_SCHEDULER_DISABLED", { what: "It is disabled.", why: "Ada did it.", fix: "Ask her." });
};

test("a scheduler that is disabled is left out; if all are, there is nothing to do", async () => {
  await using world = await testBuild({ build, schedulers: { a: ok, off: ok } });
  const run = (schedulers: string[]) => {
    const step = make({ schedulers, wait: true });
    return world.run({
      ...step,
      run: (ctx) =>
        step.run({ ...ctx, trigger: async (wish) => (wish.scheduler === "off" ? disabled() : ctx.trigger(wish)) }),
    });
  };
  assert.equal(await run(["off", "a"]), { result: "success", summary: "off is disabled; a: unit 3 success" });
  assert.equal(await run(["off"]), { result: "skipped", summary: "off is disabled" });
  assert.match(world.logs.get("stdio") ?? "", /off: It is disabled. Ada did it./);
});

test("a stop while it waits ends it", async () => {
  await using world = await testBuild({ build, schedulers: { a: ok, b: () => new Promise(() => {}) } });
  const stop = new AbortController();
  const running = world.run(make({ schedulers: ["a", "b"], wait: true }), { signal: stop.signal });
  const reason = new Error("stopped");
  setTimeout(() => stop.abort(reason), 20);
  assert.is(await rejects(running), reason);
});

test("what is computed for an option is checked", async () => {
  const bad: Partial<Options>[] = [
    { schedulers: () => [] },
    { schedulers: (() => 1) as never },
    { properties: { a: () => Number.NaN } },
    { reason: (() => 1) as never },
    { source: (() => [{ branch: "x" }]) as never },
  ];
  for (const options of bad) {
    await using world = await testBuild({ build, schedulers: { a: ok } });
    const error = await rejects(world.run(make({ schedulers: "a", ...options })));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_STEPS_OPTION_COMPUTED");
    assert.equal(world.triggered, []);
  }
});

test("it tells which schedulers it triggers, as far as that is known", () => {
  assert.equal(make({ schedulers: ["a", "b"] }).triggers, ["a", "b"]);
  assert.is(make({ schedulers: ["a", "b"] }).name, "trigger a, b");
  assert.is(make({ schedulers: () => "a" }).triggers, undefined);
});

runChecks(
  test,
  stepContract("trigger", {
    make: () => make({ schedulers: ["a"], wait: true, copy: ["x"] }),
    builds: [
      { build, schedulers: { a: ok }, properties: { x: 1 } },
      { build, schedulers: { a: bad }, properties: { x: 2 } },
    ],
  }),
);

test.run();
