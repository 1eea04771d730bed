// time limit: 300 s
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { force } from "@belfry/schedulers";
import { shell } from "@belfry/steps";
import { logStore, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import { type Config, createFileLogStore, type Entry } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("hostile steps");

/** A master with a builder "bad" of these steps and a builder "good", to see that nothing else is harmed. */
async function world(steps: Entry<"step">[], more: Partial<Config> = {}): Promise<TestMaster> {
  return testMaster({
    config: {
      workers: [localWorker({ name: "w", slots: 2 })],
      schedulers: [force({ name: "force", builders: ["bad", "good"] })],
      builders: [
        { name: "bad", workers: ["w"], steps },
        { name: "good", workers: ["w"], steps: [shell({ command: ["echo", "fine"] })] },
      ],
      ...more,
    },
  });
}

async function build(kit: TestMaster, builder: string) {
  const { buildset } = await kit.call("schedulers.force", { builders: [builder] });
  await kit.buildsetEnd(buildset, 120_000);
  const found = await kit.call("builds.get", { builder, number: -1 });
  const { items: steps } = await kit.call("builds.steps", { build: found.id });
  const { items: logs } = await kit.call("logs.list", { build: found.id });
  return { ...found, steps, logs };
}

async function nothingElseIsHarmed(kit: TestMaster): Promise<void> {
  const good = await build(kit, "good");
  assert.is(good.result, "success");
  assert.match(await kit.logText(good.id, 1), "fine\n");
}

test("a command that does not exist fails with its name and what to do, where the user looks", async () => {
  await using kit = await world([shell({ command: ["no-such-program-anywhere"] })]);
  const bad = await build(kit, "bad");
  assert.is(bad.result, "failure");
  assert.is(bad.steps[0].error.code, "BELFRY_COMMAND_NOT_FOUND");
  assert.match(bad.steps[0].summary, "no-such-program-anywhere");
  assert.match(await kit.logText(bad.id, 1), "no-such-program-anywhere");
  await nothingElseIsHarmed(kit);
});

test("a step that prints 10 million lines keeps them all, in bounded memory", async () => {
  await using kit = await world([shell({ command: "seq 10000000" })]);
  const before = process.memoryUsage.rss();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss() - before);
  }, 20);
  const bad = await build(kit, "bad");
  clearInterval(watch);
  assert.is(bad.result, "success");
  // The command's line before, and how it ended behind.
  assert.is(bad.logs[0].lines, 10_000_002);
  const { items } = await kit.call("logs.read", { build: bad.id, step: 1, first: 7_654_321, count: 2 });
  assert.equal(
    items.map((line: { text: string }) => line.text),
    ["7654321", "7654322"],
  );
  assert.ok(most < 300e6, `memory grew by ${Math.round(most / 1e6)} MB, less than half of the log's lines`);
  await nothingElseIsHarmed(kit);
});

test("a log ends at its cap with a clear last line, and the build goes on", async () => {
  await using kit = await world([shell({ command: "seq 100000; echo over >&2" })], { logs: { cap: 10_000 } });
  const bad = await build(kit, "bad");
  assert.is(bad.result, "success");
  assert.ok(bad.logs[0].truncated);
  const { items } = await kit.call("logs.read", { build: bad.id, step: 1, first: -1 });
  assert.is(items[0].channel, "header");
  assert.match(items[0].text, /log is full/);
});

test("bytes that are no UTF-8 are kept as they are and shown as replacement characters", async () => {
  await using kit = await world([shell({ command: ["printf", "a\\377\\376b\\000c\\n"] })]);
  const bad = await build(kit, "bad");
  assert.is(bad.result, "success");
  assert.match(await kit.logText(bad.id, 1), "a\ufffd\ufffdb\u0000c\n");
  await nothingElseIsHarmed(kit);
});

test("a step that never ends is ended when its time is over, with all that it started", async () => {
  const mark = `sleep 98765.${process.pid}`;
  await using kit = await world([
    shell({
      command: `trap '' TERM; setsid ${mark} & (setsid ${mark} >/dev/null 2>&1 &) ; ${mark}`,
      maxTime: "300ms",
      killGrace: 200,
    }),
  ]);
  const bad = await build(kit, "bad");
  assert.is(bad.result, "failure");
  assert.match(bad.steps[0].summary, "took longer than 300 ms");
  assert.equal(running(mark), []);
  await nothingElseIsHarmed(kit);
});

test("children that left with setsid are gone when the step has ended by itself", async () => {
  const mark = `sleep 98764.${process.pid}`;
  await using kit = await world([
    shell({ command: `setsid ${mark} >/dev/null 2>&1 & (setsid ${mark} &) ; echo started` }),
  ]);
  const bad = await build(kit, "bad");
  assert.is(bad.result, "success");
  assert.equal(running(mark), []);
});

test("a command that is silent for too long is ended and says so", async () => {
  await using kit = await world([shell({ command: ["sleep", "1000"], timeout: "200ms" })]);
  const bad = await build(kit, "bad");
  assert.is(bad.result, "failure");
  assert.match(bad.steps[0].summary, /no output|silent|printed nothing/);
});

test("a stopped build ends its command at once", async () => {
  const mark = `sleep 98763.${process.pid}`;
  await using kit = await world([shell({ command: mark })]);
  const { buildset } = await kit.call("schedulers.force", { builders: ["bad"] });
  await until(() => running(mark).length > 0, "the command");
  await kit.call("builds.stop", { builder: "bad", number: 1 });
  assert.is((await kit.buildsetEnd(buildset)).result, "cancelled");
  assert.equal(running(mark), []);
});

test("a worker's helper process that is killed makes the build a retry, and it is built again", async () => {
  const mark = `sleep 98762.${process.pid}`;
  let tries = 0;
  await using kit = await world([
    step({
      run: async (ctx) => {
        tries += 1;
        await ctx.worker.run({ command: tries === 1 ? mark : "true" });
        return { result: "success" };
      },
    }),
  ]);
  const { buildset, requests } = await kit.call("schedulers.force", { builders: ["bad"] });
  await until(() => running(mark).length > 0, "the command");
  for (const pid of children(process.pid).filter((child) => /spawner/.test(cmdline(child))))
    process.kill(pid, "SIGKILL");
  assert.is((await kit.buildsetEnd(buildset)).result, "success");
  const request = await kit.call("requests.get", { request: requests[0].id });
  assert.is(request.builds.length, 2);
  assert.equal(running(mark), []);
  await nothingElseIsHarmed(kit);
});

const root = process.getuid?.() === 0;
if (!root) console.log("SKIPPED: a full disk needs a small tmpfs, which only root may mount");
(root ? test : test.skip)(
  "a disk that is full while a log is written ends that log with a clear error, and nothing else",
  async () => {
    const disk = await mkdtemp(join(tmpdir(), "belfry-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
    try {
      const filler = join(disk, "filler");
      await using kit = await world([shell({ command: "seq 1000000; echo behind" })], {
        logStore: logStore({ store: createFileLogStore({ folder: join(disk, "logs") }) }),
      });
      const bad = await build(kit, "bad");
      assert.is(bad.result, "success", "the command itself did not fail");
      assert.is(bad.logs[0].error.code, "BELFRY_LOG_DISK_FULL");
      assert.ok(bad.logs[0].error.fix.length > 0);
      const { items } = await kit.call("logs.read", { build: bad.id, step: 1, first: 1, count: 3 });
      assert.equal(
        items.map((line: { text: string }) => line.text),
        ["1", "2", "3"],
      );
      await rm(join(disk, "logs"), { recursive: true, force: true });
      await writeFile(filler, "");
      const good = await build(kit, "good");
      assert.is(good.result, "success");
    } finally {
      execFileSync("umount", ["-l", disk]);
      await rm(disk, { recursive: true, force: true });
    }
  },
);

function cmdline(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function running(mark: string): number[] {
  return pids().filter((pid) => cmdline(pid) === mark);
}

function children(parent: number): number[] {
  return pids().filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
    } catch {
      return false;
    }
  });
}

test.run();
