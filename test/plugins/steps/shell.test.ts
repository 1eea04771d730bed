import { shell } from "@belfry/steps";
import { createPart, rejects, runChecks, stepContract, testBuild, until } from "@belfry/testkit";
import { BelfryError, interpolate, property, type StepCommandResult, secret, type z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("shell");
type Options = z.input<typeof shell.definition.options>;
const make = (options: Options) => createPart(shell, options);
const node = process.execPath;

/** Runs one command in a build of its own. */
async function outcome(options: Options, build: Parameters<typeof testBuild>[0] = {}) {
  await using world = await testBuild(build);
  const ended = await world.run(make(options));
  return { ...ended, log: world.logs.get("stdio") };
}

test("a command that exits with 0 succeeds, and its output is in the log", async () => {
  const { result, summary, log } = await outcome({ command: "echo hello; echo oops >&2" });
  assert.is(result, "success");
  assert.is(summary, undefined);
  assert.match(log ?? "", /\nhello\n/);
  assert.match(log ?? "", /\noops\n/);
});

test("a command that exits with another code is a failure that names it", async () => {
  const { result, summary } = await outcome({ command: "exit 2" });
  assert.equal({ result, summary }, { result: "failure", summary: "exit code 2" });
});

test("decodeRc gives exit codes another meaning, and leaves the others theirs", async () => {
  const decodeRc = { 3: "warnings", 4: "skipped" } as const;
  const of = async (code: number) => (await outcome({ command: `exit ${code}`, decodeRc })).result;
  assert.equal([await of(0), await of(3), await of(4), await of(5)], ["success", "warnings", "skipped", "failure"]);
  const zero = await outcome({ command: "exit 0", decodeRc: { 0: "warnings" } });
  assert.is(zero.result, "warnings");
  assert.is(zero.summary, "exit code 0");
});

test("a command that dies of a signal is a failure that names it", async () => {
  const { result, summary } = await outcome({ command: "kill -SEGV $$" });
  assert.equal({ result, summary }, { result: "failure", summary: "killed by SIGSEGV" });
});

test("a command that prints nothing for too long is ended", async () => {
  const { result, summary } = await outcome({ command: "echo begun; sleep 600", timeout: "1s" });
  assert.equal({ result, summary }, { result: "failure", summary: "no output for 1 second" });
});

test("a command that keeps printing is not silent", async () => {
  const { result } = await outcome({
    command: "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.25; done",
    timeout: "1500ms",
  });
  assert.is(result, "success");
});

test("a command may be silent for 20 minutes unless told otherwise, and for ever with null", async () => {
  const asked: (number | undefined)[] = [];
  for (const timeout of [undefined, null, "90s"] as const) {
    await using world = await testBuild();
    const step = make({ command: "true", ...(timeout === undefined ? {} : { timeout }) });
    await step.run(contextThatEnds(world, {}, (command) => asked.push(command.timeout)));
  }
  assert.equal(asked, [1_200_000, undefined, 90_000]);
});

test("says in words how long a command was silent or took", async () => {
  await using world = await testBuild();
  const summaries: unknown[] = [];
  for (const [options, ended] of [
    [{}, { killed: "timeout" }],
    [{ timeout: "90s" }, { killed: "timeout" }],
    [{ timeout: "2h" }, { killed: "timeout" }],
    [{}, { killed: "max-time", elapsed: 300_012 }],
    [{}, { killed: "cancelled" }],
    [{}, { code: null }],
  ] as const) {
    const step = make({ command: "true", ...options });
    summaries.push(Object.values(await step.run(contextThatEnds(world, { ...ended }))));
  }
  assert.equal(summaries, [
    ["failure", "no output for 20 minutes"],
    ["failure", "no output for 90 seconds"],
    ["failure", "no output for 2 hours"],
    ["failure", "took longer than 5 minutes"],
    ["cancelled", "stopped"],
    ["failure", "ended without an exit code"],
  ]);
});

test("a list is a program and its arguments, which no shell looks at", async () => {
  const { log } = await outcome({ command: [node, "-p", "process.argv.slice(1)", "--", "$HOME; *", "two words", ""] });
  assert.match(log ?? "", /\[ '\$HOME; \*', 'two words', '' \]/);
});

test("parts of a command may be computed, and lists in it are laid flat", async () => {
  const { log } = await outcome(
    {
      command: [
        node,
        "-p",
        "process.argv.slice(1).join('|')",
        "--",
        property("branch"),
        (b) => b.build.number,
        interpolate`v${property("version")}`,
        property("flags"),
        ["x", "y"],
      ],
    },
    { properties: { branch: "main; rm -rf", version: 3, flags: ["-a", "-b"] }, build: { number: 7 } },
  );
  assert.match(log ?? "", /main; rm -rf\|7\|v3\|-a\|-b\|x\|y/);
});

test("a whole command may be computed, as a line or as a list", async () => {
  const properties = { word: "hello" };
  assert.match(
    (await outcome({ command: interpolate`echo "<${property("word")}>"` }, { properties })).log ?? "",
    /<hello>/,
  );
  assert.match((await outcome({ command: ({ build }) => ["echo", `<${build.builder}>`] })).log ?? "", /<test>/);
});

test("what cannot be a command is an error that names step and option, and nothing is run", async () => {
  const bad: Options["command"][] = [
    ["echo", property("object")],
    ["echo", property("nothing", null)],
    property("object"),
    property("empty"),
    property("list"),
    ["echo", property("zero")],
  ];
  for (const command of bad) {
    await using world = await testBuild({ properties: { object: { a: 1 }, empty: " ", list: [], zero: "a\0b" } });
    const error = await rejects(world.run(make({ command })));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_STEPS_OPTION_COMPUTED");
    assert.match(error.message, /"command"/);
    assert.equal(world.calls, []);
  }
});

test("runs in the build's folder, or in a folder of it", async () => {
  const files = { "sub/file": "x" };
  assert.match((await outcome({ command: "ls" }, { files })).log ?? "", /\nsub\n/);
  assert.match((await outcome({ command: "ls", workdir: "sub" }, { files })).log ?? "", /\nfile\n/);
});

test("a computed workdir cannot lead out of the build's folder", async () => {
  await using world = await testBuild({
    files: { "feature/x": "", "a/b": "" },
    properties: { inside: "feature/../a" },
  });
  assert.is((await world.run(make({ command: "ls b", workdir: property("inside") }))).result, "success");
  for (const branch of ["..", "../other", "feature/../../x", "/etc", "..\\x", "C:\\x", `${world.folder}-other`]) {
    const error = await rejects(world.run(make({ command: "ls", workdir: () => branch })), branch);
    assert.ok(BelfryError.is(error));
    assert.is(error.code, "BELFRY_STEPS_PATH_OUTSIDE");
    assert.is(error.result, "failure");
  }
});

test("variables are added to the worker's environment, or taken away with null", async () => {
  process.env.BELFRY_TEST_TAKEN = "there";
  try {
    const env = { BELFRY_TEST_TAKEN: null, GIVEN: property("given"), COUNT: () => 3 };
    const { log } = await outcome(
      { command: 'echo "[$GIVEN][$COUNT][$BELFRY_TEST_TAKEN][$PATH]"', env },
      { properties: { given: "yes" } },
    );
    assert.match(log ?? "", /\[yes\]\[3\]\[\]\[.+\]/);
    const whole = await outcome({ command: 'echo "[$A]"', env: (b) => ({ A: b.build.builder }) });
    assert.match(whole.log ?? "", /\[test\]/);
  } finally {
    delete process.env.BELFRY_TEST_TAKEN;
  }
});

test("variables that cannot be used are an error that names them", async () => {
  await using world = await testBuild();
  for (const env of [{ A: () => ({}) }, { A: () => "x\0y" }, () => ["A"], () => ({ "A=B": "x" })] as Options["env"][]) {
    const error = await rejects(world.run(make({ command: "true", env })));
    assert.ok(BelfryError.is(error), String(error));
    assert.match(error.message, /"env/);
  }
});

test("input is written to the command's standard input", async () => {
  assert.match(
    (await outcome({ command: "cat", input: interpolate`hello ${property("name", "you")}` })).log ?? "",
    /hello you/,
  );
  assert.is((await outcome({ command: "cat", input: "" })).result, "success");
  assert.is(
    (await outcome({ command: "true", input: "x".repeat(1_000_000) })).result,
    "success",
    "a command need not read it",
  );
});

test("killGrace reaches the worker", async () => {
  await using world = await testBuild();
  const asked: unknown[] = [];
  await make({ command: "true", killGrace: "2s" }).run(
    contextThatEnds(world, {}, (command) => asked.push(command.killGrace)),
  );
  assert.equal(asked, [2_000]);
});

test("the log has the name that it is given, and quiet keeps none", async () => {
  await using world = await testBuild();
  await world.run(make({ command: "echo hello", log: "greeting" }));
  await world.run(make({ command: "echo hidden", quiet: true }));
  assert.equal([...world.logs.keys()], ["greeting"]);
  assert.match(world.logs.get("greeting") ?? "", /hello/);
});

test("a secret reaches the command and not the log", async () => {
  await using world = await testBuild({ secrets: { token: "hunter2" } });
  const env = { TOKEN: secret("token") };
  await world.run(make({ command: '[ "$TOKEN" = hunter2 ] && echo "it is $TOKEN" > file && echo "$TOKEN"', env }));
  assert.not.match(world.logs.get("stdio") ?? "", /hunter2/);
});

test("a program that does not exist is an error that names it", async () => {
  await using world = await testBuild();
  const error = await rejects(world.run(make({ command: ["belfry-no-such-program"] })));
  assert.match(String(error), /belfry-no-such-program/);
});

test("is called after its command", () => {
  const name = (command: Options["command"]) => make({ command }).name;
  assert.is(name("npm ci"), "npm ci");
  assert.is(name(["npm", "run", "build"]), "npm run build");
  assert.is(name("set -e\nmake"), "set -e make");
  assert.is(name(["scp", "-r", property("artifact"), ["a", "b"]]), "scp -r … a b");
  assert.is(
    name(() => "x"),
    "shell",
  );
  assert.is(name("   "), "shell");
  assert.is(name(`echo ${"x".repeat(500)}`).length, 60);
});

test("options that cannot be right are refused before any build", () => {
  const bad: Record<string, unknown>[] = [
    {},
    { command: "" },
    { command: [] },
    { command: ["echo", 1] },
    { command: ["echo", ["a", {}]] },
    { command: "a\0b" },
    { command: "x", workdir: "" },
    { command: "x", timeout: 0 },
    { command: "x", timeout: "soon" },
    { command: "x", env: { "A=B": "x" } },
    { command: "x", env: { A: 1 } },
    { command: "x", decodeRc: { one: "success" } },
    { command: "x", decodeRc: { 1: "bad" } },
    { command: "x", log: "" },
    { command: "x", comand: "x" },
  ];
  for (const options of bad) {
    assert.is(shell.definition.options.safeParse(options).success, false, JSON.stringify(options));
  }
});

test("a stopped build ends the command with all its children", async () => {
  await using world = await testBuild();
  const stop = new AbortController();
  const reason = new Error("stopped");
  const running = rejects(world.run(make({ command: "sleep 600 & echo $! > child; wait" }), { signal: stop.signal }));
  await until(async () => /\d+\n/.test(await childOf(world.folder)), "the child's number");
  const child = Number(await childOf(world.folder));
  stop.abort(reason);
  assert.is(await running, reason);
  await until(() => !isAlive(child), "the end of the child");
});

runChecks(
  test,
  stepContract("shell", {
    make: () =>
      make({
        command: 'echo "$NAME" | tee name; exit 3',
        env: { NAME: property("name") },
        decodeRc: { 3: "warnings" },
      }),
    builds: [{ properties: { name: "one" } }, { properties: { name: "two" } }],
    makeSlow: () => make({ command: "echo begun; sleep 600" }),
  }),
);

async function childOf(folder: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(`${folder}/child`, "utf8").catch(() => "");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

type Context = Parameters<ReturnType<typeof make>["run"]>[0];

/** A context whose worker only says how the command ended. */
function contextThatEnds(
  world: Awaited<ReturnType<typeof testBuild>>,
  ended: Partial<StepCommandResult>,
  look: (command: Parameters<Context["worker"]["run"]>[0]) => unknown = () => {},
): Context {
  const run: Context["worker"]["run"] = async (command) => {
    look(command);
    return {
      code: ended.killed || "code" in ended ? null : 0,
      signal: null,
      killed: null,
      elapsed: 0,
      stdout: "",
      stderr: "",
      ...ended,
    };
  };
  return {
    build: world.info,
    properties: world.properties,
    worker: { folder: world.folder, run } as Context["worker"],
    signal: new AbortController().signal,
    render: async (value: unknown) => value,
  } as unknown as Context;
}

test.run();
