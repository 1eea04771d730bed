import type { CommandResult, CommandSpec, WorkerSession } from "belfry";
import * as assert from "uvu/assert";
import { limitedSuite, processesWith, rejects, run, tag, until, World } from "./kit.ts";

const test = limitedSuite("ending commands");

/** Cancels a command once it has printed "ready". */
async function cancelWhenReady(session: WorkerSession, spec: CommandSpec): Promise<CommandResult & { text: string }> {
  const abort = new AbortController();
  let text = "";
  const sink = (_channel: string, data: Uint8Array) => {
    text += Buffer.from(data);
    if (text.includes("ready")) abort.abort();
  };
  const result = await session.run(spec, sink, { signal: abort.signal, callId: "ready" });
  return { ...result, text };
}

test("a command that runs for too long is ended", async () => {
  await using world = await World.make();
  const word = tag();
  const { code, signal, killed } = await run(await world.session(), { command: ["sleep", word], maxTime: 50 });
  assert.equal({ code, signal, killed }, { code: null, signal: "SIGTERM", killed: "max-time" });
  assert.equal(processesWith(word), []);
});

test("a command that prints nothing for too long is ended, and keeps what it printed", async () => {
  await using world = await World.make();
  const word = tag();
  const { killed, stdout } = await run(await world.session(), {
    command: `echo hello; sleep ${word}`,
    timeout: 1_500,
  });
  assert.is(killed, "timeout");
  assert.is(stdout.toString(), "hello\n");
  assert.equal(processesWith(word), []);
});

test("a command that goes on printing may be slow", async () => {
  await using world = await World.make();
  const command = "i=0; while [ $i -lt 12 ]; do echo $i; sleep 0.25; i=$((i+1)); done";
  const { code, killed } = await run(await world.session(), { command, timeout: 2_000 });
  assert.equal({ code, killed }, { code: 0, killed: null });
});

test("a command is not silent while its output is not taken", async () => {
  await using world = await World.make();
  const session = await world.session();
  let first = true;
  const result = await session.run(
    { command: "head -c 1000000 /dev/zero", timeout: 1_000 },
    () => {
      if (!first) return;
      first = false;
      return new Promise<void>((resolve) => setTimeout(resolve, 2_500));
    },
    { signal: new AbortController().signal, callId: "slow" },
  );
  assert.equal([result.code, result.killed], [0, null]);
});

test("a command that ignores SIGTERM is killed after the grace", async () => {
  await using world = await World.make();
  const word = tag();
  const command = `trap '' TERM; echo ready; while :; do sleep ${word}; done`;
  const { signal, killed } = await cancelWhenReady(await world.session(), { command, killGrace: 200 });
  assert.equal({ signal, killed }, { signal: "SIGKILL", killed: "cancelled" });
  assert.equal(processesWith(word), []);
});

test("without grace it is killed at once", async () => {
  await using world = await World.make();
  const { signal, killed } = await run(await world.session(), { command: ["sleep", tag()], maxTime: 50, killGrace: 0 });
  assert.equal({ signal, killed }, { signal: "SIGKILL", killed: "max-time" });
});

test("a command that ends by itself upon SIGTERM keeps its exit code and its last words", async () => {
  await using world = await World.make();
  const word = tag();
  const command = `trap 'echo bye; exit 9' TERM; echo ready; sleep ${word} & wait`;
  const { code, killed, text } = await cancelWhenReady(await world.session(), { command });
  assert.equal([code, killed, text], [9, "cancelled", "ready\nbye\n"]);
});

test("a cancelled command is ended, and the call resolves", async () => {
  await using world = await World.make();
  const session = await world.session();
  const word = tag();
  const abort = new AbortController();
  const running = run(session, `sleep ${word} & sleep ${word}`, abort.signal);
  await until("both run", () => processesWith(word).length >= 2);
  abort.abort();
  assert.is((await running).killed, "cancelled");
  assert.equal(processesWith(word), []);
});

test("a call that is cancelled before it begins starts nothing", async () => {
  await using world = await World.make();
  const session = await world.session();
  const result = await run(session, "echo > started", AbortSignal.abort());
  assert.equal([result.code, result.killed], [null, "cancelled"]);
  assert.equal(await session.list("."), []);
});

test("a call that is cancelled as it begins ends", async () => {
  await using world = await World.make();
  const session = await world.session();
  const word = tag();
  for (let i = 0; i < 40; i++) {
    const abort = new AbortController();
    const running = run(session, ["sleep", word], abort.signal);
    if (i % 2) queueMicrotask(() => abort.abort());
    else setTimeout(() => abort.abort(), i / 10);
    assert.is((await running).killed, "cancelled");
  }
  assert.equal(processesWith(word), []);
});

const leftovers: Record<string, (word: string) => string> = {
  "in the background": (word) => `sleep ${word} &`,
  "that holds its output open": (word) => `echo first; (sleep ${word}; echo late) & exit 0`,
  "in a session of its own": (word) => `setsid sleep ${word} & exit 0`,
  "that forked twice and left its session": (word) => `(setsid sh -c 'sleep ${word} & exit 0' &) ; exit 0`,
  "with closed input and output": (word) => `setsid sleep ${word} <&- >&- 2>&- & exit 0`,
  "that ignores SIGHUP": (word) => `nohup setsid sleep ${word} >/dev/null 2>&1 & exit 0`,
  "in a process group of its own": (word) => `set -m; sleep ${word} & exit 0`,
  "without environment in the command's session": (word) => `set -m; env -i sleep ${word} & exit 0`,
  "whose child lost its environment": (word) =>
    `rm -f ready; setsid sh -c "env -i setsid sh -c ': > ready; sleep ${word}; :'; :" & while [ ! -e ready ]; do sleep 0.01; done`,
  "that forks again and again": (word) =>
    `setsid sh -c 'while :; do sleep ${word} & sleep 0.003; done' >/dev/null 2>&1 & sleep 0.1; exit 0`,
};

for (const [what, command] of Object.entries(leftovers)) {
  test(`a process ${what} is ended before the call resolves`, async () => {
    await using world = await World.make();
    const session = await world.session();
    for (let i = 0; i < 10; i++) {
      const word = tag();
      const { code, killed } = await run(session, command(word));
      assert.equal(processesWith(word), [], `round ${i}`);
      assert.equal([code, killed], [0, null]);
    }
  });
}

test("processes are found in every session and group when a command is cancelled", async () => {
  await using world = await World.make();
  const word = tag();
  const abort = new AbortController();
  const command = `setsid sleep ${word} & (setsid sh -c 'sleep ${word} & exit 0' &); set -m; sleep ${word} & wait; sleep ${word}`;
  const running = run(await world.session(), command, abort.signal);
  await until("all run", () => processesWith(word).length >= 4);
  abort.abort();
  assert.is((await running).killed, "cancelled");
  assert.equal(processesWith(word), []);
});

test("a process left behind that ignores SIGTERM is killed after the grace", async () => {
  await using world = await World.make();
  const word = tag();
  const command = `setsid sh -c 'trap "" TERM; echo ready > ready; while :; do sleep ${word}; done' >&- 2>&- & while [ ! -e ready ]; do sleep 0.01; done`;
  const { code } = await run(await world.session(), { command, killGrace: 100 });
  assert.is(code, 0);
  assert.equal(processesWith(word), []);
});

test("what processes left behind print until they end is not lost", async () => {
  await using world = await World.make();
  const command = `sh -c 'trap "echo last words; exit" TERM; echo ready > ready; while :; do sleep 0.05; done' & while [ ! -e ready ]; do sleep 0.01; done; echo over`;
  const { code, stdout } = await run(await world.session(), command);
  assert.is(code, 0);
  assert.is(stdout.toString(), "over\nlast words\n");
});

test("commands that run at the same time are left alone", async () => {
  await using world = await World.make();
  const session = await world.session();
  const word = tag();
  const abort = new AbortController();
  const long = run(session, `setsid sleep ${word} & sleep ${word}`, abort.signal);
  await until("it runs", () => processesWith(word).length >= 2);
  const before = processesWith(word).sort();
  await Promise.all(Array.from({ length: 20 }, () => run(session, "setsid sleep 100 & exit 0")));
  assert.equal(processesWith(word).sort(), before);
  abort.abort();
  await long;
});

test("a stranger that holds the output open does not hold up the call", async () => {
  await using world = await World.make();
  const word = tag();
  // Without environment, session and parent nothing says whose it is.
  const command = `echo before; setsid env -i sh -c 'sleep ${word} & : > ready'; while [ ! -e ready ]; do sleep 0.01; done`;
  const { code, stdout } = await run(await world.session(), command);
  const strangers = processesWith(word);
  for (const pid of strangers) process.kill(pid, "SIGKILL");
  assert.equal([code, stdout.toString()], [0, "before\n"]);
  await world.session().then((session) => run(session, ["true"]));
});

test("processes that survive SIGKILL are counted", async () => {
  const path = new URL("../../../plugins/worker/src/spawner/ending.js", import.meta.url).href;
  const { Ending } = (await import(path)) as { Ending: new (...args: unknown[]) => { run(): Promise<number> } };
  // A number that no process has: it cannot be ended.
  const table = { find: () => ({ pids: [2 ** 22 + 1], unsure: false }) };
  const none = { marked: () => false, skip: new Set() };
  assert.is(await new Ending(table, none, () => 0, 0).run(), 1);
});

test("closing a session ends what it runs, and nothing can be run in it any more", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await world.session(worker, "one");
  const other = await world.session(worker, "two");
  const word = tag();
  const otherWord = tag();
  const abort = new AbortController();
  const running = run(session, `setsid sleep ${word} & sleep ${word}`);
  const untouched = run(other, ["sleep", otherWord], abort.signal);
  await until("both run", () => processesWith(word).length >= 2 && processesWith(otherWord).length === 1);
  await session.close();
  assert.is((await running).killed, "cancelled");
  assert.equal(processesWith(word), []);
  assert.is(processesWith(otherWord).length, 1);
  assert.is((await rejects(run(session, ["true"]))).code, "BELFRY_WORKER_SESSION_CLOSED");
  await session.close();
  abort.abort();
  await untouched;
});

test.run();
