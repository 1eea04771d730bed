import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Farm, farm, say, valueOf } from "./world.ts";

const test = suite("the methods of Buildbot 0.7.6 to 0.8.1");

const ERROR = { code: 8002, text: "error" };

async function failing(world: Farm, name: string, ...params: unknown[]): Promise<unknown> {
  return (await say(world, name, params)).fault;
}

/** A farm where "runtests" has five finished builds: good, failed, with warnings, cancelled, good. */
async function lived(...args: Parameters<typeof farm>): Promise<Farm> {
  const world = await farm(...args);
  await world.build("runtests", { checkedOut: "abc123" }, "main");
  await world.build("runtests", { result: "failure", checkedOut: 42 });
  await world.build("runtests", { result: "warnings" });
  await world.build("runtests", { result: "cancelled" });
  await world.build("runtests", {});
  return world;
}

test("getAllBuilders gives the names in the order of the configuration", async () => {
  await using world = await farm();
  assert.equal(await valueOf(world, "getAllBuilders"), ["zebra", "runtests", "covert"]);
});

test("getLastBuilds gives nine fields, oldest first, with what failed and why", async () => {
  await using world = await lived();
  const builds = await valueOf(world, "getLastBuilds", "runtests", 10);
  assert.equal(
    builds.map(([name, number, start, end, ...rest]: unknown[]) => [
      name,
      number,
      (start as number) > 1.7e9 && (start as number) <= (end as number) && (end as number) < 1e11,
      ...rest,
    ]),
    [
      ["runtests", 1, true, "main", "abc123", "success", ["build", "successful"], []],
      ["runtests", 2, true, "", "42", "failure", ["check"], [["check", "failed"]]],
      ["runtests", 3, true, "", "", "warnings", ["warnings", "check"], []],
      ["runtests", 4, true, "", "", "exception", ["exception", "check"], []],
      ["runtests", 5, true, "", "", "success", ["build", "successful"], []],
    ],
  );
  const numbers = async (count: number) =>
    (await valueOf(world, "getLastBuilds", "runtests", count)).map(([, number]: number[]) => number);
  assert.equal(await numbers(2), [4, 5]);
  assert.equal(await numbers(0), []);
  assert.equal(await numbers(-3), []);
});

test("times are doubles and numbers are ints on the wire", async () => {
  await using world = await farm();
  await world.build("zebra");
  const { items } = await world.kit.call("builds.list", { builder: "zebra" });
  const body =
    '<?xml version="1.0"?><methodCall><methodName>getLastBuilds</methodName><params><param><value>zebra</value></param><param><value><i4>1</i4></value></param></params></methodCall>';
  const answer = await fetch(`${world.url}/xmlrpc`, { method: "POST", body, headers: { "content-type": "text/xml" } });
  const time = (millis: number) => `<value><double>${millis / 1_000}</double></value>`;
  const text = (...words: string[]) => words.map((word) => `<value><string>${word}</string></value>`).join("");
  const empty = "<value><string/></value>";
  assert.is(
    await answer.text(),
    '<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value><array><data><value><array><data>' +
      `${text("zebra")}<value><int>1</int></value>${time(items[0].startedAt)}${time(items[0].finishedAt)}${empty}${empty}` +
      `${text("success")}<value><array><data>${text("build", "successful")}</data></array></value><value><array><data/></array></value>` +
      "</data></array></value></data></array></value></param></params></methodResponse>",
  );
});

test("the seven-field form is an option, and getAllBuildsInInterval always has it", async () => {
  await using world = await lived({ legacyShape: "0.7.10" });
  const rows = [
    ["runtests", 1, "main", "abc123", "success", ["build", "successful"]],
    ["runtests", 2, "", "42", "failure", ["failed", "check"]],
    ["runtests", 3, "", "", "warnings", ["warnings", "check"]],
    ["runtests", 4, "", "", "exception", ["exception", "check"]],
    ["runtests", 5, "", "", "success", ["build", "successful"]],
  ];
  const timeless = (builds: unknown[][]) =>
    builds.map(([name, number, end, ...rest]) => {
      assert.type(end, "number");
      return [name, number, ...rest];
    });
  const last = await valueOf(world, "getLastBuilds", "runtests", 5);
  assert.equal(timeless(last), rows);
  assert.equal(await valueOf(world, "getAllBuildsInInterval", 0, 2 ** 31 - 1), last);
  await using nine = await farm();
  await nine.build("zebra");
  assert.is((await valueOf(nine, "getLastBuilds", "zebra", 1))[0].length, 9);
  assert.is((await valueOf(nine, "getAllBuildsInInterval", 0, 2 ** 31 - 1))[0].length, 7);
});

test("getAllBuildsInInterval has all builders' builds by their end, both bounds included", async () => {
  await using world = await farm();
  for (const builder of ["zebra", "runtests", "zebra"]) await world.build(builder);
  await world.begin("runtests");
  const all = await valueOf(world, "getAllBuildsInInterval", 0, 2 ** 31 - 1);
  assert.equal(
    all.map(([name, number]: unknown[]) => [name, number]),
    [
      ["zebra", 1],
      ["runtests", 1],
      ["zebra", 2],
    ],
  );
  const [first, second, third] = all.map(([, , end]: unknown[]) => end as number);
  const numbers = async (start: number, stop: number) =>
    (await valueOf(world, "getAllBuildsInInterval", start, stop)).map(([, , end]: unknown[]) => end);
  assert.equal(await numbers(second, second), [second]);
  assert.equal(await numbers(second, third), [second, third]);
  assert.equal(await numbers(first + 0.0005, third - 0.0005), [second]);
  assert.equal(await numbers(third + 1, first), []);
  assert.equal(await numbers(-1e300, 1e300), [first, second, third]);
});

test("getLastBuildsAllBuilders follows the configuration, and older names of methods are known", async () => {
  await using world = await farm();
  for (const builder of ["runtests", "zebra", "runtests"]) await world.build(builder);
  const all = await valueOf(world, "getLastBuildsAllBuilders", 5);
  assert.equal(
    all.map(([name, number]: unknown[]) => [name, number]),
    [
      ["zebra", 1],
      ["runtests", 1],
      ["runtests", 2],
    ],
  );
  assert.equal(await valueOf(world, "getAllLastBuilds", 5), all);
  assert.is(await valueOf(world, "getStatus", "zebra"), "success");
});

test("getLastBuildResults is the word of the last build that has ended", async () => {
  await using world = await farm();
  assert.equal(await failing(world, "getLastBuildResults", "runtests"), ERROR);
  for (const [result, word] of Object.entries({ success: "success", failure: "failure", cancelled: "exception" })) {
    await world.build("runtests", { result });
    assert.is(await valueOf(world, "getLastBuildResults", "runtests"), word);
  }
  await world.begin("runtests");
  assert.is(await valueOf(world, "getLastBuildResults", "runtests"), "exception");
});

test("getBuild tells all of a build that failed, its error in full", async () => {
  await using world = await lived({ buildbotURL: "https://ci.example/bb" });
  const { start, end, steps, ...build } = await valueOf(world, "getBuild", "runtests", 2);
  assert.equal(build, {
    builder_name: "runtests",
    url: "https://ci.example/bb/builders/runtests/builds/2",
    reason: "forced by administrator: to see runtests",
    slavename: "w",
    results: 2,
    text: ["failed", "check"],
    reasons: [["check", "failed"]],
    number: 2,
    branch: "",
    revision: "42",
    full_error: { check: "test 7 of 9 failed <&>\r\nat line 3\n" },
    logs: [
      { name: "compile/stdio", text: "HUGE" },
      { name: "check/errors", text: "HUGE" },
    ],
  });
  assert.ok(start <= end && start > 1.7e9);
  assert.equal(
    steps.map(({ start: begun, end: ended, ...step }: { start: number; end: number }) => [begun <= ended, step]),
    [
      [true, { name: "compile", results: [0, []], text: ["compile"] }],
      [true, { name: "check", results: [2, ["check"]], text: ["check", "failed"] }],
    ],
  );
});

test("getBuild of a good build has no reasons, no url without the option, and an int for its result", async () => {
  await using world = await lived();
  const build = await valueOf(world, "getBuild", "runtests", 1);
  assert.equal([build.url, build.results, build.reasons, build.full_error], ["", 0, [], {}]);
  assert.equal([build.branch, build.revision, build.text], ["main", "abc123", ["build", "successful"]]);
  const { results } = await valueOf(world, "getBuild", "runtests", 3);
  assert.is(results, 1);
  assert.is((await valueOf(world, "getBuild", "runtests", 4)).results, 4);
});

test("negative numbers of getBuild go back from the last build that has ended", async () => {
  await using world = await farm();
  for (let i = 0; i < 3; i++) await world.build("runtests");
  await world.begin("runtests");
  const numbers = [];
  for (const number of [-1, -2, -3]) numbers.push((await valueOf(world, "getBuild", "runtests", number)).number);
  assert.equal(numbers, [3, 2, 1]);
  assert.equal(await failing(world, "getBuild", "runtests", -4), ERROR);
});

test("of a running build getBuild leaves out what is not known yet", async () => {
  await using world = await farm();
  await world.begin("runtests");
  const build = await valueOf(world, "getBuild", "runtests", 1);
  assert.equal(Object.keys(build).sort(), [
    ...["branch", "builder_name", "full_error", "logs", "number", "reason", "reasons", "revision", "slavename"],
    ...["start", "steps", "text", "url"],
  ]);
  assert.equal(build.text, ["building"]);
  assert.equal(Object.keys(build.steps[0]), ["name", "start", "text"]);
  assert.equal(await valueOf(world, "getLastBuilds", "runtests", 5), []);
  world.release();
});

test("running builds are passed over by getLastBuilds, and not replaced", async () => {
  await using world = await farm();
  for (let i = 0; i < 3; i++) await world.build("runtests");
  await world.begin("runtests");
  const builds = await valueOf(world, "getLastBuilds", "runtests", 3);
  assert.equal(
    builds.map(([, number]: unknown[]) => number),
    [2, 3],
  );
});

test("what was a fault is the same fault", async () => {
  await using world = await farm();
  await world.build("runtests");
  const calls: [string, ...unknown[]][] = [
    ["getLastBuilds", "nobody", 5],
    ["getLastBuilds", "nobody", 0],
    ["getLastBuilds", "runtests"],
    ["getLastBuilds", "runtests", "5"],
    ["getLastBuilds", "runtests", 1.5],
    ["getLastBuilds", 5, "runtests"],
    ["getLastBuilds", "runtests", 5, 6],
    ["getLastBuildResults", "nobody"],
    ["getLastBuildResults", "zebra"],
    ["getLastBuildResults"],
    ["getLastBuildsAllBuilders", null],
    ["getAllBuildsInInterval", 0],
    ["getAllBuildsInInterval", "0", "1"],
    ["getBuild", "runtests", 0],
    ["getBuild", "runtests", 2],
    ["getBuild", "runtests", -2],
    ["getBuild", "runtests", 2 ** 40],
    ["getBuild", "nobody", 1],
    ["getBuild", "nobody", -1],
    ["getBuild", { builder: "runtests" }],
    ["getAllBuilders", 1],
  ];
  for (const [name, ...params] of calls)
    assert.equal(await say(world, name, params), { status: 200, fault: ERROR }, JSON.stringify([name, params]));
  assert.equal(await failing(world, "getFoo"), { code: 8001, text: "function getFoo not found" });
});

test("what could not go wrong then is told in words", async () => {
  await using world = await farm({}, { access: { anonymous: "none" } });
  const { code, text } = (await failing(world, "getAllBuilders")) as { code: number; text: string };
  assert.is(code, 8002);
  assert.match(text, "BELFRY_FORBIDDEN");
});

test("more builds than the limit are a fault that says so, and not fewer builds", async () => {
  await using world = await farm({ buildLimit: 2 });
  for (let i = 0; i < 3; i++) await world.build("runtests");
  for (const [name, ...params] of [
    ["getLastBuilds", "runtests", 3],
    ["getLastBuildsAllBuilders", 3],
    ["getAllBuildsInInterval", 0, 2 ** 31 - 1],
  ] as [string, ...unknown[]][]) {
    const told = (await failing(world, name, ...params)) as { code: number; text: string };
    assert.is(told?.code, 8002, name);
    assert.match(told.text, "BELFRY_XMLRPC_TOO_MANY_BUILDS");
  }
  assert.is((await valueOf(world, "getLastBuilds", "runtests", 2)).length, 2);
  assert.is((await valueOf(world, "getLastBuilds", "zebra", 1_000)).length, 0);
});

test("full_error has the end of a log that is longer than the limit", async () => {
  await using world = await farm({ errorLimit: 15 });
  await world.build("runtests", { result: "failure" });
  const { full_error } = await valueOf(world, "getBuild", "runtests", -1);
  assert.equal(full_error, { check: "[...]\nat line 3\n" });
});

test("what a token may not see is nowhere", async () => {
  await using world = await farm();
  for (const builder of ["zebra", "covert"]) await world.build(builder, { result: "failure" });
  const { token } = await world.kit.call("tokens.add", { name: "narrow", scopes: ["read"], tags: ["open"] });
  const narrow = async (name: string, ...params: unknown[]) => {
    const { value, fault } = await say(world, name, params, { authorization: `Bearer ${token}` });
    return fault ?? value;
  };
  const named = (builds: unknown[][]) => builds.map(([name]) => name);
  assert.equal(await narrow("getAllBuilders"), ["zebra", "runtests"]);
  assert.equal(named(await narrow("getLastBuildsAllBuilders", 5)), ["zebra"]);
  assert.equal(named(await narrow("getAllBuildsInInterval", 0, 2 ** 31 - 1)), ["zebra"]);
  for (const [name, ...params] of [
    ["getLastBuilds", 5],
    ["getLastBuildResults"],
    ["getStatus"],
    ["getBuild", 1],
    ["getBuild", -1],
  ] as [string, ...unknown[]][]) {
    assert.equal(await narrow(name, "covert", ...params), ERROR, name);
    assert.equal(await narrow(name, "nobody", ...params), ERROR, name);
    assert.equal((await say(world, name, ["covert", ...params])).fault, undefined, name);
  }
});

test.run();
