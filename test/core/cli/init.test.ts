// time limit: 300 s
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { World } from "./program.ts";

const test = suite("belfry init");
const root = resolve(import.meta.dirname, "../../..");

/** An empty folder. What it needs to find the packages is above it. */
async function empty(world: World, name = "project"): Promise<string> {
  await mkdir(world.path(name));
  return world.path(name);
}

const at = (world: World, folder: string, ...args: string[]) => world.spawn(args, {}, folder).end();

function typeCheck(folder: string): string {
  const options = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--customConditions",
    "source",
    "--rewriteRelativeImportExtensions",
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules/@types"),
  ];
  try {
    return execFileSync(
      process.execPath,
      [join(root, "node_modules/typescript/bin/tsc"), ...options, join(folder, "belfry.config.ts")],
      { encoding: "utf8" },
    );
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test("writes a configuration and a package.json that check, type-check and run", async () => {
  await using world = await World.make();
  const folder = await empty(world);
  const { code, out } = await at(world, folder, "init");
  assert.is(code, 0);
  assert.match(out, /Written: .*belfry\.config\.ts\nWritten: .*package\.json\nThere is no git repository here/);
  assert.match(out, /npm install\n {2}npx belfry start\n$/);
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const { version } = JSON.parse(await readFile(join(root, "core/package.json"), "utf8"));
  assert.is(manifest.name, "project-belfry");
  assert.is(manifest.type, "module");
  assert.is(manifest.scripts.start, "belfry start");
  assert.is(manifest.engines.node, ">=22.18");
  const config = await readFile(join(folder, "belfry.config.ts"), "utf8");
  const imported = [...config.matchAll(/from "([^"]+)"/g)].map(([, name]) => name as string);
  for (const name of imported) assert.is(manifest.dependencies[name], version, name);
  assert.is((await at(world, folder, "check")).code, 0);
  assert.is(typeCheck(folder), "");

  await writeFile(join(folder, "belfry.config.ts"), config.replace("port: 8010", "port: 0"));
  const master = world.spawn(["start"], {}, folder);
  await master.printed("Ctrl-C stops it.");
  const said = master.out.replace(/\u001b\[[0-9;]*m/g, "");
  const page = await (await fetch(/http:\S+\/(?= has the pages)/.exec(said)?.[0] ?? "")).text();
  assert.match(page, "<title>Now · My builds</title>");
  assert.match(said, /\/login\/link\?key=\S+ signs in the administrator/);
  const forced = await at(world, folder, "force", "--wait");
  assert.is(forced.code, 0, forced.out + forced.err);
  assert.match((await at(world, folder, "log", "build")).out, /Hello from \w+, in \//);
  assert.is((await master.signal("SIGINT")).code, 0);
});

test("in a git repository the configuration builds its branch", async () => {
  await using world = await World.make();
  const folder = await empty(world);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
      cwd: folder,
      encoding: "utf8",
    });
  git("init", "--quiet", "--initial-branch=trunk");
  git("commit", "--quiet", "--allow-empty", "-m", "first");
  const { code, out } = await at(world, folder, "init");
  assert.is(code, 0);
  assert.not.match(out, /no git repository/);
  assert.is(typeCheck(folder), "");
  const config = await readFile(join(folder, "belfry.config.ts"), "utf8");
  assert.match(config, /gitPoller\(\{ repository: "\.", branches: \["trunk"\]/);
  await writeFile(join(folder, "belfry.config.ts"), config.replace("port: 8010", "port: 0"));
  const built = await at(world, folder, "start", "--once");
  assert.is(built.code, 0, built.out + built.err);
  assert.match(built.out, /build #1 step 1 git checkout: success/);
});

test("in a folder within a repository, the repository above is meant", async () => {
  await using world = await World.make();
  await world.commit("file", "");
  const { code } = await at(world, world.folder, "init", "ci/deep");
  assert.is(code, 0);
  assert.match(
    await readFile(world.path("ci/deep/belfry.config.ts"), "utf8"),
    /repository: "\.\.\/\.\.", branches: \["main"\]/,
  );
  assert.is((await at(world, world.path("ci/deep"), "check")).code, 0);
});

test("a clone without a branch is watched as a whole", async () => {
  await using world = await World.make();
  await world.commit("file", "");
  world.git("checkout", "--quiet", "--detach");
  await rm(world.path("package.json"));
  assert.is((await world.run("init")).code, 0);
  assert.match(await readFile(world.path("belfry.config.ts"), "utf8"), /branches: \["\*\*"\]/);
  assert.is((await world.run("check")).code, 0);
});

test("a configuration that is there is kept, whatever its ending, with 1", async () => {
  for (const name of ["belfry.config.ts", "belfry.config.mts", "belfry.config.js", "belfry.config.mjs"]) {
    await using world = await World.make();
    const folder = await empty(world);
    await writeFile(join(folder, name), "export default {};\n");
    const { code, out } = await at(world, folder, "init");
    assert.is(code, 1, name);
    assert.match(out, /There is a configuration already: .*\nNothing was written\.\n/);
    assert.is(await readFile(join(folder, name), "utf8"), "export default {};\n");
    assert.not(existsSync(join(folder, "package.json")));
  }
});

test("a package.json that is there is kept, and what it lacks is said", async () => {
  await using world = await World.make();
  const folder = await empty(world);
  const manifest = '{"dependencies":{"belfry":"1.0.0"}}';
  await writeFile(join(folder, "package.json"), manifest);
  const { code, out } = await at(world, folder, "init");
  assert.is(code, 0);
  assert.is(await readFile(join(folder, "package.json"), "utf8"), manifest);
  assert.match(out, /Kept as it is: .*package\.json/);
  assert.match(out, /npm install @belfry\/auth@\S+ @belfry\/git@\S+ @belfry\/http@/);
  assert.not.match(out, /install.* belfry@/);
  assert.match(out, /add "type": "module" to package\.json/);
  assert.is((await at(world, folder, "check")).code, 0);
});

test("in a package of CommonJS the configuration is still a module", async () => {
  await using world = await World.make();
  const folder = await empty(world);
  await writeFile(join(folder, "package.json"), '{"type":"commonjs"}');
  assert.is((await at(world, folder, "init")).code, 0);
  assert.ok(existsSync(join(folder, "belfry.config.mts")));
  assert.is((await at(world, folder, "check")).code, 0);
});

test("a folder's odd name makes a good package name", async () => {
  await using world = await World.make();
  const { code } = await world.run("init", 'Größe "x" \u0007 & Co.');
  assert.is(code, 0);
  const manifest = JSON.parse(await readFile(world.path('Größe "x" \u0007 & Co./package.json'), "utf8"));
  assert.match(manifest.name, /^[a-z0-9][a-z0-9-]*-belfry$/);
});

test("a folder that cannot be written to is refused with 4", async () => {
  await using world = await World.make();
  await writeFile(world.path("file"), "");
  const { code, err } = await world.run("init", "file/inside");
  assert.is(code, 4);
  assert.match(err, /Nothing can be written to .*ENOTDIR/s);
});

test("--json says what was written and what was kept", async () => {
  await using world = await World.make();
  const { code, value } = await world.json("init");
  assert.is(code, 0);
  assert.equal(value.written, [world.path("belfry.config.ts")]);
  assert.equal(value.kept, [world.path("package.json")]);
  assert.ok(value.missing.includes("@belfry/sqlite"));
  assert.is((await world.json("init")).code, 1);
});

test.run();
