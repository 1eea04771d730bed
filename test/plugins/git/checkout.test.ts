import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gitCheckout } from "@belfry/git";
import { interpolate, type StepResult, secret } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closedPort, fakeSsh, gitDaemon, httpServer, processesWith, silentServer } from "./servers.ts";
import { create, git, makeStep, makeWorld, rejects, stamp, type World } from "./world.ts";

const test = suite("git checkout");

type Extra = {
  stamps?: ReturnType<typeof stamp>[];
  stamp?: Record<string, unknown>;
  signal?: AbortSignal;
  folder?: string;
};

/** One build after the other in the same folder, as builds of one builder are. */
function makeBuilder(world: World, options: Record<string, unknown> = {}) {
  const step = create(gitCheckout, options, world.folder);
  const folder = world.path("build");
  return {
    folder,
    async build(extra: Extra = {}) {
      const sourceStamps = extra.stamps ?? [stamp(world.path("repo"), extra.stamp)];
      const kit = await makeStep(
        extra.folder ?? folder,
        { sourceStamps },
        extra.signal ? { signal: extra.signal } : {},
      );
      const run = async (): Promise<StepResult> => step.run(kit.ctx);
      return { ...kit, run };
    },
    async run(extra: Extra = {}) {
      const kit = await this.build(extra);
      return { ...kit, result: await kit.run() };
    },
    read: (name: string) => readFile(join(folder, name), "utf8"),
    names: async () => (await readdir(folder)).filter((name) => name !== ".git").sort(),
  };
}

test("a build gets the newest commit of the branch, and says which", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const head = await repo.commit("two", { a: "2", "dir/b": "b" });
  const builder = makeBuilder(world);
  const { result, properties } = await builder.run();
  assert.equal(result, { result: "success", summary: `${head.slice(0, 7)} on main` });
  assert.equal([properties.get("gotRevision"), properties.get("branch")], [head, "main"]);
  assert.equal(await builder.names(), ["a", "dir"]);
  assert.is(await builder.read("a"), "2");
});

test("a revision of the source stamp is what is built, whatever came after it", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const first = await repo.commit("one", { a: "1" });
  await repo.commit("two", { a: "2" });
  const builder = makeBuilder(world);
  const { properties } = await builder.run({ stamp: { revision: first } });
  assert.is(properties.get("gotRevision"), first);
  assert.is(await builder.read("a"), "1");
});

test("incremental resets what git tracks and keeps the rest", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1", gone: "x", ".gitignore": "node_modules\n" });
  const builder = makeBuilder(world);
  await builder.run();
  await mkdir(join(builder.folder, "node_modules"));
  await writeFile(join(builder.folder, "node_modules/x"), "x");
  await writeFile(join(builder.folder, "a"), "changed by the build");
  await writeFile(join(builder.folder, "added"), "added by the build");
  await git(builder.folder, "add", "added");
  await writeFile(join(builder.folder, "untracked"), "left by the build");
  await rm(join(builder.folder, ".gitignore"));
  await repo.git("rm", "-q", "gone");
  await repo.commit("two", { b: "2" });
  await builder.run();
  assert.equal(await builder.names(), [".gitignore", "a", "b", "node_modules", "untracked"]);
  assert.is(await builder.read("a"), "1");
});

test("clean removes untracked files, or the ignored ones too", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1", ".gitignore": "ignored\n" });
  for (const [clean, left] of [
    ["none", ["ignored", "untracked"]],
    ["untracked", ["ignored"]],
    ["ignored", []],
  ] as const) {
    const builder = makeBuilder(world, { clean });
    await builder.run();
    await writeFile(join(builder.folder, "ignored"), "x");
    await mkdir(join(builder.folder, "untracked/nested"), { recursive: true });
    await git(join(builder.folder, "untracked/nested"), "init", "-q");
    await builder.run();
    assert.equal(
      (await builder.names()).filter((name) => name !== "a" && name !== ".gitignore"),
      [...left],
      clean,
    );
    await rm(builder.folder, { recursive: true });
  }
});

test("full removes everything and clones anew", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1", ".gitignore": "ignored\n" });
  const builder = makeBuilder(world, { mode: "full" });
  await builder.run();
  for (const name of ["ignored", "untracked", ".git/mark"]) await writeFile(join(builder.folder, name), "x");
  await builder.run();
  assert.equal(await builder.names(), [".gitignore", "a"]);
  assert.not.ok((await readdir(join(builder.folder, ".git"))).includes("mark"));
});

test("a second incremental build of a commit that is there already asks the server nothing", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  await rename(repo.folder, world.path("away"));
  const { result } = await builder.run({ stamp: { revision: head } });
  assert.is(result.result, "success");
});

test("a clone that is broken in any way is made anew", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  const dot = join(builder.folder, ".git");
  const wipe = async (name: string) => rm(join(dot, name), { recursive: true, force: true });
  const damages: [string, () => Promise<unknown>][] = [
    ["no HEAD", () => wipe("HEAD")],
    ["no objects", () => wipe("objects").then(() => mkdir(join(dot, "objects")))],
    ["no .git", () => wipe(".")],
    ["config of nonsense", () => writeFile(join(dot, "config"), "[[[")],
    ["index of nonsense", () => writeFile(join(dot, "index"), "nonsense")],
    ["index locked", () => writeFile(join(dot, "index.lock"), "")],
    [".git a file", () => wipe(".").then(() => writeFile(dot, `gitdir: ${repo.folder}/.git\n`))],
    [".git a link", () => wipe(".").then(() => symlink(join(repo.folder, ".git"), dot))],
    [".git a link to nowhere", () => wipe(".").then(() => symlink(world.path("nowhere"), dot))],
    [".git empty", () => wipe(".").then(() => mkdir(dot))],
    ["a ref of nonsense", () => writeFile(join(dot, "refs/belfry/fetched"), "nonsense")],
    [
      "objects cut",
      async () => {
        for (const folder of await readdir(join(dot, "objects"))) {
          for (const file of folder.length === 2 ? await readdir(join(dot, "objects", folder)) : []) {
            await chmod(join(dot, "objects", folder, file), 0o644);
            await writeFile(join(dot, "objects", folder, file), "x");
          }
        }
      },
    ],
  ];
  for (const [name, damage] of damages) {
    await damage();
    const head = await repo.commit(name, { a: name });
    const { result, properties } = await builder.run();
    assert.is(result.result, "success", name);
    assert.is(properties.get("gotRevision"), head, name);
    assert.is(await builder.read("a"), name, name);
  }
  assert.not.ok((await readdir(world.folder)).includes("nowhere"));
  assert.is(await repo.git("symbolic-ref", "HEAD"), "refs/heads/main", "the repository was left alone");
});

test("a lock that a killed git left behind costs nothing but itself", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  await writeFile(join(builder.folder, "untracked"), "x");
  for (const lock of ["index.lock", "HEAD.lock", "refs/belfry/fetched.lock"]) {
    await writeFile(join(builder.folder, ".git", lock), "");
    await repo.commit(lock, { a: lock });
    await builder.run();
    assert.equal([await builder.read("a"), await builder.read("untracked")], [lock, "x"]);
  }
});

test("a clone that is a link to another build's clone is replaced, and the other is left alone", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const one = await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  await builder.run({ folder: world.path("other") });
  await repo.commit("two", { a: "2" });
  const dot = join(builder.folder, ".git");
  for (const make of [
    () => symlink(world.path("other/.git"), dot),
    () => writeFile(dot, `gitdir: ${world.path("other/.git")}\n`),
  ]) {
    await rm(dot, { recursive: true });
    await make();
    await builder.run();
    assert.is(await builder.read("a"), "2");
    assert.is(await git(world.path("other"), "rev-parse", "HEAD"), one);
  }
});

test("a build's folder inside another repository leaves that one alone", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  await writeFile(join(repo.folder, "a"), "work in progress");
  const folder = join(repo.folder, ".belfry/build");
  const builder = makeBuilder(world, { clean: "ignored" });
  for (const damage of [
    async () => {},
    () => rm(join(folder, ".git/HEAD")),
    () => rm(join(folder, ".git"), { recursive: true }),
  ]) {
    await damage();
    const { result } = await builder.run({ folder });
    assert.is(result.result, "success");
    assert.is(await readFile(join(repo.folder, "a"), "utf8"), "work in progress");
  }
});

test("a broken clone inside another clone of the same repository leaves that one alone", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const one = await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  const folder = join(builder.folder, "nested");
  await builder.run({ folder });
  await repo.commit("two", { a: "2" });
  await rm(join(folder, ".git/HEAD"));
  await builder.run({ folder });
  assert.is(await readFile(join(folder, "a"), "utf8"), "2");
  assert.equal([await git(builder.folder, "rev-parse", "HEAD"), await builder.read("a")], [one, "1"]);
});

test("files that are there already do not stand in the way of the first checkout", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1", "dir/b": "2", c: "3" });
  const builder = makeBuilder(world);
  await mkdir(join(builder.folder, "c"), { recursive: true });
  for (const name of ["a", "dir", "other", "c/below"]) await writeFile(join(builder.folder, name), "mine");
  await builder.run();
  assert.equal(
    [await builder.read("a"), await builder.read("dir/b"), await builder.read("c"), await builder.read("other")],
    ["1", "2", "3", "mine"],
  );
});

test("another repository in the configuration is cloned anew", async () => {
  await using world = await makeWorld();
  await (await world.repository()).commit("one", { a: "1" });
  await (await world.repository("other")).commit("two", { b: "2" });
  const builder = makeBuilder(world);
  await builder.run();
  await builder.run({ stamps: [stamp(world.path("other"))] });
  assert.equal(await builder.names(), ["b"]);
});

test("force pushes and deleted branches do not disturb a build of a commit that can still be had", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const lost = await repo.commit("lost", { a: "lost" });
  await repo.git("branch", "side");
  await repo.git("reset", "-q", "--hard", "HEAD~1");
  const builder = makeBuilder(world);
  await builder.run();
  const { properties } = await builder.run({ stamp: { revision: lost, branch: "gone" } });
  assert.is(properties.get("gotRevision"), lost);
});

test("a server that gives out no commit by its hash is asked for the branch instead", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const shas = [];
  for (const name of ["one", "two", "three"]) shas.push(await repo.commit(name, { a: name }));
  await using daemon = await gitDaemon(world.folder);
  const url = `git://127.0.0.1:${daemon.port}/repo`;
  await git(world.folder, "config", "--global", "protocol.version", "0");
  for (const options of [{}, { depth: 1 }]) {
    for (const branch of ["main", "gone", null]) {
      const builder = makeBuilder(world, { mode: "full", ...options });
      const { properties, text } = await builder.run({ stamps: [stamp(url, { branch, revision: shas[0] })] });
      assert.is(properties.get("gotRevision"), shas[0], `${branch}`);
      assert.match(text(), /unadvertised object|not our ref/);
    }
  }
  await makeBuilder(world, { depth: 1, mode: "full" }).run({ stamps: [stamp(url)] });
  const { properties } = await makeBuilder(world, { depth: 1 }).run({ stamps: [stamp(url, { revision: shas[0] })] });
  assert.is(properties.get("gotRevision"), shas[0]);
});

test("an unknown revision or branch is a failure with a sentence, and is not tried again", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world, { retryDelay: "1h" });
  const hash = "1234567890".repeat(4);
  for (const [wanted, code] of [
    [{ revision: hash }, "BELFRY_GIT_REVISION_UNKNOWN"],
    [{ revision: "abcdef1" }, "BELFRY_GIT_REVISION_UNKNOWN"],
    [{ revision: "no-such-tag" }, "BELFRY_GIT_REVISION_UNKNOWN"],
    [{ revision: "HEAD~1" }, "BELFRY_GIT_REVISION_UNKNOWN"],
    [{ revision: await repo.head("HEAD:a") }, "BELFRY_GIT_REVISION_UNKNOWN"],
    [{ branch: "gone" }, "BELFRY_GIT_BRANCH_UNKNOWN"],
    [{ branch: "refs/pull/1/head" }, "BELFRY_GIT_BRANCH_UNKNOWN"],
    [{ branch: "gone", revision: hash }, "BELFRY_GIT_REVISION_UNKNOWN"],
  ] as const) {
    const { run, text } = await builder.build({ stamp: wanted });
    const error = await rejects(run(), code);
    assert.is(error.result, "failure");
    assert.match(text(), error.what);
  }
});

test("branches and revisions named to hurt are refused before git sees them", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const builder = makeBuilder(world);
  const names = [
    "--upload-pack=touch pwned",
    "-x",
    "--output=pwned",
    "a b",
    "main:refs/heads/x",
    "+main",
    "a\nb",
    "*",
    "refs/heads/*",
    "..",
    "$(touch pwned)",
  ];
  for (const name of names) {
    for (const wanted of [{ branch: name }, { revision: name }]) {
      const { run, calls } = await builder.build({ stamp: wanted });
      let thrown: unknown;
      await run().catch((error: unknown) => (thrown = error));
      assert.match((thrown as { code: string }).code, /_UNKNOWN$/, name);
      for (const { command } of calls) {
        const dangerous = command
          .slice(0, command.indexOf("--end-of-options") + 1 || undefined)
          .filter((word) => word === name);
        assert.equal(dangerous, []);
      }
    }
  }
  assert.not.ok((await readdir(builder.folder)).includes("pwned"));
});

test("tags, starts of hashes, whole refs and odd branch names are found", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const first = await repo.commit("one", { a: "1" });
  await repo.git("tag", "-a", "-m", "annotated", "v1");
  const second = await repo.commit("two", { a: "2" });
  await repo.git("update-ref", "refs/pull/7/head", first);
  await repo.git("branch", "feature/ü$(x)");
  await repo.commit("three", { a: "3" });
  const builder = makeBuilder(world);
  for (const [wanted, sha] of [
    [{ revision: "v1" }, first],
    [{ revision: first.slice(0, 8) }, first],
    [{ revision: "refs/pull/7/head" }, first],
    [{ branch: "refs/pull/7/head" }, first],
    [{ branch: "feature/ü$(x)" }, second],
    [{ revision: "feature/ü$(x)", branch: null }, second],
  ] as const) {
    const { properties } = await builder.run({ stamp: wanted });
    assert.is(properties.get("gotRevision"), sha, JSON.stringify(wanted));
  }
});

test("without a branch it is the one that HEAD of the repository names", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one", { a: "1" });
  await repo.git("branch", "-m", "main", "trunk");
  const { result, properties } = await makeBuilder(world).run({ stamp: { branch: null } });
  assert.equal(result, { result: "success", summary: head.slice(0, 7) });
  assert.not.ok(properties.has("branch"));
});

test("options of the step win over the source stamp, and may be computed", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const one = await repo.commit("one", { a: "1" });
  await repo.git("branch", "side");
  const two = await repo.commit("two", { a: "2" });
  const three = await repo.commit("three", { a: "3" });
  const cases: [Record<string, unknown>, string][] = [
    [{ repository: "repo", branch: "main", revision: null }, three],
    [{ repository: world.path("repo"), branch: "side" }, one],
    [{ repository: () => world.path("repo"), branch: interpolate`${"ma"}in` }, two],
    [{ repository: world.path("repo"), revision: () => one }, one],
  ];
  for (const [options, sha] of cases) {
    const { properties } = await makeBuilder(world, options).run({ stamps: [stamp("/nowhere", { revision: two })] });
    assert.is(properties.get("gotRevision"), sha);
  }
});

test("with codebases each checkout has its folder, and gotRevision has them all", async () => {
  await using world = await makeWorld();
  const a = await (await world.repository("a")).commit("a", { a: "a" });
  const b = await (await world.repository("b")).commit("b", { b: "b" });
  const stamps = [stamp(world.path("a"), { codebase: "a" }), stamp(world.path("b"), { codebase: "b" })];
  const kit = await makeStep(world.path("build"), { sourceStamps: stamps });
  for (const codebase of ["a", "b"])
    await create(gitCheckout, { codebase, path: `src/${codebase}` }, world.folder).run(kit.ctx);
  assert.equal(kit.properties.get("gotRevision"), { a, b });
  assert.is(await readFile(world.path("build/src/b/b"), "utf8"), "b");
  await rejects(create(gitCheckout, { codebase: "c" }, world.folder).run(kit.ctx), "BELFRY_GIT_NO_SOURCE");
});

test("full in a folder of its own leaves the rest of the build's folder alone", async () => {
  await using world = await makeWorld();
  await (await world.repository()).commit("one", { a: "1" });
  const builder = makeBuilder(world, { mode: "full", path: "src" });
  await builder.run();
  await writeFile(join(builder.folder, "beside"), "x");
  await writeFile(join(builder.folder, "src/within"), "x");
  await builder.run();
  assert.equal(await builder.names(), ["beside", "src"]);
  assert.equal((await readdir(join(builder.folder, "src"))).sort(), [".git", "a"]);
});

test("depth fetches no more than that, also when it changes", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  for (let i = 0; i < 5; i++) await repo.commit(`c${i}`, { a: `${i}` });
  const count = async (options: Record<string, unknown>) => {
    const builder = makeBuilder(world, options);
    await builder.run();
    return Number(await git(builder.folder, "rev-list", "--count", "HEAD"));
  };
  assert.is(await count({ depth: 2 }), 2);
  assert.is(await count({ depth: 2, tags: true }), 2);
  assert.is(await count({}), 5);
  assert.is(await count({ depth: 1 }), 1);
});

test("tags come along when asked for", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  await repo.git("tag", "v1");
  const builder = makeBuilder(world);
  await builder.run();
  assert.is(await git(builder.folder, "tag"), "");
  await makeBuilder(world, { tags: true }).run();
  assert.is(await git(builder.folder, "tag"), "v1");
});

test("a shallow repository, and one of SHA-256, can be checked out", async () => {
  await using world = await makeWorld();
  const origin = await world.repository("origin");
  for (const name of ["one", "two"]) await origin.commit(name, { a: name });
  await git(world.folder, "clone", "-q", "--depth=1", `file://${origin.folder}`, "repo");
  assert.is((await makeBuilder(world).run()).result.result, "success");
  await rm(world.path("build"), { recursive: true });
  const modern = await world.repository("modern", "--object-format=sha256");
  const head = await modern.commit("one", { a: "256" });
  const builder = makeBuilder(world);
  for (const revision of [null, head]) {
    const { properties } = await builder.run({ stamps: [stamp(modern.folder, { revision })] });
    assert.is(properties.get("gotRevision"), head);
  }
});

test("a patch is applied, and its files are gone in the next build", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1\n" });
  const body = "--- x/a\n+++ y/a\n@@ -1 +1 @@\n-1\n+patched\n--- /dev/null\n+++ y/new\n@@ -0,0 +1 @@\n+new\n";
  const builder = makeBuilder(world);
  const { result } = await builder.run({ stamp: { patch: { level: 1, body } } });
  assert.match(result.summary ?? "", /, patched$/);
  assert.equal([await builder.read("a"), await builder.read("new")], ["patched\n", "new\n"]);
  await builder.run();
  assert.equal([await builder.read("a"), await builder.names()], ["1\n", ["a"]]);
});

test("a patch that does not apply, or wants out of the folder, is a failure and changes nothing", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1\n" });
  const builder = makeBuilder(world);
  const made = (path: string) => `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+x\n`;
  for (const body of [
    "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-2\n+3\n",
    "nonsense",
    "",
    made("../out"),
    made(".git/hooks/post-checkout"),
  ]) {
    const { run } = await builder.build({ stamp: { patch: { level: 1, body } } });
    assert.is((await rejects(run(), "BELFRY_GIT_PATCH_FAILED")).result, "failure");
    assert.is(await builder.read("a"), "1\n");
  }
  assert.not.ok((await readdir(world.folder)).includes("out"));
  assert.not.ok((await readdir(join(builder.folder, ".git"))).includes("hooks"));
});

test("hooks of the clone and of the user do not run", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const builder = makeBuilder(world);
  await builder.run();
  const hook = `#!/bin/sh\ntouch "${world.path("hooked")}"\n`;
  for (const folder of [join(builder.folder, ".git/hooks"), world.path("hooks")]) {
    await mkdir(folder, { recursive: true });
    for (const name of ["post-checkout", "reference-transaction", "post-index-change"]) {
      await writeFile(join(folder, name), hook);
      await chmod(join(folder, name), 0o755);
    }
  }
  await git(world.folder, "config", "--global", "core.hooksPath", world.path("hooks"));
  await rm(world.path("hooked"), { force: true });
  await repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "two");
  await makeBuilder(world, { tags: true }).run();
  // The serving side is git as the user has set it up; a fetch changes no ref there.
  assert.not.ok((await readdir(world.folder)).includes("hooked"));
});

test("a server that is away is tried again as often as told, then the step throws", async () => {
  await using world = await makeWorld();
  const port = await closedPort();
  const builder = makeBuilder(world, { retries: 2, retryDelay: 1 });
  const { run, calls, text } = await builder.build({ stamps: [stamp(`git://127.0.0.1:${port}/repo`)] });
  const error = await rejects(run(), "BELFRY_GIT_UNREACHABLE");
  assert.is(error.result, undefined);
  assert.is(calls.filter(({ command }) => command.includes("fetch")).length, 3);
  assert.match(text(), /1 left/);
});

test("a server that comes back between two attempts is used", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one", { a: "1" });
  await using server = await httpServer(world.folder, { user: "ci", password: "never" });
  server.status = 503;
  const builder = makeBuilder(world, {
    retries: 1,
    retryDelay: 1,
    repository: `http://ci:never@127.0.0.1:${server.port}/repo/.git`,
  });
  const kit = await builder.build();
  kit.ctx.progress = () => {
    server.status = 0;
  };
  await kit.run();
  assert.is(kit.properties.get("gotRevision"), head);
});

test("a cancelled build ends at once, in git or between two attempts, with the signal's reason", async () => {
  await using world = await makeWorld();
  await using server = await silentServer();
  const reason = new Error("stopped");
  for (const [url, when] of [
    [`git://127.0.0.1:${server.port}/silent-${process.pid}`, "in git"],
    [`git://127.0.0.1:${await closedPort()}/x`, "between"],
  ] as const) {
    const controller = new AbortController();
    const builder = makeBuilder(world, { retryDelay: "1h" });
    const kit = await builder.build({ stamps: [stamp(url)], signal: controller.signal });
    kit.ctx.progress = () => controller.abort(reason);
    const ended = kit.run().catch((error: unknown) => error);
    if (when === "in git") await server.connected.then(() => controller.abort(reason));
    assert.is(await ended, reason, when);
  }
  assert.equal(await processesWith(`silent-${process.pid}`), []);
});

test("a git command that takes too long is ended, and tried again", async () => {
  await using world = await makeWorld();
  await using server = await silentServer();
  const builder = makeBuilder(world, { timeout: 300, retries: 1, retryDelay: 1 });
  const { run, calls } = await builder.build({ stamps: [stamp(`git://127.0.0.1:${server.port}/x`)] });
  await rejects(run(), "BELFRY_GIT_TIMEOUT");
  assert.is(calls.filter(({ command }) => command.includes("fetch")).length, 2);
});

test("user and password log in, and are in no argument, log, file or summary", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  await using server = await httpServer(world.folder, { user: "ci", password: "secret of token" });
  const at = `127.0.0.1:${server.port}/repo/.git`;
  const builder = makeBuilder(world, { repository: interpolate`http://ci:${secret("token")}@${at}` });
  const { result, calls, text } = await builder.run();
  assert.is(result.result, "success");
  assert.equal(server.seen, []);
  assert.not.match(JSON.stringify([result, text(), calls.map(({ command }) => command)]), /secret of/);
  assert.is(await git(builder.folder, "config", "remote.origin.url"), `http://${at}`);
  assert.not.match(await builder.read(".git/config"), /secret of/);
  assert.is((await builder.run()).result.result, "success");

  const wrong = makeBuilder(world, { repository: `http://ci:wr0ng@${at}`, mode: "full", retryDelay: "1h" });
  const kit = await wrong.build();
  assert.not.match((await rejects(kit.run(), "BELFRY_GIT_AUTH")).message, /wr0ng/);
  assert.not.match(kit.text(), /wr0ng/);
});

test("ssh runs as the worker has set it up, and may not ask; env of the step wins", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const ssh = await fakeSsh(world);
  const stamps = [stamp(`user@host.invalid:${repo.folder}`)];
  await git(world.folder, "config", "--global", "core.sshCommand", ssh);
  await makeBuilder(world).run({ stamps });
  assert.match(await readFile(world.path("ssh-calls"), "utf8"), /^-oBatchMode=yes .*user@host\.invalid/);
  await rm(world.path("ssh-calls"));
  const env = { GIT_SSH_COMMAND: () => `${ssh} -oMine=yes` };
  await makeBuilder(world, { env, mode: "full" }).run({ stamps });
  assert.match(await readFile(world.path("ssh-calls"), "utf8"), /^-oMine=yes /);
});

test("a source stamp cannot choose a program or a protocol", async () => {
  await using world = await makeWorld();
  for (const repository of ["ext::sh -c touch% pwned", "--upload-pack=touch pwned", "-x"]) {
    const { run, calls } = await makeBuilder(world).build({ stamps: [stamp(repository)] });
    await rejects(run(), "BELFRY_GIT_REPOSITORY_INVALID");
    assert.equal(calls, []);
  }
  await git(world.folder, "config", "--global", "protocol.allow", "always");
  await git(world.folder, "config", "--global", "url.ext::sh -c touch% pwned .insteadOf", "https://example.invalid/");
  const { run } = await makeBuilder(world).build({ stamps: [stamp("https://example.invalid/x")] });
  await rejects(run(), "BELFRY_GIT_PROTOCOL");
});

test("a repository that is not there, and no git on the worker, are told as such", async () => {
  await using world = await makeWorld();
  await rejects(
    (await makeBuilder(world).build({ stamps: [stamp(world.path("none"))] })).run(),
    "BELFRY_GIT_NOT_A_REPOSITORY",
  );
  await (await world.repository()).commit("one");
  await rejects((await makeBuilder(world, { env: { PATH: "/nowhere" } }).build()).run(), "BELFRY_GIT_MISSING");
});

test("an empty repository has no branch to build", async () => {
  await using world = await makeWorld();
  await world.repository();
  await rejects((await makeBuilder(world).build()).run(), "BELFRY_GIT_BRANCH_UNKNOWN");
  await rejects((await makeBuilder(world).build({ stamp: { branch: null } })).run(), "BELFRY_GIT_BRANCH_UNKNOWN");
});

test.run();
