// time limit: 300 s
import { postgres as postgresDatabase } from "@belfry/postgres";
import { anyBranch } from "@belfry/schedulers";
import { fakeWorker, listener, source, step, testMaster, until } from "@belfry/testkit";
import type { BelfryEvent, ChangeSource, Json, Logger } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";

const test = suite("a master whose PostgreSQL is restarted");
const RESTARTS = 5;

test(`${RESTARTS} restarts under load, in order and by crashes: no loop dies, and the counts agree`, async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  await using server = await postgres({ private: true });
  const url = await server.createDatabase();
  let over = false;
  const told: ChangeSource = {
    pollInterval: 25,
    async poll(ctx) {
      if (over) return;
      const next = Number(ctx.state ?? 0);
      const changes = [next, next + 1].map((n) => ({
        key: `t${n}`,
        author: "source",
        comments: "",
        files: [],
        revision: `t${n}`,
        branch: "main",
        repository: "r",
      }));
      await ctx.report(changes, next + 2);
    },
  };
  const building = new Set<number>();
  const twice: number[] = [];
  const work = step({
    run: async (ctx) => {
      if (building.has(ctx.build.requestId)) twice.push(ctx.build.requestId);
      building.add(ctx.build.requestId);
      await ctx.log("stdio").write("working\n");
      await ctx.worker.run({ command: ["x"] });
      ctx.properties.set("done", true);
      building.delete(ctx.build.requestId);
      return { result: "success" };
    },
  });
  const heard: number[] = [];
  const messages: string[] = [];
  const log = (level: string) => (fields: object, message: string) =>
    messages.push(`${level} ${message} ${JSON.stringify(fields)} ${(fields as { err?: Error }).err?.stack ?? ""}`);
  const logger: Logger = { debug() {}, info() {}, warn: log("warn"), error: log("error"), child: () => logger };
  try {
    await using kit = await testMaster({
      config: {
        database: postgresDatabase({ url }),
        workers: [fakeWorker({ name: "one", slots: 2 }), fakeWorker({ name: "two", slots: 2 })],
        sources: [source({ name: "told", source: told })],
        schedulers: [
          anyBranch({ name: "at-once", builders: ["a", "b"] }),
          anyBranch({ name: "collected", builders: ["c"], treeStableTimer: 100 }),
        ],
        builders: ["a", "b", "c"].map((name) => ({ name, workers: ["one", "two"], steps: [work, work] })),
        listeners: [
          listener({
            name: "scribe",
            listener: { from: "start", handle: async (event: BelfryEvent) => void heard.push(Number(event.position)) },
          }),
        ],
      },
      logger,
    });
    const acknowledged = new Map<string, number>();
    const failures: unknown[] = [];
    const sender = (async () => {
      for (let i = 0; !over; i += 1) {
        const key = `sent${i}`;
        for (;;) {
          try {
            const params = { key, revision: key, branch: "main", repository: "r" };
            acknowledged.set(key, (await kit.call("changes.add", params)).change);
            break;
          } catch (error) {
            failures.push(error);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    const finished = async () =>
      Number(
        (
          await kit.master.store.read
            .selectFrom("builds")
            .select((eb) => eb.fn.countAll<number>().as("count"))
            .where("state", "=", "finished")
            .executeTakeFirstOrThrow()
        ).count,
      );
    for (let round = 0; round < RESTARTS; round += 1) {
      const before = await finished();
      await until(async () => (await finished()) > before + 10, "builds between restarts", 60_000);
      await server.restart(round % 2 === 0 ? "fast" : "immediate");
    }
    const before = await finished();
    await until(async () => (await finished()) > before + 10, "builds after the last restart", 60_000);
    over = true;
    await sender;
    // The collecting scheduler waits for its tree to be stable; then everything has to come to its end.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await until(
      async () => {
        const pending = (await kit.call("requests.list", { state: "pending", limit: 1 })).items.length;
        const claimed = (await kit.call("requests.list", { state: "claimed", limit: 1 })).items.length;
        return pending + claimed === 0;
      },
      "the end of all builds",
      120_000,
    );

    for (const error of failures) {
      const { code } = error as { code?: string };
      assert.ok(["BELFRY_DATABASE_AWAY", "BELFRY_COMMIT_UNKNOWN"].includes(code ?? ""), String(error));
    }
    const all = async (method: string, params: { [key: string]: Json } = {}): Promise<any[]> => {
      const items = [];
      for (let cursor: string | undefined; ; ) {
        const page = await kit.call(method, { limit: 500, order: "id", ...params, ...(cursor ? { cursor } : {}) });
        items.push(...page.items);
        if (page.next === null) return items;
        cursor = page.next;
      }
    };
    const changes = await all("changes.list");
    const keys = changes.map((change) => `${change.source} ${change.key}`);
    assert.is(new Set(keys).size, keys.length, "no change is stored twice");
    for (const [key, id] of acknowledged) assert.is(changes.find((change) => change.key === key)?.id, id);
    const state = (await kit.master.store.read.selectFrom("change_sources").select("state").executeTakeFirstOrThrow())
      .state;
    assert.is(
      changes.filter((change) => change.source === "told").length,
      Number(state),
      "none of the source's is lost",
    );

    const { store } = kit.master;
    for (const scheduler of ["at-once", "collected"]) {
      const rows = await store.read
        .selectFrom("buildset_changes as l")
        .innerJoin("buildsets as s", "s.id", "l.buildset_id")
        .select("l.change_id")
        .where("s.scheduler", "=", scheduler)
        .orderBy("l.change_id")
        .execute();
      assert.equal(
        rows.map((row) => row.change_id),
        changes.map((change) => change.id),
        `${scheduler} decided once on every change`,
      );
    }
    const requests = await all("requests.list");
    const builds = await all("builds.list");
    for (const request of requests) {
      const own = builds.filter((build) => build.request === request.id);
      const ends = own.filter((build) => build.result !== "retry");
      assert.is(ends.length, 1, `request ${request.id} has one build that is no retry`);
      assert.equal([request.state, request.result, ends[0].result], ["complete", "success", "success"]);
    }
    for (const builder of ["a", "b", "c"]) {
      const numbers = builds.filter((build) => build.builder === builder).map((build) => build.number);
      assert.equal(
        numbers,
        numbers.map((_, i) => i + 1),
      );
    }
    assert.equal(twice, [], "no request is built twice at once");
    const open = await store.read.selectFrom("steps").select("build_id").where("finished_at", "is", null).execute();
    assert.equal(open, [], "every step has an end");
    const logs = await store.read.selectFrom("logs").select("build_id").where("finished", "=", 0).execute();
    assert.equal(logs, [], "and every log");

    const events = await kit.events();
    await until(() => heard.at(-1) === Number(events.at(-1)?.position), "the listener's last event");
    assert.equal(
      [...new Set(heard)].sort((x, y) => x - y),
      events.map((event) => Number(event.position)),
      "the listener heard every event",
    );
    const { loops } = await kit.call("status.now");
    assert.ok(loops.length >= 8);
    for (const loop of loops) assert.is(loop.error, null, `${loop.name} works: ${loop.error}`);
    const passes = new Map(loops.map((loop: { name: string; passes: number }) => [loop.name, loop.passes]));
    await kit.addChange();
    await until(async () => {
      const now = (await kit.call("status.now")).loops as { name: string; passes: number }[];
      return ["distributor", "builds", "scheduler:at-once", "listener:scribe", "source:told"].every(
        (name) => (now.find((loop) => loop.name === name)?.passes ?? 0) > Number(passes.get(name)),
      );
    }, "a pass of every loop");
    assert.equal(
      messages.filter((message) => /could not be carried to its end|outside of its steps/.test(message)),
      [],
    );
  } finally {
    over = true;
    process.off("unhandledRejection", onUnhandled);
  }
  assert.equal(unhandled, []);
});

test.run();
