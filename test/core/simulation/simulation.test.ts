import { postgres } from "@belfry/postgres";
import { anyBranch, dependent, nightly, periodic, triggerable } from "@belfry/schedulers";
import sqlitePlugin, { sqlite } from "@belfry/sqlite";
import { trigger } from "@belfry/steps";
import {
  createPart,
  fakeWorker,
  listener,
  logStore,
  rejects,
  scheduler,
  secrets,
  service,
  source,
} from "@belfry/testkit";
import { type Change, masterLock, type Worker, workerLock } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuildModel } from "../../../core/src/simulation/build-model.ts";
import { builder, change, DAY, HOUR, lasting, MINUTE, play, START, shown, untouchable } from "./farm.ts";

const test = suite("a simulation");

const each = (builders: string[], more = {}) => anyBranch({ name: `for ${builders}`, builders, ...more });
const at = (minute: number, more = {}) => change(START + minute * MINUTE, more);

test("builds changes one after the other on one worker, and tells how long they waited", async () => {
  const outcome = await play(
    { builders: [builder("b")], schedulers: [each(["b"])] },
    { changes: [at(0), at(1), at(2)] },
  );
  assert.equal(shown(outcome), ["b on w 0-10", "b on w 10-20", "b on w 20-30"]);
  assert.equal(outcome.waited, { p50: 9 * MINUTE, p95: 18 * MINUTE, max: 18 * MINUTE });
  const [b] = outcome.builders;
  assert.equal([b?.requests, b?.builds, b?.busy, b?.waiting], [3, 3, 30 * MINUTE, 0]);
  assert.equal(b?.results, { success: 3 });
  assert.equal(outcome.workers, [
    { worker: "w", slots: 1, builds: 3, busy: 30 * MINUTE, utilisation: (30 * MINUTE) / DAY },
  ]);
  assert.equal([outcome.changes, outcome.buildsets, outcome.requests], [3, 3, 3]);
});

test("tells of the longest waits what kept them, by the code that `belfry why` uses", async () => {
  const outcome = await play(
    { builders: [builder("b")], schedulers: [each(["b"])] },
    { changes: [at(0), at(1), at(2)], until: START + 15 * MINUTE },
  );
  assert.equal(
    outcome.longestWaits.map(({ waited, startedAt, why }) => [
      waited / MINUTE,
      startedAt === null ? null : (startedAt - START) / MINUTE,
      why?.reasons[0]?.reason,
    ]),
    [
      [13, null, "workers-busy"],
      [9, 10, "workers-busy"],
    ],
  );
  assert.equal([outcome.waiting, outcome.running], [1, 1]);
  assert.equal(outcome.workers[0]?.busy, 15 * MINUTE, "what still runs counts till the end");
});

test("gives builds to two workers, the one with the fewest builds first, and uses all their slots", async () => {
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "small" }), fakeWorker({ name: "big", slots: 2 })],
      builders: [builder("b", { workers: ["small", "big"] })],
      schedulers: [each(["b"])],
    },
    { changes: [at(0), at(1), at(2), at(3)] },
  );
  assert.equal(shown(outcome), ["b on small 0-10", "b on big 1-11", "b on big 2-12", "b on small 10-20"]);
});

test("a branch is built when it has been stable for the timer", async () => {
  const outcome = await play(
    { builders: [builder("b")], schedulers: [each(["b"], { treeStableTimer: "5m" })] },
    { changes: [at(0), at(4), at(8), at(30, { branch: "topic" })] },
  );
  assert.equal(shown(outcome), ["b on w 13-23", "b on w 35-45"]);
  assert.equal([outcome.changes, outcome.buildsets], [4, 2]);
});

test("a nightly build comes once in the nights that daylight saving shortens and lengthens", async () => {
  const night = (from: string) =>
    play(
      {
        builders: [builder("b")],
        schedulers: [nightly({ name: "n", at: "30 2 * * *", timeZone: "Europe/Berlin", builders: ["b"] })],
      },
      { from: Date.parse(from), until: Date.parse(from) + 3 * DAY },
    );
  const times = async (from: string) =>
    (await night(from)).builds.map((build) => new Date(build.startedAt).toISOString().slice(0, 16));
  assert.equal(await times("2026-03-28T00:00Z"), ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]);
  assert.equal(await times("2026-10-24T00:00Z"), ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]);
});

test("a periodic scheduler builds at the beginning and then every time", async () => {
  const outcome = await play(
    { builders: [builder("b")], schedulers: [periodic({ name: "p", every: "6h", builders: ["b"] })] },
    { until: START + DAY },
  );
  assert.equal(
    outcome.builds.map(({ startedAt }) => (startedAt - START) / HOUR),
    [0, 6, 12, 18, 24],
  );
});

test("locks serialise builds, of builders and of workers, in the order of the line", async () => {
  const one = masterLock({ name: "one" });
  const workers = [fakeWorker({ name: "w", slots: 4 })];
  const locked = await play(
    {
      locks: [one],
      workers,
      builders: [
        builder("a", { locks: [one.access("exclusive")] }),
        builder("b", { locks: [one.access("exclusive")] }),
      ],
      schedulers: [each(["a", "b"])],
    },
    { changes: [at(0), at(1)], model: lasting({ a: 10, b: 20 }) },
  );
  assert.equal(shown(locked), ["a on w 0-10", "b on w 10-30", "a on w 30-40", "b on w 40-60"]);
  assert.is(locked.longestWaits[0]?.why?.reasons[0]?.reason, "lock");

  const ports = workerLock({ name: "ports", maxCount: 2 });
  const counted = await play(
    {
      locks: [ports],
      workers: [fakeWorker({ name: "w", slots: 4, locks: [ports.access("counting")] })],
      builders: [builder("b")],
      schedulers: [each(["b"])],
    },
    { changes: [at(0), at(1), at(2)] },
  );
  assert.equal(shown(counted), ["b on w 0-10", "b on w 1-11", "b on w 10-20"]);
});

test("steps wait for their locks while their builds go on for the rest of the time", async () => {
  const one = masterLock({ name: "one" });
  const steps = [untouchable("compile"), untouchable("deploy", [one.access("exclusive")])];
  const history = new Map([
    [
      "b",
      { builds: [], results: new Map(), steps: new Map(Object.entries({ compile: 2 * MINUTE, deploy: 8 * MINUTE })) },
    ],
  ]);
  const outcome = await play(
    {
      locks: [one],
      workers: [fakeWorker({ name: "w", slots: 4 })],
      builders: [builder("b", { steps })],
      schedulers: [each(["b"])],
    },
    { changes: [at(0), at(1), at(2)], model: lasting({ b: 10 }, history) },
  );
  // Compiled at 2, 3 and 4; deployed 2-10, 10-18 and 18-26.
  assert.equal(shown(outcome), ["b on w 0-10", "b on w 1-18", "b on w 2-26"]);
});

test("a build that would wait for ever for the lock of another one is built again, as in reality", async () => {
  const [x, y] = [masterLock({ name: "x" }), masterLock({ name: "y" })];
  const withLock = (lock: typeof x) => untouchable("locked", [lock.access("exclusive")]);
  const outcome = await play(
    {
      locks: [x, y],
      workers: [fakeWorker({ name: "w", slots: 4 })],
      builders: [
        builder("a", { locks: [x.access("exclusive")], steps: [untouchable(), withLock(y)] }),
        builder("b", { locks: [y.access("exclusive")], steps: [untouchable(), withLock(x)] }),
      ],
      schedulers: [each(["a", "b"])],
    },
    { changes: [at(0)], model: lasting({ a: 10, b: 12 }) },
  );
  assert.equal(
    outcome.builders.map(({ results }) => results),
    [{ success: 1 }, { retry: 1, success: 1 }],
  );
});

test("the more urgent request goes first, by its scheduler and by its builder's function", async () => {
  const outcome = await play(
    {
      builders: [
        builder("a"),
        builder("b", { priority: 5 }),
        builder("c", { priority: ({ priority }) => priority + 9 }),
      ],
      schedulers: [
        each(["a", "b", "c"]),
        anyBranch({ name: "urgent", builders: ["a"], branches: "hot/*", priority: 20 }),
      ],
    },
    { changes: [at(0), at(1, { branch: "hot/fix" })] },
  );
  assert.equal(
    outcome.builds.map(({ builder }) => builder),
    ["c", "a", "c", "b", "b", "a", "a"],
  );
});

test("requests that fit are built together", async () => {
  const outcome = await play(
    { builders: [builder("b", { collapse: true })], schedulers: [each(["b"])] },
    { changes: [at(0), at(1), at(2), at(3)] },
  );
  assert.equal(shown(outcome), ["b on w 0-10", "b on w 10-20"]);
  assert.equal([outcome.builders[0]?.requests, outcome.builders[0]?.collapsed], [4, 2]);
});

test("requests that waited for as long as they may end without a build", async () => {
  const outcome = await play(
    { builders: [builder("b", { maxWait: "5m" })], schedulers: [each(["b"])] },
    { changes: [at(0), at(1), at(8)] },
  );
  assert.equal(shown(outcome), ["b on w 0-10", "b on w 10-20"]);
  assert.is(outcome.builders[0]?.expired, 1);
});

test("the functions of builders are asked, also those that answer later", async () => {
  let asked = 0;
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "v" }), fakeWorker({ name: "w" })],
      builders: [
        builder("b", {
          workers: ["v", "w"],
          nextWorker: async (_, workers) => {
            asked += 1;
            await new Promise((resolve) => setTimeout(resolve, 5));
            return workers.at(-1)?.name ?? null;
          },
          nextBuild: (requests) => requests.at(-1)?.id ?? null,
        }),
      ],
      schedulers: [each(["b"])],
    },
    { changes: [at(0), at(1), at(2), at(3)] },
  );
  assert.equal(shown(outcome), ["b on w 0-10", "b on v 1-11", "b on w 10-20", "b on v 11-21"]);
  assert.is(outcome.longestWaits.length, 2);
  assert.ok(asked >= 4);
});

test("a canStart that looks at the hour sees the simulated one, where that is asked for", async () => {
  const real = Date;
  const outcome = await play(
    {
      builders: [builder("b", { canStart: () => new Date().getUTCHours() >= 22 || "only at night" })],
      schedulers: [each(["b"])],
    },
    { changes: [at(21 * 60 + 30)], simulatesDate: true },
  );
  assert.is(globalThis.Date, real);
  assert.equal(shown(outcome), [`b on w ${22 * 60}-${22 * 60 + 10}`]);
  assert.equal(outcome.longestWaits[0]?.why?.reasons, [
    { reason: "can-start", text: "only at night", since: START + (21 * 60 + 30) * MINUTE },
  ]);
});

test("a function that fails holds up its builder only, and is among the reasons", async () => {
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "w", slots: 2 })],
      builders: [
        builder("a", {
          canStart: () => {
            throw new Error("no such table");
          },
        }),
        builder("b"),
      ],
      schedulers: [each(["a", "b"])],
    },
    { changes: [at(0)], until: START + HOUR },
  );
  assert.equal(shown(outcome), ["b on w 0-10"]);
  const [reason] = outcome.longestWaits[0]?.why?.reasons ?? [];
  assert.is(reason?.reason, "hook-failed");
  assert.match(JSON.stringify(reason), /no such table/);
});

test("a function that never answers holds up its builder only, and the simulation not for long", async () => {
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "w", slots: 2 })],
      builders: [builder("a", { canStart: () => new Promise(() => {}) }), builder("b")],
      schedulers: [each(["a", "b"])],
    },
    { changes: [at(0)], until: START + 10 * MINUTE, patience: 20 },
  );
  assert.equal(shown(outcome), ["b on w 0-10"]);
  assert.match(JSON.stringify(outcome.longestWaits[0]?.why), /it took longer than 10 s/);
  assert.is(outcome.notes[0]?.message, "a function of a builder did not answer in time");
});

test("builds end as they really did, and what depends on them is built accordingly", async () => {
  const history = new Map([
    ["test", { builds: [], steps: new Map(), results: new Map([["bad", "failure" as const]]) }],
  ]);
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "w", slots: 9 })],
      builders: [builder("test"), builder("deploy")],
      schedulers: [
        anyBranch({ name: "tests", builders: ["test"] }),
        dependent({ name: "deploys", upstream: "tests", builders: ["deploy"] }),
      ],
    },
    { changes: [at(0, { revision: "good" }), at(1, { revision: "bad" })], model: lasting({ "*": 10 }, history) },
  );
  assert.equal(shown(outcome), ["test on w 0-10", "test on w 1-11", "deploy on w 10-20"]);
  assert.equal(outcome.builders[0]?.results, { success: 1, failure: 1 });
});

test("a build ends as failure when its builder's time is over", async () => {
  const outcome = await play(
    { builders: [builder("b", { maxTime: "5m" })], schedulers: [each(["b"])] },
    { changes: [at(0)] },
  );
  assert.equal(shown(outcome), ["b on w 0-5"]);
  assert.equal(outcome.builders[0]?.results, { failure: 1 });
});

test("a step that names schedulers triggers them when its share of the time begins, without being run", async () => {
  const outcome = await play(
    {
      workers: [fakeWorker({ name: "w", slots: 2 })],
      builders: [
        builder("parent", { steps: [untouchable(), trigger({ schedulers: ["children"] })] }),
        builder("child"),
      ],
      schedulers: [each(["parent"]), triggerable({ name: "children", builders: ["child"] })],
    },
    { changes: [at(0)] },
  );
  assert.equal(shown(outcome), ["parent on w 0-10", "child on w 5-15"]);
  assert.is(outcome.triggered, 1);
});

test("a scheduler that throws is told of, is asked again, and stops no other", async () => {
  let asked = 0;
  const sick = scheduler({
    name: "sick",
    scheduler: {
      builders: ["b"],
      async process() {
        asked += 1;
        throw new Error("cannot count");
      },
    },
  });
  const outcome = await play({ builders: [builder("b")], schedulers: [sick, each(["b"])] }, { changes: [at(0)] });
  assert.equal(shown(outcome), ["b on w 0-10"]);
  assert.is(outcome.notes[0]?.message, 'the scheduler "sick" failed: cannot count');
  assert.is(outcome.notes[0]?.times, asked);
  assert.ok(asked > 1_000, "about once a minute in the end");
});

test("a scheduler that wants to look again and again without time going by ends the simulation", async () => {
  const restless = scheduler({
    name: "restless",
    scheduler: { builders: ["b"], process: async ({ now }) => ({ buildsets: [], wakeAt: now }) },
  });
  const refused = await rejects(play({ builders: [builder("b")], schedulers: [restless] }), "BELFRY_SIMULATION_STUCK");
  assert.match(String(refused), /2026-01-05T00:00:00\.000Z "scheduler:restless"/);
});

test("nothing real is touched", async () => {
  const touched: string[] = [];
  const touch =
    (what: string) =>
    (...args: unknown[]): never => {
      touched.push(what);
      throw new Error(`${what} ${args.length}`);
    };
  const part: Worker = createPart(fakeWorker, {});
  Object.assign(part, { start: touch("worker"), open: touch("worker") });
  const outcome = await play(
    {
      database: sqlite({ file: "/proc/nowhere/belfry.sqlite" }),
      sources: [source({ source: { poll: touch("source") } })],
      listeners: [listener({ listener: { handle: touch("listener") } })],
      services: [service({ service: { start: touch("service"), stop: touch("service") } })],
      logStore: logStore({ store: { create: touch("log store"), start: touch("log store") } as never }),
      secrets: [secrets({ values: { key: "x" } })],
      workers: [fakeWorker({ name: "w", run: touch("command") })],
      builders: [
        builder("b", { locks: async (ctx) => [{ lock: await ctx.secret("key"), mode: "exclusive" as const }] }),
        builder("c"),
      ],
      schedulers: [each(["b", "c"])],
    },
    { changes: [at(0)], until: START + HOUR },
  );
  assert.equal(shown(outcome), ["c on w 0-10"]);
  assert.equal(touched, []);
  assert.match(JSON.stringify(outcome.longestWaits), /is not to be had before there is a build/);
});

test("filters and importance are those of the schedulers", async () => {
  const outcome = await play(
    {
      builders: [builder("b")],
      schedulers: [each(["b"], { filter: { author: /^a/ }, isImportant: (one: Change) => one.files.includes("a.c") })],
    },
    { changes: [at(0), at(1, { files: ["a.c"] }), at(2, { author: "bob", files: ["a.c"] })] },
  );
  assert.equal(shown(outcome), ["b on w 1-11"]);
});

test("two configurations are compared by the same changes", async () => {
  const farm = (slots: number) => ({
    workers: [fakeWorker({ name: "w", slots })],
    builders: [builder("b")],
    schedulers: [each(["b"])],
  });
  const changes = [at(0), at(0, { branch: "other" })];
  const [before, after] = [await play(farm(1), { changes }), await play(farm(2), { changes })];
  assert.equal([before.waited?.max, after.waited?.max], [10 * MINUTE, 0]);
  assert.equal(shown(after), ["b on w 0-10", "b on w 0-10"]);
});

test("a configuration on PostgreSQL is simulated in the database of another plugin, or refused", async () => {
  const config = { database: postgres({ url: "postgres://nobody@localhost:1/nothing" }), builders: [builder("b")] };
  await rejects(play(config), "BELFRY_SIMULATION_DATABASE");
  const outcome = await play({ ...config, plugins: [sqlitePlugin], schedulers: [each(["b"])] }, { changes: [at(0)] });
  assert.equal(shown(outcome), ["b on w 0-10"]);
});

test("a configuration with faults is refused as a whole", async () => {
  await rejects(play({ builders: [builder("b", { workers: ["nobody"] })] }), "BELFRY_CONFIG_INVALID");
});

test("it ends when it is told to", async () => {
  const abort = new AbortController();
  const run = play(
    { builders: [builder("b")], schedulers: [periodic({ name: "p", every: "1m", builders: ["b"] })] },
    {
      until: START + 1_000 * DAY,
      signal: abort.signal,
      progress: (now) => now > START + DAY && abort.abort(new Error("enough")),
    },
  );
  await run.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, "enough"),
  );
});

test("lengths come from a file, this worker's builds, the builder's, or a default, in this order", () => {
  const build = (worker: string, minutes: number, result = "success" as const) => ({
    worker,
    millis: minutes * MINUTE,
    result,
  });
  const history = new Map([
    [
      "b",
      {
        builds: [
          build("fast", 1),
          build("fast", 2),
          build("fast", 9),
          build("slow", 30),
          { ...build("slow", 50), result: "failure" as const },
        ],
        steps: new Map(),
        results: new Map(),
      },
    ],
  ]);
  const model = new BuildModel(
    history,
    new Map([
      [
        "c",
        new Map([
          ["fast", 7],
          ["*", 8],
        ]),
      ],
    ]),
  );
  const told = (name: string, worker: string, result: "success" | "failure" = "success") =>
    model.duration(name, worker, result);
  assert.equal(told("b", "fast"), { millis: 2 * MINUTE, source: "worker" });
  assert.equal(told("b", "slow"), { millis: 5.5 * MINUTE, source: "builder" });
  assert.equal(told("b", "slow", "failure"), { millis: 50 * MINUTE, source: "builder" });
  assert.equal(told("c", "fast"), { millis: 7, source: "file" });
  assert.equal(told("c", "slow"), { millis: 8, source: "file" });
  assert.equal(told("d", "slow"), { millis: 5 * MINUTE, source: "default" });
});

test.run();
