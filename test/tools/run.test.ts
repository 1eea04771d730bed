// time limit: 400 s
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processesNaming } from "./processes.ts";

const runner = suite("npm test");
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

interface Outcome {
  code: number | null;
  output: string;
  lastLine: string;
}

function start(args: string[], env: NodeJS.ProcessEnv = {}): { process: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, ["--conditions=source", here("run.ts"), ...args], {
    env: { ...process.env, CI: "", BELFRY_TEST_SECONDS_TO_END: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output, lastLine: output.trimEnd().split("\n").at(-1) ?? "" }));
  });
  return { process: child, outcome };
}

const run = (fixture: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
  start(["--root", here(`fixtures/${fixture}`), ...args], env).outcome;

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1_600; attempt += 1) {
    if (await holds()) return;
    await sleep(50);
  }
  assert.unreachable(`it never came true that ${what}`);
}

runner("counts the tests of all files, whatever they print, and ends with one line that says so", async () => {
  const { code, output, lastLine } = await run("green");
  assert.is(lastLine, "3 passed, 0 failed, 1 skipped");
  assert.is(code, 0);
  assert.match(output, /^ok +\S*green\/one\.test\.ts +2 passed, 1 skipped/m);
  assert.not.match(output, /the world prints what it likes|100 passed/, "what passing files print is not repeated");
});

runner("skipped tests are named in the last line only if there are any", async () => {
  const { code, lastLine } = await run("green", ["two"]);
  assert.is(lastLine, "1 passed, 0 failed");
  assert.is(code, 0);
});

runner("runs what any of the filters matches", async () => {
  const { lastLine, output } = await run(".", ["green/one", "before-throws"]);
  assert.is(lastLine, "2 passed, 2 failed, 1 skipped");
  assert.not.match(output, /two\.test\.ts/);
});

runner("a failing test fails the run, with the file's output", async () => {
  const { code, output, lastLine } = await run("failing");
  assert.is(lastLine, "2 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /one is not two/);
  assert.match(output, /\+\+2 +\(Expected\)/);
});

runner("errors that uvu itself cannot show are shown, and the other tests run", async () => {
  const { code, output, lastLine } = await run("odd-errors");
  assert.is(lastLine, "1 passed, 2 failed");
  assert.is(code, 1);
  assert.match(output, /the disk is full/);
  assert.match(output, /only text/);
});

runner("a run without any test fails", async () => {
  const none = await run("green", ["no such file"]);
  assert.is(none.lastLine, "0 passed, 0 failed");
  assert.is(none.code, 1);
  assert.match(none.output, /No test file .* matches no such file/);
});

runner("a file that registered no test fails", async () => {
  const { code, output, lastLine } = await run("no-tests");
  assert.is(lastLine, "0 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /It registered no test/);
});

runner("a suite whose `.run()` was forgotten fails, although another one of the file ran", async () => {
  const { code, output, lastLine } = await run("no-run");
  assert.is(lastLine, "1 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /suite "forgotten" was never run/);
});

runner("a `before` that throws fails all tests of its suite, and says what it threw", async () => {
  const { code, output, lastLine } = await run("before-throws");
  assert.is(lastLine, "0 passed, 2 failed");
  assert.is(code, 1);
  assert.match(output, /the world cannot be built/);
});

runner("an `after` that throws fails", async () => {
  const { code, output, lastLine } = await run("after-throws");
  assert.is(lastLine, "0 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /the world cannot be taken down/);
});

runner("a rejected promise that nobody handles fails, during the tests and after them", async () => {
  const { code, output, lastLine } = await run("rejection");
  assert.is(lastLine, "1 passed, 2 failed");
  assert.is(code, 1);
  assert.match(output, /nobody caught: nobody waits for me/);
  assert.match(output, /nobody caught: too late/);
});

runner("a test that hangs is ended at the file's own time limit, with everything it started, and named", async () => {
  const { code, output, lastLine } = await run("hang");
  assert.is(lastLine, "0 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /time limit of 6 s, in or after the test "sleepy › waits for ever"/);
  assert.equal(await processesNaming("71234.5"), []);
});

runner("a process that stays alive after its last test fails, and what holds it is named", async () => {
  const { code, output, lastLine } = await run("kept-alive");
  assert.is(lastLine, "1 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /still open: TCPServerWrap/);
});

runner("a test that leaves a process running fails, and the process is ended", async () => {
  const { code, output, lastLine } = await run("leftover");
  assert.is(lastLine, "1 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /left a process running: sleep 71235\.5/);
  assert.equal(await processesNaming("71235.5"), []);
});

runner("a test that ends the process, even with code 0, fails", async () => {
  const { code, output, lastLine } = await run("exit-early");
  assert.is(lastLine, "0 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /before its tests did, in or after the test "hasty › leaves in the middle"/);
});

runner("`.only` is for the desk: with CI set it fails", async () => {
  const desk = await run("only");
  assert.is(desk.lastLine, "1 passed, 0 failed, 1 skipped");
  assert.is(desk.code, 0);
  const ci = await run("only", [], { CI: "true" });
  assert.is(ci.lastLine, "1 passed, 1 failed, 1 skipped");
  assert.is(ci.code, 1);
});

runner("a file all of whose tests are skipped is no failure beside files that ran", async () => {
  await using folder = await temporary();
  await writeFile(folder.path("a.test.ts"), skipping);
  const alone = await start(["--root", folder.path("")]).outcome;
  assert.is(alone.lastLine, "0 passed, 0 failed, 1 skipped");
  assert.is(alone.code, 1, "a run that showed nothing is not green");
  await writeFile(folder.path("b.test.ts"), passing);
  const together = await start(["--root", folder.path("")]).outcome;
  assert.is(together.lastLine, "1 passed, 0 failed, 1 skipped");
  assert.is(together.code, 0);
});

runner("a file that cannot be loaded fails with the reason, and the others run", async () => {
  await using folder = await temporary();
  await writeFile(folder.path("broken.test.ts"), `import "./not-there.ts";\n`);
  await writeFile(folder.path("fine.test.ts"), passing);
  const { code, output, lastLine } = await start(["--root", folder.path("")]).outcome;
  assert.is(lastLine, "1 passed, 1 failed");
  assert.is(code, 1);
  assert.match(output, /ERR_MODULE_NOT_FOUND/);
});

runner("of an endless output only the end is shown", async () => {
  const { output } = await run("noisy");
  assert.match(output, /bytes before this are left out/);
  assert.match(output, /line 99999/);
  assert.match(output, /the end of the noise/);
  assert.ok(output.length < 200_000, `${output.length} characters`);
});

runner("--json writes the same counts, by file, with the problems of those that failed", async () => {
  await using folder = await temporary();
  const file = folder.path("result.json");
  await run(".", ["--json", file, "green", "no-run"]);
  const result = JSON.parse(await readFile(file, "utf8"));
  assert.equal([result.passed, result.failed, result.skipped], [4, 1, 1]);
  const files = result.files.map((one: { file: string; passed: number }) => [one.file.split("/").at(-1), one.passed]);
  assert.equal(files, [
    ["one.test.ts", 2],
    ["two.test.ts", 1],
    ["no-run.test.ts", 1],
  ]);
  assert.match(result.files[2].problems[0], /never run/);
});

runner("an unknown option is refused before anything runs", async () => {
  const { code, output } = await run("green", ["--jsn", "x"]);
  assert.is(code, 1);
  assert.match(output, /--jsn/);
});

runner("when the runner is interrupted or killed, its test processes end", async () => {
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    await using folder = await temporary();
    await mkdir(folder.path("slow"));
    const file = folder.path("slow/slow.test.ts");
    await writeFile(file, slow);
    // Its process names it from the repository on, so by another path if that is near the folder of temporary files.
    const named = file.slice(tmpdir().length + 1);
    const { process: child, outcome } = start(["--root", folder.path("slow")]);
    await eventually("the test runs", async () => (await processesNaming(named)).length > 0);
    child.kill(signal);
    const { code, lastLine } = await outcome;
    if (signal === "SIGINT") {
      assert.is(code, 130);
      assert.is(lastLine, "0 passed, 1 failed");
    }
    await eventually("no test process is left", async () => (await processesNaming(named)).length === 0);
  }
});

const uvu = import.meta.resolve("uvu");
const passing = `import { test } from "${uvu}";\ntest("passes", () => {});\ntest.run();\n`;
const skipping = `import { test } from "${uvu}";\ntest.skip("is skipped", () => {});\ntest.run();\n`;
const slow = `import { test } from "${uvu}";\ntest("is slow", () => new Promise((done) => setTimeout(done, 100_000)));\ntest.run();\n`;

async function temporary(): Promise<AsyncDisposable & { path(name: string): string }> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-runner-"));
  return {
    path: (name) => join(folder, name),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

runner.run();
