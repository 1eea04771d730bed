import { force } from "@belfry/schedulers";
import { compile, warnings } from "@belfry/steps";
import {
  createPart,
  fakeWorker,
  runChecks,
  stepContract,
  type TestBuildOptions,
  testBuild,
  testMaster,
} from "@belfry/testkit";
import type { z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../../core/databases.ts";

const test = suite("warnings counted by patterns");
type Options = z.input<typeof compile.definition.options>;

async function compiled(output: string, options: Partial<Options> = {}, how: TestBuildOptions = {}) {
  await using build = await testBuild({ files: { out: output }, ...how });
  const step = createPart(compile, { command: "cat out", ...options });
  const ended = await build.run(step);
  const logs = Object.fromEntries([...build.logs].filter(([name]) => name.startsWith("warnings")));
  return { ...ended, count: build.statistics["warnings"], logs };
}

test("what compilers call a warning is counted, kept in a log of its own, and makes the step warnings", async () => {
  const lines = [
    "gcc -c x.c",
    "x.c:3:5: warning: unused variable 'a' [-Wunused-variable]",
    "\u001b[1my.c:9:1: \u001b[35mwarning: \u001b[mno newline at end of file\u001b[K",
    "warning: unused import: `std::io`",
    "warning[E0133]: call to unsafe function",
    "main.cpp(12): warning C4996: 'strcpy' may be unsafe",
    "App.java:4: warning: [deprecation] stop() in Thread has been deprecated",
    "no warnings, all is well",
    "the word warning alone",
  ];
  const { result, summary, count, logs } = await compiled(`${lines.join("\n")}\n`);
  assert.equal([result, summary, count], ["warnings", "6 warnings", 6]);
  assert.equal(Object.keys(logs), ["warnings (6)"]);
  assert.match(logs["warnings (6)"] ?? "", "y.c:9:1: warning: no newline at end of file\n");
  assert.not.match(logs["warnings (6)"] ?? "", "all is well");
});

test("without warnings the step succeeds, has a figure, and no log of them", async () => {
  assert.equal(await compiled("fine\n"), { result: "success", count: 0, logs: {} });
});

test("patterns of one's own, also stateful ones, and lines that do not count", async () => {
  const output = "W1 first\nW2 second\nW3 third\nE1 other\nW4 generated/x\n";
  const own = await compiled(output, { patterns: ["^W\\d", /^E/gy], suppress: [/generated/, "^W2"] });
  assert.equal([own.summary, Object.keys(own.logs)], ["3 warnings", ["warnings (3)"]]);
  assert.is(own.logs["warnings (3)"], "W1 first\nW3 third\nE1 other\n");
});

test("more than the limit is a failure; a command that fails stays what it is", async () => {
  const output = "warning: a\nwarning: b\n";
  assert.equal((await compiled(output, { limit: 2 })).result, "warnings");
  const over = await compiled(output, { limit: 1 });
  assert.equal([over.result, over.summary], ["failure", "2 warnings, the limit is 1"]);
  const failed = await compiled(output, { command: "cat out; exit 3", limit: 1 });
  assert.equal([failed.result, failed.summary, failed.count], ["failure", "exit code 3, 2 warnings", 2]);
});

test("with mayOnlyFall, the branch's last good build is the bar, if it has one", async () => {
  const output = "warning: a\nwarning: b\n";
  const after = (statistics: Record<string, number> | undefined) =>
    compiled(
      output,
      { mayOnlyFall: true },
      { files: { out: output }, ...(statistics && { lastGood: { number: 7, statistics } }) },
    );
  assert.is((await after(undefined)).result, "warnings");
  assert.is((await after({})).result, "warnings");
  assert.is((await after({ warnings: 2 })).result, "warnings");
  assert.is((await after({ warnings: 3 })).result, "warnings");
  const risen = await after({ warnings: 0 });
  assert.equal([risen.result, risen.summary], ["failure", "2 warnings, 2 more than in build 7"]);
});

test("of very many warnings all are counted and a bounded number is kept", async () => {
  const { count, logs } = await compiled("", {
    command: `${JSON.stringify(process.execPath)} -e 'for (let i = 0; i < 30000; i++) console.log("warning: " + i)'`,
  });
  assert.is(count, 30_000);
  const text = logs["warnings (30000)"] ?? "";
  assert.is(text.split("\n").length, 10_002);
  assert.match(text, "and 20000 more");
});

test("the step warnings wants patterns, and is called after its command", () => {
  const parse = (options: unknown) => warnings.definition.options.safeParse(options).success;
  assert.not.ok(parse({ command: "x" }));
  assert.not.ok(parse({ command: "x", patterns: [] }));
  assert.not.ok(parse({ command: "x", patterns: ["("] }));
  assert.ok(parse({ command: "x", patterns: ["^W"] }));
  assert.is(createPart(warnings, { command: ["npm", "run", "lint"], patterns: ["^W"] }).name, "npm run lint");
  assert.is(createPart(compile, { command: "make" }).name, "compile");
});

for (const kind of DATABASES) {
  test(`${kind.name}: in a master, the number of warnings on a branch may only fall`, async () => {
    await using database = await kind.open();
    let lines = 0;
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [
          fakeWorker({
            name: "w",
            run: async (_spec, output) => {
              for (let i = 0; i < lines; i += 1) await output("stderr", Buffer.from(`x.c:${i}: warning: no\n`), 0);
              return {};
            },
          }),
        ],
        schedulers: [force({ name: "force", builders: ["b"] })],
        builders: [{ name: "b", workers: ["w"], steps: [compile({ command: "make", mayOnlyFall: true })] }],
      },
    });
    const results = [];
    for (const [branch, count] of [
      ["main", 3],
      ["main", 5],
      ["main", 2],
      ["main", 3],
      ["topic", 9],
      ["main", 2],
    ] as const) {
      lines = count;
      const { buildset } = await kit.call("schedulers.force", { branch });
      results.push((await kit.buildsetEnd(buildset)).result);
    }
    assert.equal(results, ["warnings", "failure", "warnings", "failure", "warnings", "warnings"]);
    const { items } = await kit.call("builds.steps", { builder: "b", number: 4 });
    assert.is(items[0].summary, "3 warnings, 1 more than in build 3");
    assert.equal(items[0].statistics, { warnings: 3 });
    const logs = (await kit.call("logs.list", { builder: "b", number: 4 })).items;
    assert.equal(
      logs.map(({ name }: { name: string }) => name),
      ["stdio", "warnings (3)"],
    );
  });
}

runChecks(
  test,
  stepContract("compile", {
    make: () => createPart(compile, { command: "cat out", mayOnlyFall: true }),
    makeSlow: () => createPart(compile, { command: "sleep 30" }),
    builds: [{ files: { out: "warning: one\n" } }, { files: { out: "warning: one\nwarning: two\n" } }],
  }),
);

test.run();
