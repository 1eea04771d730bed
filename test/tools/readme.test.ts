import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packages, root } from "./packages.ts";

const readme = suite("the README");
const text = await readFile(join(root, "README.md"), "utf8");

readme("begins with the two commands, and every script that it names exists", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { scripts: object };
  const [first] = text.matchAll(/```sh\n([\s\S]*?)```/g);
  const commands = first?.[1]
    ?.trim()
    .split("\n")
    .map((line) => line.split("#")[0]?.trim());
  assert.equal(commands, ["npm start", "npm test"]);
  const named = [...text.matchAll(/\bnpm (?:run )?(start|test|check|fix|build|coverage|bench|belfry)\b/g)];
  assert.ok(named.length >= 10);
  for (const [, name] of named) assert.ok((name as string) in scripts, name);
  for (const [, name] of text.matchAll(/\bnpm run (\w+)/g)) assert.ok((name as string) in scripts, name);
});

readme("names packages, folders and files that exist", async () => {
  const names = (await packages()).map(({ manifest }) => manifest.name);
  for (const [name] of text.matchAll(/@belfry\/[\w-]+/g)) assert.ok(names.includes(name), name);
  const paths = [...text.matchAll(/`((?:core|plugins|compat|examples|test|\.ci)\/[\w./-]*)`/g)].map(([, path]) => path);
  assert.ok(paths.length >= 5);
  for (const path of paths) assert.ok(existsSync(join(root, path as string)), path);
});

readme("has a configuration that Belfry accepts", async () => {
  const code = /```ts\n([\s\S]*?)```/.exec(text)?.[1] as string;
  assert.match(code, /defineConfig/);
  const folder = await mkdtemp(join(tmpdir(), "belfry-readme-"));
  try {
    await writeFile(join(folder, "belfry.config.ts"), code);
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    const accepted = await check(folder);
    assert.is(accepted.code, 0, accepted.output);
    await writeFile(join(folder, "belfry.config.ts"), code.replace('builders: ["app"]', 'builders: ["nobody"]'));
    const refused = await check(folder);
    assert.is.not(refused.code, 0, "and one that names a builder that is not there is refused");
    assert.match(refused.output, /nobody/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function check(folder: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--conditions=source", join(root, "core/src/cli/run.ts"), "check"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

readme.run();
