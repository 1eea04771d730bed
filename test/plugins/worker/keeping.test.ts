import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult, CommandSpec, Worker, WorkerSession } from "belfry";
import * as assert from "uvu/assert";
import { limitedSuite, processesWith, run, tag, until, World } from "./kit.ts";

const test = limitedSuite("keeping commands");
const KEEP = { keepFor: 60_000 };
const workerFolder = (world: World) => join(world.folder, "state", "workers", "local");
const build = (id: number, builder = "builder") => ({ id, builder, slot: 0, fence: id });

/** Begins a command, and gathers what its sink is given. */
function begin(session: WorkerSession, spec: CommandSpec | string, callId: string) {
  const call = {
    text: "",
    /** How the call settled. */
    result: undefined as CommandResult | undefined,
    error: undefined as { code?: string } | undefined,
    abort: new AbortController(),
  };
  const full = typeof spec === "string" ? { command: spec } : spec;
  session
    .run(full, (_channel, data) => void (call.text += Buffer.from(data)), { signal: call.abort.signal, callId })
    .then(
      (result) => void (call.result = result),
      (error) => void (call.error = error),
    );
  return call;
}

async function resume(session: WorkerSession, spec: CommandSpec | string, callId: string, signal?: AbortSignal) {
  let text = "";
  const full = typeof spec === "string" ? { command: spec } : spec;
  const result = await session.resume?.(full, (_channel, data) => void (text += Buffer.from(data)), {
    signal: signal ?? new AbortController().signal,
    callId,
  });
  return { result, text };
}

/** What a restart does to one worker with these sessions. */
async function restart(world: World, worker: Worker, sessions: WorkerSession[], options = {}): Promise<Worker> {
  await Promise.all(sessions.map((session) => session.detach?.()));
  await worker.detach?.(KEEP);
  return world.worker(options);
}

test("after it has let go, a session ignores signals, gives nothing, and refuses new commands", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const line = `echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; sleep ${word}`;
  const call = begin(session, line, "a");
  await until("it prints", () => call.text !== "");
  const detaching = session.detach?.();
  call.abort.abort();
  await detaching;
  await session.writeFile("go", Buffer.alloc(0));
  await session.close();
  await until("it goes on", () => processesWith(word).length > 0);
  assert.equal([call.text, call.result, call.error], ["one\n", undefined, undefined]);
  const late = begin(session, "true", "b");
  await until("it is refused", () => late.error !== undefined);
  assert.is(late.error?.code, "BELFRY_WORKER_SESSION_CLOSED");
  await worker.stop();
  assert.equal(processesWith(word), []);
});

test("what is let go of at any moment is either settled, resumed, or has never begun", async () => {
  await using world = await World.make();
  let worker = await world.worker();
  let resumed = 0;
  for (let round = 1; round <= 6; round++) {
    const session = await worker.open(build(round));
    const calls = Array.from({ length: 30 }, (_, i) => {
      const line = `echo begun >> ran-${round}-${i}; sleep 0.${i % 10}; echo ${round}-${i}; exit ${i}`;
      return { i, line, call: begin(session, line, `${round}-${i}`) };
    });
    await sleep([0, 2, 15, 60, 200, 500][round % 6]);
    worker = await restart(world, worker, [session]);
    const next = await worker.open(build(round));
    await Promise.all(
      calls.map(async ({ i, line, call }) => {
        const later = await resume(next, line, `${round}-${i}`);
        const begun = existsSync(join(next.folder, `ran-${round}-${i}`));
        assert.is(call.error, undefined);
        assert.not.ok(call.result && later.result, `${i} ended twice`);
        if (later.result) resumed += 1;
        const ended = call.result ?? later.result;
        assert.is(ended !== undefined, begun, `${i} ${begun ? "was lost" : "ended and had not begun"}`);
        if (ended) assert.equal([ended.code, call.text + later.text], [i, `${round}-${i}\n`]);
      }),
    );
    await next.close();
  }
  assert.ok(resumed > 0);
});

test("input goes on over a restart", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const spec = { command: "echo; while [ ! -e go ]; do sleep 0.01; done; wc -c", input: Buffer.alloc(3_000_000, 65) };
  const call = begin(session, spec, "a");
  await until("it runs", () => call.text !== "");
  const next = await (await restart(world, worker, [session])).open(build(1));
  await next.writeFile("go", Buffer.alloc(0));
  const { result, text } = await resume(next, spec, "a");
  assert.equal([result?.code, Number(text)], [0, 3_000_000]);
});

test("new commands get the new environment, those that run keep theirs", async () => {
  await using world = await World.make();
  const worker = await world.worker({ env: { WHICH: "old" } });
  const session = await worker.open(build(1));
  const line = "echo; while [ ! -e go ]; do sleep 0.01; done; echo $WHICH";
  const call = begin(session, line, "a");
  await until("it runs", () => call.text !== "");
  const next = await (await restart(world, worker, [session], { env: { WHICH: "new" } })).open(build(1));
  await next.writeFile("go", Buffer.alloc(0));
  assert.is((await resume(next, line, "a")).text, "old\n");
  assert.is((await run(next, "echo $WHICH")).stdout.toString(), "new\n");
});

test("a command survives several restarts, also one in which nobody asked for it", async () => {
  await using world = await World.make();
  let worker = await world.worker();
  let session = await worker.open(build(1));
  const line = 'for i in 1 2 3 4; do echo $i; while [ ! -e "go$i" ]; do sleep 0.01; done; done; exit 6';
  const call = begin(session, line, "a");
  await until("it runs", () => call.text === "1\n");
  worker = await restart(world, worker, [session]);
  await writeFile(join(session.folder, "go1"), "");
  worker = await restart(world, worker, []);
  session = await worker.open(build(1));
  worker = await restart(world, worker, [session]);
  session = await worker.open(build(1));
  let text = "";
  void session.resume?.({ command: line }, (_channel, data) => void (text += Buffer.from(data)), {
    signal: new AbortController().signal,
    callId: "a",
  });
  await until("it goes on", () => text === "2\n");
  worker = await restart(world, worker, [session]);
  for (const name of ["go2", "go3", "go4"]) await writeFile(join(session.folder, name), "");
  const last = await resume(await worker.open(build(1)), line, "a");
  assert.equal([last.result?.code, text + last.text], [6, "2\n3\n4\n"]);
});

test("silence is not counted while nobody could listen, and is when nothing was printed", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const loud = { command: "for i in 1 2 3 4 5 6; do echo; sleep 0.5; done", timeout: 2_000 };
  const silent = { command: `echo; sleep ${word}`, timeout: 2_000 };
  const calls = [begin(session, loud, "loud"), begin(session, silent, "silent")];
  await until("both run", () => calls.every(({ text }) => text !== ""));
  await session.detach?.();
  await worker.detach?.(KEEP);
  await sleep(2_100);
  const next = await (await world.worker()).open(build(1));
  const [first, second] = await Promise.all([resume(next, loud, "loud"), resume(next, silent, "silent")]);
  assert.equal([first.result?.killed, first.result?.code], [null, 0]);
  assert.is(second.result?.killed, "timeout");
  assert.ok((second.result?.elapsed ?? 0) >= 2_100);
});

test("why a command is being ended is not forgotten", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const line = `trap ': > asked' TERM; echo; while [ ! -e go ]; do sleep 0.0${word.slice(-3)}; done; exit 9`;
  const call = begin(session, { command: line, killGrace: 50_000 }, "a");
  await until("it runs", () => call.text !== "");
  call.abort.abort();
  await until("it is asked to end", () => existsSync(join(session.folder, "asked")));
  const next = await (await restart(world, worker, [session])).open(build(1));
  await next.writeFile("go", Buffer.alloc(0));
  const { result } = await resume(next, { command: line, killGrace: 50_000 }, "a");
  assert.equal([result?.code, result?.killed], [9, "cancelled"]);
});

test("a command whose signal has aborted is ended when it is taken up", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const call = begin(session, `echo; sleep ${word}`, "a");
  await until("it runs", () => call.text !== "");
  const next = await (await restart(world, worker, [session])).open(build(1));
  assert.is((await resume(next, `echo; sleep ${word}`, "a", AbortSignal.abort())).result?.killed, "cancelled");
  assert.equal(processesWith(word), []);
});

const unwanted: Record<string, (worker: Worker) => Promise<void>> = {
  "its session is closed": async (worker) => (await worker.open(build(1))).close(),
  "another build wants the folder": async (worker) => void (await worker.open(build(2))),
  "the worker is stopped": (worker) => worker.stop(),
};
for (const [when, act] of Object.entries(unwanted)) {
  test(`a command that nobody takes up is ended when ${when}`, async () => {
    await using world = await World.make();
    const worker = await world.worker();
    const [session, other] = [await worker.open(build(1)), await worker.open(build(5, "other"))];
    const [word, otherWord] = [tag(), tag()];
    const calls = [
      begin(session, `echo; setsid sleep ${word} & sleep ${word}`, "a"),
      begin(other, `echo; sleep ${otherWord}`, "b"),
    ];
    await until("both run", () => calls.every(({ text }) => text !== "") && processesWith(word).length >= 2);
    const next = await restart(world, worker, [session, other]);
    assert.ok(processesWith(word).length >= 2);
    await act(next);
    assert.equal(processesWith(word), []);
    assert.is(processesWith(otherWord).length > 0, next.connected);
    await next.stop();
    assert.equal(processesWith(otherWord), []);
    assert.equal(await readdir(join(workerFolder(world), ".pipes")), []);
  });
}

test("a command that nobody takes up in time is ended, and its build finds nothing", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const call = begin(session, `echo; sleep ${word}`, "a");
  await until("it runs", () => call.text !== "");
  await session.detach?.();
  await worker.detach?.({ keepFor: 3_000 });
  const next = await world.worker();
  await until("it is ended", () => processesWith(word).length === 0);
  assert.is((await resume(await next.open(build(1)), `echo; sleep ${word}`, "a")).result, undefined);
});

test("a session that was not let go of is ended, and a worker with nothing to keep leaves nothing", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const call = begin(session, `echo; sleep ${word}`, "a");
  await until("it runs", () => call.text !== "");
  await worker.detach?.(KEEP);
  await until("it has settled", () => call.result !== undefined);
  assert.is(call.result?.killed, "cancelled");
  assert.equal(processesWith(word), []);
  assert.equal((await readdir(workerFolder(world))).sort(), [".pipes", "builder"]);
});

test("a worker that cannot say where it waits ends everything, and says so", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const call = begin(session, `echo; sleep ${word}`, "a");
  await until("it runs", () => call.text !== "");
  await mkdir(join(workerFolder(world), ".waiting.json", "in-the-way"), { recursive: true });
  await session.detach?.();
  await worker.detach?.(KEEP);
  assert.equal(processesWith(word), []);
  assert.match(world.notes.join(), /could not be kept/);
  await rm(join(workerFolder(world), ".waiting.json"), { recursive: true });
});

test("a kept command whose pipes were removed is ended, and its build finds nothing", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const line = `echo; sleep ${word}`;
  const call = begin(session, line, "a");
  await until("it runs", () => call.text !== "");
  const next = await restart(world, worker, [session]);
  const pipes = join(workerFolder(world), ".pipes");
  for (const name of await readdir(pipes)) await rm(join(pipes, name), { recursive: true });
  assert.is((await resume(await next.open(build(1)), line, "a")).result, undefined);
  assert.equal(processesWith(word), []);
});

test("a file that says nothing of use is removed", async () => {
  await using world = await World.make();
  await mkdir(workerFolder(world), { recursive: true });
  const file = join(workerFolder(world), ".waiting.json");
  for (const text of ["", "{}", "null", '{"versions":"x","pid":-1,"socket":"","token":""}']) {
    await writeFile(file, text);
    const worker = await world.worker();
    assert.is((await run(await worker.open(build(1)), ["true"])).code, 0);
    await worker.stop();
    assert.not.ok(existsSync(file));
  }
});

test("who does not know the token gets nothing", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await worker.open(build(1));
  const word = tag();
  const line = `echo; sleep ${word}`;
  const call = begin(session, line, "a");
  await until("it runs", () => call.text !== "");
  await session.detach?.();
  await worker.detach?.({ keepFor: 5_000 });
  const file = join(workerFolder(world), ".waiting.json");
  const text = await readFile(file, "utf8");
  await writeFile(file, JSON.stringify({ ...JSON.parse(text), token: "guessed" }));
  const next = await world.worker();
  assert.match(world.notes.join(), /does not answer/);
  assert.is((await resume(await next.open(build(1)), line, "a")).result, undefined);
  assert.equal(processesWith(word), []);
});

test.run();
