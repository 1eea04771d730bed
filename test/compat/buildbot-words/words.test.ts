import {
  blame,
  branchOf,
  buildText,
  RESULT_NUMBERS,
  resultNumber,
  resultWord,
  revisionOf,
  type StepLike,
  seconds,
  stepText,
  stepText2,
} from "@belfry/buildbot-words";
import { RESULTS, type Result } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("Buildbot's words");

const step = (name: string, result: Result | null): StepLike => ({
  name,
  result,
  summary: "",
  startedAt: 1,
  finishedAt: result === null ? null : 2,
});

test("results have the numbers 0 to 5, and cancelled is an exception to who does not know it", () => {
  assert.equal(RESULTS.map(resultNumber), [0, 1, 2, 3, 4, 5, 4]);
  assert.equal(RESULTS.map(resultWord), [
    "success",
    "warnings",
    "failure",
    "skipped",
    "exception",
    "retry",
    "exception",
  ]);
  assert.equal([resultNumber(null), resultWord(null)], [null, null]);
  assert.is(RESULT_NUMBERS.cancelled, 6);
});

test("the text of a build begins with how it ended, and goes on with the steps that were not well", () => {
  const steps = [
    step("get", "success"),
    step("compile", "warnings"),
    step("unit tests", "failure"),
    step("pack", null),
  ];
  const text = (result: Result | null) => buildText({ result, steps });
  assert.equal(text("failure"), ["failed", "compile", "unit tests"]);
  assert.equal(text("warnings"), ["warnings", "compile", "unit tests"]);
  assert.equal(text("exception"), text("cancelled"));
  assert.is(text("exception")[0], "exception");
  assert.equal(buildText({ result: "success" }), ["build", "successful"]);
  assert.equal(buildText({ result: "skipped", steps: [step("x", "skipped")] }), ["build", "successful"]);
  assert.equal(buildText({ result: "retry" }), ["retry", "exception"]);
  assert.equal(text(null), []);
});

test("the text of a step ends with failed exactly if it failed", () => {
  const failed = RESULTS.filter((result) => stepText(step("compile", result)).at(-1) === "failed");
  assert.equal(failed, ["failure"]);
  assert.equal(stepText(step("compile", "failure")), ["compile", "failed"]);
  assert.equal(stepText(step("test", "success")), ["test"]);
  assert.equal(stepText(step("test", null)), ["test"]);
  assert.equal([stepText2(step("a b", "exception")), stepText2(step("a b", null))], [["a b"], []]);
});

test("the revision is the one that was checked out, as one text", () => {
  const revision = (value: never) => revisionOf({ properties: { gotRevision: { value } } });
  assert.is(revision("abc" as never), "abc");
  assert.is(revision(1234 as never), "1234");
  assert.is(revision({ lib: "b", "": "a" } as never), "a");
  assert.is(revision({ z: "3", app: "1" } as never), "1");
  for (const none of [null, true, ["x"], {}, { a: 1 }]) assert.is(revision(none as never), "");
  assert.is(revisionOf({}), "");
});

test("the branch is the build's own, or its first source stamp's", () => {
  assert.is(branchOf({ branch: "main", sourceStamps: [{ branch: "other" }] }), "main");
  assert.is(branchOf({ branch: null, sourceStamps: [{ branch: "other" }] }), "other");
  assert.is(branchOf({ branch: null }), null);
});

test("each author is blamed once, and time is in seconds", () => {
  assert.equal(blame([{ author: "zoe" }, { author: "ann" }, { author: "zoe" }, { author: "" }]), ["ann", "zoe"]);
  assert.is(seconds(1_500), 1.5);
});

test.run();
