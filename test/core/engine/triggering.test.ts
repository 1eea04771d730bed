import { dependent, force, singleBranch, triggerable } from "@belfry/schedulers";
import { trigger } from "@belfry/steps";
import { fakeWorker, rejects, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { BelfryError, type BuilderConfig, type Result, type StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";
import { scriptedWorker } from "./worker-scripted.ts";

const test = suite("builds that trigger others, and schedulers that wait for others");

const workers = [fakeWorker({ name: "w", slots: 10 })];
const work = (run: (ctx: StepContext) => Promise<Result> | Result): BuilderConfig["steps"] => [
  step({ title: "work", run: async (ctx) => ({ result: await run(ctx) }) }),
];

const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

function start(database: TestDatabase, builders: BuilderConfig[], more: object = {}): Promise<TestMaster> {
  return testMaster({
    config: {
      database: database.entry,
      workers,
      builders,
      schedulers: [
        force({ name: "by hand", builders: builders.map(({ name }) => name) }),
        triggerable({ name: "tests", builders: ["child"], properties: { own: 1, set: "mine" }, priority: 3 }),
      ],
      ...more,
    },
  });
}

const forced = async (kit: TestMaster, builder = "parent"): Promise<number> =>
  (await kit.call("schedulers.force", { scheduler: "by hand", builders: [builder], branch: "main", revision: "r1" }))
    .buildset;

for (const kind of DATABASES) {
  test(`${kind.name}: a step triggers a scheduler, waits, and both sides know of each other`, async () => {
    await using database = await kind.open();
    let attempts = 0;
    await using kit = await start(database, [
      {
        name: "parent",
        workers: ["w"],
        steps: [
          step({
            title: "prepare",
            run: (ctx) => (ctx.properties.set("version", "1.2"), { result: "success" as const }),
          }),
          trigger({ schedulers: "tests", wait: true, copy: ["version"], properties: { set: "yours" } }),
        ],
      },
      { name: "child", workers: ["w"], steps: work(() => (++attempts === 1 ? "retry" : "warnings")) },
    ]);
    const set = await kit.buildsetEnd(await forced(kit));
    assert.is(set.result, "warnings");
    assert.is(set.parent, null);
    const { items: steps } = await kit.call("builds.steps", { builder: "parent", number: 1 });
    assert.is(steps[1].summary, "tests: child 1 retry, child 2 warnings");
    const child = await kit.call("builds.get", { builder: "child", number: 2, include: ["triggeredBy", "changes"] });
    const parent = await kit.call("builds.get", {
      builder: "parent",
      number: 1,
      include: ["triggered", "triggeredBy"],
    });
    assert.equal(child.triggeredBy, { build: parent.id, builder: "parent", number: 1, step: 2 });
    assert.is(parent.triggeredBy, null);
    assert.equal(parent.triggered, [
      {
        buildset: child.buildset,
        step: 2,
        scheduler: "tests",
        result: "warnings",
        builds: [
          { id: child.id - 1, builder: "child", number: 1, result: "retry" },
          { id: child.id, builder: "child", number: 2, result: "warnings" },
        ],
      },
    ]);
    assert.is(child.revision, "r1");
    const buildset = await kit.call("buildsets.get", { buildset: child.buildset });
    assert.equal(buildset.parent, { build: parent.id, builder: "parent", number: 1, step: 2 });
    assert.equal(buildset.properties, { own: 1, set: "yours", version: "1.2", scheduler: "tests" });
    assert.is(buildset.reason, "triggered by parent 1");
    assert.is(buildset.requests[0].priority, 3);
    assert.is(buildset.externalId, `trigger/${parent.id}/2/1`);
  });

  test(`${kind.name}: a call triggers once, though its commit is not heard of or the database fails before it`, async () => {
    await using database = await kind.open();
    let cut: "before" | "after" | undefined;
    let cuts = 0;
    await using kit = await start(database, [
      {
        name: "parent",
        workers: ["w"],
        steps: work(async (ctx): Promise<Result> => {
          for (const when of ["before", "after"] as const) {
            cut = when;
            const { id, requests } = await ctx.trigger({ scheduler: "tests" });
            assert.is(requests.length, 1);
            assert.ok(id > 0);
          }
          return "success";
        }),
      },
      { name: "child", workers: ["w"], steps: work(() => "success") },
    ]);
    const { store } = kit.master;
    const write = store.write.bind(store);
    store.write = async (job) => {
      let adds = false;
      const when = cut;
      const watched = async (tx: Parameters<typeof job>[0]) => {
        const value = await job(tx);
        adds = typeof value === "object" && value !== null && "requests" in value;
        if (adds && when === "before" && cut === when) {
          cut = undefined;
          cuts += 1;
          throw new Error("cut off before the commit");
        }
        return value;
      };
      const value = await write(watched);
      if (adds && when === "after" && cut === when) {
        cut = undefined;
        cuts += 1;
        throw new Error("cut off after the commit");
      }
      return value;
    };
    const set = await kit.buildsetEnd(await forced(kit));
    assert.is(set.result, "success");
    assert.is(cuts, 2);
    const parent = await kit.call("builds.get", { builder: "parent", number: -1, include: ["triggered"] });
    assert.is(parent.triggered.length, 2, "two calls, two buildsets");
  });

  test(`${kind.name}: a build that is stopped cancels what it waits for, if that was asked, and else lets it go on`, async () => {
    await using database = await kind.open();
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const wait = (endsWithBuild: boolean) => [trigger({ schedulers: ["tests", "slow"], wait: true, endsWithBuild })];
    const builders: BuilderConfig[] = [
      { name: "parent", workers: ["w"], steps: wait(true) },
      { name: "lax", workers: ["w"], steps: wait(false) },
      {
        name: "child",
        workers: ["w"],
        steps: work(async (ctx): Promise<Result> => {
          await Promise.race([gate, untilAborted(ctx)]);
          return "success";
        }),
      },
      { name: "queued", workers: ["nobody"], steps: work(() => "success") },
    ];
    await using kit = await start(database, builders, {
      workers: [...workers, scriptedWorker("nobody", false).entry],
      schedulers: [
        force({ name: "by hand", builders: ["parent", "lax"] }),
        triggerable({ name: "tests", builders: ["child"] }),
        triggerable({ name: "slow", builders: ["queued"] }),
      ],
    });
    const children = async (builder: string) => {
      const { triggered } = await kit.call("builds.get", { builder, number: -1, include: ["triggered"] });
      return triggered as { buildset: number; result: string | null; builds: unknown[] }[];
    };
    for (const builder of ["parent", "lax"]) {
      const set = await forced(kit, builder);
      await until(async () => {
        const { items } = await kit.call("builds.list", { builder, state: "running" });
        return items.length === 1 && (await children(builder)).some(({ builds }) => builds.length === 1);
      }, "the child");
      await kit.call("builds.stop", { builder, number: -1, reason: "enough" });
      assert.is((await kit.buildsetEnd(set)).result, "cancelled");
    }
    await until(async () => (await children("parent")).every(({ result }) => result === "cancelled"), "their end");
    const { items } = await kit.call("builds.list", { builder: "child", order: "id" });
    assert.match(items[0].stopReason, /parent 1/);
    assert.equal(
      (await children("lax")).map(({ result }) => result),
      [null, null],
    );
    go();
    await until(async () => (await children("lax"))[0]?.result === "success", "its own end");
  });

  test(`${kind.name}: the builds of a master that is lost take with them what shall not outlive them`, async () => {
    await using database = await kind.open();
    const builders: BuilderConfig[] = [
      { name: "parent", workers: ["w"], steps: [trigger({ schedulers: "tests", wait: true, endsWithBuild: true })] },
      { name: "child", workers: ["none"], steps: work(() => "success") },
    ];
    const more = { workers: [...workers, scriptedWorker("none", false).entry] };
    await using kit = await start(database, builders, more);
    await forced(kit);
    await kit.event("buildset.added", ({ scheduler }) => scheduler === "tests");
    const before = await kit.call("builds.get", { builder: "parent", number: 1, include: ["triggered"] });
    await kit.master.stop();
    await using next = await start(database, builders, more);
    const ended = await next.call("builds.get", { build: before.id, include: ["triggered"] });
    assert.is(ended.result, "retry");
    assert.is(ended.triggered[0].result, "cancelled");
    await until(async () => {
      const { items } = await next.call("builds.list", { builder: "parent", state: "running" });
      if (items.length === 0) return false;
      const { triggered } = await next.call("builds.get", { build: items[0].id, include: ["triggered"] });
      return triggered.length === 1 && triggered[0].result === null;
    }, "the build that follows it, with a buildset of its own");
  });

  test(`${kind.name}: what cannot be triggered is refused, and a disabled scheduler skips the step`, async () => {
    await using database = await kind.open();
    const codes: (string | undefined)[] = [];
    await using kit = await start(
      database,
      [
        {
          name: "parent",
          workers: ["w"],
          steps: [
            ...work(async (ctx): Promise<Result> => {
              for (const scheduler of ["nobody", "by hand", "strange"]) {
                const error = await rejects(ctx.trigger({ scheduler }));
                codes.push(BelfryError.is(error) ? error.code : String(error));
              }
              return "success";
            }),
            trigger({ schedulers: "tests", wait: true }),
          ],
        },
        { name: "child", workers: ["w"], steps: work(() => "success") },
      ],
      {
        schedulers: [
          force({ name: "by hand", builders: ["parent"] }),
          triggerable({ name: "tests", builders: ["child"] }),
          triggerable({ name: "strange", builders: ["child"] }),
        ],
      },
    );
    await kit.call("schedulers.disable", { scheduler: "tests" });
    await kit.call("schedulers.disable", { scheduler: "strange" });
    const set = await kit.buildsetEnd(await forced(kit));
    assert.equal(codes, ["BELFRY_NOT_FOUND", "BELFRY_SCHEDULER_CANNOT_TRIGGER", "BELFRY_SCHEDULER_DISABLED"]);
    assert.is(set.result, "success");
    const { items } = await kit.call("builds.steps", { builder: "parent", number: 1 });
    assert.equal([items[1].result, items[1].summary], ["skipped", "tests is disabled"]);
  });

  test(`${kind.name}: a dependent scheduler builds the same code once the other's buildset has ended well`, async () => {
    await using database = await kind.open();
    let result: Result = "success";
    const builders: BuilderConfig[] = [
      { name: "unit", workers: ["w"], steps: work(() => result) },
      { name: "deploy", workers: ["w"], steps: work(() => "success") },
    ];
    await using kit = await start(database, builders, {
      schedulers: [
        singleBranch({ name: "main", branch: "main", builders: ["unit"] }),
        force({ name: "by hand", builders: ["unit"] }),
        dependent({ name: "then", upstream: "main", builders: ["deploy"], properties: { to: "here" } }),
      ],
    });
    const deployed = async () => (await kit.call("builds.list", { builder: "deploy", order: "id" })).items;
    const change = await kit.addChange({ revision: "r7" });
    await until(async () => (await deployed()).length === 1, "the build that depends");
    const [build] = await deployed();
    assert.is(build.revision, "r7");
    const buildset = await kit.call("buildsets.get", { buildset: build.buildset });
    assert.equal(
      [buildset.changes, buildset.scheduler, buildset.reason],
      [[change], "then", "main ended with success"],
    );
    assert.equal(buildset.properties, { to: "here", scheduler: "then" });
    assert.equal((await kit.call("schedulers.why", { scheduler: "then" })).reasons, [
      { reason: "upstream", schedulers: ["main"] },
    ]);
    await kit.buildsetEnd(await forced(kit, "unit"));
    result = "failure";
    await kit.addChange({ key: "bad", revision: "r8" });
    await kit.event("buildset.finished", (data) => data.result === "failure");
    result = "warnings";
    await kit.addChange({ key: "again", revision: "r9" });
    await until(async () => (await deployed()).length === 2, "the next");
    assert.equal(
      (await deployed()).map(({ revision }: { revision: string }) => revision),
      ["r7", "r9"],
    );
  });
}

test("a configuration that names schedulers that are not there is refused", async () => {
  const error = await rejects(
    testMaster({
      config: {
        workers,
        builders: [{ name: "b", workers: ["w"], steps: [trigger({ schedulers: ["there", "gone"] })] }],
        schedulers: [
          triggerable({ name: "there", builders: ["b"] }),
          dependent({ name: "d", upstream: "nobody", builders: ["b"] }),
        ],
      },
    }),
  );
  assert.equal(
    (error as BelfryError).details?.map(({ path, message }) => `${path}: ${message}`),
    ['builders[0].steps[0]: there is no scheduler named "gone"', 'schedulers[1]: there is no scheduler named "nobody"'],
  );
});

test.run();
