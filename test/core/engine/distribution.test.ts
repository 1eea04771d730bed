import { force, singleBranch } from "@belfry/schedulers";
import { fakeWorker, scheduler, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import type { BuilderConfig, Config, Json, RequestInfo } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";
import { Gates } from "./gates.ts";

const test = suite("distribution");

function configOf(database: TestDatabase, builders: BuilderConfig[], more: Partial<Config> = {}): Config {
  return {
    database: database.entry,
    workers: [fakeWorker({ name: "w" })],
    schedulers: builders.map(({ name }) => force({ name: `force-${name}`, builders: [name] })),
    builders,
    ...more,
  };
}

async function ask(kit: TestMaster, builder: string, wish: Record<string, Json> = {}): Promise<number> {
  const { requests } = await kit.call("schedulers.force", { scheduler: `force-${builder}`, ...wish });
  return requests[0].id;
}
const get = (kit: TestMaster, request: number) => kit.call("requests.get", { request });
const ends = (kit: TestMaster, request: number) =>
  until(async () => (await get(kit, request)).state === "complete", `the end of request ${request}`);
const why = async (kit: TestMaster, request: number): Promise<any[]> =>
  (await kit.call("requests.why", { request })).reasons;
const reasonIs = (kit: TestMaster, request: number, reason: string) =>
  until(async () => (await why(kit, request)).some((one) => one.reason === reason), `${reason} of ${request}`);

for (const kind of DATABASES) {
  test(`${kind.name}: a builder that is paused starts nothing, also after a restart, and tells why and by whom`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = [{ name: "a", workers: ["w"], steps: [gates.step()] }];
    let request = 0;
    {
      await using kit = await testMaster({ config: configOf(database, builders) });
      await ask(kit, "a");
      await gates.until("a gate");
      await kit.call("builders.pause", { builder: "a", reason: "no disk" });
      const { data } = await kit.event("builder.paused");
      assert.equal(data, { builder: "a", reason: "no disk", by: "administrator" });
      request = await ask(kit, "a");
      await gates.open("a gate");
      await kit.event("build.finished", (event) => event.number === 1 && event.result === "success");
    }
    await using kit = await testMaster({ config: configOf(database, builders) });
    await until(async () => (await why(kit, request)).length === 1, "the distributor and its worker");
    const [{ since, ...reason }] = await why(kit, request);
    assert.equal(reason, { reason: "builder-paused", builder: "a", why: "no disk", by: "administrator" });
    const row = await kit.call("builders.get", { builder: "a" });
    assert.equal([row.paused, row.pausedReason, row.pausedBy, row.pausedAt], [true, "no disk", "administrator", since]);
    assert.equal(gates.inside, []);
    await kit.call("builders.resume", { builder: "a" });
    await gates.open("a gate");
    await ends(kit, request);
    const after = await kit.call("builders.get", { builder: "a" });
    assert.equal([after.paused, after.pausedReason, after.pausedBy, after.pausedAt], [false, null, null, null]);
    await kit.event("builder.resumed");
  });

  test(`${kind.name}: a worker that is paused gets nothing, also after a restart, and its requests tell why and by whom`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = [
      { name: "a", workers: ["w"], steps: [gates.step()] },
      { name: "b", workers: ["w", "x"], steps: [gates.step()] },
    ];
    const workers = [fakeWorker({ name: "w", slots: 4 }), fakeWorker({ name: "x", slots: 4 })];
    let request = 0;
    {
      await using kit = await testMaster({ config: configOf(database, builders, { workers }) });
      await ask(kit, "a");
      await gates.until("a gate");
      await kit.call("workers.pause", { workers: ["w"], reason: "no disk" });
      const { data } = await kit.event("worker.paused");
      assert.equal(data, { worker: "w", reason: "no disk", by: "administrator" });
      request = await ask(kit, "a");
      await gates.open("a gate");
      await kit.event("build.finished", (event) => event.number === 1 && event.result === "success");
      await ask(kit, "b");
      await gates.until("b gate");
      assert.is((await kit.call("builds.get", { builder: "b", number: 1 })).worker, "x");
      await gates.open("b gate");
      await kit.event("build.finished", (event) => event.builder === "b");
    }
    await using kit = await testMaster({ config: configOf(database, builders, { workers }) });
    await reasonIs(kit, request, "workers-paused");
    const [{ reason, workers: paused }] = await why(kit, request);
    const row = await kit.call("workers.get", { worker: "w" });
    assert.equal([row.paused, row.pausedReason, row.pausedBy], [true, "no disk", "administrator"]);
    assert.equal(
      [reason, paused],
      ["workers-paused", [{ name: "w", why: "no disk", by: "administrator", since: row.pausedAt }]],
    );
    assert.equal(gates.inside, []);
    await kit.call("workers.resume", { workers: ["w"] });
    await gates.open("a gate");
    await ends(kit, request);
    await kit.event("worker.resumed");
    const after = await kit.call("workers.get", { worker: "w" });
    assert.equal([after.paused, after.pausedReason, after.pausedBy, after.pausedAt], [false, null, null, null]);
    const code = (error: { code: string }) => error.code;
    const refused = await kit.call("workers.pause", { workers: ["x", "nobody"] }).catch(code);
    assert.is(refused, "BELFRY_NOT_FOUND");
    assert.is((await kit.call("workers.get", { worker: "x" })).paused, false, "all or none");
  });

  test(`${kind.name}: a request that is given another priority while it waits overtakes, and one that is built cannot be`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders = ["a", "b", "c", "d"].map((name) => ({ name, workers: ["w"], steps: [gates.step()] }));
    await using kit = await testMaster({ config: configOf(database, builders) });
    const first = await ask(kit, "a");
    await gates.until("a gate");
    const requests = [await ask(kit, "b"), await ask(kit, "c"), await ask(kit, "d", { priority: -1 })];
    await kit.call("requests.prioritize", { request: requests[2] as number, priority: 7 });
    const { data } = await kit.event("request.prioritized");
    assert.equal([data.request, data.builder, data.priority], [requests[2], "d", 7]);
    assert.is((await get(kit, requests[2] ?? 0)).priority, 7);
    const refused = await kit.call("requests.prioritize", { request: first, priority: 7 }).catch((error) => error.code);
    assert.is(refused, "BELFRY_REQUEST_NOT_WAITING");
    for (const name of ["a", "d", "b", "c"]) await gates.open(`${name} gate`);
    for (const request of requests) await ends(kit, request);
    assert.equal(gates.entered, ["a gate", "d gate", "b gate", "c gate"]);
  });

  test(`${kind.name}: a builder's priority counts: a number is added, a function decides`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const asked: number[] = [];
    const priority = async (request: RequestInfo) => {
      asked.push(request.id);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return Number(request.properties["weight"] ?? 0);
    };
    const builders: BuilderConfig[] = [
      { name: "first", workers: ["w"], steps: [gates.step()] },
      { name: "plain", workers: ["w"], steps: [gates.step()] },
      { name: "number", workers: ["w"], steps: [gates.step()], priority: 5 },
      { name: "function", workers: ["w"], steps: [gates.step()], priority },
    ];
    await using kit = await testMaster({ config: configOf(database, builders) });
    await ask(kit, "first");
    await gates.until("first gate");
    const plain = await ask(kit, "plain", { priority: 6 });
    const number = await ask(kit, "number", { priority: 2 });
    const heavy = await ask(kit, "function", { properties: { weight: 9 } });
    const light = await ask(kit, "function", { properties: { weight: -9 }, priority: 50 });
    await until(async () => (await get(kit, light)).priority === -9, "the function");
    assert.equal([(await get(kit, plain)).priority, (await get(kit, number)).priority], [6, 7]);
    await gates.open("first gate");
    for (const name of ["function", "number", "plain", "function"]) await gates.open(`${name} gate`);
    for (const request of [plain, number, heavy, light]) await ends(kit, request);
    assert.equal(gates.entered.slice(1), ["function gate", "number gate", "plain gate", "function gate"]);
    assert.equal(asked, [heavy, light], "each is asked about once");
  });

  test(`${kind.name}: nextWorker and nextBuild choose, and their null waits`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    let worker: string | null = null;
    const told: unknown[] = [];
    const builders: BuilderConfig[] = [
      {
        name: "worker",
        workers: ["w", "v"],
        steps: [gates.step()],
        nextWorker: (request, workers) => {
          told.push([request.builder, workers.map(({ name, slots, busy }) => [name, slots, busy])]);
          return worker;
        },
      },
      {
        name: "build",
        workers: ["u"],
        steps: [gates.step()],
        nextBuild: async (requests) => requests.find((request) => request.properties["now"] === true)?.id ?? null,
      },
    ];
    const workers = ["w", "v", "u"].map((name) => fakeWorker({ name }));
    await using kit = await testMaster({ config: configOf(database, builders, { workers }) });
    const request = await ask(kit, "worker");
    await reasonIs(kit, request, "next-worker");
    assert.equal(told[0], [
      "worker",
      [
        ["w", 1, 0],
        ["v", 1, 0],
      ],
    ]);
    const waiting = await ask(kit, "build");
    await reasonIs(kit, waiting, "next-build");
    worker = "v";
    await until(async () => {
      await kit.call("builders.resume", { builder: "worker" });
      return gates.inside.includes("worker gate");
    }, "its turn");
    assert.is(gates.all.find(({ builder }) => builder === "worker")?.worker, "v");
    const chosen = await ask(kit, "build", { properties: { now: true } });
    await until(() => gates.inside.includes("build gate"), "the chosen one");
    assert.is(gates.all.find(({ builder }) => builder === "build")?.request, chosen);
    assert.is((await get(kit, waiting)).state, "pending");
    assert.equal(await why(kit, request), []);
    await kit.call("requests.cancel", { request: waiting });
  });

  test(`${kind.name}: canStart says no with words, holds that request alone, and is asked again`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const clock = testClock(Date.now());
    let open = false;
    const canStart = async (request: RequestInfo) => {
      await new Promise((resolve) => setImmediate(resolve));
      return request.properties["night"] !== true || open || "only at night";
    };
    const builders: BuilderConfig[] = [
      { name: "a", workers: ["w"], steps: [gates.step()], canStart },
      { name: "no", workers: ["w"], steps: [gates.step()], canStart: () => false },
    ];
    const workers = [fakeWorker({ name: "w", slots: 5 })];
    await using kit = await testMaster({ config: configOf(database, builders, { workers }), clock });
    const night = await ask(kit, "a", { properties: { night: true } });
    await reasonIs(kit, night, "can-start");
    const [{ since, ...reason }] = await why(kit, night);
    assert.equal(reason, { reason: "can-start", text: "only at night" });
    const day = await ask(kit, "a");
    const no = await ask(kit, "no");
    await gates.open("a gate");
    await ends(kit, day);
    await reasonIs(kit, no, "can-start");
    assert.is((await why(kit, no))[0].text, "");
    await clock.advance(60_000);
    await until(async () => (await why(kit, night)).length > 0, "asking again");
    assert.is((await why(kit, night))[0].since, since, "it has said so since then");
    open = true;
    await until(async () => {
      await clock.advance(5_000);
      return gates.inside.includes("a gate");
    }, "asking again");
    await gates.open("a gate");
    await ends(kit, night);
    await kit.call("requests.cancel", { request: no });
    assert.equal(await why(kit, no), []);
  });

  test(`${kind.name}: a function that throws, answers nonsense or does not answer is told, and holds its own builder only`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const clock = testClock(Date.now());
    let broken = true;
    const steps = [gates.step()];
    const builders: BuilderConfig[] = [
      {
        name: "throws",
        workers: ["w"],
        steps,
        nextWorker: (_request, workers) => {
          if (broken) throw new Error("no such cloud");
          return workers[0]?.name ?? null;
        },
      },
      { name: "nonsense", workers: ["w"], steps, canStart: (() => 17) as never },
      { name: "silent", workers: ["w"], steps, canStart: () => new Promise<boolean>(() => undefined) },
      { name: "fine", workers: ["w"], steps },
    ];
    const workers = [fakeWorker({ name: "w", slots: 9 })];
    await using kit = await testMaster({ config: configOf(database, builders, { workers }), clock });
    const [throws, nonsense, silent] = [await ask(kit, "throws"), await ask(kit, "nonsense"), await ask(kit, "silent")];
    const fine = await ask(kit, "fine");
    await gates.open("fine gate");
    await ends(kit, fine);
    await reasonIs(kit, throws, "hook-failed");
    await reasonIs(kit, nonsense, "hook-failed");
    const facts = async (request: number) => (await why(kit, request)).map(({ hook, error }) => [hook, error]);
    assert.equal(await facts(throws), [["nextWorker", "no such cloud"]]);
    assert.equal(await facts(nonsense), [["canStart", "it has to answer true, false or text"]]);
    assert.equal(await why(kit, silent), []);
    await until(async () => {
      await clock.advance(2_000);
      return (await why(kit, silent)).length > 0;
    }, "the time limit");
    assert.equal(await facts(silent), [["canStart", "it took longer than 10 s"]]);
    broken = false;
    await until(async () => {
      await clock.advance(2_000);
      return gates.inside.includes("throws gate");
    }, "asking again");
    await until(async () => (await why(kit, throws)).length === 0, "nothing said against it");
    await gates.open("throws gate");
    await ends(kit, throws);
    const row = await kit.master.store.read
      .selectFrom("builders")
      .select("trouble")
      .where("name", "=", "throws")
      .execute();
    assert.equal(row, [{ trouble: null }]);
  });

  test(`${kind.name}: compatible requests are built together when the turn of one has come`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const builders: BuilderConfig[] = [
      { name: "busy", workers: ["w"], steps: [gates.step()] },
      { name: "a", workers: ["w"], steps: [gates.step()], collapse: true },
      { name: "every", workers: ["w"], steps: [gates.step()] },
    ];
    const branch = singleBranch({ name: "main", branch: "main", builders: ["a", "every"] });
    const config = configOf(database, builders);
    await using kit = await testMaster({ config: { ...config, schedulers: [...(config.schedulers ?? []), branch] } });
    await ask(kit, "busy");
    await gates.until("busy gate");
    for (const revision of ["r1", "r2", "r3"]) {
      await kit.addChange({ revision });
    }
    const waiting = async (builder: string): Promise<any[]> =>
      (await kit.call("requests.list", { builder, order: "queue", include: ["sourceStamps"] })).items;
    await until(async () => (await waiting("a")).length === 3, "three requests");
    const [one, two, three] = (await waiting("a")).map((request) => request.id);
    const other = await ask(kit, "a", { branch: "other", repository: "test" });
    const byHand = await ask(kit, "a", { branch: "main", repository: "test" });
    await gates.open("busy gate");
    await gates.until("a gate");
    assert.is(gates.all[0]?.request, three, "the newest that fits");
    for (const request of [one, two]) {
      const row = await get(kit, request);
      assert.equal([row.state, row.result, row.collapsedInto, row.builds], ["complete", "skipped", three, []]);
      assert.equal(await why(kit, request), [{ reason: "collapsed", into: three }]);
    }
    assert.equal((await get(kit, three)).collapsed, [one, two]);
    const events = (await kit.events()).filter(({ type }) => type === "request.collapsed");
    assert.equal(
      events.map(({ data }) => [data.request, data.into]),
      [
        [one, three],
        [two, three],
      ],
    );
    assert.equal([(await get(kit, other)).state, (await get(kit, byHand)).state], ["pending", "pending"]);
    // Without the rule every request is built.
    for (let i = 0; i < 3; i += 1) {
      await gates.open(i === 0 ? "a gate" : "every gate");
    }
    await gates.open("every gate");
    for (const request of [other, byHand]) {
      await gates.open("a gate");
      await ends(kit, request);
    }
    const built = (await kit.call("builds.list", { builder: "every", limit: 10 })).items;
    assert.is(built.length, 3);
    const set = await kit.call("buildsets.get", { buildset: (await get(kit, one)).buildset });
    assert.is(set.completeAt !== null, true, "the buildset of a collapsed request ends too");
  });

  test(`${kind.name}: a function decides what is built together`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const group = (request: RequestInfo) => request.properties["group"];
    const builders: BuilderConfig[] = [
      { name: "busy", workers: ["w"], steps: [gates.step()] },
      {
        name: "a",
        workers: ["w"],
        steps: [gates.step()],
        collapse: async (kept, other) => group(kept) === group(other),
      },
    ];
    await using kit = await testMaster({ config: configOf(database, builders) });
    await ask(kit, "busy");
    await gates.until("busy gate");
    const requests: number[] = [];
    for (const [i, name] of ["x", "y", "x", "y", "x"].entries())
      requests.push(await ask(kit, "a", { properties: { group: name }, branch: `b${i}` }));
    await gates.open("busy gate");
    await gates.open("a gate");
    await gates.open("a gate");
    for (const request of requests) await ends(kit, request);
    const into = [];
    for (const request of requests) into.push((await get(kit, request)).collapsedInto);
    assert.equal(into, [requests[4], requests[3], requests[4], null, null]);
  });

  test(`${kind.name}: a request that has waited for as long as it may is cancelled; what is being built goes on`, async () => {
    await using database = await kind.open();
    const gates = new Gates();
    const clock = testClock(Date.now());
    const builders: BuilderConfig[] = [
      { name: "a", workers: ["w"], steps: [gates.step()], maxWait: "1h" },
      { name: "patient", workers: ["w"], steps: [gates.step()] },
    ];
    const spec = { builders: ["a", "patient"], sourceStamps: [], reason: "a set of its own", maxWait: 60_000 };
    let decided = false;
    const own = scheduler({
      name: "own",
      scheduler: {
        builders: ["a", "patient"],
        wants: ["changes"],
        process: async ({ changes }) => {
          if (changes.length === 0 || decided) return { buildsets: [] };
          decided = true;
          return { buildsets: [spec] };
        },
      },
    });
    const config = configOf(database, builders);
    await using kit = await testMaster({
      config: { ...config, schedulers: [...(config.schedulers ?? []), own] },
      clock,
    });
    const built = await ask(kit, "a");
    await gates.until("a gate");
    const late = await ask(kit, "a");
    const patient = await ask(kit, "patient");
    assert.is((await get(kit, late)).expiresAt, (await get(kit, late)).submittedAt + 3_600_000);
    assert.is((await get(kit, patient)).expiresAt, null);
    await kit.addChange({});
    const added = await kit.event("buildset.added", (data) => data.scheduler === "own");
    await until(async () => {
      await clock.advance(20_000);
      return (await kit.call("buildsets.get", { buildset: added.data.buildset })).completeAt !== null;
    }, "the end of the buildset");
    const set = await kit.call("buildsets.get", { buildset: added.data.buildset });
    assert.equal(
      [set.result, ...set.requests.map(({ result }: { result: string }) => result)],
      ["cancelled", "cancelled", "cancelled"],
    );
    assert.is((await get(kit, late)).state, "pending");
    await clock.advance(3_600_000);
    await ends(kit, late);
    const row = await get(kit, late);
    assert.equal([row.result, row.builds], ["cancelled", []]);
    assert.equal(await why(kit, late), [{ reason: "expired", at: row.expiresAt }]);
    assert.equal([(await get(kit, built)).state, (await get(kit, patient)).state], ["claimed", "pending"]);
    await gates.open("a gate");
    await gates.open("patient gate");
    await ends(kit, patient);
  });
}

test.run();
