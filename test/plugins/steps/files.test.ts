import * as fs from "node:fs/promises";
import { join } from "node:path";
import { copy, fail, mkdir, remove } from "@belfry/steps";
import { createPart, rejects, runChecks, stepContract, type TestBuild, testBuild } from "@belfry/testkit";
import { BelfryError, interpolate, property, RESULTS } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("steps that work on files, and fail");
type Path = Parameters<typeof mkdir>[0]["path"];
const makeFolder = (path: Path) => createPart(mkdir, { path });
const removal = (path: Path) => createPart(remove, { path });
const copying = (from: Path, to: Path) => createPart(copy, { from, to });
const names = async (build: TestBuild, path = ".") => (await fs.readdir(join(build.folder, path))).sort();

test("mkdir makes a folder and those above it, and does not mind if it exists", async () => {
  await using build = await testBuild();
  assert.equal(await build.run(makeFolder("a/b/c")), { result: "success" });
  assert.equal(await build.run(makeFolder("a/b/c")), { result: "success" });
  assert.equal(await names(build, "a/b"), ["c"]);
  assert.is(makeFolder("a/b").name, "mkdir a/b");
});

test("mkdir where a file is fails and says why", async () => {
  await using build = await testBuild({ files: { file: "x" } });
  const ended = await build.run(makeFolder("file/sub"));
  assert.is(ended.result, "failure");
  assert.match(ended.summary ?? "", /^cannot make "file\/sub": .+ \((ENOTDIR|EEXIST)\)$/);
});

test("remove takes away a file or a folder, and does not mind if there is none", async () => {
  await using build = await testBuild({ files: { "dist/a/b": "x", "keep/c": "x", file: "x" } });
  for (const path of ["dist", "file", "nothing/there"]) {
    assert.equal(await build.run(removal(path)), { result: "success" });
  }
  assert.equal(await names(build), ["keep"]);
});

test("remove never takes the build's folder or one above it", async () => {
  await using build = await testBuild({ files: { keep: "x" } });
  for (const path of [
    ".",
    "./",
    "a/..",
    "..",
    "../..",
    "/",
    "//",
    build.folder,
    join(build.folder, ".."),
    `${build.folder}/sub/..`,
  ]) {
    const error = await rejects(build.run(removal(path)), `remove ${path}`);
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_STEPS_REMOVES_FOLDER");
    assert.is(error.result, "failure");
  }
  assert.equal(build.calls, []);
  assert.equal(await names(build), ["keep"]);
});

test("copy copies a file or a folder over what is there", async () => {
  await using build = await testBuild({
    files: { "from/a": "new", "from/b/c": "deep", "to/a": "old", "to/kept": "x" },
  });
  assert.equal(await build.run(copying("from", "to")), { result: "success" });
  assert.equal(await names(build, "to"), ["a", "b", "kept"]);
  assert.is(await fs.readFile(join(build.folder, "to/a"), "utf8"), "new");
  await build.run(copying("from/a", "single"));
  assert.is(await fs.readFile(join(build.folder, "single"), "utf8"), "new");
  assert.is(copying("a", "b").name, "copy a to b");
});

test("copy of nothing fails and says why", async () => {
  await using build = await testBuild();
  assert.equal(await build.run(copying("missing", "to")), {
    result: "failure",
    summary: 'cannot copy "missing" to "to": it does not exist (ENOENT)',
  });
});

test("paths may be computed, and then stay within the build's folder", async () => {
  await using build = await testBuild({
    files: { "out/main": "x" },
    properties: { branch: "main", evil: "../../victim" },
  });
  assert.is((await build.run(copying(interpolate`out/${property("branch")}`, "copied"))).result, "success");
  assert.is((await build.run(removal(interpolate`out/${property("branch")}`))).result, "success");
  assert.equal(await names(build), ["copied", "out"]);
  const evil = [
    makeFolder(property("evil")),
    removal(property("evil")),
    copying(property("evil"), "x"),
    copying("copied", property("evil")),
  ];
  const before = build.calls.length;
  for (const step of evil) {
    const error = await rejects(build.run(step));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_STEPS_PATH_OUTSIDE");
    assert.not.match(error.message, /victim/);
  }
  assert.is(build.calls.length, before, "the worker was not asked");
});

test("a computed removal of the folder itself is refused too", async () => {
  await using build = await testBuild({ files: { keep: "x" }, properties: { empty: "" } });
  const error = await rejects(build.run(removal(interpolate`./${property("empty")}`)));
  assert.ok(BelfryError.is(error));
  assert.is(error.code, "BELFRY_STEPS_REMOVES_FOLDER");
  assert.ok(BelfryError.is(await rejects(build.run(removal(property("empty"))))));
  assert.equal(await names(build), ["keep"]);
});

test("an error that is none of the file system's is thrown", async () => {
  await using build = await testBuild();
  const lost = new Error("the worker has gone");
  const ctx = {
    worker: { folder: build.folder, mkdir: () => Promise.reject(lost) },
    render: async (value: unknown) => value,
    signal: new AbortController().signal,
  };
  assert.is(await rejects(makeFolder("x").run(ctx as never)), lost);
});

test("paths that cannot be right are refused before any build", () => {
  for (const path of ["", "a\0b", 3, null, undefined]) {
    assert.is(mkdir.definition.options.safeParse({ path }).success, false);
    assert.is(remove.definition.options.safeParse({ path }).success, false);
    assert.is(copy.definition.options.safeParse({ from: path, to: "x" }).success, false);
  }
});

test("fail ends with a failure, its message in one line", async () => {
  await using build = await testBuild({ properties: { why: "no\n  licence" } });
  assert.equal(await build.run(createPart(fail, {})), { result: "failure", summary: "the configuration says so" });
  assert.equal(await build.run(createPart(fail, { message: interpolate`because: ${property("why")}` })), {
    result: "failure",
    summary: "because: no licence",
  });
  const long = await build.run(createPart(fail, { message: "x".repeat(5_000) }));
  assert.is(long.summary?.length, 200);
});

test("fail ends with any result that it is told", async () => {
  await using build = await testBuild();
  for (const result of RESULTS) assert.is((await build.run(createPart(fail, { result }))).result, result);
  assert.is(fail.definition.options.safeParse({ result: "bad" }).success, false);
});

const builds = [
  { files: { "in/a": "one" }, properties: { to: "x" } },
  { files: { "in/a": "two" }, properties: { to: "y" } },
] as const;
runChecks(test, stepContract("mkdir", { make: () => makeFolder(property("to")), builds }));
runChecks(test, stepContract("remove", { make: () => removal("in"), builds }));
runChecks(test, stepContract("copy", { make: () => copying("in", property("to")), builds }));
runChecks(test, stepContract("fail", { make: () => createPart(fail, { message: property("to") }), builds }));

test.run();
