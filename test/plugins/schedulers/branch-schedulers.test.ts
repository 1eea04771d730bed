import { anyBranch, singleBranch } from "@belfry/schedulers";
import { createPart, rejects, runChecks, schedulerContract } from "@belfry/testkit";
import { BelfryError, type Change, type z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DrivenScheduler, START } from "./driven-scheduler.ts";

const test = suite("anyBranch and singleBranch");
type Any = z.input<typeof anyBranch.definition.options>;
type Single = z.input<typeof singleBranch.definition.options>;
const any = (options: Partial<Any> = {}) => createPart(anyBranch, { builders: ["unit"], ...options }, { name: "each" });
const single = (options: Partial<Single> = {}) =>
  createPart(singleBranch, { builders: ["unit"], branch: "main", ...options }, { name: "main" });
const drive = (options: Partial<Any> = {}) => new DrivenScheduler(() => any(options));

/** Ids of the changes that are built at once. */
async function built(options: Partial<Any>, changes: Partial<Change>[]): Promise<number[]> {
  const core = drive(options);
  const buildsets = await core.pass(...changes.map((change) => core.change(change)));
  return buildsets.flatMap((buildset) => buildset.changes ?? []);
}

test("without a timer each change gives a buildset of its own, with all that it needs", async () => {
  const core = drive({ builders: ["unit", "lint", "unit"], properties: { deploy: { to: "staging" } }, priority: 3 });
  const changes = [core.change({ codebase: "app", project: "p" }), core.change({ branch: null, revision: null })];
  assert.equal(await core.pass(...changes), [
    {
      builders: ["unit", "lint"],
      sourceStamps: [
        { repository: "https://example.org/a.git", branch: "main", revision: "r1", codebase: "app", project: "p" },
      ],
      changes: [1],
      reason: "a change on main",
      properties: { deploy: { to: "staging" }, scheduler: "each" },
      priority: 3,
    },
    {
      builders: ["unit", "lint"],
      sourceStamps: [
        { repository: "https://example.org/a.git", branch: null, revision: null, codebase: "", project: "" },
      ],
      changes: [2],
      reason: "a change",
      properties: { deploy: { to: "staging" }, scheduler: "each" },
      priority: 3,
    },
  ]);
  assert.is(core.state, undefined, "there is nothing to remember");
  assert.is(core.wakeAt, undefined);
  assert.equal(await core.pass(), []);
});

test("a buildset's properties are its own", async () => {
  const scheduler = any({ properties: { list: [1] } });
  const core = drive();
  const first = await scheduler.process(core.question([core.change()]));
  const list = first.buildsets[0]?.properties?.list as number[];
  list.push(2);
  const second = await scheduler.process(core.question([core.change()]));
  assert.equal(second.buildsets[0]?.properties?.list, [1]);
});

test("the property scheduler is the scheduler's name, whatever is configured", async () => {
  const core = drive({ properties: { scheduler: "somebody else" } });
  assert.is((await core.pass(core.change()))[0]?.properties?.scheduler, "each");
});

test("branches are chosen by patterns, and refused by those with an exclamation mark", async () => {
  const branches = ["main", "release/1", "release/1/fix", "wip/x", ".hidden", null];
  const of = async (patterns: Any["branches"]) => {
    const ids = await built(
      { branches: patterns },
      branches.map((branch) => ({ branch })),
    );
    return ids.map((id) => branches[id - 1]);
  };
  assert.equal(await of("main"), ["main"]);
  assert.equal(await of(["main", "release/*"]), ["main", "release/1"]);
  assert.equal(await of("release/**"), ["release/1", "release/1/fix"]);
  assert.equal(await of("!wip/**"), ["main", "release/1", "release/1/fix", ".hidden"]);
  assert.equal(await of(["**", "!release/1", "!.hidden"]), ["main", "release/1/fix", "wip/x"]);
  assert.equal(await of("{main,wip/*}"), ["main", "wip/x"]);
  assert.equal(await of(undefined), branches);
});

test("singleBranch builds the branch of exactly this name", async () => {
  for (const [branch, wanted] of [
    ["release/*", [2]],
    [null, [3]],
    ["main", [1]],
  ] as const) {
    const core = new DrivenScheduler(() => single({ branch }));
    const changes = ["main", "release/*", null, "release/1", "Main"].map((name) => core.change({ branch: name }));
    assert.equal(
      (await core.pass(...changes)).map((buildset) => buildset.changes),
      wanted.map((id) => [id]),
    );
  }
});

test("a filter looks at project, repository, category, codebase and author", async () => {
  const changes: Partial<Change>[] = [
    { project: "app", repository: "one", category: "nightly", codebase: "core", author: "Ada <a@x>" },
    { project: "lib", repository: "two", category: null, codebase: "docs", author: "Bob <b@x>" },
    { project: "app", repository: "three", category: "push", codebase: "core", author: "Cyd <c@x>" },
  ];
  const of = (filter: Any["filter"]) => built({ filter }, changes);
  assert.equal(await of({ project: "app" }), [1, 3]);
  assert.equal(await of({ repository: ["one", "two"] }), [1, 2]);
  assert.equal(await of({ category: /^n/ }), [1]);
  assert.equal(await of({ category: (value) => value === null }), [2]);
  assert.equal(await of({ codebase: "core", author: /Cyd/ }), [3]);
  assert.equal(await of({ codebase: "nothing" }), []);
  assert.equal(await of({ category: "null" }), [], "a change without a category has none of this name");
  assert.equal(await of({}), [1, 2, 3]);
});

test("a regular expression that remembers where it stopped answers the same each time", async () => {
  const changes = Array.from({ length: 6 }, () => ({ author: "Ada" }));
  assert.equal(await built({ filter: { author: /Ada/g } }, changes), [1, 2, 3, 4, 5, 6]);
  assert.equal(await built({ filter: { author: /Ada/y } }, changes), [1, 2, 3, 4, 5, 6]);
});

test("a change is important if one of its files fits, or if it names none", async () => {
  const changes: Partial<Change>[] = [
    { files: ["docs/a.md", "src/a.ts"] },
    { files: ["docs/a.md"] },
    { files: [] },
    { files: [".github/x.yml", "README.md"] },
  ];
  assert.equal(await built({ paths: "src/**" }, changes), [1, 3]);
  assert.equal(await built({ paths: ["!docs/**", "!**/*.md"] }, changes), [1, 3, 4]);
  assert.equal(await built({ paths: [".github/**"] }, changes), [3, 4]);
});

test("fileIsImportant has a say about those that fit the paths", async () => {
  const asked: number[] = [];
  const fileIsImportant = async (change: Change) => {
    asked.push(change.id);
    return change.comments.includes("3");
  };
  const changes = [{ files: ["docs/a"] }, { files: ["src/a"] }, { files: ["src/b"] }];
  assert.equal(await built({ paths: "src/**", fileIsImportant }, changes), [3]);
  assert.equal(asked, [2, 3]);
});

test("with a timer a branch is built when it has been quiet for so long, once for all its changes", async () => {
  const core = drive({ treeStableTimer: "1m" });
  assert.equal(await core.pass(core.change(), core.change()), []);
  assert.is(core.wakeAt, START + 60_000);
  core.now += 59_999;
  assert.equal(await core.pass(), []);
  assert.equal(await core.pass(core.change()), [], "a change restarts the timer");
  assert.is(core.wakeAt, core.now + 60_000);
  core.now += 59_999;
  assert.equal(await core.pass(), []);
  core.now += 1;
  assert.equal(await core.pass(), [
    {
      builders: ["unit"],
      sourceStamps: [
        { repository: "https://example.org/a.git", branch: "main", revision: "r3", codebase: "", project: "" },
      ],
      changes: [1, 2, 3],
      reason: "3 changes on main",
      properties: { scheduler: "each" },
      priority: 0,
    },
  ]);
  assert.is(core.wakeAt, undefined);
  core.now += 600_000;
  assert.equal(await core.pass(), []);
});

test("a change that comes in the very pass in which its branch would be built restarts the timer", async () => {
  const core = drive({ treeStableTimer: 100 });
  await core.pass(core.change());
  core.now += 100;
  assert.equal(await core.pass(core.change()), []);
  core.now += 100;
  assert.equal(
    (await core.pass()).map(({ changes }) => changes),
    [[1, 2]],
  );
});

test("each branch, repository, project and codebase has a timer of its own", async () => {
  const core = drive({ treeStableTimer: 100 });
  const places: Partial<Change>[] = [
    {},
    { branch: "b" },
    { branch: null },
    { repository: "r" },
    { project: "p" },
    { codebase: "c" },
  ];
  for (const place of places) {
    await core.pass(core.change(place));
    core.now += 10;
  }
  assert.is(core.wakeAt, START + 100);
  const fired: unknown[] = [];
  for (let i = 0; i < 12; i += 1) {
    for (const { changes } of await core.pass()) fired.push([core.now - START, changes]);
    core.now += 10;
  }
  assert.equal(
    fired,
    places.map((_, i) => [100 + i * 10, [i + 1]]),
  );
});

test("unimportant changes are collected, but start no timer and restart none", async () => {
  const core = drive({ treeStableTimer: 100, paths: "src/**" });
  const docs = { files: ["docs/x"] };
  await core.pass(core.change(docs));
  assert.is(core.wakeAt, undefined);
  core.now += 1_000;
  assert.equal(await core.pass(), []);
  await core.pass(core.change());
  core.now += 60;
  await core.pass(core.change(docs));
  assert.is(core.wakeAt, core.now + 40);
  core.now += 40;
  const [buildset] = await core.pass();
  assert.equal(buildset?.changes, [1, 2, 3]);
  assert.is(buildset?.sourceStamps[0]?.revision, "r3", "the newest is built, important or not");
});

test("onlyImportant leaves unimportant changes out", async () => {
  const core = drive({ treeStableTimer: 100, paths: "src/**", onlyImportant: true });
  await core.pass(core.change({ files: ["docs/x"] }), core.change(), core.change({ files: ["docs/y"] }));
  core.now += 100;
  const [buildset] = await core.pass();
  assert.equal(buildset?.changes, [2]);
  assert.is(buildset?.sourceStamps[0]?.revision, "r2");
});

test("a priority may be computed from the changes, in their order", async () => {
  const priority = (changes: readonly Change[]) => Number(changes.map(({ id }) => id).join(""));
  const core = drive({ priority });
  assert.equal(
    (await core.pass(core.change(), core.change())).map((buildset) => buildset.priority),
    [1, 2],
  );
  const timed = drive({ priority, treeStableTimer: 100 });
  await timed.pass(timed.change(), timed.change());
  timed.now += 100;
  assert.is((await timed.pass())[0]?.priority, 12);
});

test("a function that fails is an error that names option and change, and the change is not lost", async () => {
  const broken = () => {
    throw new Error("oh");
  };
  for (const options of [
    { fileIsImportant: broken },
    { filter: { author: broken } },
    { priority: broken },
    { priority: () => Number.NaN },
    { fileIsImportant: async () => broken() },
  ] as Partial<Any>[]) {
    const core = drive(options);
    const error = await rejects(core.pass(core.change()));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_SCHEDULERS_FUNCTION_FAILED");
    assert.match(error.message, /change 1/);
    assert.match(error.message, /"(fileIsImportant|filter|priority)"/);
    assert.is(core.state, undefined);
  }
});

test("a timer that is taken out of the configuration builds at once what has waited", async () => {
  let options: Partial<Any> = { treeStableTimer: "1h" };
  const core = new DrivenScheduler(() => any(options));
  await core.pass(core.change());
  options = { treeStableTimer: "1m" };
  assert.equal(await core.pass(), []);
  assert.is(core.wakeAt, core.now + 60_000, "a shorter timer counts from now on");
  options = {};
  assert.equal(
    (await core.pass()).map(({ changes }) => changes),
    [[1]],
  );
});

test("a clock that was set back makes nobody wait longer than the timer", async () => {
  const core = drive({ treeStableTimer: "1m" });
  await core.pass(core.change());
  core.now -= 3_600_000;
  await core.pass();
  assert.is(core.wakeAt, core.now + 60_000);
});

test("what is remembered is bounded: a branch without rest is built after 1,000 changes", async () => {
  const core = drive({ treeStableTimer: "1h" });
  const sizes: number[] = [];
  for (let i = 0; i < 25; i += 1) {
    const changes = Array.from({ length: 100 }, () => core.change());
    for (const buildset of await core.pass(...changes)) sizes.push(buildset.changes?.length ?? 0);
    core.now += 1_000;
  }
  assert.equal(sizes, [1_000, 1_000]);
  core.now += 3_600_000;
  assert.is((await core.pass())[0]?.changes?.length, 500);
});

test("what is remembered is bounded: unimportant changes of which nothing comes are forgotten, oldest first", async () => {
  const core = drive({ treeStableTimer: 100, paths: "src/**" });
  for (let i = 0; i < 30; i += 1) {
    const changes = Array.from({ length: 100 }, () => core.change({ files: ["docs/x"] }));
    assert.equal(await core.pass(...changes), []);
  }
  assert.ok(JSON.stringify(core.state).length < 10_000);
  await core.pass(core.change());
  core.now += 100;
  const [buildset] = await core.pass();
  assert.equal(
    buildset?.changes,
    Array.from({ length: 101 }, (_, i) => 2_901 + i),
  );
});

test("what is remembered is bounded: of 2,000 branches and more, those that waited longest are built, or forgotten", async () => {
  const core = drive({ treeStableTimer: "1h", paths: "src/**" });
  const fired: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    const files = [i < 2 ? "docs/x" : "src/x"];
    const changes = Array.from({ length: 500 }, (_, n) => core.change({ branch: `b${i}-${n}`, files }));
    for (const buildset of await core.pass(...changes)) fired.push(...(buildset.changes ?? []));
    core.now += 1_000;
  }
  assert.equal(
    fired.sort((a, b) => a - b),
    Array.from({ length: 2_000 }, (_, i) => 1_001 + i),
    "the unimportant 1,000 are forgotten first",
  );
  core.now += 3_600_000;
  const rest = (await core.pass()).flatMap(({ changes }) => changes ?? []);
  assert.equal(
    rest,
    Array.from({ length: 2_000 }, (_, i) => 3_001 + i),
    "no important change is lost or built twice",
  );
});

test("a state that it did not write is refused, not guessed at", async () => {
  for (const state of [
    { version: 3, pending: [] },
    { pending: [] },
    [],
    "x",
    1,
    null,
    { version: 1, pending: [{}] },
    { version: 1, pending: [], more: 1 },
  ]) {
    const core = drive({ treeStableTimer: 100 });
    core.state = state as never;
    const error = await rejects(core.pass(core.change()), JSON.stringify(state));
    assert.ok(BelfryError.is(error));
    assert.is(error.code, "BELFRY_SCHEDULERS_STATE_UNKNOWN");
  }
});

test("a pass that is told to stop rejects with the reason", async () => {
  const core = drive();
  const reason = new Error("the lease is lost");
  core.signal = AbortSignal.abort(reason);
  assert.is(await rejects(core.pass(core.change())), reason);
});

test("changes with very many files do not hold the process", async () => {
  const files = Array.from({ length: 20_000 }, (_, i) => `packages/some-package/src/deep/folder/file-${i}.ts`);
  let turns = 0;
  let going = true;
  const tick = () => {
    turns += 1;
    if (going) setImmediate(tick);
  };
  setImmediate(tick);
  const core = drive({ paths: ["docs/**", "*.md", "tools/{a,b}/**"] });
  assert.equal(await core.pass(core.change({ files }), core.change({ files })), []);
  going = false;
  assert.ok(turns >= 20, `other work had ${turns} turns`);
});

test("options that cannot be right are refused before anything starts", () => {
  const bad: object[] = [
    {},
    { builders: [] },
    { builders: [""] },
    { builders: "unit" },
    { builders: ["x"], treeStableTimer: 0 },
    { builders: ["x"], treeStableTimer: "soon" },
    { builders: ["x"], branches: [] },
    { builders: ["x"], branches: "" },
    { builders: ["x"], branches: "!" },
    { builders: ["x"], paths: [1] },
    { builders: ["x"], fileIsImportant: true },
    { builders: ["x"], filter: { source: "main" } },
    { builders: ["x"], filter: { branch: { not: [] } } },
    { builders: ["x"], filter: { branch: { not: "main", and: "dev" } } },
    { builders: ["x"], filter: { branch: { not: { not: "main" } } } },
    { builders: ["x"], filter: { files: null } },
    { builders: ["x"], filter: { properties: { a: {} } } },
    { builders: ["x"], isImportant: "yes" },
    { builders: ["x"], codebases: {} },
    { builders: ["x"], codebases: { app: {} } },
    { builders: ["x"], filter: { project: [] } },
    { builders: ["x"], filter: { project: 1 } },
    { builders: ["x"], priority: 1.5 },
    { builders: ["x"], priority: "high" },
    { builders: ["x"], properties: { a: undefined } },
    { builders: ["x"], reason: "" },
    { builders: ["x"], treeStableTime: 1 },
  ];
  for (const options of bad)
    assert.is(anyBranch.definition.options.safeParse(options).success, false, JSON.stringify(options));
  assert.is(singleBranch.definition.options.safeParse({ builders: ["x"] }).success, false);
  assert.is(singleBranch.definition.options.safeParse({ builders: ["x"], branch: "" }).success, false);
  assert.is(singleBranch.definition.options.safeParse({ builders: ["x"], branch: "m", branches: "m" }).success, false);
});

test("a filter looks at every field: equal, one of several, a pattern, a function, or none of these", async () => {
  const changes: Partial<Change>[] = [
    { branch: "main", category: "push", files: ["src/a.ts", "docs/a.md"], properties: { draft: true, size: 3 } },
    { branch: "dev", category: null, files: ["docs/b.md"], properties: { draft: false, size: "3" } },
    { branch: null, category: "tag", files: [], properties: {} },
  ];
  const of = (filter: Any["filter"]) => built({ filter }, changes);
  assert.equal(await of({ branch: "main" }), [1]);
  assert.equal(await of({ branch: null }), [3]);
  assert.equal(await of({ branch: ["dev", null] }), [2, 3]);
  assert.equal(await of({ branch: { not: "main" } }), [2, 3]);
  assert.equal(await of({ branch: { not: ["main", null] } }), [2]);
  assert.equal(await of({ branch: /^d/ }), [2]);
  assert.equal(await of({ branch: { not: /^d/ } }), [1, 3], "what has no branch does not fit the pattern");
  assert.equal(await of({ category: (category) => category === null }), [2]);
  assert.equal(await of({ category: { not: (category) => category === null } }), [1, 3]);
  assert.equal(await of({ files: /\.ts$/ }), [1, 3], "a change that names no files may have touched any");
  assert.equal(await of({ files: "docs/b.md" }), [2, 3]);
  assert.equal(await of({ files: { not: /^src/ } }), [2, 3]);
  assert.equal(await of({ files: (file) => file?.endsWith("a.md") === true }), [1, 3]);
  assert.equal(await of({ properties: { draft: true } }), [1]);
  assert.equal(await of({ properties: { draft: { not: true } } }), [2, 3]);
  assert.equal(await of({ properties: { size: 3 } }), [1], "a number is no text");
  assert.equal(await of({ properties: { size: /3/, draft: [false, true] } }), [1, 2]);
  assert.equal(await of({ properties: { size: (size) => size === null } }), [3]);
  assert.equal(await of({ properties: { toString: null } }), [1, 2, 3]);
  assert.equal(await of((change) => change.files.length === 1 && change.branch === "dev"), [2]);
});

test("isImportant and fileIsImportant are one question, and both have to say yes", async () => {
  const changes = [{ author: "a" }, { author: "b" }, { author: "ab" }];
  const says = (letter: string) => (change: Change) => change.author.includes(letter);
  assert.equal(await built({ isImportant: says("a") }, changes), [1, 3]);
  assert.equal(await built({ fileIsImportant: says("b") }, changes), [2, 3]);
  assert.equal(await built({ isImportant: says("a"), fileIsImportant: async (c) => says("b")(c) }, changes), [3]);
});

const two = {
  app: { repository: "https://example.org/a.git" },
  lib: { repository: "https://example.org/lib.git", branch: "stable" },
};
const revisions = (spec: { sourceStamps: { codebase?: string; revision: string | null }[] }) =>
  Object.fromEntries(spec.sourceStamps.map(({ codebase, revision }) => [codebase, revision]));

test("with codebases a build has a stamp of each, those without a change at their newest known state", async () => {
  const core = new DrivenScheduler(() => single({ codebases: two }));
  const lib = (revision: string, branch = "stable") =>
    core.change({ codebase: "lib", repository: "https://example.org/lib.git", branch, revision });
  const app = () => core.change({ codebase: "app" });
  const [first] = await core.pass(app());
  assert.equal(first?.sourceStamps, [
    { repository: "https://example.org/a.git", branch: "main", revision: "r1", codebase: "app", project: "" },
    { repository: "https://example.org/lib.git", branch: "stable", revision: null, codebase: "lib", project: "" },
  ]);
  assert.equal(await core.pass(lib("l2")), [], "its branch is not built, but its state is known from now on");
  assert.equal(await core.pass(lib("other", "wip"), core.change({ codebase: "more", branch: "main" })), []);
  const next = await core.pass(app(), lib("l3"), app());
  assert.equal(next.map(revisions), [
    { app: "r5", lib: "l2" },
    { app: "r7", lib: "l3" },
  ]);
  const [last] = await core.pass(lib("m8", "main"));
  assert.equal(last && revisions(last), { app: "r7", lib: "m8" });
});

test("with codebases a branch has one timer, and one build for all that changed in any of them", async () => {
  const core = drive({ codebases: two, treeStableTimer: 100 });
  await core.pass(core.change({ codebase: "app", branch: "x" }));
  core.now += 60;
  await core.pass(
    core.change({ codebase: "lib", repository: "fork", branch: "x" }),
    core.change({ codebase: "app", branch: "y" }),
  );
  assert.equal(any({ codebases: two, treeStableTimer: 100 }).waits?.(core.state, core.now), [
    { reason: "tree-stable-timer", until: core.now + 100, branch: "x", codebase: "lib", changes: 2 },
    { reason: "tree-stable-timer", until: core.now + 100, branch: "y", codebase: "app", changes: 1 },
  ]);
  core.now += 100;
  const buildsets = await core.pass();
  assert.equal(
    buildsets.map(({ changes }) => changes),
    [[1, 2], [3]],
  );
  assert.equal(buildsets.map(revisions), [
    { app: "r1", lib: "r2" },
    { app: "r3", lib: null },
  ]);
});

test("what an older version remembered is read", async () => {
  const core = drive({ treeStableTimer: 100 });
  const change = core.change();
  const { repository, branch, revision, codebase, project } = change;
  const stamp = { repository, branch, revision, codebase, project };
  core.state = { version: 1, pending: [{ stamp, until: START + 50, changes: [1] }] };
  core.now += 50;
  assert.equal(
    (await core.pass()).map(({ sourceStamps, changes }) => [sourceStamps, changes]),
    [[[stamp], [1]]],
  );
});

test("a reason may be given", async () => {
  const core = drive({ reason: "because" });
  assert.is((await core.pass(core.change()))[0]?.reason, "because");
});

runChecks(
  test,
  schedulerContract("anyBranch", {
    make: () => any(),
    passes: [{ changes: [{}, { branch: "b" }] }, {}, { changes: [{}] }],
  }),
);
runChecks(
  test,
  schedulerContract("anyBranch with a timer", {
    make: () => any({ treeStableTimer: "1m", paths: "src/**", priority: (changes) => changes.length }),
    passes: [
      { changes: [{ files: ["docs/x"] }, { files: ["src/x"] }] },
      { after: 30_000, changes: [{ files: ["src/y"] }, { branch: "b", files: ["src/z"] }] },
      { after: 59_999 },
      { after: 1, changes: [{ branch: "b" }] },
      { after: 60_000 },
    ],
  }),
);
runChecks(
  test,
  schedulerContract("singleBranch", { make: () => single(), passes: [{ changes: [{ branch: "b" }, {}] }] }),
);
runChecks(
  test,
  schedulerContract("singleBranch with a timer", {
    make: () => single({ treeStableTimer: "1m" }),
    passes: [{ changes: [{}, { branch: "b" }] }, { after: 60_000 }],
  }),
);

test.run();
