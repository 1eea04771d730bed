import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeWorker, rejects, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import {
  BelfryError,
  type Config,
  defineChangeSource,
  definePlugin,
  defineScheduler,
  defineService,
  type Job,
  type PluginSpec,
  type PluginStore,
  type SchedulerContext,
  type SourceContext,
  z,
} from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("plugin store");

interface Use {
  state?: PluginSpec["state"];
  name?: string;
  /** Called where parts are made. */
  create?(store: PluginStore): void;
  /** Called when the service starts. */
  start?(store: PluginStore): Promise<void>;
  poll?(ctx: SourceContext): Promise<void>;
  process?(ctx: SchedulerContext): Promise<import("belfry").SchedulerDecision>;
}

/** A plugin of the same name each time, with a service, a source and a scheduler; and its store, once the master is made. */
function plugin(use: Use) {
  const nothing = z.object({});
  let store: PluginStore | undefined;
  const service = defineService({
    kind: "service",
    options: nothing,
    create(_options, ctx) {
      store = ctx.store;
      use.create?.(ctx.store);
      return { start: async () => use.start?.(ctx.store), stop: async () => undefined };
    },
  });
  const source = defineChangeSource({
    kind: "source",
    options: nothing,
    create: () => ({ pollInterval: 3_600_000, poll: async (ctx) => use.poll?.(ctx) }),
  });
  const scheduler = defineScheduler({
    kind: "scheduler",
    options: nothing,
    create: () => ({ builders: ["b"], process: async (ctx) => (await use.process?.(ctx)) ?? { buildsets: [] } }),
  });
  definePlugin({
    name: use.name ?? "test-plugin",
    parts: [service, source, scheduler],
    ...(use.state ? { state: use.state } : {}),
  });
  const config: Partial<Config> = {
    services: [service()],
    ...(use.poll ? { sources: [source({ name: "source" })] } : {}),
    ...(use.process ? { schedulers: [scheduler({ name: "scheduler" })] } : {}),
    workers: [fakeWorker({ name: "w" })],
    builders: [{ name: "b", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }],
  };
  return {
    config,
    get store(): PluginStore {
      assert.ok(store);
      return store as PluginStore;
    },
  };
}

const jobRows = (kit: TestMaster) => kit.master.store.read.selectFrom("jobs").selectAll().orderBy("id").execute();
const resting = (kit: TestMaster) =>
  until(async () => !(await kit.call("status.now")).loops.some((loop: { running: boolean }) => loop.running), "rest");

for (const kind of DATABASES) {
  test(`${kind.name}: records are kept, replaced, removed and listed in order of their bytes, for this plugin only`, async () => {
    await using database = await kind.open();
    const one = plugin({});
    const other = plugin({ name: "another-plugin" });
    await using kit = await testMaster({
      config: {
        ...one.config,
        services: [...(one.config.services ?? []), ...(other.config.services ?? [])],
        database: database.entry,
      },
    });
    assert.is(await one.store.get("x"), undefined);
    // A language's order would put these elsewhere, and let "ab" in between those that begin with "a/".
    const keys = ["A/0", "a", "a/1", "a/B", "a/b", "a/é", "ab", "b", "\u{1f600}"];
    await one.store.apply({ put: [...keys].reverse().map((key) => ({ key, value: { of: key } })) });
    await other.store.apply({ put: [{ key: "a/other", value: 1 }] });
    assert.equal(await one.store.get("a/B"), { key: "a/B", value: { of: "a/B" }, version: 1 });
    const listed = async (options: Parameters<PluginStore["list"]>[0]) =>
      (await one.store.list(options)).map(({ key }) => key);
    assert.equal(await listed({}), keys);
    assert.equal(await listed({ prefix: "a/" }), ["a/1", "a/B", "a/b", "a/é"]);
    assert.equal(await listed({ prefix: "a/", after: "a/B", limit: 1 }), ["a/b"]);
    assert.equal(await listed({ prefix: "zz" }), []);
    const walked: string[] = [];
    for (let after: string | undefined; ; after = walked.at(-1)) {
      const page = await listed({ limit: 2, ...(after === undefined ? {} : { after }) });
      walked.push(...page);
      if (page.length < 2) break;
    }
    assert.equal(walked, keys);
    await one.store.apply({ put: [{ key: "a", value: null }], remove: ["b", "ab", "nothing"] });
    assert.is((await one.store.get("a"))?.value, null);
    assert.is((await one.store.list()).length, keys.length - 2);
    assert.is((await other.store.list()).length, 1);
    for (const key of ["", "x".repeat(501), "a\0b", 7 as never])
      assert.match(
        (
          (await rejects(
            one.store.apply({
              put: [
                { key, value: 1 },
                { key: "y", value: 1 },
              ],
            }),
          )) as Error
        ).message,
        /key/,
      );
    assert.is(await one.store.get("y"), undefined, "all of an apply is written, or nothing");
    void kit;
  });

  test(`${kind.name}: a record that has expired is not found any more, by the master's clock`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const one = plugin({});
    await using _kit = await testMaster({ config: { ...one.config, database: database.entry }, clock });
    await one.store.apply({
      put: [
        { key: "short", value: 1, expires: clock.now() + 1_000 },
        { key: "long", value: 2 },
      ],
    });
    await clock.advance(999);
    assert.is((await one.store.get("short"))?.value, 1);
    await clock.advance(1);
    assert.is(await one.store.get("short"), undefined);
    assert.equal(
      (await one.store.list()).map(({ key }) => key),
      ["long"],
    );
    await one.store.apply({ put: [{ key: "short", value: 3 }] });
    await clock.advance(86_400_000);
    assert.is((await one.store.get("short"))?.value, 3, "written anew without an end it stays");
  });

  test(`${kind.name}: of several who take a record one gets it, with all that it writes besides`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const one = plugin({});
    await using _kit = await testMaster({ config: { ...one.config, database: database.entry }, clock });
    await one.store.apply({ put: [{ key: "link", value: 1, expires: clock.now() + 1_000 }] });
    const taken = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => one.store.apply({ take: ["link"], put: [{ key: `got/${i}`, value: i }] })),
    );
    assert.is(taken.filter(({ status }) => status === "fulfilled").length, 1);
    for (const each of taken)
      if (each.status === "rejected") assert.is((each.reason as BelfryError).code, "BELFRY_RECORD_GONE");
    assert.is((await one.store.list({ prefix: "got/" })).length, 1);
    await one.store.apply({ put: [{ key: "again", value: 1, expires: clock.now() + 1_000 }] });
    await one.store.apply({ take: ["again"], put: [{ key: "again", value: 2, expires: clock.now() + 1_000 }] });
    assert.is((await one.store.get("again"))?.value, 2, "what is taken may be written anew");
    await clock.advance(1_000);
    const error = await rejects(one.store.apply({ take: ["again"], put: [{ key: "y", value: 1 }] }));
    assert.is((error as BelfryError).code, "BELFRY_RECORD_GONE", "its time is over");
    assert.is(await one.store.get("y"), undefined);
  });

  test(`${kind.name}: what has expired is cleared away by whoever writes what will expire, of his own only`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const one = plugin({});
    const other = plugin({ name: "another-plugin" });
    const services = [...(one.config.services ?? []), ...(other.config.services ?? [])];
    await using kit = await testMaster({ config: { ...one.config, services, database: database.entry }, clock });
    const expires = clock.now() + 1_000;
    await one.store.apply({ put: [{ key: "a", value: 1, expires }] });
    await other.store.apply({ put: [{ key: "a", value: 1, expires }] });
    await clock.advance(2_000);
    const keys = async () =>
      (await kit.master.store.read.selectFrom("plugin_records").selectAll().execute()).map(
        (row) => `${row.plugin} ${row.key}`,
      );
    await one.store.apply({ put: [{ key: "b", value: 1 }] });
    assert.is((await keys()).length, 3);
    await one.store.apply({ put: [{ key: "c", value: 1, expires: clock.now() + 1_000 }] });
    assert.equal((await keys()).sort(), ["another-plugin a", "test-plugin b", "test-plugin c"]);
  });

  test(`${kind.name}: a plugin's methods have its records, and one that only reads may be in the audit`, async () => {
    await using database = await kind.open();
    const service = defineService({
      kind: "service",
      options: z.object({}),
      create: (_options, ctx) => ({
        start: async () => ctx.store.apply({ put: [{ key: "note", value: "of the service" }] }),
        stop: async () => undefined,
      }),
    });
    const method = (name: string, audited: boolean) => ({
      name,
      permission: "read" as const,
      audited,
      summary: "x",
      params: z.strictObject({}),
      result: z.any(),
      example: {},
    });
    definePlugin({
      name: "test-noting",
      parts: [service],
      register({ methods, store }) {
        methods.add({ ...method("note.get", false), call: async () => (await store.get("note"))?.value });
        methods.add({
          ...method("note.set", true),
          call: async () => store.apply({ put: [{ key: "note", value: "of the method" }] }).then(() => "done"),
        });
      },
    });
    await using kit = await testMaster({ config: { services: [service()], database: database.entry } });
    assert.is(await kit.call("note.get"), "of the service");
    await kit.call("note.set");
    assert.is(await kit.call("note.get"), "of the method");
    const { items } = await kit.call("audit.list");
    assert.equal(
      items.map((item: { method: string }) => item.method),
      ["note.set"],
    );
  });

  test(`${kind.name}: what an older version wrote is migrated when it is read; what a newer one wrote is refused with a sentence`, async () => {
    await using database = await kind.open();
    const folder = await mkdtemp(join(tmpdir(), "belfry-versions-"));
    const change = { author: "a", comments: "", files: [], revision: "r", branch: "b", repository: "r" };
    const handled: unknown[] = [];
    const states: unknown[] = [];
    const at = (version: number, migrate: boolean) =>
      plugin({
        state: {
          version,
          ...(migrate ? { migrate: (value: unknown, from: number, key: string) => ({ value, from, key }) } : {}),
        },
        // The second version leaves the job to its followers.
        create: (store) => {
          if (version !== 2) store.work("q", async (job) => void handled.push(job.payload), { attempts: 1 });
        },
        async poll(ctx) {
          states.push(ctx.state);
          if (version === 2) await ctx.report([{ ...change, key: "k" }], "written by 2");
        },
      });
    const run = async (made: ReturnType<typeof at>, use: (kit: TestMaster) => Promise<void>) => {
      await using kit = await testMaster({ config: { ...made.config, database: database.entry }, folder });
      await use(kit);
    };
    try {
      const two = at(2, false);
      await run(two, async (kit) => {
        await two.store.apply({
          put: [{ key: "x", value: ["two"] }],
          enqueue: [{ queue: "q", payload: "job of 2" }],
        });
        assert.equal(await two.store.get("x"), { key: "x", value: ["two"], version: 2 });
        await until(async () => (await kit.call("changes.list")).items.length === 1, "the report");
      });
      const three = at(3, true);
      await run(three, async (kit) => {
        assert.equal((await three.store.get("x"))?.value, { value: ["two"], from: 2, key: "x" });
        assert.equal((await three.store.list())[0]?.value, { value: ["two"], from: 2, key: "x" });
        await until(() => handled.length === 1, "the job");
        assert.equal(handled[0], { value: "job of 2", from: 2, key: "job q" });
        await kit.call("sources.poll", { source: "source" });
        await until(() => states.length >= 2, "the poll");
        assert.equal(states.at(-1), { value: "written by 2", from: 2, key: "source" });
      });
      const one = at(1, true);
      await run(one, async (kit) => {
        const error = await rejects(one.store.get("x"));
        assert.ok(BelfryError.is(error));
        assert.is(error.code, "BELFRY_STATE_UNREADABLE");
        assert.match(error.message, /version 2 .*version 1/);
        const polls = states.length;
        await kit.call("sources.poll", { source: "source" });
        await kit.event("source.failing");
        assert.is((await kit.call("sources.list")).items[0].error.code, "BELFRY_STATE_UNREADABLE");
        assert.is(states.length, polls, "it is not asked with a state that it cannot read");
        await one.store.apply({ put: [{ key: "fresh", value: 1 }] });
        assert.is((await one.store.get("fresh"))?.value, 1);
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test(`${kind.name}: jobs are done one after the other in order of their time; one that fails is repeated later, then parked`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const done: string[] = [];
    const tries: Job[] = [];
    const one = plugin({
      create: (store) =>
        store.work(
          "q",
          async (job) => {
            const { name } = job.payload as { name: string };
            if (name === "bad") {
              tries.push(job);
              throw new Error("not today");
            }
            done.push(name);
          },
          { attempts: 3 },
        ),
    });
    await using kit = await testMaster({ config: { ...one.config, database: database.entry }, clock });
    const now = clock.now();
    await one.store.apply({
      enqueue: [
        { queue: "q", payload: { name: "later" }, runAt: now + 60_000 },
        { queue: "q", payload: { name: "bad" }, runAt: now - 2, key: "bad" },
        { queue: "q", payload: { name: "first" }, runAt: now - 3 },
        { queue: "q", payload: { name: "now" } },
        { queue: "elsewhere", payload: { name: "nobody works here" } },
      ],
    });
    await until(() => done.length === 2, "those that are due");
    await resting(kit);
    assert.equal(done, ["first", "now"]);
    assert.equal(
      tries.map((job) => job.attempt),
      [1],
    );
    assert.match((await jobRows(kit)).find((row) => row.key === "bad")?.error ?? "", "not today");
    await clock.advance(999);
    await resting(kit);
    assert.is(tries.length, 1, "the pause is not cut short");
    await clock.advance(1);
    await until(() => tries.length === 2, "the second try");
    await resting(kit);
    await clock.advance(1_999);
    await resting(kit);
    assert.is(tries.length, 2, "and grows");
    await clock.advance(1);
    const { data } = await kit.event("job.parked");
    assert.equal(data, { plugin: "test-plugin", queue: "q", job: tries[0]?.id, attempts: 3 });
    await clock.advance(60_000);
    await until(() => done.includes("later"), "the job for later");
    assert.equal(
      tries.map((job) => job.attempt),
      [1, 2, 3],
      "a parked one is left alone",
    );
    await until(async () => (await jobRows(kit)).length === 2, "the end of what was done");
    const rows = await jobRows(kit);
    assert.equal(
      rows.map((row) => [row.queue, row.parked]),
      [
        ["q", 1],
        ["elsewhere", 0],
      ],
    );
    await one.store.apply({ enqueue: [{ queue: "q", payload: { name: "bad again" }, key: "bad" }] });
    await until(() => done.includes("bad again"), "a job of the parked one's key");
  });

  test(`${kind.name}: a job of a key that waits is not queued twice; one that is queued while it runs is done as well`, async () => {
    await using database = await kind.open();
    let release: (() => void) | undefined;
    const done: string[] = [];
    const one = plugin({
      create: (store) =>
        store.work("q", async (job) => {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
          done.push(String(job.payload));
        }),
    });
    await using kit = await testMaster({ config: { ...one.config, database: database.entry } });
    const enqueue = (payload: string) => one.store.apply({ enqueue: [{ queue: "q", payload, key: "k" }] });
    const end = async () => {
      await until(() => release !== undefined, "the job's start");
      const go = release;
      release = undefined;
      go?.();
    };
    await enqueue("first");
    await until(() => release !== undefined, "the job's start");
    await enqueue("second");
    await enqueue("third");
    assert.equal(
      (await jobRows(kit)).map((row) => row.payload),
      ['"first"', '"second"'],
    );
    await end();
    await end();
    await until(async () => (await jobRows(kit)).length === 0, "the end of all jobs");
    assert.equal(done, ["first", "second"]);
  });

  test(`${kind.name}: what a decision or a report writes besides is written with it, once, or not at all`, async () => {
    await using database = await kind.open();
    const jobs: unknown[] = [];
    let fail = 0;
    const one = plugin({
      create: (store) => store.work("q", async (job) => void jobs.push(job.payload)),
      async poll(ctx) {
        const change = { author: "a", comments: "", files: [], revision: "r", branch: "b", repository: "r" };
        const writes = { put: [{ key: "polled", value: 1 }], enqueue: [{ queue: "q", payload: "from the report" }] };
        await ctx.report([{ ...change, key: "k" }], 1, writes);
      },
      async process(ctx) {
        if (ctx.changes.length > 0) fail += 1;
        return {
          buildsets: [],
          writes: {
            put: ctx.changes.map((change) => ({ key: `decided ${change.id}`, value: Number(ctx.state ?? 0) })),
            enqueue: ctx.changes.map((change) => ({ queue: "q", payload: change.id })),
          },
          state: Number(ctx.state ?? 0) + ctx.changes.length,
        };
      },
    });
    const kit = await testMaster({ config: { ...one.config, database: database.entry } });
    try {
      await until(async () => (await one.store.get("decided 1")) !== undefined, "the decision");
      assert.is((await one.store.get("polled"))?.value, 1);
      const { store } = kit.master;
      const write = store.write.bind(store);
      let failed = false;
      store.write = async (work) => {
        if (fail < 2 || failed) return write(work);
        failed = true;
        throw new Error("the database is away");
      };
      await kit.addChange();
      await until(async () => (await one.store.get("decided 2")) !== undefined, "the decision, taken anew");
      assert.ok(failed);
      assert.is((await one.store.get("decided 2"))?.value, 1);
      await until(() => jobs.length === 3, "the jobs");
      assert.equal(jobs.map(String).sort(), ["1", "2", "from the report"]);
    } finally {
      await kit.close();
    }
  });

  test(`${kind.name}: a job is done at least once: one that was cut off is done again at the next start`, async () => {
    await using database = await kind.open();
    const folder = await mkdtemp(join(tmpdir(), "belfry-jobs-"));
    const begun: number[] = [];
    let deaf = true;
    const made = () =>
      plugin({
        // Begun late, as services do.
        start: async (store) =>
          store.work("q", async (job) => {
            begun.push(job.attempt);
            if (deaf) await new Promise(() => undefined);
          }),
      });
    try {
      const one = made();
      const first = await testMaster({ config: { ...one.config, database: database.entry }, folder });
      await one.store.apply({ enqueue: [{ queue: "q", payload: 1, key: "k" }] });
      await until(() => begun.length === 1, "the job's start");
      await first.close();
      deaf = false;
      await using second = await testMaster({ config: { ...made().config, database: database.entry }, folder });
      await until(() => begun.length === 2, "the job's second start");
      assert.equal(begun, [1, 1], "being cut off is no failure");
      await until(async () => (await jobRows(second)).length === 0, "its end");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test.run();
