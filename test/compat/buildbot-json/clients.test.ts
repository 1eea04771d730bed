import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonWorld, ODD, part } from "./world.ts";

// What the programs in Buildbot's contrib folder ask, and what they read of the answers.
const test = suite("Buildbot's /json and its old clients");

test("buildbot_json.py: the project, and all builders at once", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  const project = await world.json("/json/project?filter=1");
  assert.is(project.title, "World");
  assert.is(project.buildbotURL, `${world.url}/`);
  const builders = await world.json("/json/builders/?filter=1");
  for (const name of ["runtests", "broken", "slow", ODD]) assert.ok(builders[name].slaves.length > 0, name);
  assert.equal(builders.runtests.cachedBuilds, [1]);
  assert.is(builders.runtests.currentBuilds, undefined);
});

test("buildbot_json.py: a builder by its quoted name, some builders by select", async () => {
  await using world = await jsonWorld();
  const builder = await world.json(`/json/builders/${part(ODD)}/?filter=1`);
  assert.equal(builder.slaves, ["w1"]);
  const some = await world.json("/json/builders/?select=runtests&select=never&filter=1");
  assert.equal(Object.keys(some), ["never", "runtests"]);
});

test("buildbot_json.py: builds that are complete are told from those that run by currentStep", async () => {
  await using world = await jsonWorld();
  await world.build("broken");
  await world.build("runtests", { revision: "r5" });
  await world.force("slow");
  await world.kit.event("step.started", ({ name }) => name === "wait");
  const build = async (builder: string) => await world.json(`/json/builders/${builder}/builds/1?filter=1`);
  const [ran, failed, runs] = await Promise.all(["runtests", "broken", "slow"].map(build));
  // `build.completed` is: no currentStep. `build.simplified_result`: results or, if missing, success.
  assert.equal(
    [ran, failed, runs].map(({ currentStep }) => currentStep === undefined),
    [true, true, false],
  );
  assert.equal([ran.results ?? 0, failed.results ?? 0], [0, 2]);
  assert.is(ran.sourceStamp.revision, "r5");
  assert.equal([ran.builderName, ran.slave, ran.number], ["runtests", ran.slave, 1]);
  assert.ok(["w1", "w2"].includes(ran.slave));
  assert.ok(ran.times[1] - ran.times[0] >= 0);
  assert.is(runs.times[1], null);
  assert.equal(Object.fromEntries(ran.properties.map(([name, value]: string[]) => [name, value])).scheduler, "by hand");
  // `step.simplified_result`: None without isFinished, else results[0] or, if missing, success.
  const results = failed.steps.map((step: any) => (step.isFinished ? (step.results?.[0] ?? 0) : null));
  assert.equal(results, [0, 2]);
  const last = runs.steps.at(-1);
  assert.equal([last.name, last.isStarted, last.isFinished ?? false, last.times[1]], ["wait", true, false, null]);
});

test("buildbot_json.py: a build before its first step, or between two, is not complete", async () => {
  await using world = await jsonWorld();
  let told: any;
  await world.force("slow");
  // From the first moment that there is a build until its last step waits.
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    const answer = await world.get("/json/builders/slow/builds/-1?filter=1");
    if (answer.status === 404) continue;
    told = JSON.parse(answer.body);
    assert.ok(told.currentStep?.name, answer.body);
    if (told.currentStep.name === "wait") break;
  }
  assert.is(told.currentStep.name, "wait");
});

test("buildbot_json.py: cached builds, selected builds and pending builds", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  await world.build("runtests");
  const all = await world.json("/json/builders/runtests/builds/_all?filter=1");
  assert.equal(Object.keys(all), ["1", "2"]);
  const some = await world.json("/json/builders/runtests/builds?select=1&select=2&filter=1");
  assert.equal(some, all);
  const negative = await world.json("/json/builders/runtests/builds?select=-1&select=-2");
  assert.equal([negative["-1"].number, negative["-2"].number], [2, 1]);
  assert.is((await world.get("/json/builders/runtests/pendingBuilds?filter=1")).body, "null");
  await world.force("slow");
  await world.kit.event("build.started", ({ builder }) => builder === "slow");
  await world.force("slow");
  assert.is((await world.json("/json/builders/slow/pendingBuilds?filter=1"))[0].builderName, "slow");
  assert.is((await world.json("/json/builders/slow?filter=1")).pendingBuilds, 1);
});

test("buildbot_json.py: slaves, all, some and one", async () => {
  await using world = await jsonWorld();
  const slaves = await world.json("/json/slaves/?filter=1");
  assert.equal([slaves.w1.connected, slaves.w2.connected], [true, true]);
  assert.equal(Object.keys(await world.json("/json/slaves/?select=w1&filter=1")), ["w1"]);
  assert.is((await world.json("/json/slaves/w1/?filter=1")).name, "w1");
});

test("check_buildbot.py: every alarm is a state that it knows, with a message if it is not well", async () => {
  await using world = await jsonWorld();
  const metrics = await world.json("/json/metrics");
  assert.ok(metrics !== null && Object.keys(metrics.alarms).length >= 3);
  for (const [name, [state]] of Object.entries<[string, string?]>(metrics.alarms))
    assert.ok(["OK", "WARN", "CRIT", "UNKNOWN"].includes(state), name);
});

test.run();
