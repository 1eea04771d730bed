import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { force } from "@belfry/schedulers";
import { secrets, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { type BuilderConfig, type Config, masterLock, type StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";
import { KeepingWorker } from "./keeping-worker.ts";

const test = suite("resuming after a restart");

const disk = masterLock({ name: "disk" });

/** Masters one after the other, over one database and one folder. */
class Lives implements AsyncDisposable {
  readonly worker = new KeepingWorker();
  readonly #database: TestDatabase;
  readonly #folder: string;
  readonly #config: Config;
  kit!: TestMaster;

  static async begin(database: TestDatabase, builder: Partial<BuilderConfig>, more: Partial<Config> = {}) {
    const lives = new Lives(database, await mkdtemp(join(tmpdir(), "belfry-lives-")), builder, more);
    await lives.next();
    return lives;
  }

  private constructor(database: TestDatabase, folder: string, builder: Partial<BuilderConfig>, more: Partial<Config>) {
    this.#database = database;
    this.#folder = folder;
    this.#config = {
      database: database.entry,
      workers: [this.worker.entry],
      schedulers: [force({ name: "force", builders: ["b"] })],
      locks: [disk],
      builders: [{ name: "b", workers: ["w"], steps: [], ...builder }],
      ...more,
    };
  }

  async next(config: Partial<Config> = {}): Promise<void> {
    void this.#database;
    this.kit = await testMaster({ config: { ...this.#config, ...config }, folder: this.#folder });
  }

  /** Lets the master start again, as `belfry restart` does. */
  async restart(config: Partial<Config> = {}): Promise<void> {
    await this.kit.master.stop("now", { restart: true });
    await this.next(config);
  }

  async force(): Promise<number> {
    return (await this.kit.call("schedulers.force", { scheduler: "force" })).buildset;
  }

  get config(): Config {
    return this.#config;
  }

  async build(number = 1) {
    return this.kit.call("builds.get", { builder: "b", number, include: ["steps"] });
  }

  async [Symbol.asyncDispose]() {
    this.worker.endAll();
    await this.kit.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

for (const kind of DATABASES) {
  test(`${kind.name}: a build goes on where it was, with its calls, its log, its properties and its lock`, async () => {
    await using database = await kind.open();
    const lines: string[][] = [];
    const work = step({
      title: "work",
      resumable: true,
      locks: [disk.access("exclusive")],
      async run(ctx: StepContext) {
        const heard: string[] = [];
        lines.push(heard);
        await ctx.log("notes").write("begins\n");
        const first = await ctx.worker.run({ command: "first", capture: 100 });
        ctx.properties.set("first", first.stdout.trim());
        const missing = await ctx.worker.stat("nothing").catch((error: NodeJS.ErrnoException) => error.code);
        await ctx.worker.writeFile("file", new Uint8Array([0, 255]));
        const bytes = await ctx.worker.readFile("file");
        const second = await ctx.worker.run({ command: "second", onLine: (line) => heard.push(line) });
        await ctx.log("notes").write("goes on\n");
        await ctx.worker.run({ command: "third" });
        return {
          result: second.code === 0 ? "success" : "failure",
          summary: `${first.stdout.trim()} ${missing} ${[...bytes]}`,
        };
      },
    });
    const before = step({
      title: "before",
      run: (ctx) => (ctx.properties.set("early", 1) as undefined) ?? { result: "success" },
    });
    await using lives = await Lives.begin(database, { steps: [before, work] });
    const { worker } = lives;
    const buildset = await lives.force();
    await worker.print("first", "one\n");
    await worker.end("first");
    await worker.print("second", "a\nb\n");
    await until(() => lines[0]?.length === 2, "two lines");
    const { startedAt } = await lives.build();
    await lives.restart();
    assert.is(worker.detached, 1);
    await worker.print("second", "c\n");
    await until(() => lines[1]?.length === 3, "the lines again, and one more");
    const { items } = await lives.kit.call("locks.list", { lock: "disk" });
    assert.is(items[0].holders.length, 1);
    await worker.end("second");
    await worker.end("third");
    const set = await lives.kit.buildsetEnd(buildset);
    assert.is(set.result, "success");
    assert.equal(worker.begun, ["first", "write file", "second", "third"], "nothing was done twice");
    assert.equal(lines, [
      ["a", "b"],
      ["a", "b", "c"],
    ]);
    const build = await lives.build();
    assert.equal([build.result, build.startedAt, build.properties.early.value], ["success", startedAt, 1]);
    assert.is(build.properties.first.value, "one");
    assert.equal(
      build.steps.map((one: { name: string; result: string; summary: string }) => [one.name, one.result, one.summary]),
      [
        ["before", "success", ""],
        ["work", "success", "one ENOENT 0,255"],
      ],
    );
    assert.is((await lives.kit.call("builds.list", { builder: "b" })).items.length, 1);
    const text = (await lives.kit.logText(build.id, 2, "stdio")).replace(/after .* s/g, "after T");
    assert.is(
      text,
      "$ first\none\nexit code 0 after T\n$ second\na\nb\nc\nexit code 0 after T\n$ third\nexit code 0 after T\n",
    );
    assert.is(await lives.kit.logText(build.id, 2, "notes"), "begins\ngoes on\n");
    await lives.kit.event("build.resumed", (data) => data.number === 1);
    assert.equal(await lives.kit.master.store.read.selectFrom("locks").selectAll().execute(), []);
  });

  test(`${kind.name}: a step that is not resumable ends its build as retry, and the request is built again`, async () => {
    await using database = await kind.open();
    const work = step({
      title: "work",
      run: async (ctx) => (await ctx.worker.run({ command: "only" })) && { result: "success" },
    });
    await using lives = await Lives.begin(database, { steps: [work] });
    const buildset = await lives.force();
    await until(() => lives.worker.begun.length === 1, "its command");
    await lives.restart();
    await until(() => lives.worker.begun.length === 2, "its command once more");
    lives.worker.endAll();
    await lives.kit.buildsetEnd(buildset);
    assert.is((await lives.build(1)).result, "retry");
    assert.is((await lives.build(2)).number, 2);
  });
}

const [sqliteOnly] = DATABASES;
assert.ok(sqliteOnly);

const resumable = (run: (ctx: StepContext) => Promise<{ result: "success" }>) =>
  step({ title: "work", resumable: true, run });

test("a command that the worker has not kept ends the build as retry, with the reason", async () => {
  await using database = await sqliteOnly.open();
  const work = resumable(async (ctx) => (await ctx.worker.run({ command: "only" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [work] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  lives.worker.keeps = false;
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  const build = await lives.build(1);
  assert.is(build.result, "retry");
  assert.match(build.summary, /not kept by its worker/);
});

test("a step that goes another way than before ends the build as retry", async () => {
  await using database = await sqliteOnly.open();
  let life = 0;
  const work = resumable(async (ctx) => {
    life += 1;
    await ctx.worker.mkdir(life === 1 ? "one" : "another");
    await ctx.worker.run({ command: "only" });
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [work] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  const build = await lives.build(1);
  assert.is(build.result, "retry");
  assert.match(build.summary, /did not call mkdir again/);
});

test("what holds a secret is not kept; secrets of earlier steps are masked after the restart", async () => {
  await using database = await sqliteOnly.open();
  const asks = step({
    title: "asks",
    async run(ctx) {
      await ctx.secret("password");
      return { result: "success" };
    },
  });
  const work = resumable(async (ctx) => {
    await ctx.worker.run({ command: "shows", capture: 100 });
    await ctx.worker.run({ command: "waits" });
    return { result: "success" };
  });
  await using lives = await Lives.begin(
    database,
    {
      steps: [
        asks,
        resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" }),
        work,
      ],
    },
    { secrets: [secrets({ values: { password: "hunter22" } })] },
  );
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart();
  await lives.worker.print("waits", "it is hunter22\n");
  await lives.worker.end("waits");
  await lives.worker.print("shows", "hunter22");
  await lives.worker.end("shows");
  await until(() => lives.worker.begun.length === 3, "the last command");
  const build = await lives.build(1);
  assert.match(await lives.kit.logText(build.id, 2), /it is \*{4}\n/);
  const calls = await lives.kit.master.store.read.selectFrom("step_calls").selectAll().execute();
  assert.not.match(JSON.stringify(calls), /hunter22/);
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  assert.match((await lives.build(1)).summary, /what run gave was not kept/);
});

test("a builder that is another one now does not go on with builds of the old one", async () => {
  await using database = await sqliteOnly.open();
  const work = resumable(async (ctx) => (await ctx.worker.run({ command: "only" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [work] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  const [builder] = lives.config.builders ?? [];
  assert.ok(builder);
  await lives.restart({ builders: [{ ...builder, env: { NEW: "1" } }] });
  await lives.kit.event("build.finished", (data) => data.number === 1);
  assert.is((await lives.build(1)).result, "retry");
});

test("steps in groups, attempts, and what a step triggers are taken up, each once", async () => {
  await using database = await sqliteOnly.open();
  let attempts = 0;
  const flaky = step({
    title: "flaky",
    resumable: true,
    retry: { max: 2 },
    async run(ctx) {
      attempts += 1;
      const { code } = await ctx.worker.run({ command: "flaky" });
      return { result: code === 0 ? "success" : "failure" };
    },
  });
  const side = resumable(async (ctx) => (await ctx.worker.run({ command: "side" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [{ parallel: [flaky, side], name: "both" }] });
  const buildset = await lives.force();
  await lives.worker.end("flaky", 1);
  await until(() => attempts === 2, "the second attempt");
  await until(() => lives.worker.begun.length === 3, "its command");
  await lives.restart();
  await until(() => attempts === 3, "the second attempt again");
  await lives.worker.end("side");
  await lives.worker.end("flaky");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  const build = await lives.build(1);
  assert.equal(lives.worker.begun.toSorted(), ["flaky", "flaky", "side"]);
  assert.equal(
    build.steps.map((one: { name: string; result: string; attempts: unknown[] }) => [
      one.name,
      one.result,
      one.attempts.length,
    ]),
    [
      ["both", "success", 0],
      ["flaky", "success", 1],
      ["work", "success", 0],
    ],
  );
  assert.equal(Object.keys(build.steps[1].attempts[0]).sort(), ["finishedAt", "result", "startedAt", "summary"]);
});

test("a member of a group goes on although another one has failed before the restart", async () => {
  await using database = await sqliteOnly.open();
  const bad = step({ title: "bad", run: async () => ({ result: "failure" }) });
  const slow = resumable(async (ctx) => (await ctx.worker.run({ command: "slow" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [{ parallel: [bad, slow], name: "both" }] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await until(async () => (await lives.build()).steps[1]?.result === "failure", "the failure");
  await lives.restart();
  await lives.worker.end("slow");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "failure");
  const build = await lives.build(1);
  assert.equal(
    build.steps.map((one: { name: string; result: string }) => [one.name, one.result]),
    [
      ["both", "failure"],
      ["bad", "failure"],
      ["work", "success"],
    ],
  );
});

test("a group that has begun is not asked again whether it shall run", async () => {
  await using database = await sqliteOnly.open();
  let asked = 0;
  const doStepIf = () => {
    asked += 1;
    return asked === 1;
  };
  const slow = resumable(async (ctx) => (await ctx.worker.run({ command: "slow" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [{ sequence: [slow], name: "group", doStepIf }] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart();
  await lives.worker.end("slow");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  assert.is(asked, 1);
});

test("a build whose property holds a secret does not go on with stars in its place", async () => {
  await using database = await sqliteOnly.open();
  const asks = step({
    title: "asks",
    async run(ctx) {
      ctx.properties.set("token", await ctx.secret("password"));
      return { result: "success" };
    },
  });
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(
    database,
    { steps: [asks, waits] },
    { secrets: [secrets({ values: { password: "hunter22" } })] },
  );
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  assert.is((await lives.build(1)).result, "retry");
});

test("a build that cannot get its secret any more ends with its steps and logs", async () => {
  await using database = await sqliteOnly.open();
  const asks = step({
    title: "asks",
    async run(ctx) {
      await ctx.secret("password");
      return { result: "success" };
    },
  });
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(
    database,
    { steps: [asks, waits] },
    { secrets: [secrets({ values: { password: "hunter22" } })] },
  );
  await lives.force();
  await lives.worker.print("waits", "a line\n");
  await lives.restart({ secrets: [secrets({ values: { other: "something" } })] });
  await lives.kit.event("build.finished", (data) => data.number === 1);
  const build = await lives.build(1);
  assert.match(build.summary, /the secret "password" is not there/);
  const { store } = lives.kit.master;
  const open = await store.read
    .selectFrom("logs")
    .selectAll()
    .where("build_id", "=", build.id)
    .where("finished", "=", 0)
    .execute();
  assert.equal(open, []);
  assert.equal(
    build.steps.map((one: { result: string }) => one.result),
    ["success", "retry"],
  );
});

test("a step that ends without having done again what it did ends the build as retry", async () => {
  await using database = await sqliteOnly.open();
  let life = 0;
  const work = resumable(async (ctx) => {
    life += 1;
    if (life === 1) await ctx.worker.run({ command: "only" });
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [work] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  const build = await lives.build(1);
  assert.is(build.result, "retry");
  assert.match(build.summary, /did not call run again/);
});

test("a worker that cannot let go of a build does not keep the master from restarting", async () => {
  await using database = await sqliteOnly.open();
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [waits] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  lives.worker.detachFails = true;
  await lives.restart();
  await until(() => lives.worker.begun.length === 2, "its command again");
  assert.is((await lives.build(1)).result, "retry");
});

test.run();
