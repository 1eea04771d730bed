import { secrets, source, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import type { ChangeSource, NewChange, SourceContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("sources");

const change = (key: string, more: Partial<NewChange> = {}): NewChange => ({
  key,
  author: "somebody",
  comments: "",
  files: [],
  revision: key,
  branch: "main",
  repository: "r",
  ...more,
});
const never = () => new Promise<never>(() => undefined);

async function keys(kit: TestMaster): Promise<string[]> {
  const { items } = await kit.call("changes.list", { order: "id", limit: 500 });
  return items.map((item: { key: string }) => item.key);
}

async function listed(kit: TestMaster, name: string) {
  const { items } = await kit.call("sources.list");
  return items.find((item: { name: string }) => item.name === name);
}

const stateOf = async (kit: TestMaster, name: string) =>
  (await kit.master.store.read.selectFrom("change_sources").select("state").where("name", "=", name).executeTakeFirst())
    ?.state;

for (const kind of DATABASES) {
  test(`${kind.name}: invariant 1: a change that is reported again and again is stored once, over restarts`, async () => {
    await using database = await kind.open();
    const added: number[] = [];
    const repeating: ChangeSource = {
      pollInterval: 20,
      async poll(ctx) {
        added.push((await ctx.report([change("a"), change("b"), change("a")])).added);
        added.push((await ctx.report([change("b"), change("c")], added.length)).added);
      },
    };
    const config = {
      database: database.entry,
      sources: [source({ name: "one", source: repeating }), source({ name: "other", source: repeating })],
    };
    for (let life = 0; life < 2; life += 1) {
      added.length = 0;
      await using kit = await testMaster({ config });
      await until(async () => added.length >= 8 && (await keys(kit)).length >= 6, "some polls of both");
      assert.equal((await keys(kit)).sort(), ["a", "a", "b", "b", "c", "c"], "each source has its own keys");
      const sum = added.reduce((total, count) => total + count, 0);
      assert.is(sum, life === 0 ? 6 : 0);
      const { items } = await kit.call("changes.list", { fields: ["source", "key"] });
      assert.is(new Set(items.map((item: { source: string; key: string }) => `${item.source} ${item.key}`)).size, 6);
    }
  });

  test(`${kind.name}: invariants 1 and 3: a report under a lease that was lost is rejected, and nothing of it is stored`, async () => {
    await using database = await kind.open();
    let taken: () => void = () => undefined;
    const stolen = new Promise<void>((resolve) => {
      taken = resolve;
    });
    let polls = 0;
    let failure: unknown;
    const slow: ChangeSource = {
      pollInterval: 20,
      async poll(ctx) {
        polls += 1;
        if (polls > 1) return;
        await ctx.report([change("before")], { at: 1 });
        await stolen;
        await ctx.report([change("late")], { at: 2 }, { put: [{ key: "x", value: 1 }] }).catch((error) => {
          failure = error;
          throw error;
        });
      },
    };
    await using kit = await testMaster({
      config: { database: database.entry, sources: [source({ name: "slow", source: slow })] },
    });
    await until(async () => (await keys(kit)).length === 1, "the first report");
    await kit.master.store.write((tx) =>
      tx.db
        .updateTable("leases")
        .set((eb) => ({ owner: "somebody else", fence: eb("fence", "+", 1), until_at: 0 }))
        .where("name", "=", "source:slow")
        .execute(),
    );
    taken();
    await until(() => failure !== undefined, "the late report");
    assert.is((failure as { code?: string }).code, "BELFRY_LEASE_LOST");
    await until(() => polls > 2, "the next poll, under a new lease");
    assert.equal(await keys(kit), ["before"]);
    assert.equal(JSON.parse((await stateOf(kit, "slow")) ?? "null"), { at: 1 });
    assert.equal(await kit.master.store.read.selectFrom("plugin_records").selectAll().execute(), []);
  });

  test(`${kind.name}: changes, state and the plugin's own writes of a report are stored together or not at all`, async () => {
    await using database = await kind.open();
    const failures: unknown[] = [];
    const picky: ChangeSource = {
      pollInterval: 60_000,
      async poll(ctx) {
        await ctx.report([change("good")], 1, { put: [{ key: "seen", value: ["good"] }] });
        const bad = [
          () => ctx.report([change("next"), change("x".repeat(501))], 2),
          () => ctx.report([change("next"), { ...change("worse"), author: 7 as never }], 2),
          () => ctx.report([change("next")], 2, { put: [{ key: "", value: 1 }] }),
        ];
        for (const report of bad) await report().catch((error) => failures.push(error));
      },
    };
    await using kit = await testMaster({
      config: { database: database.entry, sources: [source({ name: "picky", source: picky })] },
    });
    await until(() => failures.length === 3, "the reports");
    assert.equal(
      failures.map((error) => (error as { code?: string }).code),
      ["BELFRY_CHANGE_INVALID", "BELFRY_CHANGE_INVALID", undefined],
    );
    assert.equal(await keys(kit), ["good"]);
    assert.is(await stateOf(kit, "picky"), "1");
    const records = await kit.master.store.read.selectFrom("plugin_records").select(["key", "value"]).execute();
    assert.equal(records, [{ key: "seen", value: '["good"]' }]);
  });

  test(`${kind.name}: text that a database cannot keep is stored with a mark in its place, and thousands of changes at once fit`, async () => {
    await using database = await kind.open();
    const many = Array.from({ length: 6_000 }, (_, i) => change(`m${i}`));
    const odd: ChangeSource = {
      pollInterval: 60_000,
      async poll(ctx) {
        const text = "a\0b\ud800c";
        const { added } = await ctx.report([
          change(text, { author: text, comments: text, branch: text, revision: text, repository: text, files: [text] }),
        ]);
        assert.is(added, 1);
        await ctx.report(many);
      },
    };
    await using kit = await testMaster({
      config: { database: database.entry, sources: [source({ name: "odd", source: odd })] },
    });
    await until(async () => (await listed(kit, "odd")).polledAt !== null, "the poll", 60_000);
    assert.is((await listed(kit, "odd")).error, null);
    const [first] = (await kit.call("changes.list", { order: "id", limit: 1 })).items;
    for (const field of ["key", "author", "comments", "branch", "revision", "repository"])
      assert.is(first[field], "a\ufffdb\ufffdc", field);
    const { count } = await kit.master.store.read
      .selectFrom("events")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("type", "=", "change.added")
      .executeTakeFirstOrThrow();
    assert.is(count, 6_001);
  });

  test(`${kind.name}: a source that throws or hangs is shown with its error, and others go on`, async () => {
    await using database = await kind.open();
    let works = false;
    const good: ChangeSource = {
      pollInterval: 20,
      async poll(ctx) {
        const next = Number(ctx.state ?? 0) + 1;
        await ctx.report([change(`g${next}`)], next);
      },
    };
    const bad: ChangeSource = {
      pollInterval: 20,
      async poll() {
        if (!works) throw Object.assign(new Error("the repository has gone"), { code: "ENOENT" });
      },
    };
    const late: SourceContext[] = [];
    const hanging: ChangeSource = {
      pollInterval: 20,
      pollTimeout: 30,
      async poll(ctx) {
        late.push(ctx);
        await never();
      },
    };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        sources: [
          source({ name: "good", source: good }),
          source({ name: "bad", source: bad }),
          source({ name: "hanging", source: hanging }),
        ],
      },
    });
    await until(async () => (await listed(kit, "bad")).failures >= 2, "repeated polls");
    assert.equal((await listed(kit, "bad")).error, { message: "the repository has gone", code: "ENOENT" });
    await until(async () => (await listed(kit, "hanging")).failures >= 1, "the end of the poll that hangs");
    assert.match((await listed(kit, "hanging")).error.message, /took longer/);
    const before = (await keys(kit)).length;
    await until(async () => (await keys(kit)).length > before, "the good source's next change");
    assert.is((await listed(kit, "good")).error, null);
    let refused: unknown;
    await late[0]?.report([change("too late")], "old").catch((error) => {
      refused = error;
    });
    assert.match((refused as Error).message, /took longer/);
    assert.not.ok((await keys(kit)).includes("too late"));
    works = true;
    await kit.call("sources.poll", { source: "bad" });
    await kit.event("source.recovered", (data) => data.source === "bad");
    assert.is((await listed(kit, "bad")).error, null);
    const failing = (await kit.events()).filter((event) => event.type === "source.failing");
    assert.equal(failing.map((event) => event.data.source).sort(), ["bad", "hanging"], "each is told once");
  });
}

for (const kind of DATABASES) {
  test(`${kind.name}: a slow poll is shown with what it does and told once; what failed keeps when it last went well`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    let release: (error?: Error) => void = () => {};
    const stuck: ChangeSource = {
      pollInterval: 60_000,
      async poll(ctx) {
        ctx.progress("fetching 3 branches");
        await new Promise<void>((resolve, reject) => {
          release = (error) => (error ? reject(error) : resolve());
        });
        await ctx.report([]);
        ctx.progress("never shown");
      },
    };
    const config = { database: database.entry, sources: [source({ name: "stuck", source: stuck })] };
    let well: number;
    {
      await using kit = await testMaster({ config, clock });
      await until(async () => (await listed(kit, "stuck")).doing === "fetching 3 branches", "the poll");
      const begun = clock.now();
      const young = await listed(kit, "stuck");
      assert.equal([young.health, young.healthText, young.pollingSince], ["new", null, begun]);
      assert.is(young.lastSuccessAt, null);
      await clock.advance(120_000);
      const event = await kit.event("source.slow");
      assert.equal(event.data, { source: "stuck", since: begun, doing: "fetching 3 branches" });
      const slow = await listed(kit, "stuck");
      assert.is(slow.health, "slow");
      assert.is(slow.healthText, "It has been looking for 120 seconds: fetching 3 branches");
      release();
      await kit.event("source.recovered");
      const after = await listed(kit, "stuck");
      assert.equal([after.health, after.lastSuccessAt], ["well", begun]);
      well = begun;
      for (const failures of [1, 2]) {
        await kit.call("sources.poll", { source: "stuck" });
        await until(async () => (await listed(kit, "stuck")).pollingSince !== null, "the next poll");
        await clock.advance(1_000);
        release(new Error("the disk is full"));
        await until(async () => (await listed(kit, "stuck")).failures === failures, "its failure");
      }
    }
    await using kit = await testMaster({ config, clock });
    const sick = await listed(kit, "stuck");
    assert.equal([sick.health, sick.lastSuccessAt], ["sick", well]);
    assert.is(sick.healthText, "It failed 2 times: the disk is full");
    assert.equal(sick.error, { message: "the disk is full", code: null });
    assert.is((await kit.events()).filter(({ type }) => type === "source.slow").length, 1);
  });

  test(`${kind.name}: a source has secrets, which are masked in all that it says and reports`, async () => {
    await using database = await kind.open();
    const lines: string[] = [];
    const logger = {
      debug: () => {},
      info: (fields: object, message: string) => void lines.push(JSON.stringify([fields, message])),
      warn: () => {},
      error: (fields: object, message: string) => void lines.push(JSON.stringify([fields, message])),
      child: () => logger,
    };
    let unknown: unknown;
    const talkative: ChangeSource = {
      pollInterval: 60_000,
      async poll(ctx) {
        const token = await ctx.secret("token");
        assert.is(token, "pass:w0rd");
        await ctx.secret("other").catch((error) => (unknown = error));
        ctx.note(`it is ${token}`);
        await ctx.report([change("a", { comments: `it is ${token}`, repository: `https://ci:${token}@host/` })]);
        throw new Error(`it is ${encodeURIComponent(token)}`);
      },
    };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        secrets: [secrets({ values: { token: "pass:w0rd" } })],
        sources: [source({ name: "talkative", source: talkative })],
      },
      logger,
    });
    await kit.event("source.failing");
    await until(async () => (await listed(kit, "talkative")).error !== null, "its failure");
    assert.is((unknown as { code?: string }).code, "BELFRY_SECRET_UNKNOWN");
    const seen = JSON.stringify([
      lines,
      await kit.events(),
      await listed(kit, "talkative"),
      await kit.call("changes.list"),
    ]);
    assert.not.match(seen, "w0rd");
    assert.is((await listed(kit, "talkative")).error.message, "it is ****");
    assert.match(seen, "https://ci:****@host/");
  });
}

test("a source that no master has looked for is overdue", async () => {
  const clock = testClock();
  const quiet: ChangeSource = { pollInterval: 60_000, poll: async () => {} };
  await using kit = await testMaster({ config: { sources: [source({ name: "quiet", source: quiet })] }, clock });
  await until(async () => (await listed(kit, "quiet")).polledAt !== null, "the first poll");
  assert.is((await listed(kit, "quiet")).health, "well");
  await kit.master.store.write((tx) => tx.db.updateTable("change_sources").set({ polled_at: 1 }).execute());
  const { health, healthText } = await listed(kit, "quiet");
  assert.is(health, "overdue");
  assert.match(healthText, /^It should have looked \d+ seconds ago, and no master did$/);
});

test("sources.poll polls at once, also when the clock has not moved since the last poll", async () => {
  const clock = testClock();
  let polls = 0;
  const lazy: ChangeSource = { pollInterval: 86_400_000, poll: async () => void (polls += 1) };
  await using kit = await testMaster({ config: { sources: [source({ name: "lazy", source: lazy })] }, clock });
  await until(() => polls === 1, "the first poll");
  for (let wish = 2; wish <= 4; wish += 1) {
    await until(async () => !(await kit.call("status.now")).loops.some((l: { running: boolean }) => l.running), "rest");
    await kit.call("sources.poll", { source: "lazy" });
    await until(() => polls === wish, "the poll that was wished for");
  }
  await clock.advance(86_399_000);
  assert.is(polls, 4);
  await clock.advance(1_000);
  await until(() => polls === 5, "the poll that is due");
});

test("a wish that comes during a poll is followed by another poll", async () => {
  let release = () => {};
  let polls = 0;
  const slow: ChangeSource = {
    pollInterval: 86_400_000,
    async poll() {
      polls += 1;
      if (polls === 1) await new Promise<void>((resolve) => (release = resolve));
    },
  };
  await using kit = await testMaster({
    config: { sources: [source({ name: "slow", source: slow })] },
    clock: testClock(),
  });
  await until(() => polls === 1, "the first poll");
  await kit.call("sources.poll", { source: "slow" });
  release();
  await until(() => polls === 2, "the second poll");
});

for (const kind of DATABASES) {
  test(`${kind.name}: a source that is told of changes watches as long as the master lives, and goes on where it was`, async () => {
    await using database = await kind.open();
    const states: unknown[] = [];
    let ended = 0;
    let tell: (key: string) => Promise<unknown> = never;
    const told: ChangeSource = {
      async watch(ctx) {
        states.push(ctx.state ?? null);
        tell = (key) => ctx.report([change(key)], { last: key });
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
        ended += 1;
      },
    };
    const config = { database: database.entry, sources: [source({ name: "told", source: told })] };
    for (const life of [1, 2]) {
      await using kit = await testMaster({ config });
      await until(() => states.length === life, "the watch");
      await tell("a");
      await tell(`only in ${life}`);
      assert.is((await listed(kit, "told")).error, null);
      const late = tell;
      await kit.close();
      assert.is(ended, life);
      await late("late").then(
        () => assert.unreachable("a report after the end has to be refused"),
        (error) => assert.not.instance(error, TypeError),
      );
    }
    assert.equal(states, [null, { last: "only in 1" }]);
    await using kit = await testMaster({ config });
    assert.equal(await keys(kit), ["a", "only in 1", "only in 2"]);
  });
}

test("a watch that fails or settles is shown, begun anew, and well again with its next report", async () => {
  let watches = 0;
  let released = false;
  const shaky: ChangeSource = {
    async watch(ctx) {
      watches += 1;
      if (watches === 1) throw new Error("the line is cut");
      if (watches === 2) return;
      await until(() => ctx.signal.aborted || released, "a go");
      await ctx.report([change("after")]);
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
    },
  };
  await using kit = await testMaster({ config: { sources: [source({ name: "shaky", source: shaky })] } });
  await until(() => watches === 3, "the third watch", 20_000);
  const sick = await listed(kit, "shaky");
  assert.match(sick.error.message, "it stopped watching");
  assert.is(sick.failures, 2);
  released = true;
  await until(async () => (await listed(kit, "shaky")).error === null, "its recovery");
  assert.equal(await keys(kit), ["after"]);
  const types = ["source.failing", "source.recovered"];
  const { items } = await kit.call("events.since", { since: "0", types });
  assert.equal(
    items.map((event: { type: string }) => event.type),
    types,
  );
});

test("a source that ignores its signal does not keep the master from stopping", async () => {
  let begun = false;
  const deaf: ChangeSource = {
    pollInterval: 20,
    async poll() {
      begun = true;
      await never();
    },
  };
  const kit = await testMaster({ config: { sources: [source({ name: "deaf", source: deaf })] } });
  await until(() => begun, "the poll");
  await kit.close();
});

test.run();
