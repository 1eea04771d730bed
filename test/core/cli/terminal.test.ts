// time limit: 300 s
import { spawn, spawnSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { panel } from "../../../core/src/cli/live/build-panel.ts";
import { Screen } from "../../../core/src/cli/live/screen.ts";
import type { Output } from "../../../core/src/cli/output.ts";
import { makePaint } from "../../../core/src/cli/paint.ts";
import { configText, programArgs, Running, World } from "./program.ts";
import { render } from "./terminal.ts";

const test = suite("belfry in a terminal");

const hasScript = spawnSync("script", ["--version"]).status === 0;
const onTerminal = hasScript ? test : test.skip;
if (!hasScript) console.log("There is no `script` program here, so tests that need a terminal are skipped.");

/** Runs the program in a terminal of this size. What it prints is what the terminal gets. */
function inTerminal(
  world: World,
  args: string[],
  size = { columns: 100, rows: 30 },
  env: NodeJS.ProcessEnv = {},
): Running {
  const quoted = [process.execPath, ...programArgs, ...args].map((word) => `'${word}'`).join(" ");
  const line = `stty cols ${size.columns} rows ${size.rows}; echo pid $$; exec ${quoted}`;
  const { NO_COLOR: _, ...outer } = process.env;
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
    cwd: world.folder,
    env: { ...outer, TERM: "xterm-256color", SHELL: "/bin/sh", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return world.adopt(new Running(child));
}

function pidOf(running: Running): number {
  return Number(/pid (\d+)/.exec(running.out)?.[1]);
}

/** What was sent after the program began. */
function sent(running: Running): string {
  return running.out.replace(/^pid \d+\r?\n/, "").replaceAll("\r\n", "\n");
}

/** A terminal's own line ends move to the first column. */
const shown = (running: Running, columns: number) => render(sent(running).replaceAll("\n", "\r\n"), columns);

onTerminal("shows running builds below, and what is over above", async () => {
  await using world = await World.make(configText());
  const master = inTerminal(world, ["start"]);
  await master.printed("Ctrl-C stops it.");
  await world.run("force", "good", "--wait");
  await world.run("force", "slow");
  await master.printed(/▸ 1 sleep/);
  await writeFile(world.path("go"), "");
  await master.printed(/slow #1 .*success/);
  await world.run("force", "bad", "--wait");
  await master.printed("line 30");
  process.kill(pidOf(master), "SIGINT");
  const { code } = await master.end();
  assert.is(code, 0);
  const lines = shown(master, 100);
  const text = lines.join("\n");
  assert.match(text, /^Belfry has started/);
  assert.match(text, /\d\d:\d\d:\d\d good #1 success in [\d.]+ m?s\n/);
  assert.match(
    text,
    /bad #1 failure in .*: broken: exit code 3\n {2}step 2 broken, log stdio, its last 20 of 32 lines:\n {2}\| line 12\n/,
  );
  assert.match(text, /The master has stopped\.\n?$/);
  // What was drawn below is gone at the end.
  assert.not.match(text, /▸|build runs|nothing is built/);
  assert.match(sent(master), /\u001b\[32msuccess/);
});

onTerminal("shows how far a build is by how long it usually takes, from the second one on", async () => {
  await using world = await World.make(configText());
  const master = inTerminal(world, ["start"]);
  await master.printed("Ctrl-C stops it.");
  await writeFile(world.path("go"), "");
  await world.run("force", "slow", "--wait");
  assert.not.match(master.out, /usual|left/);
  await rm(world.path("go"));
  await world.run("force", "slow");
  await master.printed(/\d+ %, \d:\d\d left|longer than usual/);
  await master.printed("longer than usual");
  process.kill(pidOf(master), "SIGINT");
  await master.end();
});

onTerminal("no colours where somebody objects", async () => {
  await using world = await World.make(configText());
  const master = inTerminal(world, ["start"], undefined, { NO_COLOR: "1" });
  await master.printed("Ctrl-C stops it.");
  await world.run("force", "good", "--wait");
  await master.printed("success");
  process.kill(pidOf(master), "SIGINT");
  await master.end();
  assert.not.match(master.out, /\u001b\[[0-9;]*m/);
});

onTerminal("--plain prints plain lines in a terminal", async () => {
  await using world = await World.make(configText());
  const master = inTerminal(world, ["start", "--plain"]);
  await master.printed("Ctrl-C stops it.");
  await world.run("force", "good", "--wait");
  await master.printed(/step 1 hello: /);
  process.kill(pidOf(master), "SIGINT");
  await master.end();
  assert.not.match(master.out, /\u001b\[[0-9?]*[AJKhl]/);
});

onTerminal("watch shows the same from another process", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const watching = inTerminal(world, ["watch"]);
  await watching.printed("nothing is built now");
  await world.run("force", "slow");
  await watching.printed(/slow #1/);
  await watching.printed(/▸ 1 sleep/);
  process.kill(pidOf(watching), "SIGINT");
  assert.is((await watching.end()).code, 0);
  await master.signal("SIGINT");
});

const EVIL = "e\\u001b[2Jvil\\u001b]0;owned\\u0007\\u009b31m\\u202e";

onTerminal("hostile names, branches, reasons and log lines do nothing to a terminal", async () => {
  await using world = await World.make(
    configText({
      head: `import { definePlugin, defineStep, z } from "belfry";
        const evil = defineStep({ kind: "evil", options: z.object({}), create: () => ({ name: "evil step", run: async (ctx) => {
          ctx.progress("${EVIL}");
          return { result: "warnings", summary: "${EVIL} summary" };
        } }) });
        definePlugin({ name: "evil", parts: [evil] });`,
      builders: `{ name: "target", workers: ["here"], steps: [
        evil(),
        shell({ name: "broken", command: ["printf", "red \\u001b[31mred\\u001b[0m ${EVIL} bytes \\\\377\\\\376\\nand\\rover\\n"], decodeRc: { 0: "failure" } })] }`,
      schedulers: 'force({ name: "force", builders: ["target"] })',
    }),
  );
  const master = inTerminal(world, ["start"]);
  await master.printed("Ctrl-C stops it.");
  const evil = JSON.parse(`"${EVIL}"`) as string;
  const forced = await world.run("force", "--wait", "--branch", evil, "--revision", evil, "--reason", `${evil} reason`);
  assert.is(forced.code, 1);
  await master.printed("over");
  process.kill(pidOf(master), "SIGINT");
  await master.end();
  // `render` throws for anything but what Belfry draws with.
  const text = shown(master, 100).join("\n");
  assert.match(text, /target #1 started: .*reason/);
  assert.match(text, /target #1 failure in .*evil step: .* summary/);
  assert.match(text, /\| red red evil/);
  assert.match(text, /\| and over/);
  assert.match(sent(master), /red \u001b\[31mred\u001b\[0m e/);
  const plain = await world.start();
  for (const args of [
    ["builds"],
    ["log", "target"],
    ["log", "target", "-f"],
    ["plugins"],
    ["builders"],
    ["why", "1"],
  ]) {
    const { out } = await world.run(...args);
    assert.not.match(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/, args.join(" "));
  }
  assert.match((await world.run("log", "target", "1", "2", "--raw")).out, /\u001b\[2Jvil\u001b\]0;owned\u0007/);
  const onScreen = inTerminal(world, ["log", "target", "1", "2"]);
  await onScreen.end();
  assert.match(render(sent(onScreen).replaceAll("\n", "\r\n"), 100).join("\n"), /red red evil/);
  await plain.signal("SIGINT");
});

class Sent {
  text = "";
  write(text: string): void {
    this.text += text;
  }
}

test("a screen draws over what it drew, and lets lines leave it upwards", () => {
  const out = new Sent();
  const screen = new Screen(out as unknown as Output, () => ({ columns: 20, rows: 10 }));
  screen.draw([], ["one", "two", "three"]);
  screen.draw(["over"], ["four"]);
  screen.draw(["and out"], ["five", "six"]);
  assert.equal(render(out.text.replaceAll("\n", "\r\n"), 20), ["over", "and out", "five", "six", ""]);
});

test("a screen never draws more than the terminal can show, nor wider", () => {
  const out = new Sent();
  const screen = new Screen(out as unknown as Output, () => ({ columns: 10, rows: 4 }));
  screen.draw([], ["1 very long line", "2", "3", "4", "5"]);
  screen.draw([], ["日本語日本語", "b"]);
  assert.equal(render(out.text.replaceAll("\n", "\r\n"), 10).slice(-3), ["日本語日…", "b", ""]);
});

test("a terminal that became narrower leaves nothing behind", () => {
  const out = new Sent();
  let columns = 40;
  const screen = new Screen(out as unknown as Output, () => ({ columns, rows: 20 }));
  screen.draw([], ["x".repeat(39), "y".repeat(30)]);
  // The terminal wraps what is there: five lines of 16 columns instead of two.
  const wrapped = ["x".repeat(16), "x".repeat(16), "x".repeat(7), "y".repeat(16), "y".repeat(14), ""].join("\r\n");
  columns = 16;
  const before = out.text.length;
  screen.draw([], ["new"]);
  assert.equal(render(wrapped + out.text.slice(before).replaceAll("\n", "\r\n"), 16), ["new", ""]);
});

test("the panel fits the rows there are, with many builds and many steps", () => {
  const steps = Array.from({ length: 30 }, (_, i) => ({
    step: i + 1,
    name: `step ${i + 1}`,
    startedAt: 0,
    finishedAt: i < 29 ? 1_000 : null,
    result: i < 29 ? ("success" as const) : null,
    summary: "",
  }));
  const build = {
    id: 1,
    number: 1,
    builder: "b",
    worker: "w",
    startedAt: 0,
    reason: "why",
    branch: "main",
    revision: null,
    result: "success" as const,
    stopping: false,
    stepCount: 30,
    usualMillis: 120_000,
    steps,
  };
  const status = {
    title: "",
    master: "",
    version: "",
    startedAt: 0,
    now: 0,
    pending: 2,
    loops: [],
    workers: [{ name: "gone", connected: false, slots: 1, busy: 0 }],
  };
  const paint = makePaint(false);
  const one = panel({ ...status, builds: [build] }, { paint, now: 30_000, rows: 24 });
  assert.match(one[0] ?? "", /^b #1 {2}main {2}0:30 {2}\[█{5}░{15}\] 25 %, 1:30 left {2}why$/);
  assert.match(one.at(-2) ?? "", /▸ 30 step 30 +0:30/);
  assert.is(one.at(-1), "1 build runs, 2 requests wait, away: gone");
  const many = panel({ ...status, builds: Array.from({ length: 8 }, () => build) }, { paint, now: 300_000, rows: 24 });
  assert.ok(many.length <= 24, String(many.length));
  assert.match(many[0] ?? "", /3:00 longer than usual/);
});

test("a build without an estimate tells its step instead", () => {
  const build = {
    id: 1,
    number: 1,
    builder: "b",
    worker: "w",
    startedAt: null,
    reason: "",
    branch: null,
    revision: null,
    result: "success" as const,
    stopping: true,
    stepCount: 3,
    usualMillis: null,
    steps: [],
  };
  const status = { title: "", master: "", version: "", startedAt: 0, now: 0, pending: 0, loops: [], workers: [] };
  assert.is(
    panel({ ...status, builds: [build] }, { paint: makePaint(false), now: 5, rows: 24 })[0],
    "b #1  0:00  step 0 of 3  stopping",
  );
  assert.equal(panel({ ...status, builds: [] }, { paint: makePaint(false), now: 5, rows: 24 }), [
    "nothing is built now",
  ]);
});

test.run();
