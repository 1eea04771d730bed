import { setProperty, setPropertyFromCommand } from "@belfry/steps";
import { createPart, rejects, runChecks, stepContract, testBuild } from "@belfry/testkit";
import { BelfryError, interpolate, type Json, property, type z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("steps that set properties");
const set = (options: z.input<typeof setProperty.definition.options>) => createPart(setProperty, options);
type CommandOptions = z.input<typeof setPropertyFromCommand.definition.options>;
const fromCommand = (options: CommandOptions) => createPart(setPropertyFromCommand, options);
const node = process.execPath;

test("setProperty sets a value of any kind, with the step as its source", async () => {
  for (const value of ["text", 3, false, null, ["a", { b: null }], { deep: [1] }] as Json[]) {
    await using build = await testBuild();
    assert.equal(await build.run(set({ property: "it", value: value as never })), { result: "success" });
    assert.equal(build.properties.get("it"), value);
    assert.is(build.properties.source("it"), "set it");
  }
});

test("setProperty computes a value, whole or in parts", async () => {
  await using build = await testBuild({ properties: { branch: "main", count: 2 } });
  await build.run(set({ property: "tag", value: interpolate`${property("branch")}-x` }));
  await build.run(set({ property: "next", value: (b) => Number(b.properties.get("count")) + 1 }));
  await build.run(set({ property: "parts", value: { branch: property("branch"), list: [property("count"), "y"] } }));
  assert.is(build.properties.get("tag"), "main-x");
  assert.is(build.properties.get("next"), 3);
  assert.equal(build.properties.get("parts"), { branch: "main", list: [2, "y"] });
});

test("setProperty refuses what is no JSON, and sets nothing", async () => {
  for (const bad of [undefined, Number.NaN, new Date(), { a: undefined }, 1n, Symbol("x")]) {
    await using build = await testBuild();
    const error = await rejects(build.run(set({ property: "it", value: () => bad as Json })));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_STEPS_OPTION_COMPUTED");
    assert.is(build.properties.has("it"), false);
  }
});

test("setProperty needs a name and a value", () => {
  for (const options of [
    {},
    { property: "x" },
    { property: "", value: 1 },
    { property: "x", value: undefined },
    { value: 1 },
  ]) {
    assert.is(setProperty.definition.options.safeParse(options).success, false);
  }
});

test("setPropertyFromCommand keeps what a command prints, without white space around it", async () => {
  await using build = await testBuild();
  const ended = await build.run(fromCommand({ command: "echo '  v1.2 '; echo noise >&2", property: "version" }));
  assert.equal(ended, { result: "success" });
  assert.is(build.properties.get("version"), "v1.2");
  await build.run(fromCommand({ command: "echo '  v1.2 '", property: "version", strip: false }));
  assert.is(build.properties.get("version"), "  v1.2 \n");
});

test("setPropertyFromCommand sets nothing when the command fails", async () => {
  for (const [command, summary] of [
    ["echo v1; exit 3", "exit code 3"],
    ["echo v1; kill -KILL $$", "killed by SIGKILL"],
    ["echo v1; sleep 600", "no output for 500 ms"],
  ] as const) {
    await using build = await testBuild();
    const ended = await build.run(fromCommand({ command, property: "version", timeout: "500ms" }));
    assert.is(ended.result, "failure");
    if (!summary.startsWith("no output")) assert.is(ended.summary, summary);
    assert.is(build.properties.has("version"), false);
  }
});

test("an exit code that decodeRc makes a success sets the property", async () => {
  await using build = await testBuild();
  await build.run(fromCommand({ command: "echo v1; exit 3", property: "version", decodeRc: { 3: "warnings" } }));
  assert.is(build.properties.get("version"), "v1");
});

test("extract makes properties of output, errors and exit code, also of a failure", async () => {
  await using build = await testBuild();
  const seen: unknown[] = [];
  const step = fromCommand({
    command: "echo out; echo err >&2; exit 4",
    extract: async (stdout, stderr, code) => {
      seen.push([stdout, stderr, code]);
      return { lines: stdout.split("\n").length, code };
    },
  });
  assert.equal(await build.run(step), { result: "failure", summary: "exit code 4" });
  assert.equal(seen, [["out\n", "err\n", 4]]);
  assert.is(build.properties.get("lines"), 2);
  assert.is(build.properties.get("code"), 4);
});

test("extract is not asked about a command that had no exit code", async () => {
  await using build = await testBuild();
  const step = fromCommand({ command: "kill -KILL $$", extract: () => assert.unreachable() as never });
  assert.is((await build.run(step)).result, "failure");
});

test("an extract that throws or gives no properties is an error", async () => {
  await using build = await testBuild();
  const thrown = new Error("cannot read this");
  const throwing = fromCommand({
    command: "true",
    extract: () => {
      throw thrown;
    },
  });
  assert.is(await rejects(build.run(throwing)), thrown);
  for (const bad of [undefined, null, "text", ["x"], { a: undefined }, { a: Number.NaN }]) {
    const error = await rejects(build.run(fromCommand({ command: "true", extract: () => bad as never })));
    assert.ok(BelfryError.is(error), String(error));
    assert.match(error.message, /extract/);
  }
  assert.equal(build.properties.all(), {});
});

test("output without an end is a failure that says so, not a property and not memory", async () => {
  await using build = await testBuild();
  const command = [node, "-e", 'process.stdout.write("x".repeat(300_000))'];
  const ended = await build.run(fromCommand({ command, property: "big", quiet: true }));
  assert.equal(ended, { result: "failure", summary: "the output is longer than 256 KiB" });
  assert.is(build.properties.has("big"), false);
  const fits = [node, "-e", `process.stdout.write("x".repeat(${256 * 1024}))`];
  assert.is((await build.run(fromCommand({ command: fits, property: "big", quiet: true }))).result, "success");
  assert.is(String(build.properties.get("big")).length, 256 * 1024);
});

test("setPropertyFromCommand wants a property or a function, and not both", () => {
  const parse = (options: object) =>
    setPropertyFromCommand.definition.options.safeParse({ command: "x", ...options }).success;
  assert.equal(
    [parse({}), parse({ property: "x", extract: () => ({}) }), parse({ extract: 1 })],
    [false, false, false],
  );
  assert.equal([parse({ property: "x" }), parse({ extract: () => ({}) })], [true, true]);
});

runChecks(
  test,
  stepContract("setProperty", {
    make: () => set({ property: "copy", value: property("name") }),
    builds: [{ properties: { name: "one" } }, { properties: { name: "two" } }],
  }),
);
runChecks(
  test,
  stepContract("setPropertyFromCommand", {
    make: () => fromCommand({ command: ["cat", "name"], property: "name" }),
    builds: [{ files: { name: "one" } }, { files: { name: "two" } }],
    makeSlow: () => fromCommand({ command: "sleep 600", property: "never" }),
  }),
);

test.run();
