import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COMMANDS } from "../../../core/src/cli/command-table.ts";
import { EXIT } from "../../../core/src/cli/exit-code.ts";

const test = suite("core's README on the program");
const readme = await readFile(join(resolve(import.meta.dirname, "../../.."), "core/README.md"), "utf8");
const part = (heading: string) => readme.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";

test("has every exit code, and no other", () => {
  const codes = [...part("Exit codes").matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.equal(
    codes.toSorted((a, b) => a - b),
    Object.values(EXIT).toSorted((a, b) => a - b),
  );
});

test("has every command, and no other", () => {
  const rows =
    part("The program")
      .match(/^\| .*$/gm)
      ?.join("\n") ?? "";
  const names = new Set([...rows.matchAll(/`belfry ([\w-]+)/g)].map(([, name]) => name));
  assert.equal([...names].sort(), Object.keys(COMMANDS).sort());
});

test.run();
