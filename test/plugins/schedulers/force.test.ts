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
  const spec = make(options).force?.({ owner: "ada", ...request }, { workers: ["w1", "w2"] });
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

const detailsOf = (error: BelfryError) => (error.details ?? []).map(({ path, message }) => [path, message]);

test("a builder that it does not have is refused, with those that it has", async () => {
  const error = await refuse({}, { builders: ["unit", "deploy", "toString"] });
  assert.is(error.code, "BELFRY_SCHEDULERS_WISH_INVALID");
  assert.equal(detailsOf(error), [
    ["builders[1]", '"deploy" is not built by this scheduler; it builds "unit", "lint"'],
    ["builders[2]", '"toString" is not built by this scheduler; it builds "unit", "lint"'],
  ]);
  assert.match(error.message, /"deploy" is not built by this scheduler/);
  assert.equal(
    detailsOf(await refuse({}, { builders: [] })).map(([path]) => path),
    ["builders"],
  );
  const many = await refuse({}, { builders: Array.from({ length: 10_000 }, (_, i) => `b${i}${"x".repeat(1_000)}`) });
  assert.ok(many.message.length < 5_000);
  assert.ok((many.details ?? []).length <= 100);
});

test("without parameters any property may be given, but not in the name of somebody else", () => {
  const { properties } = grant({}, { properties: { owner: "bob", scheduler: "nightly", mine: null } });
  assert.equal(properties, { owner: "ada", scheduler: "by hand", mine: null });
});

const form: Options["parameters"] = [
  { name: "note", type: "string", label: "Note", help: "for the log", maxLength: 5, pattern: /^[a-z]*$/g },
  { name: "text", type: "text", default: "a\nb" },
  { name: "count", type: "int", min: 1, max: 9, default: 3 },
  { name: "flag", type: "boolean" },
  { name: "target", type: "choice", choices: ["staging", { value: { a: 1 }, label: "A" }], required: true },
  { name: "other", type: "choice", choices: ["x"], strict: false },
  { name: "many", type: "choices", choices: ["a", "b", "c"], min: 1, max: 2, default: ["a"] },
  { name: "commit", type: "revision", pattern: /^[0-9a-f]+$/ },
  { name: "where", type: "worker" },
  { name: "patch", type: "file", maxBytes: 6 },
  { name: "any", type: "json" },
  { name: "kind", type: "fixed", value: "by form" },
  {
    type: "group",
    label: "Deep",
    layout: "tabs",
    parameters: [
      { name: "loose", type: "string" },
      { type: "group", name: "deep", parameters: [{ name: "n", type: "int", required: true, default: 1 }] },
    ],
  },
];

test("what a form gives is read by type, with defaults for what is left out", () => {
  const base = { owner: "ada", scheduler: "by hand" };
  const options: Options = { parameters: form };
  const defaults = { text: "a\nb", count: 3, flag: false, many: ["a"], kind: "by form", deep: { n: 1 } };
  assert.equal(grant(options, { properties: { target: "staging" } }).properties, {
    ...defaults,
    target: "staging",
    ...base,
  });
  const given = {
    note: "abc",
    text: "",
    count: "9",
    flag: "true",
    target: { a: 1 },
    other: "something else",
    many: ["c", "b"],
    commit: "abc123",
    where: "w2",
    patch: { name: "a.txt", base64: Buffer.from("hello!").toString("base64") },
    any: [null, { x: 1 }],
    kind: "by form",
    loose: "",
    deep: { n: "7" },
  };
  const spec = grant(options, { properties: given });
  assert.equal(spec.properties, { ...given, text: "a\nb", count: 9, flag: true, deep: { n: 7 }, ...base });
  assert.is(spec.sourceStamps[0]?.revision, "abc123", "a parameter of type revision says what is built");
  assert.is(grant(options, { properties: given, revision: "fff" }).sourceStamps[0]?.revision, "fff");
  assert.equal(grant(options, { properties: { target: "staging", many: "b" } }).properties?.many, ["b"]);
});

test("everything that is wrong with a wish is told at once, each with its path", async () => {
  const error = await refuse(
    { parameters: form },
    {
      builders: ["nobody"],
      priority: 1.5,
      properties: {
        note: "UPPER",
        text: 1,
        count: "10",
        flag: "yes",
        other: 5,
        many: ["a", "b", "c"],
        commit: "main\n",
        where: "w3",
        patch: { name: "a", base64: Buffer.from("hello!!").toString("base64") },
        kind: "by me",
        loose: "two\nlines",
        deep: { n: 1.5, m: 1 },
        ...JSON.parse('{"__proto__": 1}'),
        toString: "x",
      },
    },
  );
  assert.is(error.code, "BELFRY_SCHEDULERS_WISH_INVALID");
  assert.equal(detailsOf(error), [
    ["priority", "expected a whole number"],
    ["builders[0]", '"nobody" is not built by this scheduler; it builds "unit", "lint"'],
    ["properties.note", "expected a text that fits /^[a-z]*$/"],
    ["properties.text", "expected a text"],
    ["properties.count", "expected 9 or less"],
    ["properties.flag", "expected true or false"],
    ["properties.target", "is needed"],
    ["properties.other", 'expected one of "x"'],
    ["properties.many", "expected at most 2 of them"],
    ["properties.commit", "expected a text of one line"],
    ["properties.where", 'expected one of "w1", "w2"'],
    ["properties.patch", "expected at most 6 bytes"],
    ["properties.kind", "cannot be chosen"],
    ["properties.loose", "expected a text of one line"],
    ["properties.deep.n", "expected a whole number"],
    ["properties.deep.m", "is not asked for"],
    ["properties.__proto__", "is not asked for"],
    ["properties.toString", "is not asked for"],
  ]);
});

test("limits hold at their edges", async () => {
  const faultOf = async (name: string, value: Json) => {
    try {
      grant({ parameters: form }, { properties: { target: "staging", [name]: value } });
      return undefined;
    } catch (error) {
      return (error as BelfryError).details?.[0]?.message;
    }
  };
  assert.is(await faultOf("note", "abcde"), undefined);
  assert.is(await faultOf("note", "abcdef"), "expected at most 5 characters");
  assert.is(await faultOf("count", 0), "expected 1 or more");
  assert.is(await faultOf("count", "1e1"), "expected a whole number");
  assert.is(await faultOf("many", ["a", "a"]), "expected each of them once");
  assert.is(await faultOf("many", ["a", "x"]), 'expected one of "a", "b", "c"');
  assert.is(await faultOf("many", []), "expected at least 1 of them");
  assert.is(await faultOf("target", { a: 2 }), 'expected one of "staging", {"a":1}');
  assert.is(await faultOf("patch", { name: "../a", base64: "" }), "expected a file's name without folders");
  assert.is(await faultOf("patch", { name: "a", base64: "?" }), "expected the file's content in base64");
  assert.is(await faultOf("patch", { name: "a", base64: "", more: 1 }), "expected a file as { name, base64 }");
  assert.is(await faultOf("deep", []), "expected an object");
});

test("the form is data: what to ask for, with labels, defaults, choices and limits", () => {
  const fields = make({ parameters: form }).form?.({ workers: ["w1", "w2"] });
  assert.equal(JSON.parse(JSON.stringify(fields)), fields);
  assert.equal(fields?.map(({ name, type }) => [name, type]).slice(0, 3), [
    ["note", "string"],
    ["text", "text"],
    ["count", "int"],
  ]);
  assert.equal(fields?.[0], {
    name: "note",
    type: "string",
    label: "Note",
    help: "for the log",
    required: false,
    default: null,
    limits: { maxLength: 5, pattern: "^[a-z]*$" },
  });
  const target = fields?.find(({ name }) => name === "target");
  assert.equal(target?.choices, [
    { value: "staging", label: "staging" },
    { value: { a: 1 }, label: "A" },
  ]);
  assert.is(target?.required, true);
  assert.equal(
    fields?.find(({ name }) => name === "where")?.choices?.map(({ value }) => value),
    ["w1", "w2"],
  );
  const group = fields?.at(-1);
  assert.equal([group?.name, group?.label, group?.limits], [null, "Deep", { layout: "tabs" }]);
  assert.equal(group?.fields?.[1]?.fields?.[0]?.name, "n");
  assert.is(make().form?.({ workers: [] }), null);
});

test("what was given does not reach the message of a refusal", async () => {
  const options: Options = { parameters: [{ name: "password", type: "int" }] };
  assert.not.match((await refuse(options, { properties: { password: "hunter2" } })).message, /hunter2/);
});

const two: Options = {
  codebases: {
    app: { repository: "https://example.org/app.git", branch: "main" },
    lib: { repository: "https://example.org/lib.git", branch: "stable" },
  },
};

test("a wish may choose what is built of each codebase", async () => {
  const spec = grant(two, { codebases: { lib: { branch: "next", revision: "l1" } } });
  assert.equal(spec.sourceStamps, [
    { repository: "https://example.org/app.git", branch: "main", revision: null, codebase: "app", project: "" },
    { repository: "https://example.org/lib.git", branch: "next", revision: "l1", codebase: "lib", project: "" },
  ]);
  const error = await refuse(two, { branch: "x", codebases: { docs: {}, lib: { branch: "ok" } } });
  assert.equal(
    detailsOf(error).map(([path]) => path),
    ["branch", "codebases.docs"],
  );
});

test("a parameter of type codebase says what of it may be chosen", async () => {
  const options: Options = {
    ...two,
    parameters: [{ type: "codebase", name: "lib", label: "Library", ask: ["branch"], branches: ["stable", "next"] }],
  };
  assert.is(grant(options, { codebases: { lib: { branch: "next" } } }).sourceStamps[1]?.branch, "next");
  const error = await refuse(options, { codebases: { app: { branch: "x" }, lib: { branch: "wip", revision: "r" } } });
  assert.equal(detailsOf(error), [
    ["codebases.app.branch", "is not asked for"],
    ["codebases.lib.revision", "is not asked for"],
    ["codebases.lib.branch", 'expected one of "stable", "next"'],
  ]);
  assert.equal(make(options).form?.({ workers: [] }), [
    {
      name: "lib",
      type: "codebase",
      label: "Library",
      help: null,
      required: false,
      default: { repository: "https://example.org/lib.git", branch: "stable", revision: null },
      choices: [
        { value: "stable", label: "stable" },
        { value: "next", label: "next" },
      ],
      limits: { ask: ["branch"] },
    },
  ]);
  const single: Options = { parameters: [{ type: "codebase", name: "", required: true }] };
  assert.equal(detailsOf(await refuse(single, {})), [["branch", "is needed"]]);
  assert.is(grant(single, { branch: "main" }).sourceStamps[0]?.branch, "main");
});

test("a buildset's properties are its own", () => {
  const scheduler = make({ parameters: [{ name: "list", type: "json", default: [1] }] });
  const first = scheduler.force?.({ owner: "ada" }, { workers: [] });
  const list = first?.properties?.list as number[];
  list.push(2);
  assert.equal(scheduler.force?.({ owner: "ada" }, { workers: [] }).properties?.list, [1]);
});

test("a priority that is no whole number is refused", async () => {
  for (const priority of [1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.is((await refuse({}, { priority })).code, "BELFRY_SCHEDULERS_WISH_INVALID");
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
    { builders: ["x"], parameters: {} },
    { builders: ["x"], parameters: [{ name: "a" }] },
    { builders: ["x"], parameters: [{ name: "a", type: "date" }] },
    { builders: ["x"], parameters: [{ name: "a", type: "int", default: "x" }] },
    { builders: ["x"], parameters: [{ name: "a", type: "int", min: 2, max: 1 }] },
    { builders: ["x"], parameters: [{ name: "a", type: "int", min: 2, default: 1 }] },
    { builders: ["x"], parameters: [{ name: "a", type: "choice", choices: ["a"], default: "b" }] },
    { builders: ["x"], parameters: [{ name: "a", type: "choice", choices: [] }] },
    { builders: ["x"], parameters: [{ name: "a", type: "string", pattern: "x" }] },
    { builders: ["x"], parameters: [{ name: "a", type: "string", default: "a", maxLength: 0 }] },
    {
      builders: ["x"],
      parameters: [
        { name: "a", type: "string" },
        { type: "group", parameters: [{ name: "a", type: "int" }] },
      ],
    },
    { builders: ["x"], parameters: [{ type: "group", name: "g", parameters: [{ name: "a", type: "revision" }] }] },
    { builders: ["x"], parameters: [{ type: "codebase", name: "lib" }] },
    { builders: ["x"], ...two, parameters: [{ type: "revision", name: "r" }] },
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
