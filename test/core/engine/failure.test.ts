import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, logStore, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { type Config, createFileLogStore, type LogStore, parallel, type StepContext, type StepNode } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { takeLease } from "../../../core/src/store/leases.ts";
import { tokenCaller } from "../api/world.ts";
import { DATABASES, type TestDatabase } from "../databases.ts";

const test = suite("why a build failed");

const config = (steps: readonly StepNode[], more: Partial<Config> = {}): Omit<Config, "database"> => ({
  workers: [fakeWorker({ name: "w" })],
  schedulers: [
    force({ name: "force", builders: ["b"], project: "public" }),
    anyBranch({ name: "changes", builders: ["b"] }),
  ],
  builders: [{ name: "b", project: "public", workers: ["w"], steps: [...steps] }],
  ...more,
});

const world = (steps: readonly StepNode[], database?: TestDatabase, folder?: string): Promise<TestMaster> =>
  testMaster({
    config: { ...config(steps), ...(database ? { database: database.entry } : {}) },
    ...(folder ? { folder } : {}),
  });

async function forced(kit: TestMaster, params = {}): Promise<number> {
  const { buildset, requests } = await kit.call("schedulers.force", { scheduler: "force", ...params });
  await kit.buildsetEnd(buildset);
  return (await kit.call("requests.get", { request: requests[0].id })).builds.at(-1);
}

async function explained(kit: TestMaster, build: number) {
  await kit.event("build.explained", (data) => data.build === build);
  const { state, failure } = await kit.call("builds.failure", { build });
  assert.is(state, "made");
  return failure;
}

const prints = (texts: Record<string, string>, more: object = {}, result = "failure", failing?: string[]) =>
  step({
    title: "it",
    async run(ctx) {
      for (const [name, text] of Object.entries(texts)) await ctx.log(name).write(text);
      return { result, summary: "it is so", ...(failing ? { failing } : {}) } as never;
    },
    ...more,
  });

const numbers = (log: { lines: { number: number }[] }) => log.lines.map(({ number }) => number);

for (const kind of DATABASES) {
  test(`${kind.name}: failed steps, their error lines, failed tests, the last good build and changes since`, async () => {
    await using database = await kind.open();
    let good = true;
    const sometimes = step({
      title: "unit",
      async run(ctx) {
        if (good) return { result: "success" };
        await ctx
          .log("stdio")
          .write("begins\nx.c:3: error: no such thing\nmore\n\u001b[31merror: colours\u001b[0m\n0 errors\n");
        return { result: "failure", failing: ["a", "b"] };
      },
      haltOnFailure: false,
    });
    await using kit = await world(
      [
        parallel([sometimes, prints({ stdio: "fine\n" }, {}, "success")], { haltOnFailure: false }),
        prints({}, { doStepIf: () => !good, name: "silent" }),
      ],
      database,
    );
    const change = async (revision: string, project = "public") => {
      const id = await kit.addChange({
        revision,
        branch: "main",
        author: `author of ${revision}`,
        project,
        comments: `comment\n${revision}`,
      });
      const { data } = await kit.event("build.finished", ({ number }) => number === Number(revision.slice(1)));
      return { id, build: data.build as number };
    };
    const first = await change("r1");
    good = false;
    await forced(kit, { branch: "other", revision: "o1" });
    const third = await change("r3");
    const fourth = await change("r4", "hidden");
    const failure = await explained(kit, fourth.build);
    assert.equal(
      failure.steps.map(({ step: number, name, result }: Record<string, unknown>) => [number, name, result]),
      [
        [2, "unit", "failure"],
        [4, "silent", "failure"],
      ],
    );
    const [log] = failure.steps[0].logs;
    assert.equal([log.log, log.name, log.of], [1, "stdio", "errors"]);
    assert.equal(log.lines, [
      { number: 1, text: "x.c:3: error: no such thing" },
      { number: 3, text: "error: colours" },
    ]);
    assert.equal(failure.steps[1].logs, []);
    assert.equal(failure.failing, ["a", "b"]);
    assert.equal([failure.lastGood.build, failure.lastGood.number, failure.lastGood.revision], [first.build, 1, "r1"]);
    assert.equal(
      failure.changes.map(({ change: id, author, comments }: Record<string, unknown>) => [id, author, comments]),
      [
        [fourth.id, "author of r4", "comment"],
        [third.id, "author of r3", "comment"],
      ],
    );
    assert.equal((await kit.call("builds.get", { build: fourth.build, include: ["failure"] })).failure, failure);
    const { items } = await kit.call("builds.list", { branch: "main", include: ["failure"], order: "id" });
    assert.is(items[0].failure, null);
    assert.equal(items.at(-1).failure, failure);
    assert.equal(await kit.call("builds.failure", { build: first.build }), {
      build: first.build,
      state: "none",
      failure: null,
    });

    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
    const narrow = (await kit.call("builds.failure", { build: fourth.build }, caller)).failure;
    assert.equal(
      narrow.changes.map(({ change: id }: { change: number }) => id),
      [third.id],
    );
    assert.not.match(JSON.stringify(narrow), /hidden|r4/);
  });

  test(`${kind.name}: what a master did not come to is done by the next one, once`, async () => {
    await using database = await kind.open();
    const folder = await mkdtemp(join(tmpdir(), "belfry-failure-"));
    try {
      let build = 0;
      {
        await using kit = await world([prints({ stdio: "error: first life\n" })], database, folder);
        // Somebody else has the right to it, as if it hung for ever; then both are gone.
        await until(
          () =>
            takeLease(kit.master.store, "failures", "other", 3_600_000).then(
              (lease) => lease !== undefined || release(kit),
            ),
          "the lease",
        );
        build = await forced(kit);
        assert.is((await kit.call("builds.failure", { build })).state, "wanted");
        assert.is((await kit.call("builds.get", { build, include: ["failure"] })).failure, null);
        await release(kit);
      }
      await using kit = await world([prints({})], database, folder);
      const failure = await explained(kit, build);
      assert.equal(failure.steps[0].logs[0].lines, [{ number: 0, text: "error: first life" }]);
      const before = await kit.call("builds.failure", { build });
      await forced(kit);
      assert.equal(await kit.call("builds.failure", { build }), before);
      assert.is(
        (await kit.events()).filter(({ type, data }) => type === "build.explained" && data.build === build).length,
        1,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** Takes the lease of this loop away from whoever has it. */
async function release(kit: TestMaster): Promise<boolean> {
  await kit.master.store.write((tx) =>
    tx.db.updateTable("leases").set({ owner: "", until_at: 0 }).where("name", "=", "failures").execute(),
  );
  return false;
}

test("without a line that names an error it is the log's last lines, and never Belfry's own", async () => {
  const many = Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join("");
  await using kit = await world([
    step({
      async run(ctx: StepContext) {
        await ctx.worker.run({ command: ["echo", "error: of the command line"] });
        await ctx.log("stdio").write(many);
        await ctx.log("second").write("only this\n");
        return { result: "failure" as const };
      },
    }),
  ]);
  const { steps } = await explained(kit, await forced(kit));
  const [log, second] = steps[0].logs;
  assert.is(log.of, "end");
  assert.is(log.lines.length, 20);
  assert.is(log.lines.at(-1).text, "line 99");
  assert.equal(second, { log: 2, name: "second", of: "end", lines: [{ number: 0, text: "only this" }] });
});

test("of a long log the first error lines are found, wherever they are, and all of it is bounded", async () => {
  const noise = `${"nothing to see here ".repeat(20)}\n`.repeat(500);
  const errors = Array.from({ length: 100 }, (_, i) => `error: number ${i} ${"x".repeat(2_000)}\n`).join("");
  await using kit = await world([
    step({
      async run(ctx) {
        for (let i = 0; i < 10; i += 1) await ctx.log("stdio").write(noise);
        await ctx.log("stdio").write(errors);
        for (let i = 0; i < 9; i += 1) await ctx.log(`more ${i}`).write(errors);
        return { result: "failure" as const };
      },
    }),
  ]);
  const { steps } = await explained(kit, await forced(kit));
  assert.is(steps[0].logs.length, 4);
  assert.is(steps[0].logs[0].of, "errors");
  assert.equal(
    numbers(steps[0].logs[0]),
    Array.from({ length: 20 }, (_, i) => 5_000 + i),
  );
  assert.ok(
    steps[0].logs.every((log: { lines: { text: string }[] }) => log.lines.every(({ text }) => text.length <= 500)),
  );
  assert.ok(JSON.stringify(steps).length < 100_000);
});

test("of a step that was tried again, the last attempt's logs are looked at; of a group, its steps", async () => {
  let turn = 0;
  await using kit = await world([
    parallel([
      step({
        retry: { max: 1 },
        async run(ctx) {
          turn += 1;
          await ctx.log("stdio").write(`error: turn ${turn}\n`);
          return { result: "failure" as const };
        },
      }),
    ]),
  ]);
  const { steps } = await explained(kit, await forced(kit));
  assert.equal(
    steps.map(({ name, logs }: { name: string; logs: { name: string; lines: unknown[] }[] }) => [
      name,
      logs.map((log) => log.name),
    ]),
    [["step", ["stdio (attempt 2)"]]],
  );
  assert.equal(steps[0].logs[0].lines, [{ number: 0, text: "error: turn 2" }]);
});

test("a log that cannot be read is said to be so, and the rest is explained", async () => {
  const folder = await mkdtemp(join(tmpdir(), "belfry-failure-"));
  try {
    const files = createFileLogStore({ folder });
    const broken: LogStore = {
      create: (key, options) => files.create(key, options),
      open: (key) => (key.endsWith("-1") ? Promise.reject(new Error("the disk is gone")) : files.open(key)),
      remove: (key) => files.remove(key),
      seal: (key, options) => files.seal(key, options),
      start: async () => files.start?.(),
      stop: async () => files.stop?.(),
    };
    await using kit = await testMaster({
      config: config([prints({ one: "x\n", two: "error: y\n" })], { logStore: logStore({ store: broken }) }),
    });
    const { steps } = await explained(kit, await forced(kit));
    assert.equal(steps[0].logs[0].lines, [{ number: 0, text: "(this log cannot be read: the disk is gone)" }]);
    assert.equal(steps[0].logs[1].lines, [{ number: 0, text: "error: y" }]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("builds that were cancelled or are built again because their master was lost are not looked into", async () => {
  await using kit = await world([prints({ stdio: "error: x\n" }, {}, "cancelled")]);
  const build = await forced(kit);
  assert.equal(await kit.call("builds.failure", { build }), { build, state: "none", failure: null });
});

test.run();
