// time limit: 300 s
import { execFileSync } from "node:child_process";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMasterLog } from "../../../core/src/cli/start/master-log.ts";
import { configText, World } from "./program.ts";

const test = suite("belfry doctor, completion and master.log");

const byWhat = (value: any) => Object.fromEntries(value.findings.map((finding: any) => [finding.what, finding]));

test("doctor finds a sound set-up good, before the first start and while the master runs", async () => {
  await using world = await World.make(configText());
  const fresh = await world.json("doctor");
  assert.is(fresh.code, 0, JSON.stringify(fresh.value));
  assert.match(byWhat(fresh.value)["node"].text, process.version);
  assert.match(byWhat(fresh.value)["plugins"].text, /@belfry\/sqlite/);
  const master = await world.start();
  const running = await world.json("doctor");
  assert.is(running.code, 0, JSON.stringify(running.value));
  assert.match(byWhat(running.value)["master"].text, /runs here and is ready/);
  await master.signal("SIGTERM");
  const stopped = await world.run("doctor");
  assert.is(stopped.code, 0, stopped.out);
  assert.match(stopped.out.replace(/ +/g, " "), /good database: sqlite, its clock agrees/);
});

test("doctor says what is wrong, all of it, and ends with 1", async () => {
  await using world = await World.make(configText());
  await world.run("db", "upgrade");
  await chmod(world.path(".belfry"), 0o755);
  const open = byWhat((await world.json("doctor")).value);
  assert.is(open["state folder"].state, "warning");
  await writeFile(world.path(".belfry/belfry.sqlite"), "a letter to my aunt ".repeat(500));
  const damaged = await world.json("doctor");
  assert.is(damaged.code, 1);
  assert.is(byWhat(damaged.value)["database"].state, "bad");
  await world.config("export default {{");
  const broken = await world.json("doctor");
  assert.is(broken.code, 1);
  assert.is(byWhat(broken.value)["configuration"].state, "bad");
  assert.ok(byWhat(broken.value)["disk"], "the rest is looked at all the same");
});

test("completion is a script that the shell takes, and knows commands and their options", async () => {
  await using world = await World.make(configText());
  const { out } = await world.run("completion", "bash");
  const ask = (words: string[]) =>
    execFileSync(
      "bash",
      ["-c", `${out}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _belfry; echo "\${COMPREPLY[@]}"`, "bash", ...words],
      { encoding: "utf8" },
    ).trim();
  assert.is(ask(["belfry", "rel"]), "reload");
  assert.is(ask(["belfry", "--config", "x.ts", "stop", "--aft"]), "--after-builds");
  assert.is(ask(["belfry", "db", "--dry"]), "--dry-run");
  for (const [shell, flag] of [
    ["zsh", "-n"],
    ["fish", "--no-execute"],
  ] as const) {
    const script = await world.run("completion", shell);
    assert.match(script.out, /reload/);
    try {
      execFileSync(shell, [flag], { input: script.out });
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") throw error;
      console.log(`skipped: there is no ${shell} here`);
    }
  }
  assert.is((await world.run("completion", "tcsh")).code, 2);
});

test("master.log is put aside when it is full, and only so many old ones are kept", async () => {
  await using world = await World.make();
  const folder = world.path("state");
  const log = await openMasterLog(folder, "info", () => undefined, { rotation: { bytes: 2_000, kept: 2 } });
  const size = async () => (await stat(log.file).catch(() => undefined))?.size ?? 0;
  for (let round = 0; round < 6; round += 1) {
    for (let i = 0; i < 30; i += 1) log.logger.info({ round, i }, "something to fill it with");
    await until(async () => (await readdir(folder)).includes("master.log.1") && (await size()) < 2_000, "the rotation");
  }
  log.logger.info({}, "the last word");
  await log.close();
  const names = (await readdir(folder)).filter((name) => name.startsWith("master.log")).sort();
  assert.equal(names, ["master.log", "master.log.1", "master.log.2"]);
  const all = (await Promise.all(names.map((name) => readFile(`${folder}/${name}`, "utf8")))).join("");
  for (const line of all.trim().split("\n")) JSON.parse(line);
  assert.match(await readFile(log.file, "utf8"), /the last word/);
});

test.run();
