import { testClock } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { backOff, Loop, type LoopOptions } from "../../../core/src/engine/loop.ts";

const test = suite("loop");

function bell() {
  const listeners = new Map<string, Set<() => void>>();
  return {
    ring: (...topics: string[]) => {
      for (const topic of topics) for (const wake of listeners.get(topic) ?? []) wake();
    },
    listen(topic: string, wake: () => void) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set.add(wake));
      return () => void set.delete(wake);
    },
    count: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}

const turns = async (count = 5) => {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

function make(pass: LoopOptions["pass"], more: Partial<LoopOptions> = {}) {
  const clock = testClock();
  const doorbell = bell();
  const errors: { error: unknown; failures: number }[] = [];
  const loop = new Loop({
    name: "t",
    pass,
    clock,
    doorbell,
    topics: ["a"],
    onError: (error, failures) => errors.push({ error, failures }),
    ...more,
  });
  return { loop, clock, doorbell, errors };
}

test("looks once when it starts", async () => {
  let passes = 0;
  const { loop } = make(async () => void (passes += 1));
  loop.start();
  await turns();
  assert.is(passes, 1);
  await loop.stop();
});

test("never overlaps itself, and makes exactly one more pass for any number of rings during a pass", async () => {
  let running = 0;
  let most = 0;
  let passes = 0;
  let release = () => {};
  const { loop, doorbell } = make(async () => {
    passes += 1;
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    running -= 1;
  });
  loop.start();
  await turns();
  for (let i = 0; i < 1_000; i += 1) doorbell.ring("a");
  release();
  await turns();
  assert.is(passes, 2);
  release();
  await turns();
  assert.is(passes, 2);
  assert.is(most, 1);
  await loop.stop();
});

test("wakes at the time it asked for, and by itself when it asked for none", async () => {
  const at: number[] = [];
  const { loop, clock } = make(
    async () => {
      at.push(clock.monotonic());
      return at.length === 1 ? { wakeAt: clock.now() + 500 } : undefined;
    },
    { idle: 10_000 },
  );
  loop.start();
  await turns();
  await clock.advance(499);
  await turns();
  assert.is(at.length, 1);
  await clock.advance(1);
  await turns();
  assert.equal(at, [0, 500]);
  await clock.advance(10_000);
  await turns();
  assert.equal(at, [0, 500, 10_500]);
  await loop.stop();
});

test("a pass that throws is reported, and repeated after growing pauses that a ring does not cut short", async () => {
  let passes = 0;
  const { loop, clock, doorbell, errors } = make(async () => {
    passes += 1;
    if (passes < 4) throw new Error(`no ${passes}`);
  });
  loop.start();
  await turns();
  assert.is(errors.length, 1);
  for (let i = 0; i < 10; i += 1) {
    doorbell.ring("a");
    await turns(1);
  }
  assert.is(passes, 1);
  await clock.advance(backOff(1));
  await turns();
  assert.is(passes, 2);
  await clock.advance(backOff(2) - 1);
  await turns();
  assert.is(passes, 2);
  await clock.advance(1 + backOff(3));
  await turns();
  assert.is(passes, 4);
  assert.equal(
    errors.map((entry) => entry.failures),
    [1, 2, 3],
  );
  assert.is(loop.state.failures, 0);
  assert.is(loop.state.error, null);
  await loop.stop();
});

test("goes on at once while more is waiting", async () => {
  let left = 5;
  const { loop } = make(async () => ({ again: --left > 0 }));
  loop.start();
  await turns(20);
  assert.is(left, 0);
  await loop.stop();
});

test("stop aborts the pass that runs, waits for it, and lets no other follow", async () => {
  let passes = 0;
  let ended = false;
  const { loop, doorbell, errors } = make(async (signal) => {
    passes += 1;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await turns(3);
    ended = true;
    throw signal.reason;
  });
  loop.start();
  await turns();
  await loop.stop();
  assert.ok(ended);
  doorbell.ring("a");
  loop.ring();
  await turns();
  assert.is(passes, 1);
  assert.is(errors.length, 0);
  assert.is(doorbell.count(), 0);
});

test("the pause grows to a limit", () => {
  assert.equal(
    [1, 2, 3].map((failures) => backOff(failures)),
    [250, 500, 1_000],
  );
  assert.is(backOff(1_000), 60_000);
});

test.run();
