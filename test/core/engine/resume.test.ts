import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { force } from "@belfry/schedulers";
import { fakeWorker, secrets, service, step, type TestMaster, testMaster, until } from "@belfry/testkit";
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

test("all builds are taken up, however many there are", async () => {
  await using database = await sqliteOnly.open();
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [waits] });
  const sets: number[] = [];
  for (let i = 0; i < 55; i += 1) sets.push(await lives.force());
  await until(() => lives.worker.begun.length === sets.length, "all commands");
  await lives.restart();
  const { store } = lives.kit.master;
  const running = await store.read.selectFrom("builds").select("fence").where("state", "=", "running").execute();
  assert.is(running.length, sets.length);
  assert.is(new Set(running.map(({ fence }) => fence)).size, 1);
  await until(() => lives.worker.resumed === sets.length, "that all are taken up");
  lives.worker.endAll();
  for (const set of sets) assert.is((await lives.kit.buildsetEnd(set)).result, "success");
  assert.is(lives.worker.begun.length, sets.length);
});

test("what a step has said after its last call is not said twice", async () => {
  await using database = await sqliteOnly.open();
  const gate = Promise.withResolvers<void>();
  let said = 0;
  const work = resumable(async (ctx) => {
    await ctx.log("notes").write("begins\n");
    await ctx.worker.run({ command: "first" });
    await ctx.log("notes").write("waits\nis ");
    await ctx.log("notes").write("patient\n");
    await ctx.log("stdio").write("has run it\n");
    said += 1;
    await gate.promise;
    await ctx.log("notes").write("waits\n");
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [work] });
  const buildset = await lives.force();
  await lives.worker.print("first", "has run it\n");
  await lives.worker.end("first");
  await until(() => said === 1, "what it says");
  await lives.restart();
  await until(() => said === 2, "what it says again");
  gate.resolve();
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  const { id } = await lives.build();
  assert.is(await lives.kit.logText(id, 1, "notes"), "begins\nwaits\nis patient\nwaits\n");
  const text = (await lives.kit.logText(id, 1, "stdio")).replace(/after .* s/g, "after T");
  assert.is(text, "$ first\nhas run it\nexit code 0 after T\nhas run it\n");
});

test("that a command has ended is noted when its log can be read, and not sooner", async () => {
  await using database = await sqliteOnly.open();
  const work = resumable(async (ctx) => {
    await ctx.worker.run({ command: "first" });
    await ctx.worker.run({ command: "second" });
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [work] });
  const buildset = await lives.force();
  await lives.worker.print("first", "the last words\n");
  await lives.worker.end("first");
  const calls = lives.kit.master.store.read.selectFrom("step_calls").selectAll().where("call", "=", 1);
  for (;;) {
    const [call] = await calls.execute();
    if (call?.finished_at != null) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(await lives.kit.logText((await lives.build()).id, 1), /the last words\nexit code 0/);
  await lives.worker.end("second");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
});

test("a file that holds a secret is not kept, whatever letters the secret has", async () => {
  await using database = await sqliteOnly.open();
  const work = resumable(async (ctx) => {
    await ctx.secret("password");
    await ctx.worker.readFile("file");
    await ctx.worker.run({ command: "waits" });
    return { result: "success" };
  });
  await using lives = await Lives.begin(
    database,
    { steps: [work] },
    { secrets: [secrets({ values: { password: "pässwörd" } })] },
  );
  lives.worker.files.set("file", Buffer.from("it is pässwörd\n"));
  const buildset = await lives.force();
  await lives.worker.end("waits");
  await lives.kit.buildsetEnd(buildset);
  const calls = await lives.kit.master.store.read.selectFrom("step_calls").select(["method", "kept"]).execute();
  assert.is(calls.find(({ method }) => method === "readFile")?.kept, null);
});

test("a worker that is another one now does not go on with builds of the old one", async () => {
  await using database = await sqliteOnly.open();
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [waits] });
  await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.restart({ workers: [lives.worker.with(61)] });
  await lives.kit.event("build.finished", (data) => data.number === 1);
  assert.is((await lives.build(1)).result, "retry");
});

test("what a step waited for its locks does not count as its time, also after a restart", async () => {
  await using database = await sqliteOnly.open();
  const waits = step({
    title: "waits",
    resumable: true,
    maxTime: "30m",
    locks: [disk.access("exclusive")],
    run: async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" },
  });
  await using lives = await Lives.begin(database, { steps: [waits] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  // As if it had stood in line for an hour.
  const hour = 3_600_000;
  const { store } = lives.kit.master;
  await store.write((tx) =>
    tx.db
      .updateTable("steps")
      .set({ started_at: Date.now() - hour })
      .execute(),
  );
  await lives.restart();
  await lives.worker.end("waits");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
});

test("a build that could go on when the last of the others had ended goes on", async () => {
  await using database = await sqliteOnly.open();
  const closing = Promise.withResolvers<void>();
  const slow = service({ service: { start: async () => undefined, stop: () => closing.promise } });
  const first = resumable(async (ctx) => (await ctx.worker.run({ command: "first" })) && { result: "success" });
  const second = step({
    title: "second",
    run: async (ctx) => (await ctx.worker.run({ command: "second" })) && { result: "success" },
  });
  await using lives = await Lives.begin(database, { steps: [first, second] }, { services: [slow] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  const stopping = lives.kit.master.stop("after-builds", { restart: true });
  await until(() => lives.worker.letGo === 1, "that it was let go of");
  await lives.worker.end("first");
  closing.resolve();
  await stopping;
  await lives.next();
  await lives.worker.end("second");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  assert.is((await lives.build(1)).result, "success");
});

test("a command of which a full log has not every line is not taken up by a step that has to see them", async () => {
  await using database = await sqliteOnly.open();
  let seen = 0;
  const counts = resumable(async (ctx) => {
    await ctx.worker.run({ command: "counts", onLine: () => (seen += 1) });
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [counts] }, { logs: { cap: 10_000 } });
  await lives.force();
  await lives.worker.print("counts", "a line of some length\n".repeat(1_000));
  await until(() => seen === 1_000, "all lines");
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  const build = await lives.build(1);
  assert.is(build.result, "retry");
  assert.match(build.summary, /its log is full/);
});

test("a step does not take the output of another command for that of the one it takes up", async () => {
  await using database = await sqliteOnly.open();
  const heard: string[] = [];
  const both = resumable(async (ctx) => {
    const one = ctx.worker.run({ command: "one", onLine: (line) => heard.push(line) });
    const other = ctx.worker.run({ command: "other" });
    await Promise.all([one, other]);
    return { result: "success" };
  });
  await using lives = await Lives.begin(database, { steps: [both] });
  await lives.force();
  await lives.worker.print("one", "of one\n");
  await lives.worker.print("other", "of the other\n");
  await lives.worker.end("other");
  const ended = lives.kit.master.store.read
    .selectFrom("step_calls")
    .select("call")
    .where("finished_at", "is not", null);
  await until(async () => (await ended.execute()).length === 1, "the note of its end");
  await lives.restart();
  await lives.kit.event("build.finished", (data) => data.number === 1);
  assert.is((await lives.build(1)).result, "retry");
  assert.equal(heard, ["of one"]);
});

test("a master that is restarted again before its builds were taken up leaves them as they are", async () => {
  await using database = await sqliteOnly.open();
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [waits] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  const gate = Promise.withResolvers<void>();
  lives.worker.opening = gate.promise;
  await lives.restart();
  await until(() => lives.kit.master.status.builds().length === 1, "the build");
  await lives.restart();
  gate.resolve();
  await lives.worker.end("waits");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  assert.equal(lives.worker.begun, ["waits"]);
});

test("PostgreSQL: other masters leave alone what was let go of for the next life of one", async () => {
  const [, postgres] = DATABASES;
  assert.ok(postgres);
  await using database = await postgres.open();
  const waits = resumable(async (ctx) => (await ctx.worker.run({ command: "waits" })) && { result: "success" });
  await using lives = await Lives.begin(database, { steps: [waits] });
  const buildset = await lives.force();
  await until(() => lives.worker.begun.length === 1, "its command");
  await lives.kit.master.stop("now", { restart: true });
  await using other = await testMaster({
    config: {
      name: "other",
      database: database.entry,
      workers: [fakeWorker({ name: "x" })],
      builders: [{ name: "c", workers: ["x"], steps: [step({ run: () => ({ result: "success" }) })] }],
    },
  });
  const looked = async () =>
    (await other.call("status.now")).loops.some(
      (loop: { name: string; passes: number; running: boolean }) =>
        loop.name === "recovery" && loop.passes > 0 && !loop.running,
    );
  await until(looked, "a look at lost masters");
  await lives.next();
  await lives.worker.end("waits");
  assert.is((await lives.kit.buildsetEnd(buildset)).result, "success");
  assert.is((await lives.build(1)).result, "success");
});

test.run();
