import { force } from "@belfry/schedulers";
import { fakeWorker, rejects, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { BelfryError, type Config, parallel, type StepContext, type StepNode, sequence } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";

const test = suite("steps in a tree");
const sqliteFile = DATABASES.find(({ name }) => name === "SQLite") as (typeof DATABASES)[number];

interface ShownStep {
  step: number;
  parent: number | null;
  name: string;
  kind: string;
  result: string;
  summary: string;
  hidden: boolean;
  finishedAt: number | null;
}

const config = (steps: readonly StepNode[], builder: object = {}): Omit<Config, "database"> => ({
  workers: [fakeWorker({ name: "w" })],
  schedulers: [force({ name: "force", builders: ["b"] })],
  builders: [{ name: "b", workers: ["w"], steps: [...steps], ...builder }],
});

const world = (steps: readonly StepNode[], database?: TestDatabase, builder: object = {}): Promise<TestMaster> =>
  testMaster({ config: { ...config(steps, builder), ...(database ? { database: database.entry } : {}) } });

async function build(kit: TestMaster) {
  const { buildset } = await kit.call("schedulers.force", {});
  const { result } = await kit.buildsetEnd(buildset);
  const { items } = await kit.call("builds.list", { limit: 1 });
  const steps: ShownStep[] = (await kit.call("builds.steps", { build: items[0].id })).items;
  return { ...items[0], result, steps } as { id: number; result: string; summary: string; steps: ShownStep[] };
}

const rows = (steps: readonly ShownStep[]) =>
  steps.map(({ step: number, parent, name, result }) => `${number} in ${parent ?? "-"}: ${name} ${result}`);

const gives = (result: string, name = result, more: object = {}) =>
  step({ run: () => ({ result }) as never, title: name, ...more });

const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

/** Steps that go on only when as many of them run as are wanted. */
function together(count: number) {
  let running = 0;
  let most = 0;
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const make = (name: string) =>
    step({
      title: name,
      async run() {
        running += 1;
        most = Math.max(most, running);
        if (running === count) open();
        await gate;
        running -= 1;
        return { result: "success" as const };
      },
    });
  return { make, most: () => most };
}

for (const kind of DATABASES) {
  test(`${kind.name}: groups have rows and results of their own, and their steps tell whose they are`, async () => {
    await using database = await kind.open();
    const { make, most } = together(2);
    await using kit = await world(
      [
        gives("success", "first"),
        parallel([make("a"), sequence([make("b"), gives("warnings", "b2")], { name: "two" })], { name: "both" }),
        gives("success", "last"),
      ],
      database,
    );
    const b = await build(kit);
    assert.is(b.result, "warnings");
    assert.is(most(), 2, "they ran at the same time");
    assert.equal(rows(b.steps), [
      "1 in -: first success",
      "2 in -: both warnings",
      "3 in 2: a success",
      "4 in 2: two warnings",
      "5 in 4: b success",
      "6 in 4: b2 warnings",
      "7 in -: last success",
    ]);
    assert.equal(
      b.steps.filter(({ kind: group }) => !group.includes("/")).map(({ kind: group }) => group),
      ["parallel", "sequence"],
    );
    assert.is(b.steps[1]?.summary, "two: b2: warnings");
    assert.ok(b.steps.every(({ finishedAt }) => finishedAt !== null));
    const started = (await kit.events()).filter(({ type }) => type === "step.started");
    assert.equal(started.map(({ data }) => data.parent).sort(), [2, 2, 4, 4, null, null, null].sort());
  });

  test(`${kind.name}: a step adds steps that run right after it, as its siblings`, async () => {
    await using database = await kind.open();
    const adds = (name: string, nodes: () => StepNode[]) =>
      step({ title: name, run: (ctx) => (ctx.addSteps(nodes()), { result: "success" as const }) });
    await using kit = await world(
      [
        adds("plan", () => [gives("success", "x"), parallel([gives("warnings", "y"), gives("success", "z")])]),
        sequence([adds("inner", () => [adds("more", () => [gives("success", "most")])]), gives("success", "end")]),
        gives("success", "last"),
      ],
      database,
    );
    const b = await build(kit);
    assert.is(b.result, "warnings");
    assert.equal(rows(b.steps), [
      "1 in -: plan success",
      "2 in -: x success",
      "3 in -: parallel warnings",
      "4 in 3: y warnings",
      "5 in 3: z success",
      "6 in -: sequence success",
      "7 in 6: inner success",
      "8 in 6: end success",
      "9 in 6: more success",
      "10 in 6: most success",
      "11 in -: last success",
    ]);
    const begun = (await kit.events()).filter(({ type }) => type === "step.started").map(({ data }) => data.name);
    assert.equal(begun.slice(-5), ["inner", "more", "most", "end", "last"]);
  });

  test(`${kind.name}: hideIf hides by value and by how the step ended, and a throw in it hides nothing`, async () => {
    await using database = await kind.open();
    const ended = (hideIf: unknown) => ({ hideIf });
    await using kit = await world(
      [
        gives("success", "always", ended(true)),
        gives(
          "skipped",
          "if skipped",
          ended(({ result }: { result: string }) => result === "skipped"),
        ),
        gives(
          "success",
          "not now",
          ended(({ result }: { result: string }) => result === "skipped"),
        ),
        gives(
          "success",
          "throws",
          ended(() => {
            throw new Error("no");
          }),
        ),
        parallel([gives("success", "in it")], { hideIf: true }),
      ],
      database,
    );
    const b = await build(kit);
    assert.is(b.result, "success");
    assert.equal(
      b.steps.filter(({ hidden }) => hidden).map(({ name }) => name),
      ["always", "if skipped", "parallel"],
    );
  });
}

test("a group's result is what its steps' flags make of it, and its own flags count in the build", async () => {
  await using kit = await world([
    parallel([gives("failure", "soft", { flunkOnFailure: false, haltOnFailure: false }), gives("success")], {
      name: "soft",
    }),
    parallel([gives("failure", "hard"), gives("success")], {
      name: "excused",
      haltOnFailure: false,
      flunkOnFailure: false,
      warnOnFailure: true,
    }),
    sequence([
      gives("failure", "stops"),
      gives("success", "not begun"),
      gives("success", "clean", { alwaysRun: true }),
    ]),
    gives("success", "never"),
    gives("success", "at the end", { alwaysRun: true }),
  ]);
  const b = await build(kit);
  assert.is(b.result, "failure");
  assert.equal(rows(b.steps), [
    "1 in -: soft success",
    "2 in 1: soft failure",
    "3 in 1: success success",
    "4 in -: excused failure",
    "5 in 4: hard failure",
    "6 in 4: success success",
    "7 in -: sequence failure",
    "8 in 7: stops failure",
    "10 in 7: clean success",
    "12 in -: at the end success",
  ]);
  assert.match(b.summary, "sequence: stops: failure");
});

test("a group runs at most so many at a time, and after a failure begins no other", async () => {
  const { make, most } = together(2);
  await using kit = await world([
    parallel(["a", "b", "c", "d", "e"].map(make), { limit: 2 }),
    parallel([gives("success", "one"), gives("failure", "two"), gives("success", "three")], { limit: 1 }),
  ]);
  const b = await build(kit);
  assert.is(most(), 2);
  assert.equal(rows(b.steps).slice(6), ["7 in -: parallel failure", "8 in 7: one success", "9 in 7: two failure"]);
});

test("a stop ends all that runs at once; groups are cancelled, and what always runs still runs", async () => {
  let begun = 0;
  const long = (name: string) => step({ title: name, run: (ctx) => ((begun += 1), untilAborted(ctx)) });
  await using kit = await world([
    parallel([long("a"), sequence([long("b"), gives("success", "c")])]),
    parallel([gives("success", "clean")], { alwaysRun: true }),
  ]);
  const { buildset } = await kit.call("schedulers.force", {});
  await until(() => begun === 2, "both steps");
  await kit.call("builds.stop", { builder: "b", number: -1 });
  assert.is((await kit.buildsetEnd(buildset)).result, "cancelled");
  const { items } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.equal(rows(items), [
    "1 in -: parallel cancelled",
    "2 in 1: a cancelled",
    "3 in 1: sequence cancelled",
    "4 in 3: b cancelled",
    "6 in -: parallel success",
    "7 in 6: clean success",
  ]);
});

test("a group's time ends what runs in it, as a failure that the build may excuse", async () => {
  await using kit = await world([
    sequence([step({ title: "long", run: untilAborted }), gives("success", "left out")], {
      maxTime: 50,
      haltOnFailure: false,
      flunkOnFailure: false,
    }),
    gives("success", "next"),
  ]);
  const b = await build(kit);
  assert.is(b.result, "success");
  assert.equal(rows(b.steps), ["1 in -: sequence failure", "2 in 1: long failure", "4 in -: next success"]);
  assert.is(b.steps[1]?.summary, "its group took longer than 50 ms");
});

test("doStepIf skips a group with all that is in it", async () => {
  await using kit = await world([
    parallel([gives("failure")], { doStepIf: false }),
    parallel([gives("failure")], { doStepIf: (b) => b.properties.get("buildername") === "other", name: "asked" }),
    parallel([gives("success")], { doStepIf: async (b) => b.result === "success", name: "wanted" }),
  ]);
  const b = await build(kit);
  assert.equal(rows(b.steps), [
    "1 in -: parallel skipped",
    "3 in -: asked skipped",
    "5 in -: wanted success",
    "6 in 5: success success",
  ]);
  assert.is(b.result, "success");
});

test("a doStepIf that throws makes its group an exception", async () => {
  await using kit = await world([
    parallel([gives("success")], {
      doStepIf: () => {
        throw new Error("it cannot tell");
      },
    }),
  ]);
  const b = await build(kit);
  assert.is(b.result, "exception");
  assert.equal(rows(b.steps), ["1 in -: parallel exception"]);
  assert.is(b.steps[0]?.summary, "it cannot tell");
});

test("a master that goes away ends steps at once and their groups as retry", async () => {
  let begun = 0;
  const long = () => step({ run: (ctx) => ((begun += 1), untilAborted(ctx)) });
  await using database = await sqliteFile.open();
  const tree = [parallel([long(), sequence([long(), gives("success")])])];
  const first = await world(tree, database);
  await first.call("schedulers.force", {});
  await until(() => begun === 2, "both steps");
  await first.close();
  await using again = await testMaster({ config: { ...config(tree), database: database.entry }, engine: false });
  const { items: steps } = (await again.call("builds.steps", { builder: "b", number: 1 })) as { items: ShownStep[] };
  assert.equal(
    steps.map(({ result }) => result),
    ["retry", "retry", "retry", "retry"],
  );
});

test("steps that are added are checked like configured ones, all faults together, and none is added then", async () => {
  let refused: BelfryError | undefined;
  const stranger = { kind: "@belfry/steps/shell", options: { command: "true" } };
  await using kit = await world([
    step({
      run(ctx) {
        try {
          ctx.addSteps([
            gives("success", "fine"),
            { kind: "nobody.knows" },
            stranger,
            { parallel: [] },
            parallel([{ kind: "testkit.step", options: { run: 0, haltOnFailure: "x" } }], { limit: 0 }),
          ]);
        } catch (error) {
          if (BelfryError.is(error)) refused = error;
        }
        return { result: "success" as const };
      },
    }),
  ]);
  const b = await build(kit);
  assert.is(b.steps.length, 1);
  assert.is(refused?.code, "BELFRY_STEPS_REFUSED");
  assert.equal(refused?.details.map(({ path }) => path).sort(), ["steps[3].parallel", "steps[4].limit"]);
});

test("steps that are added come from plugins that the configuration uses, and there is a most of them", async () => {
  const codes: string[] = [];
  const attempt = (ctx: StepContext, nodes: StepNode[]) => {
    try {
      ctx.addSteps(nodes);
    } catch (error) {
      codes.push(BelfryError.is(error) ? (error.details[0]?.message ?? error.code) : String(error));
    }
  };
  const many = parallel(Array.from({ length: 1_000 }, () => gives("success")));
  const { shell } = await import("@belfry/steps");
  let late: StepContext | undefined;
  await using kit = await world([
    step({
      run(ctx) {
        late = ctx;
        attempt(ctx, [shell({ command: "true" })]);
        attempt(ctx, [{ kind: "steps.shell", options: { command: "true" } }]);
        attempt(ctx, [many]);
        return { result: "success" as const };
      },
    }),
  ]);
  await build(kit);
  assert.match(codes[0] ?? "", 'its plugin "@belfry/steps" is not used by the configuration');
  assert.match(codes[1] ?? "", 'there is no step of kind "steps.shell"');
  assert.match(codes[2] ?? "", "at most 1000 steps");
  assert.throws(() => late?.addSteps([]), /step is over/, "and not after the step's end");
});

test("a configuration with faults in groups names each with its path", async () => {
  const error = await rejects(
    world([
      parallel([gives("success"), sequence([{ kind: "nope" }, "x" as never], { name: "s" })]),
      { parallel: [gives("success")], surplus: 1, limit: "many" } as never,
      { sequence: "x" } as never,
      parallel([gives("success", "a", { maxTime: "soon" })], { retry: { max: 1 } } as never),
    ]),
  );
  assert.ok(BelfryError.is(error));
  assert.equal(error.details.map(({ path }) => path).sort(), [
    "builders[0].steps[0].parallel[1].sequence[0].kind",
    "builders[0].steps[0].parallel[1].sequence[1]",
    "builders[0].steps[1].limit",
    "builders[0].steps[1].surplus",
    "builders[0].steps[2].sequence",
    "builders[0].steps[3].parallel[0].options.maxTime",
    "builders[0].steps[3].retry",
  ]);
  const cyclic: { parallel: unknown[] } = { parallel: [] };
  cyclic.parallel.push(cyclic);
  const deep = await rejects(world([cyclic as never]));
  assert.ok(BelfryError.is(deep));
  assert.match(deep.message, "at most 10 deep");
});

test.run();
