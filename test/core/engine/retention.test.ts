import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { force } from "@belfry/schedulers";
import { fakeWorker, listener, rejects, step, testClock, testMaster, until } from "@belfry/testkit";
import { type BelfryEvent, createFileLogStore, type RetentionConfig } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configSchema } from "../../../core/src/config/config.ts";
import { Sweep } from "../../../core/src/engine/retention.ts";
import { ENTITIES } from "../../../core/src/store/entities.ts";
import { recordGeneration } from "../../../core/src/store/generation.ts";
import { OF_A_BUILD } from "../../../core/src/store/history.ts";
import { takeLease } from "../../../core/src/store/leases.ts";
import type { Store } from "../../../core/src/store/store.ts";
import { DATABASES, type TestDatabase } from "../databases.ts";
import { openStore } from "../store/open-store.ts";

const test = suite("retention");
const DAY = 86_400_000;

/** A database with builds that were made up, and how they are swept. */
async function historic(database: TestDatabase, builders: string[]) {
  const clock = testClock();
  const open = await openStore(database, { clock });
  const { store } = open;
  const folder = await mkdtemp(join(tmpdir(), "belfry-retention-"));
  const logStore = createFileLogStore({ folder });
  await recordGeneration(store, 1, {
    shown: "{}",
    code: undefined,
    builders: builders.map((name) => ({ name, project: "", tags: [], description: "", maxWait: undefined })),
  });
  const ids = await store.read.selectFrom("builders").select(["id", "name"]).execute();
  const builderId = (name: string) => ids.find((row) => row.name === name)?.id ?? 0;
  const add = (builder: string, result: string | null, days: number, branch: string | null = null, bytes = 0) =>
    addBuild(store, builderId(builder), result, clock.now() - days * DAY, branch, bytes);
  const sweep = async (retention: RetentionConfig, dryRun = false) => {
    const kept = configSchema.shape.retention.parse(retention) as never;
    const lease = dryRun ? undefined : await takeLease(store, "retention", `test${Math.random()}`, 60_000, true);
    return new Sweep(kept, { store, clock, logStore, lease, signal: new AbortController().signal }).run();
  };
  const left = async () =>
    (await store.read.selectFrom("builds").select("id").orderBy("id").execute()).map(({ id }) => id);
  return {
    clock,
    store,
    logStore,
    add,
    sweep,
    left,
    async [Symbol.asyncDispose]() {
      await open[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function addBuild(
  store: Store,
  builder_id: number,
  result: string | null,
  at: number,
  branch: string | null,
  bytes: number,
): Promise<number> {
  return store.write(async (tx) => {
    const buildset = await tx.db
      .insertInto("buildsets")
      .values({
        scheduler: null,
        reason: "",
        owner: null,
        external_id: null,
        properties: "{}",
        submitted_at: at,
        complete_at: result === null ? null : at,
        result,
        open_requests: result === null ? 1 : 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    const request = await tx.db
      .insertInto("build_requests")
      .values({
        buildset_id: buildset.id,
        builder_id,
        priority: 0,
        urgency: 0,
        state: result === null ? "claimed" : "complete",
        submitted_at: at,
        not_before: 0,
        claimed_at: at,
        complete_at: result === null ? null : at,
        result,
        retries: 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    const { next_number } = await tx.db
      .updateTable("builders")
      .set((eb) => ({ next_number: eb("next_number", "+", 1) }))
      .where("id", "=", builder_id)
      .returning("next_number")
      .executeTakeFirstOrThrow();
    const { id } = await tx.db
      .insertInto("builds")
      .values({
        number: next_number - 1,
        builder_id,
        request_id: request.id,
        buildset_id: buildset.id,
        worker: "w",
        slot: 0,
        master_id: 1,
        fence: 1,
        generation: null,
        state: result === null ? "running" : "finished",
        branch,
        revision: null,
        assigned_at: at,
        started_at: at,
        finished_at: result === null ? null : at,
        result,
        summary: "",
        stop_reason: null,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    const facts = { build_id: id, step: 1 };
    await tx.db
      .insertInto("steps")
      .values({ ...facts, name: "s", kind: "k", started_at: at, finished_at: at, result, summary: "", error: null })
      .execute();
    await tx.db
      .insertInto("logs")
      .values({
        ...facts,
        log: 1,
        name: "stdio",
        store_key: `b/${id}/1-1`,
        finished: 1,
        lines: 1,
        bytes,
        truncated: 0,
        error: null,
      })
      .execute();
    await tx.db.insertInto("properties").values({ build_id: id, name: "p", value: "1", source: "" }).execute();
    await tx.db
      .insertInto("step_calls")
      .values({
        ...facts,
        call: 1,
        method: "run",
        args_hash: "",
        fence: 1,
        started_at: at,
        finished_at: at,
        outcome: null,
      })
      .execute();
    await tx.db.insertInto("buildset_stamps").values({ buildset_id: buildset.id, stamp_id: 1 }).execute();
    await tx.db.insertInto("buildset_changes").values({ buildset_id: buildset.id, change_id: id }).execute();
    return id;
  });
}

for (const kind of DATABASES) {
  test(`${kind.name}: builds that are too old go with all that hangs on them; the last and the last good one stay`, async () => {
    await using database = await kind.open();
    await using world = await historic(database, ["a", "b"]);
    const { store, logStore, add } = world;
    const old = [await add("a", "failure", 50), await add("a", "success", 40), await add("a", "failure", 30)];
    const good = await add("a", "warnings", 25, null, 7);
    const last = await add("a", "exception", 20);
    const young = await add("b", "success", 1);
    const running = await add("b", null, 90);
    const appender = logStore.create(`b/${old[0]}/1-1`, { fence: 1, capBytes: 1_000 });
    await appender.append("stdout", Buffer.from("x\n"), 1);
    await appender.finish();
    const would = await world.sweep({ builds: { age: "10d" } }, true);
    assert.is(would.builds, 3);
    assert.is((await world.left()).length, 7, "a dry run removes nothing");
    const swept = await world.sweep({ builds: { age: "10d" } });
    assert.equal([swept.builds, swept.requests, swept.buildsets], [3, 3, 3]);
    assert.equal(await world.left(), [good, last, young, running]);
    for (const table of ["steps", "logs", "properties", "step_calls"] as const) {
      const rows = await store.read.selectFrom(table).select("build_id").orderBy("build_id").execute();
      assert.equal(
        rows.map((row) => row.build_id),
        [good, last, young, running],
        table,
      );
    }
    for (const table of ["buildsets", "build_requests", "buildset_stamps", "buildset_changes"] as const)
      assert.is((await store.read.selectFrom(table).selectAll().execute()).length, 4, table);
    await rejects(logStore.open(`b/${old[0]}/1-1`), "the log");
    assert.is((await world.sweep({ builds: { age: "10d" } })).builds, 0);
  });

  test(`${kind.name}: builds beyond a count or beyond bytes of logs go, each builder and branch by its own limits`, async () => {
    await using database = await kind.open();
    await using world = await historic(database, ["count", "bytes", "branches"]);
    const { add } = world;
    const keep: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const id = await add("count", "success", 6 - i);
      if (i >= 3) keep.push(id);
    }
    for (let i = 0; i < 6; i += 1) {
      const id = await add("bytes", "success", 6 - i, null, 1_000);
      if (i >= 4) keep.push(id);
    }
    const on: Record<string, number[]> = { main: [], "release/1": [], "release/2": [], topic: [] };
    for (let i = 0; i < 4; i += 1)
      for (const branch of Object.keys(on))
        on[branch]?.push(
          await add("branches", branch === "release/2" && i > 1 ? "failure" : "success", 10 - i, branch),
        );
    await world.sweep({
      builds: { count: 3 },
      builders: {
        bytes: { count: 100, bytes: 2_500 },
        branches: { count: 1, branches: { "release/*": { count: 0 } } },
      },
      branches: { main: { count: 4 } },
    });
    keep.push(
      ...(on["main"] ?? []),
      ...[on["release/1"]?.[3], on["release/2"]?.[1], on["release/2"]?.[3], on["topic"]?.[3]].map(Number),
    );
    assert.equal(
      await world.left(),
      keep.sort((a, b) => a - b),
    );
  });

  test(`${kind.name}: requests that were never built, changes, events and the audit go when they are old; what builds use stays`, async () => {
    await using database = await kind.open();
    await using world = await historic(database, ["a"]);
    const { store, clock, add } = world;
    const kept = await add("a", "success", 300);
    const pending = await add("a", null, 300);
    await store.write((tx) => tx.db.deleteFrom("builds").where("id", "=", pending).execute());
    await store.write((tx) =>
      tx.db.updateTable("build_requests").set({ state: "pending" }).where("id", "=", pending).execute(),
    );
    const never = await add("a", "cancelled", 300);
    await store.write((tx) => tx.db.deleteFrom("builds").where("id", "=", never).execute());
    await store.write(async (tx) => {
      for (let id = 1; id <= 4; id += 1) {
        const at = clock.now() - (id === 4 ? 1 : 200) * DAY;
        const text = {
          author: "",
          comments: "",
          files: "[]",
          repository: "",
          codebase: "",
          project: "",
          properties: "{}",
        };
        await tx.db
          .insertInto("changes")
          .values({
            source: "",
            key: `${id}`,
            ...text,
            revision: null,
            branch: null,
            category: null,
            link: null,
            when_at: at,
            added_at: at,
          })
          .execute();
        await tx.db
          .insertInto("audit")
          .values({ at, caller: "", kind: "token", origin: null, method: "", params: "", outcome: "" })
          .execute();
        tx.event("token.added", { token: `${id}` });
      }
    });
    await store.write((tx) =>
      tx.db
        .updateTable("events")
        .set({ time: clock.now() - 200 * DAY })
        .where("seq", "<", 4)
        .execute(),
    );
    const short = { age: "100d" } as const;
    const limits = { builds: short, changes: short, audit: short };
    await store.write((tx) =>
      tx.db
        .insertInto("listeners")
        .values({ name: "slow", cursor: 1, attempts: 0, error: null, retry_at: null })
        .execute(),
    );
    const swept = await world.sweep({ ...limits, events: { age: "100d", lag: "1000d" } });
    assert.equal(swept, { builds: 0, requests: 1, buildsets: 1, changes: 1, events: 1, audit: 3, bytes: 0 });
    const requests = await store.read.selectFrom("build_requests").select("id").orderBy("id").execute();
    assert.equal(
      requests.map(({ id }) => id),
      [kept, pending],
      "what waits is never touched",
    );
    const changes = await store.read.selectFrom("changes").select("key").orderBy("id").execute();
    assert.equal(
      changes.map(({ key }) => key),
      ["1", "2", "4"],
      "one is young, one was built, one shall be",
    );
    const seqs = async () =>
      (await store.read.selectFrom("events").select("seq").orderBy("seq").execute()).map(({ seq }) => seq);
    assert.is((await seqs())[0], 2, "up to what the slowest listener has seen");
    await world.sweep({ ...limits, events: { age: "100d", lag: "150d" } });
    assert.is((await seqs())[0], 4, "past the lag nobody is waited for");
  });

  test(`${kind.name}: requests that were built together with another go with it`, async () => {
    await using database = await kind.open();
    await using world = await historic(database, ["a"]);
    const { store } = world;
    const ids: number[] = [];
    for (let i = 0; i < 4; i += 1) ids.push(await world.add("a", "success", 10 - i));
    const rows = await store.read.selectFrom("builds").select(["id", "request_id"]).orderBy("id").execute();
    const [first = 0, second = 0, third = 0] = rows.map((row) => row.request_id);
    await store.write(async (tx) => {
      await tx.db.deleteFrom("builds").where("id", "in", ids.slice(0, 2)).execute();
      const set = (id: number, into: number) =>
        tx.db.updateTable("build_requests").set({ collapsed_into: into }).where("id", "=", id).execute();
      await set(first, second);
      await set(second, third);
    });
    const swept = await world.sweep({ builds: { count: 1 } });
    assert.equal([swept.builds, swept.requests, swept.buildsets], [1, 3, 3]);
    assert.is((await store.read.selectFrom("buildset_stamps").selectAll().execute()).length, 1);
  });

  test(`${kind.name}: events stay for schedulers that have yet to see them, unless they are disabled`, async () => {
    await using database = await kind.open();
    await using world = await historic(database, ["a"]);
    const { store, clock } = world;
    for (let i = 0; i < 5; i += 1) await store.write(async (tx) => tx.event("master.started", { master: "m" }));
    const disabled = JSON.stringify({ at: clock.now(), by: "me", reason: "" });
    const row = { plugin: "p", version: 1, state: null, wake_at: null, passed_at: null, error: null, failures: 0 };
    const rest = { ...row, enabled_at: null, skips: null };
    await store.write((tx) =>
      tx.db
        .insertInto("schedulers")
        .values([
          { name: "off", cursor: 0, disabled, ...rest },
          { name: "on", cursor: 3, disabled: null, ...rest },
        ])
        .execute(),
    );
    await clock.advance(2 * DAY);
    const kept = { events: { age: "1d", lag: "30d" } } as const;
    await world.sweep(kept);
    const left = async () => (await store.read.selectFrom("events").select("seq").orderBy("seq").execute()).length;
    const before = await left();
    assert.ok(before > 0);
    assert.is((await store.read.selectFrom("events").select("seq").where("seq", "<=", 3).execute()).length, 0);
    await store.write((tx) => tx.db.updateTable("schedulers").set({ disabled }).execute());
    await world.sweep(kept);
    assert.is(await left(), 0);
  });

  test(`${kind.name}: a master sweeps by itself under its lease, tells of it, and a listener that was too slow is told of the gap`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const heard: BelfryEvent[] = [];
    let deaf = true;
    await using kit = await testMaster({
      clock,
      config: {
        database: database.entry,
        retention: { builds: { count: 1 }, events: { age: "1h", lag: "2h" }, every: "30m" },
        workers: [fakeWorker({ name: "w" })],
        listeners: [
          listener({
            name: "l",
            listener: {
              types: ["buildset."],
              attempts: 1_000_000,
              handle: async (event) => {
                if (deaf) throw new Error("not now");
                heard.push(event);
              },
            },
          }),
        ],
        schedulers: [force({ name: "f", builders: ["a"] })],
        builders: [{ name: "a", workers: ["w"], steps: [step({ title: "s", run: () => ({ result: "success" }) })] }],
      },
    });
    for (let i = 0; i < 3; i += 1) {
      const { buildset } = await kit.call("schedulers.force", { scheduler: "f" });
      await kit.buildsetEnd(buildset);
    }
    const first = await kit.call("retention.status");
    assert.is(first.enabled, true);
    assert.is(first.endedAt, null);
    assert.is((await kit.call("retention.sweep", { dryRun: true })).would.builds, 2);
    await clock.advance(DAY / 24);
    await until(async () => (await kit.call("retention.status")).endedAt !== null, "the sweep");
    const { data } = await kit.event("retention.done");
    assert.is(data.builds, 2);
    await until(async () => {
      await clock.advance(DAY / 48);
      return (await kit.events()).some(({ type, data }) => type === "retention.done" && data.events > 10);
    }, "the sweep of the events");
    assert.is((await kit.call("builds.list")).items.length, 1);
    deaf = false;
    await clock.advance(DAY / 24);
    await until(() => heard.some(({ type }) => type === "gap"), "the gap");
    const gap = heard[0];
    assert.is(gap?.type, "gap");
    assert.ok(Number(gap?.data["before"]) > Number(gap?.data["after"]) + 1);
    const { removed, nextAt } = await kit.call("retention.status");
    assert.ok(removed.builds >= 0 && nextAt > clock.now() - DAY);
    assert.ok((await kit.call("events.since", { since: "1" })).gap);
  });
}

test("every table whose rows belong to a build is known", () => {
  const tables = ENTITIES.filter(({ meta }) => "build_id" in meta.properties).map(({ meta }) => meta.tableName);
  assert.equal([...tables].sort(), [...OF_A_BUILD].sort());
});

test("a limit that cannot be one is refused, and `false` keeps everything", async () => {
  assert.not.ok(configSchema.shape.retention.safeParse({ builds: { age: "1s" } }).success);
  assert.not.ok(configSchema.shape.retention.safeParse({ builds: { days: 3 } }).success);
  await using kit = await testMaster({ config: { retention: false } });
  assert.equal(await kit.call("retention.sweep"), { begun: false, would: null });
  assert.is((await kit.call("retention.status")).enabled, false);
});

test.run();
