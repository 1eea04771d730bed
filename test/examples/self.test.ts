// time limit: 400 s
import { execFileSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { World } from "../core/cli/program.ts";

const test = suite("examples/self");
const root = resolve(import.meta.dirname, "../..");

/** A small repository that looks like this one as far as the configuration cares, with a history of its own. */
async function small(world: World): Promise<void> {
  await cp(join(root, "examples/self"), world.path("examples/self"), { recursive: true });
  const manifest = {
    name: "small",
    version: "1.0.0",
    private: true,
    type: "module",
    scripts: { test: "node test.js" },
  };
  const lock = {
    name: "small",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: { "": { name: "small", version: "1.0.0" } },
  };
  const files: Record<string, string> = {
    "package.json": JSON.stringify(manifest),
    "package-lock.json": JSON.stringify(lock),
    "tsconfig.json": '{ "compilerOptions": { "noEmit": true, "types": [] }, "files": ["a.ts"] }',
    "a.ts": "export const a: number = 1;\n",
    "test.js": 'if (!process.argv[2].startsWith("test/core/")) process.exit(9);\n',
    ".gitignore": "node_modules\n.belfry/\n",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(world.path(name), text);
  world.git("init", "--quiet", "--initial-branch=main");
  world.git("add", "--all");
  world.git("commit", "--quiet", "--message", "The beginning");
}

const ARGS = ["--config", "examples/self/belfry.config.ts", "--state", ".belfry"];
const ENV = {
  BELFRY_PORT: "0",
  // As `npm start` leaves them: a build must not take them for its own.
  npm_lifecycle_event: "start",
  npm_config_local_prefix: "/nowhere",
  INIT_CWD: "/nowhere",
  PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`,
};
const once = (world: World) => world.spawn(["start", ...ARGS, "--once"], ENV).end();
const sha = (world: World, ref = "HEAD") => world.git("rev-parse", ref).trim().slice(0, 10);

test("builds the newest commit of its clone, and not a second time", async () => {
  await using world = await World.make();
  await small(world);
  const first = await once(world);
  assert.is(first.code, 0, first.out + first.err);
  assert.match(first.out, new RegExp(`belfry #1 started: main ${sha(world)} \\(The beginning \\(Tester\\)\\)`));
  for (const step of ["git checkout", "npm ci", "type check", "unit tests"])
    assert.match(first.out, new RegExp(`${step}: success`));
  const second = await once(world);
  assert.is(second.code, 0, second.out + second.err);
  assert.match(second.out, /There is nothing new to build; the last buildset ended as success/);

  await world.commit("b.ts", "export {};\n");
  const third = await once(world);
  assert.is(third.code, 0, third.out + third.err);
  assert.match(third.out, /belfry #2 step 2 npm ci: skipped .*: the lockfile is the same/);

  await world.commit("a.ts", 'export const a: number = "one";\n');
  const fourth = await once(world);
  assert.is(fourth.code, 1);
  assert.match(fourth.out, /type check: failure/);
  assert.match(fourth.out, /\| a\.ts\(1,14\): error TS2322/);
});

test("builds what is committed while it runs, on any branch, and no old heads of others", async () => {
  await using world = await World.make();
  await small(world);
  world.git("checkout", "--quiet", "-b", "old");
  execFileSync(
    "git",
    [
      "-c",
      "user.name=T",
      "-c",
      "user.email=t@example.org",
      "commit",
      "--quiet",
      "--allow-empty",
      "-m",
      "old",
      "--date",
      "2020-01-01T00:00:00",
    ],
    { cwd: world.folder },
  );
  world.git("checkout", "--quiet", "main");
  const master = world.spawn(["start", ...ARGS], ENV);
  await master.printed(/belfry #1 success/);
  await master.printed("signs in the administrator, once, within 10 minutes.");
  const next = await world.commit("b.ts", "export {};\n", "On main");
  await master.printed(/belfry #2 success/);
  assert.match(master.out, new RegExp(`belfry #2 started: main ${next.slice(0, 10)}`));
  world.git("checkout", "--quiet", "-b", "topic");
  const topic = await world.commit("c.ts", "export {};\n", "On topic");
  await master.printed(/belfry #3 success/);
  assert.match(master.out, new RegExp(`belfry #3 started: topic ${topic.slice(0, 10)}`));
  assert.is((await master.signal("SIGINT")).code, 0);
  assert.not.match(master.out, /started: old/);

  // Now topic is the branch that is checked out; its commit was built as one of another branch.
  const again = await once(world);
  assert.is(again.code, 0);
  assert.match(again.out, /nothing new to build/);
  world.git("checkout", "--quiet", "old");
  const old = await once(world);
  assert.is(old.code, 0, old.out);
  assert.match(old.out, new RegExp(`belfry #4 started: old ${sha(world)}`));
});

test("builds the commit of a shallow clone without a branch, as CI makes them", async () => {
  await using world = await World.make();
  await small(world);
  await world.commit("b.ts", "export {};\n", "Newest");
  const clone = join(world.folder, "clone");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${world.folder}`, clone]);
  execFileSync("git", ["checkout", "--quiet", "--detach"], { cwd: clone });
  execFileSync("git", ["branch", "--quiet", "-D", "main"], { cwd: clone });
  const { code, out, err } = await world.spawn(["start", ...ARGS, "--once"], ENV, clone).end();
  assert.is(code, 0, out + err);
  assert.match(out, /It builds the commit that is checked out in/);
  assert.match(out, new RegExp(`belfry #1 started: head ${sha(world)} \\(Newest`));
});

test("builds a shallow clone with a branch", async () => {
  await using world = await World.make();
  await small(world);
  await world.commit("b.ts", "export {};\n", "Newest");
  const clone = join(world.folder, "clone");
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${world.folder}`, clone]);
  const { code, out, err } = await world.spawn(["start", ...ARGS, "--once"], ENV, clone).end();
  assert.is(code, 0, out + err);
  assert.match(out, new RegExp(`belfry #1 started: main ${sha(world)}`));
});

test("a branch whose name reads like a pattern is built all the same", async () => {
  await using world = await World.make();
  await small(world);
  world.git("checkout", "--quiet", "-b", "!odd{a,b}|(x)");
  const { code, out, err } = await once(world);
  assert.is(code, 0, out + err);
  assert.match(out, new RegExp(`belfry #1 started: head ${sha(world)}`));
});

test("without git it makes a small sample repository, says so, and builds it", async () => {
  await using world = await World.make();
  await cp(join(root, "examples/self"), world.path("examples/self"), { recursive: true });
  const home = await mkdtemp(join(tmpdir(), "belfry-home-"));
  const env = { ...ENV, HOME: home, GIT_CEILING_DIRECTORIES: tmpdir() };
  const first = await world.spawn(["start", ...ARGS, "--once"], env).end();
  assert.is(first.code, 0, first.out + first.err);
  assert.match(first.out, /This folder is no git clone, so a small sample repository is built: .*\.belfry\/sample/);
  assert.match(first.out, /belfry #1 step 2 test: success/);
  const log = execFileSync("git", ["log", "--oneline"], { cwd: world.path(".belfry/sample"), encoding: "utf8" });
  assert.is(log.trim().split("\n").length, 2);
  const second = await world.spawn(["start", ...ARGS, "--once"], env).end();
  assert.is(second.code, 0);
  assert.match(second.out, /nothing new to build/);
  await rm(home, { recursive: true });
});

test("the configuration of this very clone is good, and what its README names is there", async () => {
  await using world = await World.make();
  const { code, out } = await world
    .spawn(["check", "--config", join(root, "examples/self/belfry.config.ts"), "--state", world.path("state")])
    .end();
  assert.is(code, 0, out);
  const readme = await readFile(join(root, "examples/self/README.md"), "utf8");
  for (const [, file] of readme.matchAll(/^\| `(\S+)`/gm)) await readFile(join(root, "examples/self", file as string));
});

test.run();
