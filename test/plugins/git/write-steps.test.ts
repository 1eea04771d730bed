import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gitCheckout, gitCommit, gitDescribe, gitPush, gitTag } from "@belfry/git";
import type { StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { httpServer } from "./servers.ts";
import { create, git, makeStep, makeWorld, type Repository, rejects, stamp, type World } from "./world.ts";

const test = suite("git describe, commit, tag and push");
const ADA = { name: "Ada Lo", email: "ada@example.org" };

/** A bare repository with one commit, somebody's clone of it, and a build that checked it out. */
async function makeBuild(world: World, checkout: Record<string, unknown> = {}, wanted: Record<string, unknown> = {}) {
  const other = await world.repository("other");
  const first = await other.commit("one", { a: "1\n" });
  await git(world.folder, "clone", "-q", "--bare", "other", "repo");
  await other.git("remote", "add", "origin", world.path("repo"));
  // Belfry's own git knows nobody's name.
  for (const name of ["AUTHOR", "COMMITTER"])
    for (const part of ["NAME", "EMAIL"]) nobody[`GIT_${name}_${part}`] = null;
  const kit = await makeStep(world.path("build"), { sourceStamps: [stamp(world.path("repo"), wanted)] });
  const run = async (part: Parameters<typeof create>[0], options: Record<string, unknown> = {}) =>
    create(part as never, { env: nobody, ...options }, world.folder) as unknown as {
      run(ctx: StepContext): Promise<{ result: string; summary?: string }>;
    };
  const step = async (part: Parameters<typeof create>[0], options: Record<string, unknown> = {}) =>
    (await run(part, options)).run(kit.ctx);
  await step(gitCheckout, checkout);
  const write = (name: string, text: string) => writeFile(join(world.path("build"), name), text);
  const remote = (name: string) =>
    git(world.path("repo"), "rev-parse", "--verify", "--quiet", name).catch(() => undefined);
  return { ...kit, step, write, remote, other, first, mine: (...args: string[]) => git(world.path("build"), ...args) };
}
const nobody: Record<string, string | null> = {};

async function faster(other: Repository, files: Record<string, string>): Promise<string> {
  await other.git("pull", "-q", "--rebase", "origin", "main");
  const head = await other.commit("somebody else", files);
  await other.git("push", "-q", "origin", "main");
  return head;
}

test("a description becomes a property", async () => {
  await using world = await makeWorld();
  const build = await makeBuild(world);
  const { step, properties, mine, write, first } = build;
  const error = await rejects(step(gitDescribe), "BELFRY_GIT_DESCRIBE_FAILED");
  assert.is(error.result, "failure");
  assert.equal(await step(gitDescribe, { always: true, property: "hash" }), {
    result: "success",
    summary: first.slice(0, 7),
  });
  assert.is(properties.get("hash"), first.slice(0, 7));
  await mine("tag", "v1");
  await mine("tag", "-m", "annotated", "release-1");
  await step(gitDescribe, { match: ["v*"] });
  assert.is(properties.get("description"), "v1");
  await step(gitDescribe, { annotated: true });
  assert.is(properties.get("description"), "release-1");
  await write("a", "changed\n");
  const exact = `v1-0-g${first.slice(0, 12)}`;
  for (const [options, text] of [
    [{ dirty: true, exclude: ["release*"] }, "v1-dirty"],
    [{ dirty: "+", exclude: ["release*"], long: true, abbrev: 12 }, `${exact}+`],
    [{ match: ["v*"], firstParent: true, abbrev: 0 }, "v1"],
  ] as const) {
    await step(gitDescribe, { ...options, property: "text" });
    assert.is(properties.get("text"), text);
  }
});

test("a description of a clone without its history says so", async () => {
  await using world = await makeWorld();
  const { step } = await makeBuild(world, { depth: 1, repository: `file://${world.path("repo")}` });
  const error = await rejects(step(gitDescribe), "BELFRY_GIT_DESCRIBE_FAILED");
  assert.match(error.fix, "tags: true");
});

test("a commit holds what the build changed, in the name that it was given", async () => {
  await using world = await makeWorld();
  const { step, write, mine, properties, first } = await makeBuild(world);
  await write("a", "2\n");
  await write("new", "new\n");
  await write("aside", "x\n");
  const message = "  build 7\n\n# no comment\n--amend";
  const { result, summary } = await step(gitCommit, { message, paths: ["a", "n*"], author: ADA });
  const head = await mine("rev-parse", "HEAD");
  assert.equal([result, summary], ["success", `${head.slice(0, 7)} build 7`]);
  assert.is(properties.get("commitRevision"), head);
  assert.is(await mine("rev-parse", "HEAD~1"), first);
  assert.is(await mine("log", "-1", "--format=%an <%ae> %cn"), "Ada Lo <ada@example.org> Ada Lo");
  assert.match(await mine("log", "-1", "--format=%B"), "# no comment\n--amend");
  assert.is(await mine("status", "--porcelain"), "?? aside");
  await mine("rm", "-q", "--cached", "new");
  await step(gitCommit, { message: "all", author: ADA, committer: { name: "Bea", email: "b@example.org" } });
  assert.is(await mine("log", "-1", "--format=%an %cn"), "Ada Lo Bea");
  assert.is(await mine("status", "--porcelain"), "");
});

test("nothing to commit is success with a word, a failure, or an empty commit, as told", async () => {
  await using world = await makeWorld();
  const { step, mine, first, properties } = await makeBuild(world);
  const options = { message: "m", author: ADA };
  assert.equal(await step(gitCommit, options), { result: "success", summary: "nothing to commit" });
  assert.not.ok(properties.has("commitRevision"));
  assert.is(
    (await rejects(step(gitCommit, { ...options, empty: "fail" }), "BELFRY_GIT_NOTHING_TO_COMMIT")).result,
    "failure",
  );
  assert.is(await mine("rev-parse", "HEAD"), first);
  await step(gitCommit, { ...options, empty: "commit" });
  assert.is(await mine("rev-parse", "HEAD~1"), first);
});

test("what cannot be committed or tagged is a failure with a sentence", async () => {
  await using world = await makeWorld();
  const { step, write } = await makeBuild(world);
  await write("b", "x");
  const cases: [() => Promise<unknown>, string][] = [
    [() => step(gitCommit, { message: "m", paths: ["none"], author: ADA }), "BELFRY_GIT_COMMIT_FAILED"],
    [() => step(gitCommit, { message: "m", paths: ["../out"], author: ADA }), "BELFRY_GIT_COMMIT_FAILED"],
    [() => step(gitCommit, { message: "m", paths: [":(bad)x"], author: ADA }), "BELFRY_GIT_COMMIT_FAILED"],
    [() => step(gitCommit, { message: "m" }), "BELFRY_GIT_IDENTITY"],
    [() => step(gitCommit, { message: () => " \n", author: ADA }), "BELFRY_GIT_COMMIT_FAILED"],
    [() => step(gitTag, { tag: "v1", message: "m" }), "BELFRY_GIT_IDENTITY"],
    [() => step(gitTag, { tag: "v1", revision: "none" }), "BELFRY_GIT_REVISION_UNKNOWN"],
    [() => step(gitTag, { tag: "-d" }), "BELFRY_GIT_NAME_INVALID"],
    [() => step(gitTag, { tag: () => "a b" }), "BELFRY_GIT_NAME_INVALID"],
    [() => step(gitTag, { tag: "v1", revision: "--help" }), "BELFRY_GIT_NAME_INVALID"],
    [() => step(gitPush, { branch: "--mirror" }), "BELFRY_GIT_NAME_INVALID"],
    [() => step(gitPush, { branch: "a:b" }), "BELFRY_GIT_NAME_INVALID"],
    [() => step(gitPush, { tags: ["none"] }), "BELFRY_GIT_REVISION_UNKNOWN"],
    [() => step(gitDescribe, { path: "elsewhere" }), "BELFRY_GIT_NO_WORK_TREE"],
    [() => step(gitCommit, { message: "m", codebase: "none" }), "BELFRY_GIT_NO_WORK_TREE"],
    [() => step(gitPush, { path: "elsewhere" }), "BELFRY_GIT_NO_WORK_TREE"],
  ];
  for (const [work, code] of cases) assert.is((await rejects(work(), code)).result, "failure", code);
});

test("a tag is made once, and moved only by force", async () => {
  await using world = await makeWorld();
  const { step, write, mine, first } = await makeBuild(world);
  assert.equal(await step(gitTag, { tag: "v1" }), { result: "success", summary: `v1 at ${first.slice(0, 7)}` });
  assert.equal(await step(gitTag, { tag: "v1" }), { result: "success", summary: "v1 is there already" });
  await write("a", "2\n");
  await step(gitCommit, { message: "two", author: ADA });
  assert.match((await rejects(step(gitTag, { tag: "v1" }), "BELFRY_GIT_TAG_EXISTS")).message, first);
  await rejects(step(gitTag, { tag: "v1/x" }), "BELFRY_GIT_TAG_EXISTS");
  await step(gitTag, { tag: "v1", force: true, message: "moved\n", tagger: ADA });
  assert.is(await mine("rev-parse", "v1^{commit}"), await mine("rev-parse", "HEAD"));
  assert.is(await mine("for-each-ref", "--format=%(taggername) %(contents)", "refs/tags/v1"), "Ada Lo moved");
  await step(gitTag, { tag: "old", revision: first });
  assert.is(await mine("rev-parse", "old"), first);
});

test("a commit and its tags are pushed to the build's branch, and a second time there is nothing to do", async () => {
  await using world = await makeWorld();
  const { step, write, mine, remote, properties } = await makeBuild(world);
  await write("a", "2\n");
  await step(gitCommit, { message: "two", author: ADA });
  await step(gitTag, { tag: "v1", message: "one", tagger: ADA });
  await step(gitTag, { tag: "not-pushed" });
  const head = await mine("rev-parse", "HEAD");
  const { result, summary } = await step(gitPush, { tags: ["v1"] });
  assert.equal([result, summary], ["success", `${head.slice(0, 7)} to main, v1`]);
  assert.equal(
    [await remote("main"), await remote("v1^{commit}"), await remote("not-pushed")],
    [head, head, undefined],
  );
  assert.is(properties.get("pushedRevision"), head);
  assert.equal(await step(gitPush), { result: "success", summary: "nothing to push: it is there" });
  assert.equal(await step(gitPush, { branch: null }), {
    result: "success",
    summary: "nothing to push: no branch, no tags",
  });
  await step(gitPush, { branch: "feature/new", revision: "HEAD" });
  await step(gitPush, { branch: "refs/for/main" });
  await step(gitPush, { branch: null, tags: ["not-pushed"] });
  assert.equal(
    [await remote("feature/new"), await remote("refs/for/main"), await remote("not-pushed")],
    [head, head, head],
  );
});

test("what somebody else pushed is never overwritten without force, and a branch and its tags go together or not at all", async () => {
  await using world = await makeWorld();
  const { step, write, remote, other } = await makeBuild(world);
  await write("a", "2\n");
  await step(gitCommit, { message: "two", author: ADA });
  await step(gitTag, { tag: "v1" });
  const theirs = await faster(other, { b: "theirs\n" });
  const error = await rejects(step(gitPush, { tags: ["v1"] }), "BELFRY_GIT_PUSH_REJECTED");
  assert.is(error.result, "failure");
  assert.match(error.message, /refs\/heads\/main .*(fetch first|non-fast-forward)/);
  assert.equal([await remote("main"), await remote("v1")], [theirs, undefined]);
  await rejects(step(gitPush, { force: true }), "BELFRY_GIT_PUSH_REJECTED");
  assert.is(await remote("main"), theirs, "the lease is on what was checked out");
});

test("force replaces what this build knows, what it was told, or what is there now", async () => {
  await using world = await makeWorld();
  const { step, mine, remote, other, first } = await makeBuild(world);
  const fresh = await git(world.path("other"), "commit-tree", "-m", "anew", "HEAD^{tree}");
  await mine("fetch", "-q", "../other", fresh);
  await mine("checkout", "-q", fresh);
  const head = await mine("rev-parse", "HEAD");
  await rejects(step(gitPush), "BELFRY_GIT_PUSH_REJECTED");
  await step(gitPush, { force: true });
  assert.is(await remote("main"), head);
  await other.git("push", "-q", "origin", "HEAD:side");
  await step(gitPush, { force: true, branch: "side" });
  assert.is(await remote("side"), head, "a branch that was not checked out");
  const wrong = { force: true, branch: "side", expect: first, revision: first };
  await rejects(step(gitPush, wrong), "BELFRY_GIT_PUSH_REJECTED");
  await step(gitPush, { ...wrong, expect: () => head });
  assert.is(await remote("side"), first);
  await step(gitPush, { force: true, branch: "made", expect: null });
  assert.is(await remote("made"), head);
  await rejects(
    step(gitPush, { force: true, branch: "made", expect: null, revision: first }),
    "BELFRY_GIT_PUSH_REJECTED",
  );
  await step(gitTag, { tag: "v1", revision: first });
  await step(gitPush, { branch: null, tags: ["v1"] });
  await step(gitTag, { tag: "v1", force: true });
  await rejects(step(gitPush, { branch: null, tags: ["v1"] }), "BELFRY_GIT_PUSH_REJECTED");
  await step(gitPush, { branch: null, tags: ["v1"], force: true });
  assert.is(await remote("v1"), head);
});

test("a race is lost, or rebased and tried again as often as told", async () => {
  await using world = await makeWorld();
  const { step, write, mine, remote, other, text } = await makeBuild(world);
  await write("mine", "m\n");
  await step(gitCommit, { message: "mine", author: ADA });
  const theirs = await faster(other, { b: "theirs\n" });
  await write("a", "left by the build\n");
  await step(gitPush, { races: 1, committer: ADA });
  assert.match(text(), "Somebody else was faster");
  const head = await remote("main");
  assert.is(await git(world.path("repo"), "rev-parse", "main~1"), theirs);
  assert.is(await mine("rev-parse", "HEAD"), head);
  assert.is(await readFile(world.path("build/a"), "utf8"), "left by the build\n");

  // Somebody who is faster each time: a hook of the server that moves the branch before it takes anything.
  await write("mine", "m2\n");
  await step(gitCommit, { message: "mine too", author: ADA, paths: ["mine"] });
  const hook = world.path("repo/hooks/pre-receive");
  await mkdir(world.path("repo/hooks"), { recursive: true });
  await writeFile(
    hook,
    `#!/bin/sh
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
echo again >> "${world.path("races")}"
git update-ref refs/heads/main "$(git commit-tree -p main -m race "main^{tree}")"
`,
  );
  await chmod(hook, 0o755);
  await rejects(step(gitPush, { races: 2, committer: ADA }), "BELFRY_GIT_PUSH_REJECTED");
  assert.is((await readFile(world.path("races"), "utf8")).trim().split("\n").length, 3);
});

test("a race that cannot be rebased is a failure, and the checkout is as before", async () => {
  await using world = await makeWorld();
  const { step, write, mine, remote, other } = await makeBuild(world);
  await write("a", "mine\n");
  await step(gitCommit, { message: "mine", author: ADA });
  const head = await mine("rev-parse", "HEAD");
  const theirs = await faster(other, { a: "theirs\n" });
  assert.is((await rejects(step(gitPush, { races: 3, committer: ADA }), "BELFRY_GIT_PUSH_CONFLICT")).result, "failure");
  assert.equal([await remote("main"), await mine("rev-parse", "HEAD")], [theirs, head]);
  assert.is(await mine("status", "--porcelain"), "");
});

test("a race is rebased in a clone without its history, too", async () => {
  await using world = await makeWorld();
  const { step, write, remote, other, mine } = await makeBuild(world, {
    depth: 1,
    repository: `file://${world.path("repo")}`,
  });
  await write("mine", "m\n");
  await step(gitCommit, { message: "mine", author: ADA });
  await faster(other, { b: "theirs\n" });
  await step(gitPush, { repository: `file://${world.path("repo")}`, races: 1, committer: ADA });
  assert.is(await remote("main"), await mine("rev-parse", "HEAD"));
});

test("rules of the server are told in its own words, and hooks of the clone do not run", async () => {
  await using world = await makeWorld();
  const { step, write, remote, first } = await makeBuild(world);
  await mkdir(world.path("build/.git/hooks"), { recursive: true });
  for (const name of ["pre-commit", "commit-msg", "post-commit", "pre-push", "reference-transaction"]) {
    await writeFile(world.path(`build/.git/hooks/${name}`), `#!/bin/sh\ntouch "${world.path("hooked")}"\n`);
    await chmod(world.path(`build/.git/hooks/${name}`), 0o755);
  }
  await mkdir(world.path("repo/hooks"), { recursive: true });
  await writeFile(world.path("repo/hooks/pre-receive"), "#!/bin/sh\necho main is protected >&2\nexit 1\n");
  await chmod(world.path("repo/hooks/pre-receive"), 0o755);
  await write("a", "2\n");
  await step(gitCommit, { message: "two", author: ADA });
  const error = await rejects(step(gitPush, { races: 2 }), "BELFRY_GIT_PUSH_REJECTED");
  assert.match(error.message, /main is protected/);
  assert.is(await remote("main"), first);
  assert.not.ok((await readdir(world.folder)).includes("hooked"));
});

test("a push logs in with a password that leaves no trace", async () => {
  await using world = await makeWorld();
  const { step, write, remote, mine, calls, text } = await makeBuild(world);
  await git(world.path("repo"), "config", "http.receivepack", "true");
  await using server = await httpServer(world.folder, { user: "ci", password: "secret of token" });
  const repository = `http://127.0.0.1:${server.port}/repo`;
  await write("a", "2\n");
  await step(gitCommit, { message: "two", author: ADA });
  await step(gitPush, { repository, username: "ci", password: "secret of token" });
  assert.is(await remote("main"), await mine("rev-parse", "HEAD"));
  assert.equal(server.seen, []);
  assert.not.match(JSON.stringify([calls.map(({ command, env }) => [command, env]), text()]), "secret of");
  await rejects(step(gitPush, { repository, username: "ci", password: "wr0ng", branch: "x" }), "BELFRY_GIT_AUTH");
  server.status = 503;
  await rejects(step(gitPush, { repository, password: "x", retries: 1, retryDelay: 1 }), "BELFRY_GIT_UNREACHABLE");
  assert.match(text(), "1 left");
});

test("options that do not go together are refused at start", async () => {
  await using world = await makeWorld();
  for (const options of [
    { expect: null },
    { races: 1, force: true },
    { races: 1, tags: ["v1"] },
    { races: 1, revision: "v1" },
    { path: "../x" },
    { password: "without a host" },
  ])
    assert.throws(() => create(gitPush, options, world.folder), undefined, JSON.stringify(options));
});

test.run();
