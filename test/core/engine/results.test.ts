import { suite } from "uvu";
import * as assert from "uvu/assert";
import { combineResults } from "../../../core/src/engine/results.ts";
import { RESULTS, type Result, worseResult } from "../../../core/src/interfaces/values.ts";

const test = suite("results");

test("the numbers of the old protocols are the order of the results", () => {
  assert.equal([...RESULTS], ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"]);
});

test("the worst result wins, as Buildbot orders them", () => {
  const order: Result[] = ["skipped", "success", "warnings", "failure", "exception", "retry", "cancelled"];
  for (const [i, a] of order.entries())
    for (const [j, b] of order.entries()) assert.is(worseResult(a, b), order[Math.max(i, j)]);
});

test("a failure makes the build a failure and ends it, unless its flags say otherwise", () => {
  assert.equal(combineResults("success", "failure", {}), { result: "failure", halt: true });
  assert.equal(combineResults("success", "failure", { haltOnFailure: false }), { result: "failure", halt: false });
  assert.equal(combineResults("success", "failure", { flunkOnFailure: false }), { result: "success", halt: true });
  assert.equal(
    combineResults("success", "failure", { flunkOnFailure: false, warnOnFailure: true, haltOnFailure: false }),
    { result: "warnings", halt: false },
  );
  assert.equal(combineResults("warnings", "failure", { flunkOnFailure: false, haltOnFailure: false }), {
    result: "warnings",
    halt: false,
  });
});

test("warnings make the build warnings and never end it", () => {
  assert.equal(combineResults("success", "warnings", {}), { result: "warnings", halt: false });
  assert.equal(combineResults("success", "warnings", { warnOnWarnings: false }), { result: "success", halt: false });
  assert.equal(combineResults("success", "warnings", { flunkOnWarnings: true }), { result: "failure", halt: false });
});

test("exception, retry and cancelled always end the build and win", () => {
  for (const result of ["exception", "retry", "cancelled"] as const) {
    assert.equal(combineResults("failure", result, { haltOnFailure: false, flunkOnFailure: false }), {
      result,
      halt: true,
    });
  }
});

test("a skipped step changes nothing", () => {
  for (const before of ["success", "warnings", "failure"] as const)
    assert.equal(combineResults(before, "skipped", {}), { result: before, halt: false });
});

test.run();
