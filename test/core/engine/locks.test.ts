import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import { type BuilderConfig, type Config, type Json, masterLock, parallel, property, workerLock } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tokenCaller } from "../api/world.ts";
import { DATABASES, type TestDatabase } from "../databases.ts";
import { Gates } from "./gates.ts";
import { scriptedWorker } from "./worker-scripted.ts";

const test = suite("locks");

const disk = masterLock({ name: "disk" });
const cores = workerLock({ name: "cores" });

function configOf(database: TestDatabase, builders: BuilderConfig[], more: Partial<Config> = {}): Config {
  return {
    database: database.entry,
    workers: [fakeWorker({ name: "w", slots: 10 })],
    locks: [disk, cores],
    schedulers: builders.map(({ name }) => force({ name: `force-${name}`, builders: [name] })),
    builders,
    ...more,
  };
}

async function ask(kit: TestMaster, builder: string, wish: Record<string, Json> = {}): Promise<number> {
  const { requests } = await kit.call("schedulers.force", { scheduler: `force-${builder}`, ...wish });
  return requests[0].id;
}
const why = async (kit: TestMaster, request: number) => (await kit.call("requests.why", { request })).reasons;
const result = (kit: TestMaster, request: number) => async () =>
  (await kit.call("requests.get", { request })).state === "complete";
const noClaims = async (kit: TestMaster) => {
  const rows = await kit.master.store.read.selectFrom("locks").selectAll().execute();
  assert.equal(rows, []);
};

for (const kind of DATABASES) {
  test(`${kind.name}: builders with one lock build one after the other, in the order of asking, and why names who has it`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = ["a", "b", "c"].map((name) => ({
      name,
      workers: ["w"],
      steps: [gates.step()],
      locks: [disk.access("exclusive")],
    }));
    const free = { name: "free", workers: ["w"], steps: [gates.step()] };
    await using kit = await testMaster({ config: configOf(database, [...builders, free]) });
    const first = await ask(kit, "a");
    await gates.until("a gate");
    const second = await ask(kit, "b");
    await until(async () => (await why(kit, second)).length > 0, "its place in the line");
    const third = await ask(kit, "c");
    await ask(kit, "free");
    await gates.until("a gate", "free gate");
    await until(async () => (await why(kit, third))[0]?.ahead === 1, "the line");
    const [build] = (await kit.call("builds.list", { builder: "a" })).items;
    const [reason, ...others] = await why(kit, second);
    assert.equal(others, []);
    const { since, holders, ...rest } = reason;
    assert.equal(rest, {
      reason: "lock",
      lock: "disk",
      worker: null,
      mode: "exclusive",
      count: 1,
      step: null,
      ahead: 0,
    });
    assert.ok(since > 0 && holders[0].since > 0 && holders[0].since <= since);
    const holder = { build: build.id, builder: "a", number: 1, step: null, since: holders[0].since };
    assert.equal(holders, [holder]);
    const { items } = await kit.call("locks.list", { lock: "disk" });
    assert.is(items.length, 1);
    assert.equal(
      [items[0].kind, items[0].worker, items[0].maxCount, items[0].holders.map((one: Json) => Object(one).build)],
      ["master", null, 1, [build.id]],
    );
    assert.equal(
      items[0].queue.map(({ request, build, number }: Record<string, Json>) => [request, build, number]),
      [
        [second, null, null],
        [third, null, null],
      ],
    );
    await gates.open("free gate");
    await gates.open("a gate");
    await gates.until("b gate");
    await gates.open("b gate");
    await gates.until("c gate");
    await gates.open("c gate");
    for (const request of [first, second, third]) await until(result(kit, request), "its end");
    await noClaims(kit);
    assert.equal(
      (await kit.call("locks.list")).items.map((item: { name: string }) => item.name),
      ["disk", "cores"],
    );
  });

  test(`${kind.name}: steps side by side take turns at one lock, and one that is tried again keeps it`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const locks = [disk.access("exclusive")];
    const holding: number[] = [];
    const list = async () => (await kit.call("locks.list", { lock: "disk" })).items[0];
    const flaky = step({
      title: "flaky",
      locks,
      retry: { max: 1 },
      async run() {
        holding.push(...(await list()).holders.map((holder: { step: number }) => holder.step));
        return { result: holding.length === 1 ? "failure" : "success" };
      },
    });
    const steps = [parallel([flaky, gates.step("second", { locks }), gates.step("third", { locks })])];
    await using kit = await testMaster({ config: configOf(database, [{ name: "a", workers: ["w"], steps }]) });
    const request = await ask(kit, "a");
    await gates.until("a second");
    assert.equal(holding, [2, 2]);
    await until(async () => (await list()).queue.length === 1, "the third in line");
    await gates.open("a second");
    await gates.until("a third");
    await gates.open("a third");
    await until(result(kit, request), "its end");
    assert.is((await kit.call("requests.get", { request })).result, "success");
    await noClaims(kit);
  });

  test(`${kind.name}: a worker's lock counts for each worker, with a limit of its own where one is set`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = [
      { name: "a", workers: ["big", "small"], steps: [gates.step()], locks: [cores.access("counting")] },
    ];
    const locks = [workerLock({ name: "cores", maxCountForWorker: { big: 3 } })];
    const workers = [fakeWorker({ name: "big", slots: 10 }), fakeWorker({ name: "small", slots: 10 })];
    await using kit = await testMaster({ config: configOf(database, builders, { workers, locks }) });
    const requests: number[] = [];
    for (let i = 0; i < 6; i += 1) requests.push(await ask(kit, "a"));
    await until(() => gates.all.length === 4, "four builds");
    await until(async () => (await why(kit, requests[4] ?? 0)).length > 0, "the line");
    assert.equal(gates.all.map(({ worker }) => worker).sort(), ["big", "big", "big", "small"]);
    const { items } = await kit.call("locks.list", { lock: "cores" });
    assert.equal(
      items.map(({ worker, maxCount, holders }: { worker: string; maxCount: number; holders: Json[] }) => [
        worker,
        maxCount,
        holders.length,
      ]),
      [
        ["big", 3, 3],
        ["small", 1, 1],
      ],
    );
    for (let i = 0; i < 6; i += 1) await gates.open("a gate");
    for (const request of requests) await until(result(kit, request), "its end");
    await noClaims(kit);
  });

  test(`${kind.name}: locks of a worker are taken for every build on it`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = ["a", "b"].map((name) => ({ name, workers: ["w"], steps: [gates.step()] }));
    const workers = [fakeWorker({ name: "w", slots: 10, locks: [disk.access("counting")] })];
    await using kit = await testMaster({ config: configOf(database, builders, { workers }) });
    await ask(kit, "a");
    await gates.until("a gate");
    const second = await ask(kit, "b");
    await until(async () => (await why(kit, second))[0]?.reason === "lock", "the line");
    await gates.open("a gate");
    await gates.until("b gate");
    await gates.open("b gate");
    await until(result(kit, second), "its end");
  });

  test(`${kind.name}: a step that waits for a lock shows it, and its time limit does not run`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const clock = testClock(Date.now());
    const locked = gates.step("locked", { locks: [disk.access("exclusive")], maxTime: "1h" });
    const builders = ["a", "b"].map((name) => ({ name, workers: ["w"], steps: [gates.step(), locked] }));
    await using kit = await testMaster({ config: configOf(database, builders), clock });
    await ask(kit, "a");
    await gates.open("a gate");
    await gates.until("a locked");
    const second = await ask(kit, "b");
    await gates.open("b gate");
    const { data } = await kit.event("step.waiting");
    assert.equal([data.builder, data.step, data.name, data.locks], ["b", 2, "locked", ["disk"]]);
    await until(async () => {
      const { builds } = await kit.call("status.now");
      return builds.some(
        ({ steps }: { steps: { summary: string }[] }) => steps[1]?.summary === "waits for the lock disk",
      );
    }, "what it shows");
    const [reason] = await why(kit, second);
    assert.equal([reason.reason, reason.step, reason.holders[0].builder], ["lock", 2, "a"]);
    await clock.advance(30 * 60_000);
    assert.equal(gates.inside, ["a locked"]);
    await gates.open("a locked");
    await gates.until("b locked");
    await kit.event("step.resumed", (event) => event.builder === "b");
    await clock.advance(45 * 60_000);
    assert.equal(gates.inside, ["b locked"], "its hour began when it had the lock");
    await clock.advance(16 * 60_000);
    await until(result(kit, second), "its end");
    const [build] = (await kit.call("builds.list", { builder: "b" })).items;
    assert.equal([build.result, build.summary], ["failure", "locked: took longer than 3600 s"]);
    await noClaims(kit);
  });

  test(`${kind.name}: a build that is stopped while its step waits for a lock leaves the line`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const locked = gates.step("locked", { locks: [disk.access("exclusive")] });
    const builders = ["a", "b", "c"].map((name) => ({ name, workers: ["w"], steps: [locked] }));
    await using kit = await testMaster({ config: configOf(database, builders) });
    await ask(kit, "a");
    await gates.until("a locked");
    const second = await ask(kit, "b");
    await kit.event("step.waiting", (data) => data.builder === "b");
    const third = await ask(kit, "c");
    await kit.event("step.waiting", (data) => data.builder === "c");
    await kit.call("builds.stop", { builder: "b", number: 1, reason: "enough" });
    await until(result(kit, second), "its end");
    const { items } = await kit.call("builds.steps", {
      build: (await kit.call("requests.get", { request: second })).builds[0],
    });
    assert.match(items[0].summary, "enough");
    assert.is(items[0].result, "cancelled");
    await gates.open("a locked");
    await gates.open("c locked");
    await until(result(kit, third), "its end");
    assert.equal(gates.entered, ["a locked", "c locked"]);
    await noClaims(kit);
  });

  test(`${kind.name}: locks are computed from properties; what cannot be had is told, and holds nobody else up`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const names = ["one", "two"].map((name) => masterLock({ name }));
    const computed = { lock: property("which", "one") as never, mode: "exclusive" as const };
    const builders: BuilderConfig[] = [
      { name: "a", workers: ["w"], steps: [gates.step()], locks: [computed] },
      { name: "s", workers: ["w"], steps: [gates.step("s", { locks: () => [computed] })] },
      { name: "free", workers: ["w"], steps: [gates.step()] },
    ];
    await using kit = await testMaster({ config: configOf(database, builders, { locks: names }) });
    await ask(kit, "a", { properties: { which: "one" } });
    const same = await ask(kit, "a", { properties: { which: "one" } });
    await ask(kit, "a", { properties: { which: "two" } });
    await gates.until("a gate", "a gate");
    await until(async () => (await why(kit, same))[0]?.lock === "one", "the line");
    const step = await ask(kit, "s", { properties: { which: "none" } });
    await until(result(kit, step), "its end");
    const [build] = (await kit.call("builds.list", { builder: "s" })).items;
    assert.is(build.result, "exception");
    const { items } = await kit.call("builds.steps", { build: build.id });
    assert.is(items[0].error.code, "BELFRY_LOCK_INVALID");
    const bad = await ask(kit, "a", { properties: { which: "none" }, priority: 5 });
    await until(
      async () => (await why(kit, bad)).some((one: { reason: string }) => one.reason === "hook-failed"),
      "why",
    );
    const failed = (await why(kit, bad)).find((one: { reason: string }) => one.reason === "hook-failed");
    assert.is(failed.hook, "locks");
    assert.match(failed.error, 'There is no lock named "none"');
    await ask(kit, "free");
    await until(() => gates.inside.includes("free gate"), "another builder");
    await kit.call("requests.cancel", { request: bad });
  });

  test(`${kind.name}: two builds that would wait for each other are told apart: one is built again`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const [x, y] = [masterLock({ name: "x" }), masterLock({ name: "y" })];
    const builders: BuilderConfig[] = [
      {
        name: "a",
        workers: ["w"],
        locks: [x.access("exclusive")],
        steps: [gates.step(), gates.step("y", { locks: [y.access("exclusive")] })],
      },
      {
        name: "b",
        workers: ["w"],
        locks: [y.access("exclusive")],
        steps: [gates.step(), gates.step("x", { locks: [x.access("exclusive")] })],
      },
    ];
    await using kit = await testMaster({ config: configOf(database, builders, { locks: [x, y] }) });
    const requests = [await ask(kit, "a"), await ask(kit, "b")];
    await gates.until("a gate", "b gate");
    await gates.open("a gate");
    await kit.event("step.waiting");
    await gates.open("b gate");
    const { data } = await kit.event("build.finished");
    assert.equal([data.builder, data.result], ["b", "retry"]);
    assert.match(data.summary, "would wait for ever");
    await gates.open("a y");
    await gates.open("b gate");
    await gates.open("b x");
    for (const request of requests) await until(result(kit, request), "its end");
    await noClaims(kit);
  });

  test(`${kind.name}: a request that is cancelled or whose builder is paused leaves the line`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const locks = [disk.access("exclusive")];
    const builders = ["a", "b", "c", "d"].map((name) => ({ name, workers: ["w"], steps: [gates.step()], locks }));
    await using kit = await testMaster({ config: configOf(database, builders) });
    await ask(kit, "a");
    await gates.until("a gate");
    const requests: number[] = [];
    for (const name of ["b", "c", "d"]) {
      const request = await ask(kit, name);
      requests.push(request);
      await until(async () => (await why(kit, request))[0]?.reason === "lock", "the line");
    }
    await kit.call("requests.cancel", { request: requests[0] as number });
    await kit.call("builders.pause", { builder: "c" });
    await until(
      async () => (await why(kit, requests[1] ?? 0)).every((one: { reason: string }) => one.reason !== "lock"),
      "leaving",
    );
    await gates.open("a gate");
    await gates.until("d gate");
    await kit.call("builders.resume", { builder: "c" });
    await until(async () => (await why(kit, requests[1] ?? 0))[0]?.reason === "lock", "the line");
    await gates.open("d gate");
    await gates.open("c gate");
    for (const request of requests) await until(result(kit, request), "its end");
    assert.equal(gates.entered, ["a gate", "d gate", "c gate"]);
  });

  test(`${kind.name}: a request in the line does not block the builds on whose places it waits`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const exclusive = [disk.access("exclusive")];
    const steps = () => [gates.step("locked", { locks: exclusive }), gates.step("rest")];
    const builders: BuilderConfig[] = [
      { name: "whole", workers: ["w"], steps: [gates.step()], locks: exclusive },
      ...["early", "late", "first"].map((name) => ({ name, workers: ["w"], steps: steps() })),
    ];
    const workers = [fakeWorker({ name: "w", slots: 2 })];
    await using kit = await testMaster({ config: configOf(database, builders, { workers }) });
    await kit.call("builders.pause", { builder: "early" });
    const early = await ask(kit, "early");
    await ask(kit, "first");
    await gates.until("first locked");
    const whole = await ask(kit, "whole");
    await until(async () => (await why(kit, whole))[0]?.reason === "lock", "the line");
    const late = await ask(kit, "late");
    await kit.event("step.waiting", (data) => data.builder === "late");
    // An older request comes first where a place becomes free, and asks for the lock after all others.
    await kit.call("builders.resume", { builder: "early" });
    await gates.open("first locked");
    await gates.open("first rest");
    await kit.event("build.started", (data) => data.builder === "early");
    // Now all who have a place stand behind the one that has none.
    await gates.open("late locked");
    await gates.open("late rest");
    for (const name of ["early locked", "early rest"]) await gates.open(name);
    await gates.open("whole gate");
    for (const request of [early, whole, late]) await until(result(kit, request), "its end");
  });

  test(`${kind.name}: a request whose builder's functions fail leaves the line`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    let fails = false;
    const canStart = () => {
      if (fails) throw new Error("no answer");
      return true;
    };
    const locks = [disk.access("exclusive")];
    const builders: BuilderConfig[] = [
      { name: "a", workers: ["w"], steps: [gates.step()], locks },
      { name: "odd", workers: ["w"], steps: [gates.step()], locks, canStart },
      { name: "s", workers: ["w"], steps: [gates.step("locked", { locks })] },
    ];
    const clock = testClock();
    await using kit = await testMaster({ config: configOf(database, builders), clock });
    await ask(kit, "a");
    await gates.until("a gate");
    const odd = await ask(kit, "odd");
    await until(async () => (await why(kit, odd))[0]?.reason === "lock", "the line");
    await ask(kit, "s");
    await kit.event("step.waiting");
    fails = true;
    // What it answered a moment ago counts no more when the lock is given back.
    await clock.advance(2_000);
    await gates.open("a gate");
    await gates.open("s locked");
    fails = false;
    await clock.advance(60_000);
    await gates.open("odd gate");
    await until(result(kit, odd), "its end");
  });

  test(`${kind.name}: invariant 8: who sees one builder learns of its claims only`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const locks = [disk.access("exclusive")];
    const builders = ["open", "covert"].map((name) => ({ name, workers: ["w"], steps: [gates.step()], locks }));
    await using kit = await testMaster({ config: configOf(database, builders) });
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], builders: ["open"] });
    assert.equal((await kit.call("locks.list", {}, caller)).items, []);
    const first = await ask(kit, "covert");
    await gates.until("covert gate");
    assert.equal((await kit.call("locks.list", {}, caller)).items, []);
    const before = await ask(kit, "covert");
    await until(async () => (await why(kit, before))[0]?.reason === "lock", "the line");
    const request = await ask(kit, "open");
    await until(async () => (await why(kit, request))[0]?.reason === "lock", "the line");
    assert.is((await why(kit, request))[0].ahead, 1);
    const answers = [await kit.call("locks.list", {}, caller), await kit.call("requests.why", { request }, caller)];
    assert.not.match(JSON.stringify(answers), "covert");
    assert.is(answers[0].items[0].queue.length, 1);
    const { lock, holders, ahead } = answers[1].reasons[0];
    assert.equal([lock, holders, ahead], ["disk", [], 0]);
    await gates.open("covert gate");
    await until(result(kit, first), "the end of the first");
    await gates.open("covert gate");
    await gates.open("open gate");
    await until(result(kit, request), "its end");
  });
}

test("PostgreSQL: two masters keep one lock, for builds and for steps", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  const pair = masterLock({ name: "pair", maxCount: 2 });
  const gates = new Gates();
  const builders: BuilderConfig[] = [
    { name: "a", workers: ["w1", "w2"], steps: [gates.step()], locks: [pair.access("counting")] },
    { name: "s", workers: ["w1", "w2"], steps: [gates.step("step", { locks: [pair.access("counting")] })] },
  ];
  const config = (name: string) => {
    const workers = [scriptedWorker("w1", false), scriptedWorker("w2", false)];
    for (const worker of workers) worker.slots = 20;
    return {
      workers,
      config: configOf(database, builders, { name, locks: [pair], workers: workers.map(({ entry }) => entry) }),
    };
  };
  const [first, second] = [config("one"), config("two")];
  await using one = await testMaster({ config: first.config });
  await using two = await testMaster({ config: second.config });
  // Each master has one of them.
  first.workers[0]?.connect(true);
  second.workers[1]?.connect(true);
  let most = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, gates.all.length);
      for (const { open } of [...gates.all]) if (Math.random() < 0.5) open();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  try {
    const requests: number[] = [];
    for (let i = 0; i < 30; i += 1) requests.push(await ask(i % 3 === 0 ? one : two, i % 2 === 0 ? "a" : "s"));
    for (const request of requests) await until(result(one, request), "its end", 60_000);
  } finally {
    over = true;
    await watching;
  }
  assert.is(most, 2);
  const used = new Set(
    (await one.call("builds.list", { limit: 100 })).items.map((build: { worker: string }) => build.worker),
  );
  assert.equal([...used].sort(), ["w1", "w2"]);
  await noClaims(one);
});

test.run();
