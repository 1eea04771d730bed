// time limit: 480 s
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packages } from "../tools/packages.ts";
import { type Ended, install, type Packed, packAll, run, strangersEnv } from "./installed.ts";

const test = suite("packages, installed from their tarballs outside the repository");
const root = fileURLToPath(new URL("../../", import.meta.url));
const SIZE_LIMIT = "belfry-plugin-size-limit";

// Packing and installing take long, so the tests share what they only read; each works in a copy of its own.
const home = await mkdtemp(join(tmpdir(), "belfry-stranger-"));
let shared: Promise<Packed> | undefined;

function packed(): Promise<Packed> {
  shared ??= packAll();
  return shared;
}

let installed: Promise<string> | undefined;

/** A folder in which everything but the custom step is installed. */
function installation(): Promise<string> {
  installed ??= (async () => {
    const folder = join(home, "installed");
    const tarballs = [...(await packed()).tarballs].filter(([name]) => name !== SIZE_LIMIT);
    await install(
      folder,
      tarballs.map(([, file]) => file),
    );
    return folder;
  })();
  return installed;
}

test.after(async () => {
  await (await shared?.catch(() => undefined))?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true, maxRetries: 3 });
});

interface Stranger extends AsyncDisposable {
  readonly folder: string;
  npx(...args: string[]): Promise<Ended>;
  git(...args: string[]): Promise<void>;
  /** Replaces text in a file; fails if it is not there. */
  edit(file: string, ...changes: [from: string, to: string][]): Promise<void>;
}

/** A folder of somebody's own, with the packages in its node_modules. */
async function stranger(): Promise<Stranger> {
  const from = await installation();
  const folder = await mkdtemp(join(home, "app-"));
  await copy(join(from, "node_modules"), folder);
  return {
    folder,
    npx: (...args) => run("npx", ["--no-install", ...args], { cwd: folder }),
    async git(...args) {
      const identity = ["-c", "user.name=stranger", "-c", "user.email=stranger@example.org"];
      const { code, all } = await run("git", [...identity, ...args], { cwd: folder });
      assert.is(code, 0, all);
    },
    async edit(file, ...changes) {
      let text = await readFile(join(folder, file), "utf8");
      for (const [from, to] of changes) {
        assert.ok(text.includes(from), `${file} has no ${from}`);
        text = text.replace(from, to);
      }
      await writeFile(join(folder, file), text);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Copies a folder that nobody writes into, as links where the system can. */
async function copy(from: string, to: string): Promise<void> {
  for (const flags of ["-al", "-R"]) {
    const { code } = await run("cp", [flags, from, to], { cwd: home });
    if (code === 0) return;
  }
  throw new Error(`${from} cannot be copied.`);
}

/** What `belfry init` writes in a git repository, committed, with its server at any free port. */
async function repository(): Promise<Stranger> {
  const somebody = await stranger();
  await somebody.git("init", "-q", "-b", "main");
  const { code, all } = await somebody.npx("belfry", "init");
  assert.is(code, 0, all);
  await somebody.edit("belfry.config.ts", ["port: 8010", "port: 0"]);
  await somebody.git("add", "belfry.config.ts", "package.json");
  await somebody.git("commit", "-q", "-m", "first");
  return somebody;
}

/** A master in the background, once it has said where it answers. */
async function master(folder: string): Promise<AsyncDisposable & { url: string; gone: Promise<number | null> }> {
  const child: ChildProcess = spawn("npx", ["--no-install", "belfry", "start", "--plain"], {
    cwd: folder,
    env: strangersEnv(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const gone = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const kill = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const look = (text: Buffer) => {
      said += text;
      const found = /http:\/\/127\.0\.0\.1:\d+(?=\/rpc)/.exec(said)?.[0];
      if (found) resolve(found);
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    setTimeout(() => reject(new Error(`The master did not start:\n${said}`)), 60_000).unref();
    void gone.then((code) => reject(new Error(`The master ended with ${code}:\n${said}`)));
  }).catch((error: unknown) => {
    kill();
    throw error;
  });
  return {
    url,
    gone,
    async [Symbol.asyncDispose]() {
      kill();
      await gone;
    },
  };
}

test("a tarball has what its exports name, a README and the license, and nothing that is only ours", async () => {
  const { files } = await packed();
  const faults: string[] = [];
  for (const { folder, manifest } of await packages()) {
    const inside = files.get(manifest.name);
    assert.ok(inside, `${manifest.name} was not packed`);
    const fault = (text: string) => faults.push(`${manifest.name}: ${text}`);
    const bin = (manifest as { bin?: Record<string, string> }).bin ?? {};
    const named = [...Object.values(manifest.exports ?? {}).flatMap(targetsOf), ...Object.values(bin)];
    assert.ok(named.length >= 4);
    for (const target of named) if (!inside.includes(target.replace("./", ""))) fault(`${target} is missing`);
    for (const file of ["README.md", "LICENSE", "package.json"]) if (!inside.includes(file)) fault(`no ${file}`);
    for (const file of inside) if (!belongs(file)) fault(`${file} has no business in it`);
    for (const file of inside.filter((name) => /^dist\/.*\.js$/.test(name))) {
      const sources = [".ts", ".js"].map((ending) => file.replace(/^dist\/(.*)\.js$/, `src/$1${ending}`));
      if (!sources.some((source) => inside.includes(source))) fault(`${file} has no source any more`);
    }
    for (const file of inside) {
      const text = await readFile(join(root, folder, file), "utf8");
      if (text.includes(root)) fault(`${file} names the folder it was made in`);
      const imported = /^dist\/.*\.js$/.test(file) ? ts.preProcessFile(text, true, true).importedFiles : [];
      for (const { fileName } of imported) if (/\/src\/|\.ts$/.test(fileName)) fault(`${file} imports ${fileName}`);
    }
  }
  assert.equal(faults, []);
});

/** Every file that a value of `exports` names. */
function targetsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Object.values((value ?? {}) as object).flatMap(targetsOf);
}

/** Whether a file may be in a tarball: compiled, a source, or for people; no test, no note of the compiler. */
function belongs(file: string): boolean {
  if (/\.(test|bench|spec)\.|(^|\/)(test|tests|fixtures|node_modules)\//.test(file)) return false;
  if (/^(README\.md|API\.md|LICENSE|package\.json|bin\/\w+\.js)$/.test(file)) return true;
  if (/^assets\/[\w.-]+\.(css|js|svg)$/.test(file)) return true;
  return /^dist\/.*(\.d\.ts|\.js|\.js\.map)$|^src\/.*\.(ts|js)$/.test(file);
}

test("what is installed fits together: no missing or invalid dependency, and one copy of belfry", async () => {
  await using somebody = await stranger();
  const { stdout } = await run("npm", ["ls", "--all", "--json"], { cwd: somebody.folder });
  const { problems = [] } = JSON.parse(stdout) as { problems?: string[] };
  assert.equal(
    problems.filter((problem) => !problem.startsWith("extraneous:")),
    [],
  );
  const found = await readdir(join(somebody.folder, "node_modules"), { recursive: true });
  assert.equal(found.filter((path) => /(^|node_modules\/)(belfry|tsyringe|zod)\/package\.json$/.test(path)).sort(), [
    "belfry/package.json",
    "tsyringe/package.json",
    "zod/package.json",
  ]);
});

test("init writes a configuration and a package.json in an empty folder, and check finds both good", async () => {
  await using somebody = await stranger();
  const init = await somebody.npx("belfry", "init");
  assert.is(init.code, 0, init.all);
  assert.match(init.stdout, /belfry\.config\.ts\n.*package\.json\n/);
  const manifest = JSON.parse(await readFile(join(somebody.folder, "package.json"), "utf8"));
  const { version } = JSON.parse(await readFile(join(root, "core/package.json"), "utf8"));
  assert.is(manifest.type, "module");
  for (const [name, wanted] of Object.entries(manifest.dependencies)) {
    assert.is(wanted, version, name);
    assert.ok(existsSync(join(somebody.folder, "node_modules", name)), `${name} is one of ours`);
  }
  const check = await somebody.npx("belfry", "check");
  assert.is(check.code, 0, check.all);
  assert.match(check.stdout, /The configuration is good/);
  const again = await somebody.npx("belfry", "init");
  assert.is(again.code, 1, "a second init keeps what is there");
});

test("check names every fault of a configuration with its path, and exits with 1", async () => {
  await using somebody = await stranger();
  await somebody.npx("belfry", "init");
  await somebody.edit("belfry.config.ts", ["slots: 2", "slots: 0"], ['workers: ["here"]', 'workers: ["there"]']);
  const { code, all } = await somebody.npx("belfry", "check");
  assert.is(code, 1, all);
  assert.match(all, /workers\[0\]\.options\.slots/);
  assert.match(all, /builders\[0\]\.workers\[0\]: there is no worker named "there"/);
});

test("the types of every package hold in somebody else's strict program, without conditions of ours", async () => {
  await using somebody = await repository();
  await install(somebody.folder, (await packed()).tarballs.values());
  const names = [...(await packed()).tarballs.keys()];
  const uses = names.map((name, i) => `import * as p${i} from "${name}";\n`).join("");
  const typed = `
import { anyBranch } from "@belfry/schedulers";
import { sizeLimit } from "belfry-plugin-size-limit";
sizeLimit({ file: "a", maxBytes: 1, haltOnFailure: true });
// @ts-expect-error: an option that is not there
sizeLimit({ file: "a", maxBites: 1 });
// @ts-expect-error: a required option is missing
anyBranch({ name: "x" });
`;
  const used = `export const all = [${names.map((_, i) => `p${i}`).join(", ")}];\n`;
  await writeFile(join(somebody.folder, "all.ts"), uses + typed + used);
  const options = { target: "es2024", module: "nodenext", strict: true, noEmit: true, skipLibCheck: false };
  await writeFile(
    join(somebody.folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, files: ["belfry.config.ts", "all.ts"] }),
  );
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { code, all: said } = await run(process.execPath, [compiler, "-p", "."], { cwd: somebody.folder });
  assert.is(code, 0, said);
});

test("a commit is built, a step of another package joins with two lines, and the master answers", async () => {
  await using somebody = await repository();
  // Types are stripped from no file below node_modules, so nothing may need the sources that are packed beside.
  for (const name of [
    "belfry",
    ...(await readdir(join(somebody.folder, "node_modules/@belfry"))).map((p) => `@belfry/${p}`),
  ])
    await rm(join(somebody.folder, "node_modules", name, "src"), { recursive: true });

  const first = await somebody.npx("belfry", "start", "--once", "--plain");
  assert.is(first.code, 0, first.all);
  assert.match(first.stdout, /build #1 .*\bsuccess\b/);
  assert.match(first.stdout, /git checkout: success/);

  // All of them are named, since the registry has none that npm could compare with.
  await install(somebody.folder, (await packed()).tarballs.values());
  await somebody.edit(
    "belfry.config.ts",
    [
      'import { sqlite } from "@belfry/sqlite";',
      `import { sqlite } from "@belfry/sqlite";\nimport { sizeLimit } from "${SIZE_LIMIT}";`,
    ],
    ["        shell({ name", '        sizeLimit({ file: "package.json", maxBytes: 100_000 }),\n        shell({ name'],
  );
  await somebody.git("commit", "-q", "-a", "-m", "second");
  const second = await somebody.npx("belfry", "start", "--once", "--plain");
  assert.is(second.code, 0, second.all);
  assert.match(second.stdout, /size limit: success .*package\.json fits/);

  await using running = await master(somebody.folder);
  const builds = await somebody.npx("belfry", "builds", "--json");
  assert.is(builds.code, 0, builds.all);
  const { items } = JSON.parse(builds.stdout) as { items: { number: number; result: string }[] };
  assert.equal(
    items.map(({ number, result }) => [number, result]),
    [
      [2, "success"],
      [1, "success"],
    ],
  );
  const log = await somebody.npx("belfry", "log", "2", "size limit");
  assert.is(log.code, 0, log.all);
  assert.match(log.stdout, /package\.json: \d+ of 100000 bytes/);

  const rpc = async (method: string, params: object = {}) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method, params });
    const answer = await fetch(`${running.url}/rpc`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    return (await answer.json()) as { id: number; result?: { items: unknown[] }; error?: { data: { code: string } } };
  };
  const steps = await rpc("builds.steps", { builder: "build", number: 2 });
  assert.is(steps.id, 7);
  assert.ok(JSON.stringify(steps.result).includes("package.json fits"), JSON.stringify(steps));
  assert.is((await rpc("schedulers.force", { scheduler: "schedulers.force" })).error?.data.code, "BELFRY_FORBIDDEN");
  const plugins = await rpc("plugins.list");
  assert.ok(JSON.stringify(plugins.result).includes(`"${SIZE_LIMIT}"`), JSON.stringify(plugins));

  const stop = await somebody.npx("belfry", "stop");
  assert.is(stop.code, 0, stop.all);
  assert.is(await running.gone, 0);
  assert.is((await somebody.npx("belfry", "builds")).code, 3, "and then there is no master to ask");
});

test("a build that fails makes `start --once` exit with 1 and shows the end of its log", async () => {
  await using somebody = await repository();
  await somebody.edit("belfry.config.ts", ['"echo Hello', '"echo it is broken >&2; exit 3; echo Hello']);
  await somebody.git("commit", "-q", "-a", "-m", "break it");
  const { code, all } = await somebody.npx("belfry", "start", "--once", "--plain");
  assert.is(code, 1, all);
  assert.match(all, /hello: failure/);
  assert.match(all, /it is broken/);
});

/** A Node that is too old for Belfry, if this machine has one. */
const oldNode = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "node"))
  .filter((file) => existsSync(file))
  .find((file) => {
    const [major = 0, minor = 0] = execFileSync(file, ["-p", "process.versions.node"], { encoding: "utf8" })
      .split(".")
      .map(Number);
    return major < 22 || (major === 22 && minor < 18);
  });

(oldNode ? test : test.skip)("on a Node that is too old, the program says which one it needs", async () => {
  const bin = join(await installation(), "node_modules/belfry/bin/belfry.js");
  const { code, stdout, stderr } = await run(oldNode as string, [bin, "start"], { cwd: home });
  assert.is(code, 5);
  assert.is(stdout, "");
  assert.match(stderr, /Belfry needs Node 22\.18 or newer/);
  assert.match(stderr, /This is Node \d+\.\d+\.\d+/);
  assert.match(stderr, /Install a newer Node/);
});

if (!oldNode) console.log("No Node older than 22.18 on this machine: what the program says to it is not tried.");

test.run();
