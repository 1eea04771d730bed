import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COMMANDS, loadCommands } from "../../core/src/cli/command-table.ts";
import { EXIT } from "../../core/src/cli/exit-code.ts";
import { root } from "../tools/packages.ts";

const test = suite("the unit for systemd");
const file = join(root, "examples/systemd/belfry.service");

async function settings(): Promise<Map<string, string>> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => /^\w+=/.test(line));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

test("calls commands and options that the program has", async () => {
  const unit = await settings();
  for (const key of ["ExecStartPre", "ExecStart", "ExecReload"]) {
    const [program, name = "", ...options] = (unit.get(key) ?? "").split(" ");
    assert.is(program, `${unit.get("WorkingDirectory")}/node_modules/.bin/belfry`, key);
    assert.ok(Object.hasOwn(COMMANDS, name), name);
    const [cli] = await loadCommands([name]);
    const command = new Command(name);
    cli?.define(command);
    for (const option of options)
      assert.ok(
        command.options.some(({ long }) => long === option),
        `${name} ${option}`,
      );
  }
});

test("does not start again what a broken configuration ended", async () => {
  assert.is(Number((await settings()).get("RestartPreventExitStatus")), EXIT.unusable);
});

test("is one that systemd takes, where there is one to ask", async () => {
  let said: string;
  try {
    said = execFileSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const failed = error as { code?: string; stderr?: string };
    if (failed.code === "ENOENT") return console.log("skipped: there is no systemd here");
    said = failed.stderr ?? "";
  }
  assert.not.match(said, /belfry\.service:\d+:/, said);
});

test.run();
