import { source, step } from "@belfry/testkit";
import { definePlugin, defineWorker, type Worker, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonWorld, ODD, part } from "./world.ts";

const test = suite("Buildbot's /json, the tree");

test("a builder has the fields of all versions", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  await world.build("runtests");
  assert.equal(await world.json("/json/builders/runtests"), {
    basedir: "runtests",
    category: "fast",
    tags: ["fast", "unit"],
    slaves: ["w1", "w2"],
    schedulers: ["by hand", "main"],
    cachedBuilds: [1, 2],
    currentBuilds: [],
    state: "idle",
    pendingBuilds: 0,
  });
  const never = await world.json("/json/builders/never");
  assert.equal([never.category, never.tags, never.cachedBuilds, never.state], [null, [], [], "idle"]);
});

test("a builder that builds says so, with what it builds and how many wait", async () => {
  await using world = await jsonWorld();
  await world.force("slow");
  await world.kit.event("build.started", ({ builder }) => builder === "slow");
  await world.force("slow");
  const { state, currentBuilds, cachedBuilds, pendingBuilds } = await world.json("/json/builders/slow");
  assert.equal([state, currentBuilds, cachedBuilds, pendingBuilds], ["building", [1], [1], 1]);
  const [waiting, ...others] = await world.json("/json/builders/slow/pendingBuilds");
  assert.equal(others, []);
  assert.is(waiting.builderName, "slow");
  assert.ok(Math.abs(waiting.submittedAt - Date.now() / 1000) < 60);
  assert.equal(waiting.builds, []);
  assert.equal(waiting.source.changes, []);
  assert.equal(waiting.properties, [
    ["owner", "administrator", "Scheduler"],
    ["scheduler", "by hand", "Scheduler"],
  ]);
});

test("a builder none of whose workers is there is offline, and an alarm says so", async () => {
  const away = defineWorker({
    kind: "away",
    options: z.object({}),
    create: (): Worker => ({
      slots: 1,
      connected: false,
      info: { host: "h1", admin: "ann", version: "1.2" },
      start: async () => {},
      stop: async () => {},
      open: () => Promise.reject(new Error("away")),
    }),
  });
  await using world = await jsonWorld(
    {},
    {
      plugins: [definePlugin({ name: "test-away", parts: [away] })],
      workers: [away({ name: "gone" })],
      schedulers: [],
      builders: [{ name: "b", workers: ["gone"], steps: [step({ run: () => ({ result: "success" }) })] }],
    },
  );
  assert.is((await world.json("/json/builders/b")).state, "offline");
  const { connected, host, admin, version } = await world.json("/json/slaves/gone");
  assert.equal([connected, host, admin, version], [false, "h1", "ann", "1.2"]);
  assert.equal((await world.json("/json/metrics")).alarms.attached_slaves, ["CRIT", "not connected: gone"]);
});

test("only as many of the newest builds are cached as the option says", async () => {
  await using world = await jsonWorld({ cachedBuilds: 2 });
  for (let i = 0; i < 3; i++) await world.build("runtests");
  assert.equal((await world.json("/json/builders/runtests")).cachedBuilds, [2, 3]);
  assert.equal(await world.json("/json/builders/runtests/builds"), { 1: null, 2: null, 3: null });
});

test("a build that failed has its results, texts, steps, logs and source", async () => {
  await using world = await jsonWorld({ webUrl: "https://ci.example.com/belfry" });
  await world.build("broken", { branch: "topic", revision: "r7", repository: "git://x", reason: "look" });
  const build = await world.json("/json/builders/broken/builds/1");
  const url = "https://ci.example.com/belfry/builders/broken/builds/1/steps/compile/logs/stdio";
  const stamp = {
    branch: "topic",
    revision: "r7",
    repository: "git://x",
    project: "",
    codebase: "",
    hasPatch: false,
    changes: [],
  };
  const { times, steps, properties, ...rest } = build;
  assert.equal(rest, {
    builderName: "broken",
    number: 1,
    sourceStamp: stamp,
    sourceStamps: [{ ...stamp }],
    reason: "forced by administrator: look",
    blame: [],
    text: ["failed", "unit tests"],
    results: 2,
    slave: "w1",
    logs: [["stdio", url]],
    eta: null,
    currentStep: null,
  });
  assert.ok(times[1] >= times[0] && times[0] > 1_500_000_000 && times[0] < 10_000_000_000);
  assert.equal(
    properties.filter(([name]: string[]) => /revision/i.test(name ?? "")),
    [
      ["gotRevision", "abc123", "compile"],
      ["got_revision", "abc123", "compile"],
    ],
  );
  const [first, second] = steps;
  assert.equal(
    { ...first, times: [] },
    {
      name: "compile",
      text: ["compile"],
      results: [0, []],
      isStarted: true,
      isFinished: true,
      statistics: {},
      times: [],
      expectations: [],
      eta: null,
      urls: {},
      step_number: 0,
      hidden: false,
      logs: [["stdio", url]],
    },
  );
  assert.equal(
    [second.name, second.text, second.results, second.step_number],
    ["unit tests", ["unit tests", "failed"], [2, ["unit tests"]], 1],
  );
});

test("a running build has no result, a current step and the time that is left if that can be told", async () => {
  await using world = await jsonWorld();
  const first = await world.force("slow");
  await world.kit.event("step.started", ({ name }) => name === "wait");
  const build = await world.json("/json/builders/slow/builds/-1");
  assert.equal([build.results, build.text, build.times[1], build.eta], [null, [], null, null]);
  assert.equal(
    [build.currentStep.name, build.currentStep.isFinished, build.currentStep.results],
    ["wait", false, [null, []]],
  );
  assert.equal(
    build.steps.map((step: { name: string }) => step.name),
    ["compile", "wait"],
  );
  world.release();
  await world.kit.buildsetEnd(first);
  const ended = await world.json("/json/builders/slow/builds/-1");
  assert.equal([ended.results, ended.currentStep, ended.text], [0, null, ["build", "successful"]]);
});

test("a cancelled build is an exception, which 0.8 knows", async () => {
  await using world = await jsonWorld();
  const buildset = await world.force("slow");
  await world.kit.event("step.started", ({ name }) => name === "wait");
  await world.kit.call("builds.stop", { builder: "slow", number: 1 });
  await world.kit.buildsetEnd(buildset);
  const build = await world.json("/json/builders/slow/builds/1");
  assert.equal([build.results, build.text], [4, ["exception", "wait"]]);
});

test("builds are found by number, from the newest back, and nothing else is one", async () => {
  await using world = await jsonWorld();
  for (let i = 0; i < 3; i++) await world.build("runtests");
  const numberOf = async (name: string) => (await world.json(`/json/builders/runtests/builds/${name}`)).number;
  assert.equal([await numberOf("2"), await numberOf("-1"), await numberOf("-3"), await numberOf("03")], [2, 3, 1, 3]);
  for (const name of ["0", "4", "-4", "1.5", "1e0", "x", "--1", "99999999999", "-", "_ALL", "+1"])
    assert.is((await world.get(`/json/builders/runtests/builds/${name}`)).status, 404, name);
});

test("_all has the newest builds whole, as many as max says", async () => {
  await using world = await jsonWorld({ buildsLimit: 4 });
  for (let i = 0; i < 5; i++) await world.build("runtests");
  const keys = async (query: string) => Object.keys(await world.json(`/json/builders/runtests/builds/_all${query}`));
  assert.equal(await keys(""), ["2", "3", "4", "5"]);
  assert.equal(await keys("?max=2"), ["4", "5"]);
  assert.equal(await keys("?max=1000000"), ["2", "3", "4", "5"]);
  assert.equal(await keys("?max=0"), []);
  assert.equal(await keys("?max=-3"), []);
  assert.equal(await keys("?max=x"), ["2", "3", "4", "5"]);
  const all = await world.json("/json/builders/runtests/builds/_all?max=1");
  assert.equal(all["5"], await world.json("/json/builders/runtests/builds/5"));
});

test("steps are found by place and by name", async () => {
  await using world = await jsonWorld();
  await world.build("broken");
  const steps = await world.json("/json/builders/broken/builds/1/steps");
  assert.equal(Object.keys(steps), ["0", "1"]);
  assert.equal(await world.json("/json/builders/broken/builds/1/steps/1"), steps["1"]);
  assert.equal(await world.json("/json/builders/broken/builds/1/steps/unit%20tests"), steps["1"]);
  for (const name of ["2", "-1", "tests", "0/logs"])
    assert.is((await world.get(`/json/builders/broken/builds/1/steps/${name}`)).status, 404, name);
});

test("changes are in the source stamp, whose authors are to blame", async () => {
  await using world = await jsonWorld();
  const when = Date.UTC(2010, 9, 5, 12, 3, 11);
  const change = await world.kit.addChange({
    author: "Zoé <z@example.com>",
    comments: "<b>fix</b>",
    files: ["a.c", "b/c.h"],
    when,
    project: "open",
    category: "c",
    link: "https://example.com/r1",
    properties: { a: { b: 1 } },
  });
  await world.kit.event("build.finished", ({ builder }) => builder === "runtests");
  const build = await world.json("/json/builders/runtests/builds/-1");
  assert.equal(build.blame, ["Zoé <z@example.com>"]);
  const { at, ...told } = build.sourceStamp.changes[0];
  assert.equal(told, {
    number: change,
    branch: "main",
    category: "c",
    revision: "r1",
    rev: "r1",
    revlink: "https://example.com/r1",
    who: "Zoé <z@example.com>",
    comments: "<b>fix</b>",
    when: when / 1000,
    files: [
      { name: "a.c", url: null },
      { name: "b/c.h", url: null },
    ],
    properties: [["a", { b: 1 }, "Change"]],
    repository: "test",
    project: "open",
    codebase: "",
  });
  assert.match(at, /^(Mon|Tue|Wed) 0[456] Oct 2010 \d\d:\d\d:11$/);
  const stamp = "/json/builders/runtests/builds/1/source_stamp";
  assert.equal(await world.json(stamp), build.sourceStamp);
  assert.equal(await world.json(`${stamp}/changes`), { [change]: build.sourceStamp.changes[0] });
  assert.equal(await world.json(`${stamp}/changes/${change}`), build.sourceStamp.changes[0]);
  assert.is((await world.get(`${stamp}/changes/999`)).status, 404);
  await world.build("broken");
  assert.equal(await world.json("/json/builders/broken/builds/1/source_stamp/changes"), {});
});

test("a slave says what it builds and has built, as far back as numbuilds", async () => {
  await using world = await jsonWorld();
  for (let i = 0; i < 3; i++) await world.build("broken");
  await world.force("slow");
  await world.kit.event("step.started", ({ name }) => name === "wait");
  const slaves = await world.json("/json/slaves");
  assert.equal(Object.keys(slaves), ["w1", "w2"]);
  assert.equal(slaves.w1.builders.broken, [3, 2, 1]);
  assert.equal(slaves.w1.builders.never, []);
  assert.equal([slaves.w1.connected, slaves.w1.runningBuilds, slaves.w1.info], [true, [], { system: "fake" }]);
  assert.equal([slaves.w2.builders.slow, slaves.w2.runningBuilds[0].builderName], [[], "slow"]);
  const broken = async (query: string) => (await world.json(`/json/slaves/w1?numbuilds=${query}`)).builders.broken;
  assert.equal(
    [await broken("3"), await broken("2"), await broken("1"), await broken("-5"), await broken("x")],
    [[3, 2], [3], [], [], [3, 2, 1]],
  );
  assert.equal(Object.keys(await world.json("/json/builders/slow/slaves")), ["w2"]);
  assert.is((await world.json("/json/builders/slow/slaves/w2")).name, "w2");
  assert.is((await world.get("/json/builders/slow/slaves/w1")).status, 404);
  assert.is((await world.get("/json/slaves/w3")).status, 404);
});

test("the root is made of all its parts", async () => {
  await using world = await jsonWorld();
  const root = await world.json("/json");
  assert.equal(Object.keys(root).sort(), ["builders", "change_sources", "metrics", "project", "slaves"]);
  assert.equal(Object.keys(root.builders).sort(), ["runtests", "broken", "slow", ODD, "secret", "never"].sort());
  assert.equal(root.project, {
    title: "World",
    projectName: "World",
    titleURL: null,
    projectURL: null,
    buildbotURL: `${world.url}/`,
  });
  assert.equal(root.change_sources, {});
  assert.equal(await world.json("/json/project"), root.project);
});

test("sources are told by place, and metrics have an alarm for one that fails", async () => {
  const poll = async () => {
    throw new Error("no route");
  };
  await using world = await jsonWorld(
    {},
    { sources: [source({ name: "poller", source: { pollInterval: 60_000, poll } })] },
  );
  await world.kit.event("source.failing");
  assert.equal(await world.json("/json/change_sources"), { 0: { description: "testkit.source poller" } });
  const { alarms, counters, timers } = await world.json("/json/metrics");
  assert.equal(alarms["source poller"][0], "WARN");
  assert.match(alarms["source poller"][1], "no route");
  assert.equal(alarms.attached_slaves, ["OK"]);
  assert.is(counters.attached_slaves, 2);
  assert.equal(timers, {});
  await world.force("slow");
  await world.kit.event("step.started", ({ name }) => name === "wait");
  assert.ok((await world.json("/json/metrics")).timers.running_builds >= 0);
});

test("names with slashes, quotes, blanks and emoji are found everywhere", async () => {
  await using world = await jsonWorld();
  await world.build(ODD);
  const builders = await world.json("/json/builders");
  assert.equal(builders[ODD].cachedBuilds, [1]);
  assert.is((await world.json(`/json/builders/${part(ODD)}/builds/-1`)).builderName, ODD);
  const [[, url]] = (await world.json(`/json/builders/${part(ODD)}/builds/1`)).logs;
  assert.ok(url.includes(`/builders/${part(ODD)}/builds/1/`), url);
  const file = (await world.get(`/json/builders/${part(ODD)}`)).headers["content-disposition"] ?? "";
  assert.match(file, /^attachment; filename="[\x21\x23-\x5b\x5d-\x7e]+\.json"$/);
});

test("slashes at the end and an empty query are fine, unknown paths are 404", async () => {
  await using world = await jsonWorld();
  const builder = await world.json("/json/builders/runtests");
  for (const path of [
    "/json/builders/runtests/",
    "/json/builders/runtests/?",
    "/json//builders//runtests",
    "/json/builders/runtests?x=1",
  ])
    assert.equal(await world.json(path), builder, path);
  for (const path of [
    "/json/nothing",
    "/json/builders/nobody",
    "/json/builders/runtests/nothing",
    "/json/builders/__proto__",
    "/json/constructor",
    "/json/builders/runtests/toString",
    "/json/%",
    "/json/builders/%ff",
    "/json/project/title",
    "/json/metrics/counters",
    "/json/builders/Runtests",
  ]) {
    const answer = await world.get(path);
    assert.is(answer.status, 404, path);
    assert.match(answer.body, "BELFRY_BUILDBOT_JSON_PATH_UNKNOWN");
  }
  assert.is((await world.get("/jsonp")).status, 404);
});

test.run();
