import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestClock, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import type { StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("logs that grow");

interface World extends AsyncDisposable {
  kit: TestMaster;
  clock: TestClock;
  /** The running step's context. */
  ctx: StepContext;
  /** Lets the step end. */
  release(): void;
  grown(): Promise<{ log: number; lines: number; bytes: number }[]>;
  ended(): Promise<void>;
}

/** A build whose step waits, on a clock that stands still. */
async function world(): Promise<World> {
  const clock = testClock();
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let ctx: StepContext | undefined;
  const waits = step({
    run: async (given) => {
      ctx = given;
      await gate;
      return { result: "success" };
    },
  });
  const kit = await testMaster({
    clock,
    config: {
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", project: "p", workers: ["w"], steps: [waits] }],
    },
  });
  try {
    const { buildset } = await kit.call("schedulers.force", {});
    await until(() => ctx !== undefined, "the step");
    return {
      kit,
      clock,
      ctx: ctx as StepContext,
      release,
      grown: async () => (await kit.events()).filter(({ type }) => type === "log.grew").map(({ data }) => data),
      ended: async () => {
        release();
        await kit.buildsetEnd(buildset);
      },
      async [Symbol.asyncDispose]() {
        release();
        await kit.close();
      },
    };
  } catch (error) {
    release();
    await kit.close();
    throw error;
  }
}

/** Goes on in steps, so that what is to be written is written. */
async function pass(w: World, millis: number): Promise<void> {
  for (let left = millis; left > 0; left -= 50) {
    await w.clock.advance(Math.min(50, left));
    await w.kit.call("events.since", { limit: 1 });
  }
}

test("a log that grows is told of once a second, however much is written", async () => {
  await using w = await world();
  const log = w.ctx.log("stdio");
  for (let second = 0; second < 3; second += 1) {
    for (let i = 0; i < 20; i += 1) {
      await log.write(`line ${i}\n`);
      await pass(w, 50);
    }
  }
  await pass(w, 2_000);
  await until(async () => (await w.grown()).length >= 4, "the events");
  const grown = await w.grown();
  assert.is(grown.length, 4, "three while it grew, and one for what came last");
  assert.is(grown.at(-1)?.lines, 60);
  assert.ok(grown.every(({ lines }, i) => i === 0 || lines > (grown[i - 1]?.lines as number)));
  const [event] = (await w.kit.events()).filter(({ type }) => type === "log.grew");
  assert.equal([event.builder, event.project, event.data.name, event.data.step], ["b", "p", "stdio", 1]);
  assert.ok(event.data.bytes > 0);
});

test("a log that is quiet is not told of again, until it grows again", async () => {
  await using w = await world();
  const log = w.ctx.log("stdio");
  await log.write("one\n");
  await pass(w, 5_000);
  await until(async () => (await w.grown()).length > 0, "the event");
  await pass(w, 5_000);
  assert.equal(
    (await w.grown()).map(({ lines }) => lines),
    [1],
  );
  await log.write("no whole line");
  await pass(w, 2_000);
  assert.is((await w.grown()).length, 1, "a line that has not ended cannot be read");
  await log.write("\n");
  await pass(w, 2_000);
  await until(async () => (await w.grown()).length === 2, "the next event");
  const { items } = await w.kit.call("logs.list", { build: 1 });
  assert.equal([items[0].lines, items[0].finished], [2, false], "the list has it, too");
});

test("a short step has no such event", async () => {
  await using w = await world();
  await w.ctx.log("stdio").write("one\n");
  await pass(w, 500);
  await w.ended();
  await pass(w, 5_000);
  const types = (await w.kit.events()).map(({ type }) => type).filter((type) => type.startsWith("log."));
  assert.equal(types, ["log.added", "log.finished"]);
});

test("what has grown when the log ends is told by its end alone", async () => {
  await using w = await world();
  await w.ctx.log("stdio").write("one\n");
  // What grew is noted by now, and waits to be written.
  await w.clock.advance(1_000);
  await w.ended();
  await pass(w, 2_000);
  const events = (await w.kit.events()).filter(({ type }) => type.startsWith("log."));
  const end = events.findIndex(({ type }) => type === "log.finished");
  assert.ok(end > 0);
  assert.equal(
    events.slice(end + 1).map(({ type }) => type),
    [],
    "nothing comes behind the end",
  );
});

test("many logs that grow at once are written in one transaction", async () => {
  await using w = await world();
  for (let i = 0; i < 30; i += 1) await w.ctx.log(`log ${i}`).write("line\n");
  await pass(w, 600);
  const { store } = w.kit.master;
  const write = store.write.bind(store);
  const written: number[] = [];
  store.write = (work) =>
    write(async (tx) => {
      let events = 0;
      const event = tx.event.bind(tx);
      tx.event = (type, data, scope) => {
        if (type === "log.grew") events += 1;
        event(type, data, scope);
      };
      const result = await work(tx);
      if (events > 0) written.push(events);
      return result;
    });
  await pass(w, 1_000);
  await until(async () => (await w.grown()).length > 0, "the events");
  assert.equal(written, [30]);
});

test("a master that lost its lease tells nothing", async () => {
  await using w = await world();
  await w.ctx.log("stdio").write("line\n");
  await pass(w, 500);
  const taken = await w.kit.master.store.write((tx) =>
    tx.db
      .updateTable("leases")
      .set({ owner: "another", fence: 1_000 })
      .where("name", "like", "master:%")
      .returning("name")
      .execute(),
  );
  assert.is(taken.length, 1);
  await pass(w, 2_000);
  assert.equal(await w.grown(), []);
});

test.run();
