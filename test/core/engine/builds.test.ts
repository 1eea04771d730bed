import { force } from "@belfry/schedulers";
import { fakeWorker, secrets, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { type Config, type Entry, interpolate, type StepContext, secret } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("builds");

type Steps = Entry<"step">[];

async function world(
  steps: Steps,
  more: Partial<Config> & { builder?: object; worker?: object } = {},
): Promise<TestMaster> {
  const { builder = {}, worker = {}, ...config } = more;
  return testMaster({
    config: {
      workers: [fakeWorker({ name: "w", ...worker })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps, ...builder }],
      ...config,
    },
  });
}

async function build(kit: TestMaster, params = {}) {
  const { buildset } = await kit.call("schedulers.force", params);
  await kit.buildsetEnd(buildset);
  const { items } = await kit.call("builds.list", { limit: 1 });
  const { items: steps } = await kit.call("builds.steps", { build: items[0].id });
  return { ...items[0], steps } as {
    id: number;
    result: string;
    summary: string;
    steps: { name: string; result: string; summary: string; error: { message: string; code: string } }[];
  };
}

const gives = (result: string, more: object = {}) => step({ run: () => ({ result }) as never, title: result, ...more });
const names = (b: { steps: { name: string; result: string }[] }) => b.steps.map((s) => `${s.name}: ${s.result}`);
const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

test("a failure ends the build, but steps that always run still run", async () => {
  await using kit = await world([
    gives("failure"),
    gives("success"),
    gives("success", { alwaysRun: true, name: "clean up" }),
  ]);
  const b = await build(kit);
  assert.is(b.result, "failure");
  assert.equal(names(b), ["failure: failure", "clean up: success"]);
});

test("a failure that does not halt lets later steps run, and the flags decide what it means", async () => {
  await using kit = await world([
    gives("failure", { haltOnFailure: false, flunkOnFailure: false, warnOnFailure: true }),
    gives("success"),
  ]);
  const b = await build(kit);
  assert.is(b.result, "warnings");
  assert.equal(names(b), ["failure: failure", "success: success"]);
});

test("doStepIf skips a step, by value and by function of the build's properties", async () => {
  await using kit = await world([
    step({ run: (ctx) => (ctx.properties.set("go", false), { result: "success" as const }), title: "first" }),
    gives("failure", { doStepIf: false, name: "never" }),
    gives("failure", {
      doStepIf: (b: { properties: { get(n: string): unknown } }) => b.properties.get("go") === true,
      name: "not now",
    }),
  ]);
  const b = await build(kit);
  assert.is(b.result, "success");
  assert.equal(names(b), ["first: success", "never: skipped", "not now: skipped"]);
});

test("a step that throws makes the build an exception, with the error in a log and in the step", async () => {
  await using kit = await world([
    step({
      run: () => {
        throw new TypeError("x is not a function");
      },
    }),
    gives("success"),
  ]);
  const b = await build(kit);
  assert.is(b.result, "exception");
  assert.is(b.steps.length, 1);
  assert.is(b.steps[0]?.error.message, "x is not a function");
  assert.match(b.summary, "x is not a function");
  assert.match(await kit.logText(b.id, 1, "error"), /TypeError: x is not a function\n\s+at /);
});

test("a step without a usable result is an exception that says what a result is", async () => {
  await using kit = await world([step({ run: () => ({ result: "splendid" }) as never })]);
  const b = await build(kit);
  assert.is(b.result, "exception");
  assert.is(b.steps[0]?.error.code, "BELFRY_STEP_RESULT");
});

test("a step that takes longer than its time is a failure", async () => {
  await using kit = await world([step({ run: untilAborted, maxTime: 50 })]);
  const b = await build(kit);
  assert.is(b.result, "failure");
  assert.is(b.steps[0]?.summary, "took longer than 50 ms");
});

test("a build that takes longer than its time is a failure", async () => {
  await using kit = await world([step({ run: untilAborted }), gives("success")], { builder: { maxTime: "50ms" } });
  const b = await build(kit);
  assert.is(b.result, "failure");
  assert.match(b.summary, "the build took longer than 50 ms");
  assert.is(b.steps.length, 1);
});

test("a build that takes longer than its time is a failure, also in a step whose failure does not count", async () => {
  await using kit = await world([step({ run: untilAborted, flunkOnFailure: false })], { builder: { maxTime: "50ms" } });
  const b = await build(kit);
  assert.is(b.result, "failure");
  assert.match(b.summary, "the build took longer than 50 ms");
});

test("a stopped build is cancelled with its request, and steps that always run still run", async () => {
  let begun = 0;
  await using kit = await world([
    step({ run: (ctx) => ((begun += 1), untilAborted(ctx)), title: "long" }),
    gives("success"),
    step({
      run: (ctx) => ({ result: ctx.signal.aborted ? "failure" : "success" }) as const,
      title: "clean up",
      alwaysRun: true,
    }),
  ]);
  const { buildset, requests } = await kit.call("schedulers.force", {});
  await until(() => begun === 1, "the step's start");
  await kit.call("builds.stop", { builder: "b", number: -1, reason: "enough" });
  const set = await kit.buildsetEnd(buildset);
  assert.is(set.result, "cancelled");
  const b = await kit.call("builds.get", { builder: "b", number: 1 });
  assert.is(b.result, "cancelled");
  assert.is(b.stopReason, "stopped by administrator: enough");
  const { items } = await kit.call("builds.steps", { build: b.id });
  assert.equal(names({ steps: items }), ["long: cancelled", "clean up: success"]);
  assert.is((await kit.call("requests.get", { request: requests[0].id })).result, "cancelled");
});

test("stopping what has ended is refused with a reason", async () => {
  await using kit = await world([gives("success")]);
  const b = await build(kit);
  let code = "";
  await kit.call("builds.stop", { build: b.id }).catch((error) => {
    code = error.code;
  });
  assert.is(code, "BELFRY_BUILD_ENDED");
});

test("a waiting request can be cancelled; it is never built", async () => {
  await using kit = await world([gives("success")], {
    worker: { slots: 1 },
    builders: [{ name: "b", workers: ["w"], steps: [step({ run: untilAborted })] }],
  });
  await kit.call("schedulers.force", {});
  const second = await kit.call("schedulers.force", {});
  await kit.event("build.started");
  await kit.call("requests.cancel", { request: second.requests[0].id });
  const set = await kit.buildsetEnd(second.buildset);
  assert.is(set.result, "cancelled");
  assert.equal((await kit.call("requests.get", { request: second.requests[0].id })).builds, []);
});

test("a step that asks for a retry is built again after a pause, and the request has one result", async () => {
  let tries = 0;
  await using kit = await world([step({ run: () => ({ result: (tries += 1) === 1 ? "retry" : "success" }) as const })]);
  const { buildset, requests } = await kit.call("schedulers.force", {});
  const set = await kit.buildsetEnd(buildset);
  assert.is(set.result, "success");
  const request = await kit.call("requests.get", { request: requests[0].id });
  assert.is(request.retries, 1);
  assert.is(request.builds.length, 2);
  const { items } = await kit.call("builds.list", { order: "id" });
  assert.equal(
    items.map((b: { number: number; result: string }) => [b.number, b.result]),
    [
      [1, "retry"],
      [2, "success"],
    ],
  );
});

test("a secret is in no log, summary, error, property, event or journal, also when it comes in pieces", async () => {
  const value = "hunter2-very-secret";
  let seen = "";
  await using kit = await world(
    [
      step({
        title: "leaky",
        run: async (ctx) => {
          seen = await ctx.render(interpolate`token=${secret("token")}`);
          const log = ctx.log("stdio");
          await log.write(`got ${value}\n`);
          await log.write("half: hunter2-");
          await log.write(`very-secret and ${Buffer.from(value).toString("base64")}\n`);
          ctx.properties.set("p", `x${value}`);
          ctx.progress(value);
          await ctx.worker.run({ command: ["echo", value] });
          throw new Error(`could not log in with ${value}`);
        },
      }),
    ],
    { secrets: [secrets({ values: { token: value } })] },
  );
  const b = await build(kit);
  assert.is(seen, `token=${value}`);
  assert.is(b.result, "exception");
  const all = [
    await kit.logText(b.id, 1, "stdio"),
    await kit.logText(b.id, 1, "error"),
    JSON.stringify(await kit.events()),
    JSON.stringify(await kit.call("builds.get", { build: b.id })),
    JSON.stringify(b),
    JSON.stringify(await kit.master.store.read.selectFrom("step_calls").selectAll().execute()),
    JSON.stringify(await kit.master.store.read.selectFrom("properties").selectAll().execute()),
  ].join("\n");
  assert.not.match(all, value);
  assert.not.match(all, Buffer.from(value).toString("base64"));
  assert.match(all, "could not log in with ****");
});

test("a secret that nobody knows is an error that names it", async () => {
  await using kit = await world([
    step({ run: async (ctx) => ({ result: (await ctx.secret("nope")) ? "success" : "failure" }) as const }),
  ]);
  const b = await build(kit);
  assert.is(b.steps[0]?.error.code, "BELFRY_SECRET_UNKNOWN");
});

test("every worker call is in the journal, with a hash of its arguments and how it ended", async () => {
  await using kit = await world(
    [
      step({
        run: async (ctx) => {
          await ctx.worker.run({ command: ["one"] });
          await ctx.worker.writeFile("f", "abc");
          await ctx.worker.stat("gone").catch(() => undefined);
          return { result: "success" };
        },
      }),
    ],
    { worker: { run: () => ({ code: 3 }) } },
  );
  const b = await build(kit);
  const calls = await kit.master.store.read
    .selectFrom("step_calls")
    .selectAll()
    .where("build_id", "=", b.id)
    .orderBy("call")
    .execute();
  assert.equal(
    calls.map((c) => [c.step, c.call, c.method]),
    [
      [1, 1, "run"],
      [1, 2, "writeFile"],
      [1, 3, "stat"],
    ],
  );
  for (const call of calls) {
    assert.match(call.args_hash, /^[0-9a-f]{64}$/);
    assert.ok(call.finished_at !== null);
  }
  assert.is(JSON.parse(calls[0]?.outcome ?? "{}").code, 3);
  assert.is(JSON.parse(calls[2]?.outcome ?? "{}").code, "ENOENT");
});

test("a context is of no use after its step has ended", async () => {
  let kept: StepContext | undefined;
  await using kit = await world([step({ run: (ctx) => ((kept = ctx), { result: "success" as const }) })]);
  await build(kit);
  let code = "";
  await kept?.worker.run({ command: ["x"] }).catch((error) => {
    code = error.code;
  });
  assert.is(code, "BELFRY_STEP_OVER");
});

test("what a builder says of the environment reaches commands, computed and overruled by the step", async () => {
  const seen: unknown[] = [];
  await using kit = await world(
    [
      step({
        run: async (ctx) => (await ctx.worker.run({ command: ["x"], env: { B: "step" } }), { result: "success" }),
      }),
    ],
    {
      builder: { env: { A: interpolate`n${(c) => c.build.number}`, B: "builder", C: null } },
      worker: { run: (spec: { env: unknown }) => (seen.push(spec.env), {}) },
    },
  );
  await build(kit);
  assert.equal(seen, [{ A: "n1", B: "step", C: null }]);
});

test("higher priority goes first, and the older of equals", async () => {
  const order: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using kit = await world([
    step({ run: async (ctx) => (await gate, order.push(ctx.build.reason), { result: "success" as const }) }),
  ]);
  const first = await kit.call("schedulers.force", { reason: "first" });
  await kit.event("build.started");
  const sets = [];
  for (const [reason, priority] of [
    ["a", 0],
    ["b", 0],
    ["c", 5],
    ["d", -1],
    ["e", 5],
  ] as const)
    sets.push(await kit.call("schedulers.force", { reason, priority }));
  const { items } = await kit.call("requests.list", { order: "queue" });
  assert.equal(
    items.map((r: { buildset: number }) => r.buildset),
    [sets[2], sets[4], sets[0], sets[1], sets[3]].map((s) => s.buildset),
  );
  release();
  for (const { buildset } of [first, ...sets]) await kit.buildsetEnd(buildset);
  assert.equal(
    order.map((reason) => reason.replace(/^.*: /, "")),
    ["first", "c", "e", "a", "b", "d"],
  );
});

test("why says that the workers are busy, with what, and how many come first", async () => {
  await using kit = await world([step({ run: untilAborted })]);
  const first = await kit.call("schedulers.force", {});
  await kit.event("build.started");
  await kit.call("schedulers.force", {});
  const third = await kit.call("schedulers.force", {});
  const why = await kit.call("requests.why", { request: third.requests[0].id });
  assert.is(why.state, "pending");
  assert.is(why.ahead, 1);
  const running = (await kit.call("requests.get", { request: first.requests[0].id })).builds;
  assert.equal(why.reasons, [{ reason: "workers-busy", workers: [{ name: "w", slots: 1, builds: running }] }]);
});

test("a build can be built once more from the same source with the same properties", async () => {
  await using kit = await world([
    step({ run: (ctx) => ({ result: "success", summary: String(ctx.properties.get("a")) }) }),
  ]);
  const b = await build(kit, { properties: { a: 5 }, revision: "r9", branch: "main", repository: "x" });
  const { buildset } = await kit.call("builds.rebuild", { build: b.id });
  await kit.buildsetEnd(buildset);
  const again = await kit.call("builds.get", { builder: "b", number: 2 });
  assert.is(again.revision, "r9");
  assert.equal(again.sourceStamps, (await kit.call("builds.get", { build: b.id })).sourceStamps);
  const { items } = await kit.call("builds.steps", { build: again.id });
  assert.is(items[0].summary, "5");
});

test("a worker that cannot open a build's folder makes it an exception and harms nothing else", async () => {
  await using kit = await testMaster({
    config: {
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps: [gives("success")] }],
    },
  });
  const worker = kit.master.generation.workers[0]?.part;
  assert.ok(worker);
  const { open } = worker;
  worker.open = async () => {
    throw new Error("no room");
  };
  const b = await build(kit);
  assert.is(b.result, "exception");
  assert.match(b.summary, "no room");
  worker.open = open;
  assert.is((await build(kit)).result, "success");
});

test("a master that shuts down ends its builds as retry; the next start builds them again", async () => {
  let tries = 0;
  const config: Config = {
    database: undefined as never,
    workers: [fakeWorker({ name: "w" })],
    schedulers: [force({ name: "force", builders: ["b"] })],
    builders: [
      {
        name: "b",
        workers: ["w"],
        steps: [step({ run: (ctx) => ((tries += 1) === 1 ? untilAborted(ctx) : { result: "success" as const }) })],
      },
    ],
  };
  const { database: _none, ...rest } = config;
  const { mkdtemp, rm } = await import("node:fs/promises");
  const folder = await mkdtemp("/tmp/belfry-again-");
  try {
    const first = await testMaster({ config: rest, folder });
    const { buildset } = await first.call("schedulers.force", {});
    await until(() => tries === 1, "the step's start");
    await first.close();
    await using second = await testMaster({ config: rest, folder });
    const set = await second.buildsetEnd(buildset);
    assert.is(set.result, "success");
    const { items } = await second.call("builds.list", { order: "id" });
    assert.equal(
      items.map((b: { result: string }) => b.result),
      ["retry", "success"],
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("shutting down after the builds lets those that run end and starts no other", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const kit = await world([step({ run: async () => (await gate, { result: "success" as const }) })]);
  const first = await kit.call("schedulers.force", {});
  await kit.event("build.started");
  const second = await kit.call("schedulers.force", {});
  const stopping = kit.master.stop("after-builds");
  release();
  await kit.buildsetEnd(first.buildset);
  assert.is((await kit.call("requests.get", { request: second.requests[0].id })).state, "pending");
  await stopping;
  await kit.close();
});

test.run();
