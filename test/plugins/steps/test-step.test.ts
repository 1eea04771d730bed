import { test as testStep } from "@belfry/steps";
import { createPart, runChecks, stepContract, testBuild } from "@belfry/testkit";
import type { z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("test");
type Options = z.input<typeof testStep.definition.options>;

async function tested(output: string, options: Partial<Options> = {}) {
  await using build = await testBuild({ files: { out: output } });
  const ended = await build.run(createPart(testStep, { command: "cat out", ...options }));
  return { ...ended, figures: build.statistics };
}

interface Sample {
  runner: string;
  /** The end of what it prints. */
  prints: string;
  /** total, passed, failed, skipped */
  figures: [number, number, number, number];
  failing?: string[];
}

const SAMPLES: Sample[] = [
  {
    runner: "TAP and node:test",
    prints:
      "TAP version 13\n# Subtest: adds\nok 1 - adds\nnot ok 2 - takes away\n  ---\n  duration_ms: 1\n1..2\n# tests 3\n# suites 0\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n# duration_ms 50.1",
    figures: [3, 1, 1, 1],
    failing: ["takes away"],
  },
  {
    runner: "node:test's spec reporter",
    prints: "✔ adds (1ms)\nℹ tests 2\nℹ suites 0\nℹ pass 2\nℹ fail 0\nℹ cancelled 0\nℹ skipped 0\nℹ todo 0",
    figures: [2, 2, 0, 0],
  },
  {
    runner: "uvu",
    prints:
      ' one  • • ✘   (2 / 3)\n\n   FAIL  one  "adds two numbers"\n    Expected values to be strictly equal:\n\n  Total:     3\n  Passed:    2\n  Skipped:   0\n  Duration:  1.00ms',
    figures: [3, 2, 1, 0],
    failing: ['one  "adds two numbers"'],
  },
  { runner: "Mocha", prints: "  12 passing (34ms)\n  2 pending\n  1 failing\n", figures: [15, 12, 1, 2] },
  {
    runner: "Jest",
    prints:
      "Test Suites: 1 failed, 2 passed, 3 total\nTests:       1 failed, 2 skipped, 12 passed, 15 total\nSnapshots:   0 total",
    figures: [15, 12, 1, 2],
  },
  {
    runner: "Vitest",
    prints:
      " Test Files  1 failed | 3 passed (4)\n      Tests  1 failed | 12 passed | 2 skipped (15)\n   Start at  10:00:00",
    figures: [15, 12, 1, 2],
  },
  {
    runner: "pytest",
    prints:
      "FAILED tests/test_x.py::test_a - assert 1 == 2\nFAILED tests/test_x.py::TestB::test_c[1-2]\n=================== 2 failed, 11 passed, 1 skipped, 3 warnings in 0.12s ===================",
    figures: [14, 11, 2, 1],
    failing: ["tests/test_x.py::test_a", "tests/test_x.py::TestB::test_c[1-2]"],
  },
  { runner: "pytest -q", prints: "13 passed in 0.02s", figures: [13, 13, 0, 0] },
  {
    runner: "unittest",
    prints:
      "FAIL: test_x (mod.Class.test_x)\nTraceback\nERROR: test_y (mod.Class.test_y)\n----\nRan 12 tests in 0.001s\n\nFAILED (failures=1, errors=1, skipped=2)",
    figures: [12, 8, 2, 2],
    failing: ["test_x (mod.Class.test_x)", "test_y (mod.Class.test_y)"],
  },
  { runner: "unittest that is well", prints: "Ran 3 tests in 0.001s\n\nOK", figures: [3, 3, 0, 0] },
  {
    runner: "cargo, with two crates",
    prints:
      "test a::works ... ok\ntest a::fails ... FAILED\ntest result: FAILED. 5 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\ntest result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
    figures: [12, 9, 1, 2],
    failing: ["a::fails"],
  },
  {
    runner: "go test -v",
    prints:
      "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- FAIL: TestB/sub (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\nexit status 1",
    figures: [3, 1, 2, 0],
    failing: ["TestB/sub", "TestB"],
  },
  {
    runner: "Maven",
    prints:
      "[INFO] Tests run: 4, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.01 s - in a.A\n[ERROR] Tests run: 10, Failures: 1, Errors: 2, Skipped: 3\n[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0",
    figures: [15, 9, 3, 3],
  },
  { runner: "PHPUnit", prints: "OK (12 tests, 30 assertions)", figures: [12, 12, 0, 0] },
  {
    runner: "PHPUnit that fails",
    prints: "FAILURES!\nTests: 12, Assertions: 30, Failures: 1.",
    figures: [12, 11, 1, 0],
  },
  {
    runner: "CTest",
    prints:
      "98% tests passed, 1 tests failed out of 50\n\nThe following tests FAILED:\n\t  3 - io.large (Failed)\nErrors while running CTest",
    figures: [50, 49, 1, 0],
    failing: ["io.large"],
  },
  {
    runner: "GoogleTest",
    prints:
      "[==========] 12 tests from 3 test suites ran. (4 ms total)\n[  PASSED  ] 11 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Suite.Name\n\n 1 FAILED TEST",
    figures: [12, 11, 1, 0],
    failing: ["Suite.Name"],
  },
  {
    runner: "RSpec",
    prints: "12 examples, 1 failure, 2 pending\n\nrspec ./spec/x_spec.rb:12 # X does it",
    figures: [12, 9, 1, 2],
    failing: ["./spec/x_spec.rb:12"],
  },
];

for (const { runner, prints, figures, failing = [] } of SAMPLES) {
  test(`what ${runner} says at its end becomes figures`, async () => {
    const [total, passed, failed, skipped] = figures;
    const ended = await tested(prints, { command: `cat out; exit ${failed > 0 ? 1 : 0}` });
    assert.equal(ended.figures, { tests: total, passed, failed, skipped });
    assert.equal(ended.failing ?? [], failing);
    assert.is(ended.result, failed > 0 ? "failure" : "success");
    assert.match(ended.summary ?? "", failed > 0 ? `${failed} of ${total} tests failed` : `${passed} tests passed`);
  });
}

test("a runner that is really run, in colours, is understood", async () => {
  const file = `import { test } from "node:test"; import assert from "node:assert";
    test("adds", () => {}); test("breaks it", () => assert.fail()); test.skip("later", () => {});`;
  await using build = await testBuild({ files: { "x.test.mjs": file } });
  for (const reporter of ["tap", "spec"]) {
    const command = [process.execPath, "--test", `--test-reporter=${reporter}`, "x.test.mjs"];
    const env = { FORCE_COLOR: "1", NODE_TEST_CONTEXT: null };
    const ended = await build.run(createPart(testStep, { command, env }));
    assert.equal(build.statistics, { tests: 3, passed: 1, failed: 1, skipped: 1 }, reporter);
    assert.equal([ended.result, ended.summary], ["failure", "1 of 3 tests failed, 1 skipped"]);
    if (reporter === "tap") assert.equal(ended.failing, ["breaks it"]);
  }
});

test("what no runner said leaves no figures, and the exit code decides", async () => {
  assert.equal(await tested("all is well\n"), { result: "success", figures: {} });
  assert.equal(await tested("broken\n", { command: "exit 2" }), {
    result: "failure",
    summary: "exit code 2",
    figures: {},
  });
  const odd = await tested("# tests 2\n# pass 2\n# fail 0\n", { command: "cat out; exit 5" });
  assert.equal([odd.result, odd.summary], ["failure", "exit code 5, 2 tests passed"]);
});

test("patterns of one's own name failed tests", async () => {
  const { failing } = await tested("BAD one\nXX two\n", {
    command: "cat out; exit 1",
    failing: ["^BAD (.+)$", /^(?<mark>XX) (?<name>.+)$/g],
  });
  assert.equal(failing, ["one", "two"]);
});

runChecks(
  test,
  stepContract("test", {
    make: () => createPart(testStep, { command: "cat out" }),
    makeSlow: () => createPart(testStep, { command: "sleep 30" }),
    builds: [{ files: { out: "# tests 2\n# pass 2\n" } }, { files: { out: "not ok 1 - x\n# tests 1\n# fail 1\n" } }],
  }),
);

test.run();
