import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gitCheckout } from "@belfry/git";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fileServer, gitDaemon, httpServer } from "./servers.ts";
import { create, git, makeStep, makeWorld, rejects, stamp, type World } from "./world.ts";

const test = suite("git checkout: submodules, LFS, parts of a repository");

function makeBuilder(world: World, options: Record<string, unknown> = {}) {
  const folder = world.path("build");
  return {
    folder,
    async run(more: Record<string, unknown> = {}, wanted: Record<string, unknown> = {}) {
      const kit = await makeStep(folder, { sourceStamps: [stamp(world.path("repo"), wanted)] });
      const step = create(gitCheckout, { ...options, ...more }, world.folder);
      try {
        return { ...kit, result: await step.run(kit.ctx) };
      } catch (error) {
        throw Object.assign(error as object, { log: kit.text() });
      }
    },
    read: (name: string) => readFile(join(folder, name), "utf8"),
    has: (name: string) =>
      readFile(join(folder, name)).then(
        () => true,
        () => false,
      ),
  };
}

const local = ["-c", "protocol.file.allow=always"];

/** A repository with a submodule that has one of its own. */
async function nested(world: World) {
  const inner = await world.repository("inner");
  await inner.commit("inner", { file: "inner\n" });
  const middle = await world.repository("middle");
  await middle.git(...local, "submodule", "--quiet", "add", "../inner", "in");
  await middle.commit("middle", { file: "middle\n" });
  const repo = await world.repository();
  await repo.git(...local, "submodule", "--quiet", "add", "../middle", "sub");
  await repo.commit("outer", { file: "outer\n" });
  return { inner, middle, repo };
}

test("submodules are left alone unless asked for, and then they and theirs are checked out", async () => {
  await using world = await makeWorld();
  const { middle, repo } = await nested(world);
  const builder = makeBuilder(world);
  await builder.run();
  assert.equal(await readdir(join(builder.folder, "sub")), []);
  await builder.run({ submodules: true });
  assert.equal([await builder.read("sub/file"), await builder.read("sub/in/file")], ["middle\n", "inner\n"]);
  await middle.commit("newer", { file: "newer\n" });
  await repo.git("-C", "sub", ...local, "pull", "-q");
  await repo.commit("a newer submodule");
  await writeFile(join(builder.folder, "sub/file"), "changed by the build");
  for (const name of ["sub/left", "sub/in/left"]) await writeFile(join(builder.folder, name), "x");
  await builder.run({ submodules: true });
  assert.is(await builder.read("sub/file"), "newer\n");
  assert.is(await builder.read("sub/in/left"), "x");
  await builder.run({ submodules: true, clean: "ignored" });
  assert.equal([await builder.has("sub/left"), await builder.has("sub/in/left")], [false, false]);
});

test("a submodule that moved to another address is found there", async () => {
  await using world = await makeWorld();
  const { repo } = await nested(world);
  const builder = makeBuilder(world, { submodules: true });
  await builder.run();
  await rename(world.path("middle"), world.path("moved"));
  await repo.git("config", "-f", ".gitmodules", "submodule.sub.url", "../moved");
  await repo.commit("it moved");
  await git(world.path("moved"), "commit", "-q", "--allow-empty", "-m", "new");
  await repo.git("-C", "sub", ...local, "fetch", "-q", world.path("moved"));
  await repo.git("-C", "sub", "checkout", "-q", "FETCH_HEAD");
  await repo.commit("and went on");
  await builder.run();
  assert.is(await git(join(builder.folder, "sub"), "log", "-1", "--format=%s"), "new");
});

test("a submodule's commit that nobody pushed is a failure with a sentence", async () => {
  await using world = await makeWorld();
  const { repo } = await nested(world);
  await repo.git("-C", "sub", "commit", "-q", "--allow-empty", "-m", "not pushed");
  await repo.commit("points to it");
  for (const options of [{}, { depth: 1 }]) {
    const error = await rejects(
      makeBuilder(world, { submodules: true, mode: "full", ...options }).run(),
      "BELFRY_GIT_SUBMODULE_FAILED",
    );
    assert.is(error.result, "failure");
  }
});

test("a submodule may use no more protocols than the repository", async () => {
  await using world = await makeWorld();
  await nested(world);
  await using daemon = await gitDaemon(world.folder);
  const repository = `git://127.0.0.1:${daemon.port}/repo`;
  const builder = makeBuilder(world, { repository, submodules: true });
  await builder.run();
  assert.is(await builder.read("sub/in/file"), "inner\n", "beside it");
  const away = await world.repository("away");
  for (const url of [
    `file://${world.path("inner")}`,
    world.path("inner"),
    `ext::sh -c touch% ${world.path("pwned")}`,
  ]) {
    await rm(away.folder, { recursive: true });
    const hostile = await world.repository("away");
    await writeFile(join(hostile.folder, ".gitmodules"), `[submodule "s"]\n\tpath = s\n\turl = ${url}\n`);
    await hostile.git("update-index", "--add", "--cacheinfo", `160000,${"1234567890".repeat(4)},s`);
    await hostile.git("add", ".gitmodules");
    await hostile.git("commit", "-q", "-m", "hostile");
    const at = `git://127.0.0.1:${daemon.port}/away`;
    const { code } = (await makeBuilder(world, { repository: at, submodules: true, mode: "full" })
      .run()
      .catch((error) => error)) as { code: string };
    assert.match(code, /BELFRY_GIT_(PROTOCOL|FAILED)/, url);
  }
  assert.not.ok((await readdir(world.folder)).includes("pwned"));
});

test("submodules behind the same password get it, others of hosts that are named", async () => {
  await using world = await makeWorld();
  await nested(world);
  await using server = await httpServer(world.folder, { user: "ci", password: "secret of token" });
  await git(world.path("repo"), "config", "-f", ".gitmodules", "submodule.sub.url", "../../middle/.git");
  await git(world.path("repo"), "commit", "-q", "-am", "by http");
  await git(world.path("middle"), "config", "-f", ".gitmodules", "submodule.in.url", "../../inner/.git");
  await git(world.path("middle"), "commit", "-q", "-am", "by http");
  await git(world.path("repo"), "-C", "sub", ...local, "pull", "-q");
  await git(world.path("repo"), "commit", "-q", "-am", "newer");
  const repository = `http://127.0.0.1:${server.port}/repo/.git`;
  const builder = makeBuilder(world, { repository, username: "ci", password: "secret of token", submodules: true });
  const { text } = await builder.run();
  assert.is(await builder.read("sub/in/file"), "inner\n");
  assert.equal(server.seen, []);
  assert.not.match(text(), "secret of");
});

test("a depth counts for submodules too, unless their commit is deeper and cannot be had alone", async () => {
  await using world = await makeWorld();
  const { middle } = await nested(world);
  for (const name of ["a", "b", "c"]) await middle.commit(name);
  await using daemon = await gitDaemon(world.folder);
  const repository = `git://127.0.0.1:${daemon.port}/repo`;
  const count = async () => Number(await git(world.path("build/sub"), "rev-list", "--count", "HEAD"));
  const builder = makeBuilder(world, { repository, submodules: true, depth: 1, mode: "full" });
  await builder.run();
  assert.is(await count(), 1);
  await git(world.folder, "config", "--global", "protocol.version", "0");
  const { text } = await builder.run();
  assert.match(text(), "deeper than that");
  assert.is(await builder.read("sub/file"), "middle\n");
});

/** A git-lfs that notes how it was called, and knows where the contents are. */
async function fakeLfs(world: World): Promise<{ PATH: string }> {
  await mkdir(world.path("bin"), { recursive: true });
  const script = `#!/bin/sh
echo "$@" >> "${world.path("lfs-calls")}"
test "$1" != pull || for file in *.bin; do cp "${world.path("contents")}/$file" "$file"; done
`;
  await writeFile(world.path("bin/git-lfs"), script);
  await chmod(world.path("bin/git-lfs"), 0o755);
  return { PATH: `${world.path("bin")}:${process.env.PATH}` };
}

const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 5\n`;

test("a repository that keeps files in LFS gets them, or a sentence that git-lfs is missing", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { "a.bin": POINTER, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n" });
  await mkdir(world.path("contents"));
  await writeFile(world.path("contents/a.bin"), "real!");
  const builder = makeBuilder(world);
  // A place with git and nothing else.
  await mkdir(world.path("only-git"));
  const program = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  await writeFile(world.path("only-git/git"), `#!/bin/sh\nexec ${program} "$@"\n`);
  await chmod(world.path("only-git/git"), 0o755);
  const none = { env: { PATH: world.path("only-git"), GIT_EXEC_PATH: await git(world.folder, "--exec-path") } };
  const error = await rejects(builder.run(none), "BELFRY_GIT_LFS_MISSING");
  assert.is(error.result, "failure");
  assert.match(error.message, /has no git-lfs/);
  await builder.run({ ...none, lfs: false });
  assert.is(await builder.read("a.bin"), POINTER);

  const env = await fakeLfs(world);
  await builder.run({ env });
  assert.is(await builder.read("a.bin"), "real!");
  assert.equal((await readFile(world.path("lfs-calls"), "utf8")).trim().split("\n"), ["version", "pull origin"]);
});

test("a repository without LFS does not ask for git-lfs", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { "a.bin": "x", ".gitattributes": "*.bin -text\n" });
  const env = await fakeLfs(world);
  await makeBuilder(world, { env }).run();
  assert.not.ok((await readdir(world.folder)).includes("lfs-calls"));
});

const hasLfs = (() => {
  try {
    execFileSync("git", ["lfs", "version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

(hasLfs ? test : test.skip)("the real git-lfs brings files of a repository and of its submodule", async () => {
  await using world = await makeWorld();
  const lfs = async (name: string) => {
    const repo = await world.repository(name);
    await repo.git("lfs", "install", "--local");
    await repo.git("lfs", "track", "*.bin");
    return repo;
  };
  const sub = await lfs("sub");
  await sub.commit("sub", { "s.bin": "of the submodule" });
  const repo = await lfs("repo");
  await repo.git(...local, "-c", "filter.lfs.required=false", "submodule", "--quiet", "add", "../sub", "sub");
  await repo.commit("one", { "a.bin": "first" });
  const builder = makeBuilder(world, { submodules: true });
  await builder.run();
  assert.equal([await builder.read("a.bin"), await builder.read("sub/s.bin")], ["first", "of the submodule"]);
  await repo.commit("two", { "a.bin": "second", "b.bin": "other" });
  await builder.run();
  assert.equal([await builder.read("a.bin"), await builder.read("b.bin")], ["second", "other"]);
  await builder.run({ mode: "full", lfs: false });
  assert.match(await builder.read("a.bin"), /^version https:\/\/git-lfs/);
});

test("a filter leaves out contents until they are needed, and is no obstacle to any revision", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.git("config", "uploadpack.allowFilter", "true");
  await repo.git("config", "uploadpack.allowAnySHA1InWant", "true");
  const first = await repo.commit("one", { a: "old\n" });
  for (const name of ["two", "three"]) await repo.commit(name, { a: `${name}\n` });
  await repo.git("tag", "v1", first);
  await using daemon = await gitDaemon(world.folder);
  const repository = `git://127.0.0.1:${daemon.port}/repo`;
  for (const filter of ["blob:none", "tree:0", "blob:limit=1"]) {
    const builder = makeBuilder(world, { repository, filter, mode: "full" });
    await builder.run();
    assert.is(await builder.read("a"), "three\n");
    const missing = await git(builder.folder, "rev-list", "--objects", "--all", "--missing=print");
    assert.match(missing, /^\?/m, filter);
    const later = makeBuilder(world, { repository, filter });
    for (const revision of [first, "v1", first.slice(0, 9)]) {
      const { properties } = await later.run({}, { revision });
      assert.is(properties.get("gotRevision"), first);
      assert.is(await later.read("a"), "old\n");
    }
    await rejects(later.run({}, { revision: "1234567890".repeat(4) }), "BELFRY_GIT_REVISION_UNKNOWN");
    await later.run({ depth: 1 });
    assert.is(await later.read("a"), "three\n");
  }
});

test("a filtered clone behind a password logs in for what it fetches later", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.git("config", "uploadpack.allowFilter", "true");
  await repo.git("config", "uploadpack.allowAnySHA1InWant", "true");
  const first = await repo.commit("one", { a: "1\n" });
  await repo.commit("two", { a: "2\n" });
  await using server = await httpServer(world.folder, { user: "ci", password: "secret of token" });
  const repository = `http://127.0.0.1:${server.port}/repo/.git`;
  const builder = makeBuilder(world, { repository, filter: "blob:none", username: "ci", password: "secret of token" });
  await builder.run();
  await builder.run({}, { revision: first });
  assert.is(await builder.read("a"), "1\n");
  assert.equal(server.seen, []);
});

test("a server that knows no filters, and one that has nothing but files, give all", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1\n" });
  const head = await repo.commit("two", { a: "2\n" });
  await using daemon = await gitDaemon(world.folder);
  const repository = `git://127.0.0.1:${daemon.port}/repo`;
  await makeBuilder(world, { repository, filter: "blob:none", mode: "full" }).run();
  const builder = makeBuilder(world, { repository, filter: "blob:none", depth: 1 });
  const { properties } = await builder.run();
  assert.is(properties.get("gotRevision"), head);

  await repo.git("update-server-info");
  await using files = await fileServer(world.folder);
  const plain = makeBuilder(world, { repository: `http://127.0.0.1:${files.port}/repo/.git`, depth: 1 });
  for (const options of [{}, { filter: "blob:none" }]) {
    for (const mode of ["full", "incremental"]) {
      const kit = await plain.run({ mode, ...options });
      assert.is(kit.properties.get("gotRevision"), head);
    }
  }
});

test("a reference lends its objects if it is there, and nothing happens if it is not", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  for (const name of ["one", "two", "three"]) await repo.commit(name, { a: `${name}\n` });
  await git(world.folder, "clone", "-q", "--mirror", "repo", "mirror.git");
  await git(world.folder, "clone", "-q", "--depth=1", `file://${world.path("repo")}`, "shallow");
  const own = async () => {
    const said = await git(world.path("build"), "count-objects", "-v");
    return [...said.matchAll(/^(?:count|in-pack): (\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const builder = makeBuilder(world);
  const { text } = await builder.run({ reference: world.path("mirror.git") });
  assert.match(text(), "Objects of");
  assert.is(await own(), 0);
  await repo.commit("four", { a: "four\n" });
  await builder.run({ reference: world.path("mirror.git") });
  assert.is(await builder.read("a"), "four\n");
  assert.ok((await own()) > 0);
  for (const reference of [world.path("none"), world.path("shallow"), "../none"]) {
    const { text: said } = await builder.run({ reference, mode: "full" });
    assert.match(said(), "is not used", reference);
    assert.is(await builder.read("a"), "four\n");
  }
  await builder.run({ reference: "../mirror.git", mode: "full" });
  await rm(world.path("mirror.git"), { recursive: true });
  await builder.run({ reference: "../mirror.git" });
  assert.is(await builder.read("a"), "four\n", "a reference that went away costs a new clone");
});

test("a patch is told with its author and comment", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { "dir/a": "1\n" });
  const body = "--- a/dir/a\n+++ b/dir/a\n@@ -1 +1 @@\n-1\n+patched\n";
  const builder = makeBuilder(world);
  const { text } = await builder.run({}, { patch: { level: 1, body, author: "Bea", comment: "try\nthis" } });
  assert.match(text(), "The patch of Bea is applied, level 1:\n    try\n    this\n");
  assert.is(await builder.read("dir/a"), "patched\n");
  const error = await rejects(builder.run({}, { patch: { level: 2, body } }), "BELFRY_GIT_PATCH_FAILED");
  assert.is(error.result, "failure");
});

test("a checkout of a codebase has the folder of its name, unless told otherwise", async () => {
  await using world = await makeWorld();
  for (const name of ["a", "b"]) await (await world.repository(name)).commit(name, { [name]: name });
  const stamps = ["a", "b"].map((name) => stamp(world.path(name), { codebase: name }));
  const kit = await makeStep(world.path("build"), { sourceStamps: stamps });
  await create(gitCheckout, { codebase: "a" }, world.folder).run(kit.ctx);
  await create(gitCheckout, { codebase: "b", path: "b/c" }, world.folder).run(kit.ctx);
  assert.equal((await readdir(world.path("build"))).sort(), ["a", "b"]);
  assert.is(await readFile(world.path("build/b/c/b"), "utf8"), "b");
  assert.throws(() => create(gitCheckout, { codebase: "../x" }, world.folder), /folder/);
});

test("protocols can be narrowed, and files of this machine are refused to a repository elsewhere", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await rejects(makeBuilder(world, { protocols: ["https", "ssh"] }).run(), "BELFRY_GIT_PROTOCOL");
  await git(world.folder, "config", "--global", `url.${world.path("repo")}.insteadOf`, "https://example.invalid/repo");
  const repository = "https://example.invalid/repo";
  await rejects(makeBuilder(world, { repository }).run(), "BELFRY_GIT_PROTOCOL");
  await makeBuilder(world, { repository, protocols: ["https", "file"] }).run();
});

test.run();
