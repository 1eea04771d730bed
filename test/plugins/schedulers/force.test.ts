import { force } from "@belfry/schedulers";
import { createPart, rejects, runChecks, schedulerContract } from "@belfry/testkit";
import { BelfryError, type BuildsetSpec, type ForceRequest, type Json, type z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DrivenScheduler } from "./driven-scheduler.ts";

const test = suite("force");
type Options = Partial<z.input<typeof force.definition.options>>;
const make = (options: Options = {}) =>
  createPart(force, { builders: ["unit", "lint"], ...options }, { name: "by hand" });

function grant(options: Options, request: Partial<ForceRequest> = {}): BuildsetSpec {
  const spec = make(options).force?.({ owner: "ada", ...request });
  assert.ok(spec);
  return spec as BuildsetSpec;
}

async function refuse(options: Options, request: Partial<ForceRequest>): Promise<BelfryError> {
  const error = await rejects((async () => grant(options, request))());
  assert.ok(BelfryError.is(error), String(error));
  return error as BelfryError;
}

test("a wish without details builds all builders with the scheduler's defaults", () => {
  const options = { repository: "repo", branch: "main", codebase: "app", project: "p", priority: 5 };
  assert.equal(grant(options), {
    builders: ["unit", "lint"],
    sourceStamps: [{ repository: "repo", branch: "main", revision: null, codebase: "app", project: "p" }],
    reason: "forced by ada",
    properties: { owner: "ada", scheduler: "by hand" },
    priority: 5,
  });
});

test("a wish may say otherwise in everything", () => {
  const request = {
    builders: ["lint", "lint"],
    reason: "  check\n the fix ",
    branch: "fix",
    revision: "abc",
    repository: "fork",
    properties: { deep: { a: [1] } },
    priority: -2,
  };
  assert.equal(grant({ repository: "repo", branch: "main", revision: "old" }, request), {
    builders: ["lint"],
    sourceStamps: [{ repository: "fork", branch: "fix", revision: "abc", codebase: "", project: "" }],
    reason: "forced by ada: check the fix",
    properties: { deep: { a: [1] }, owner: "ada", scheduler: "by hand" },
    priority: -2,
  });
});

test("a wish for no branch is not a wish for the default branch", () => {
  const [stamp] = grant({ branch: "main", revision: "abc" }, { branch: null, revision: null }).sourceStamps;
  assert.equal([stamp?.branch, stamp?.revision], [null, null]);
});

test("a reason may be configured for wishes without one, and long ones are cut", () => {
  assert.is(grant({ reason: "by the form" }).reason, "forced by ada: by the form");
  assert.is(grant({ reason: "by the form" }, { reason: "mine" }).reason, "forced by ada: mine");
  assert.is(grant({ reason: "by the form" }, { reason: " \n" }).reason, "forced by ada: by the form");
  assert.ok(grant({}, { reason: "x".repeat(100_000) }).reason.length < 600);
});

test("a builder that it does not have is refused, with those that it has", async () => {
  const error = await refuse({}, { builders: ["unit", "deploy", "toString"] });
  assert.is(error.code, "BELFRY_SCHEDULERS_BUILDER_UNKNOWN");
  assert.match(error.message, /"deploy", "toString"/);
  assert.match(error.message, /"unit", "lint"/);
  assert.is((await refuse({}, { builders: [] })).code, "BELFRY_SCHEDULERS_NO_BUILDER");
  const many = await refuse({}, { builders: Array.from({ length: 10_000 }, (_, i) => `b${i}${"x".repeat(1_000)}`) });
  assert.ok(many.message.length < 5_000);
});

test("without a schema any property may be given, but not in the name of somebody else", () => {
  const { properties } = grant({}, { properties: { owner: "bob", scheduler: "nightly", mine: null } });
  assert.equal(properties, { owner: "ada", scheduler: "by hand", mine: null });
});

test("with a schema only its properties may be given", async () => {
  const options: Options = { properties: { target: {}, count: { type: "number", default: 3 } } };
  assert.equal(grant(options, { properties: { target: "x" } }).properties, {
    target: "x",
    count: 3,
    owner: "ada",
    scheduler: "by hand",
  });
  const error = await refuse(options, { properties: { target: "x", tarjet: "y", __proto__x: 1 } });
  assert.is(error.code, "BELFRY_SCHEDULERS_PROPERTY_UNKNOWN");
  assert.match(error.message, /"tarjet"/);
  assert.match(error.message, /"target", "count"/);
  assert.is((await refuse({ properties: {} }, { properties: { a: 1 } })).code, "BELFRY_SCHEDULERS_PROPERTY_UNKNOWN");
  assert.is((await refuse(options, { properties: { toString: "x" } })).code, "BELFRY_SCHEDULERS_PROPERTY_UNKNOWN");
  assert.is(
    (await refuse(options, { properties: JSON.parse('{"__proto__": "x"}') })).code,
    "BELFRY_SCHEDULERS_PROPERTY_UNKNOWN",
  );
});

test("a schema says of what type a property is, whether it must be given, and what may be chosen", async () => {
  const options: Options = {
    properties: {
      text: { type: "string" },
      count: { type: "number" },
      flag: { type: "boolean" },
      any: { type: "json" },
      target: { choices: ["staging", "production"], required: true },
      pair: { type: "json", choices: [{ a: 1, b: 2 }] },
    },
  };
  const good = { text: "", count: 0, flag: false, any: [null], target: "staging", pair: { b: 2, a: 1 } };
  assert.equal(grant(options, { properties: good }).properties, { ...good, owner: "ada", scheduler: "by hand" });
  const bad: [string, Json][] = [
    ["text", 1],
    ["count", "1"],
    ["flag", null],
    ["target", "moon"],
    ["target", null],
    ["pair", { a: 1 }],
  ];
  for (const [name, value] of bad) {
    const error = await refuse(options, { properties: { target: "staging", [name]: value } });
    assert.is(error.code, "BELFRY_SCHEDULERS_PROPERTY_INVALID");
    assert.match(error.message, new RegExp(`"${name}"`));
  }
  assert.match((await refuse(options, { properties: { target: "moon" } })).message, /"staging", "production"/);
  assert.match((await refuse(options, {})).message, /"target" has to be given/);
});

test("what was given does not reach the message of a refusal", async () => {
  const options: Options = { properties: { password: { type: "number" } } };
  assert.not.match((await refuse(options, { properties: { password: "hunter2" } })).message, /hunter2/);
});

test("a buildset's properties are its own", () => {
  const scheduler = make({ properties: { list: { type: "json", default: [1] } } });
  const first = scheduler.force?.({ owner: "ada" });
  const list = first?.properties?.list as number[];
  list.push(2);
  assert.equal(scheduler.force?.({ owner: "ada" }).properties?.list, [1]);
});

test("a priority that is no whole number is refused", async () => {
  for (const priority of [1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.is((await refuse({}, { priority })).code, "BELFRY_SCHEDULERS_PRIORITY_INVALID");
  }
});

test("changes do not make it build", async () => {
  const core = new DrivenScheduler(() => make());
  assert.equal(await core.pass(core.change()), []);
  assert.equal([core.state, core.wakeAt], [undefined, undefined]);
});

test("options that cannot be right are refused before anything starts", () => {
  const bad: object[] = [
    {},
    { builders: [] },
    { builders: ["x"], properties: { a: "string" } },
    { builders: ["x"], properties: { a: { type: "date" } } },
    { builders: ["x"], properties: { a: { type: "number", default: "x" } } },
    { builders: ["x"], properties: { a: { choices: ["a"], default: "b" } } },
    { builders: ["x"], properties: { a: { choices: [] } } },
    { builders: ["x"], branch: "" },
    { builders: ["x"], priority: 0.5 },
    { builders: ["x"], treeStableTimer: 1 },
  ];
  for (const options of bad)
    assert.is(force.definition.options.safeParse(options).success, false, JSON.stringify(options));
});

runChecks(
  test,
  schedulerContract("force", {
    make: () => make(),
    passes: [],
    force: { owner: "ada", builders: ["lint"], branch: "b" },
  }),
);

test.run();
