import type { Result } from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { feed } from "../../../compat/cctray/src/feed.ts";
import { feedWorld, ODD, projectsIn } from "./world.ts";

const test = suite("cc.xml");

const names = (projects: Record<string, string>[]) => projects.map(({ name }) => name);

test("every builder is a project, in the configuration's order, with what the standard demands", async () => {
  await using world = await feedWorld();
  await world.build("zebra");
  const projects = await world.feed();
  assert.equal(names(projects), ["zebra", "as told", "slow", ODD, "secret"]);
  const { finishedAt } = await world.kit.call("builds.get", { builder: "zebra", number: -1 });
  assert.equal(projects[0], {
    name: "zebra",
    activity: "Sleeping",
    lastBuildStatus: "Success",
    lastBuildLabel: "1",
    lastBuildTime: `${new Date(finishedAt).toISOString().slice(0, 19)}Z`,
    webUrl: `${world.url}/builders/zebra`,
  });
});

test("a builder that never built is unknown, with a time all the same", async () => {
  await using world = await feedWorld();
  const [zebra] = await world.feed();
  const { lastBuildTime, ...rest } = zebra as Record<string, string>;
  assert.equal(rest, {
    name: "zebra",
    activity: "Sleeping",
    lastBuildStatus: "Unknown",
    webUrl: `${world.url}/builders/zebra`,
  });
  assert.match(lastBuildTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(Math.abs(Date.parse(lastBuildTime ?? "") - Date.now()) < 60_000);
});

test("results are the four words that the readers know", async () => {
  await using world = await feedWorld();
  const wanted: [Result, string][] = [
    ["success", "Success"],
    ["warnings", "Success"],
    ["failure", "Failure"],
    ["exception", "Exception"],
  ];
  for (const [result, word] of wanted) {
    await world.build("as told", result);
    const told = (await world.feed("?builder=as+told"))[0];
    const { number, result: ended } = await world.kit.call("builds.get", { builder: "as told", number: -1 });
    assert.is(ended, result);
    assert.equal([told?.lastBuildStatus, told?.lastBuildLabel], [word, String(number)], result);
  }
  const statuses = (["cancelled", "retry", "skipped"] as const).map((result) => {
    const last = { number: 1, result, finishedAt: 0 } as never;
    return projectsIn(feed([{ name: "b", building: false, last }], "http://x", 0))[0]?.lastBuildStatus;
  });
  assert.equal(statuses, ["Exception", "Exception", "Unknown"]);
});

test("while it builds, status, label and time are those of the last build that has ended", async () => {
  await using world = await feedWorld();
  const slow = async () => (await world.feed("?builder=slow"))[0] ?? {};
  const first = await world.begin();
  const never = await slow();
  assert.equal([never.activity, never.lastBuildStatus, never.lastBuildLabel], ["Building", "Unknown", undefined]);
  await world.kit.call("builds.stop", { builder: "slow", number: 1 });
  await world.kit.buildsetEnd(first);
  const red = await slow();
  assert.equal([red.activity, red.lastBuildStatus, red.lastBuildLabel], ["Sleeping", "Exception", "1"]);
  const second = await world.begin();
  assert.equal(await slow(), { ...red, activity: "Building" });
  world.release();
  await world.kit.buildsetEnd(second);
  const green = await slow();
  assert.equal([green.activity, green.lastBuildStatus, green.lastBuildLabel], ["Sleeping", "Success", "2"]);
});

test("builders are chosen by name and by tag, with several of either", async () => {
  await using world = await feedWorld();
  const chosen = async (query: string) => names(await world.feed(query));
  assert.equal(await chosen("?tag=fast"), ["zebra"]);
  assert.equal(await chosen("?tag=slow&tag=fast"), ["zebra", "slow"]);
  assert.equal(await chosen("?builder=slow&builder=zebra"), ["zebra", "slow"]);
  assert.equal(await chosen(`?builder=${encodeURIComponent(ODD)}`), [ODD]);
  assert.equal(await chosen("?tag=unit&builder=zebra&builder=slow"), ["zebra"]);
  assert.equal(await chosen("?tag=none"), []);
  assert.equal((await chosen("?builder=&other=1")).length, 5);
});

test("with a branch only its builds count, and only who built it is shown", async () => {
  await using world = await feedWorld();
  await world.build("as told", "failure", "topic/1");
  await world.build("as told", "success", "main");
  await world.build("zebra", "success", "main");
  const on = async (query: string) =>
    (await world.feed(query)).map(({ name, lastBuildStatus, lastBuildLabel }) => [
      name,
      lastBuildStatus,
      lastBuildLabel,
    ]);
  assert.equal(await on("?branch=topic/1"), [["as told", "Failure", "1"]]);
  assert.equal(await on("?branch=main"), [
    ["zebra", "Success", "1"],
    ["as told", "Success", "2"],
  ]);
  assert.equal(
    (await on("?branch=topic/1&branch=main")).map(([name]) => name),
    ["zebra", "as told"],
    "in the configuration's order",
  );
  assert.equal(await on("?branch=topic/1&branch=main&tag=unit&builder=as+told"), [["as told", "Success", "2"]]);
  assert.equal(await on("?branch=none"), []);
  const running = await world.begin("topic/2");
  assert.equal(
    (await world.feed("?branch=topic/2")).map(({ name, activity }) => [name, activity]),
    [["slow", "Building"]],
  );
  world.release();
  await world.kit.buildsetEnd(running);
});

test("the address of a page begins with webUrl", async () => {
  await using world = await feedWorld({ webUrl: "https://ci.example.com/belfry/" });
  const projects = await world.feed(`?builder=${encodeURIComponent(ODD)}`);
  assert.is(projects[0]?.webUrl, `https://ci.example.com/belfry/builders/${encodeURIComponent(ODD)}`);
});

test("any name comes through the parser as it was, if XML can have it", async () => {
  const at = Date.UTC(2026, 10, 23, 6, 40, 0, 999);
  await fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (given) => {
      const xml = feed(
        given.map((name) => ({ name, building: false, last: null })),
        "http://x",
        at,
      );
      const back = projectsIn(xml);
      assert.equal(
        names(back),
        given.map((name) =>
          name.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd"),
        ),
      );
      for (const { lastBuildTime } of back) assert.is(lastBuildTime, "2026-11-23T06:40:00Z");
    }),
  );
  const lone = projectsIn(feed([{ name: "a\ud800\tb\r\n", building: true, last: null }], "http://x", at));
  assert.equal(names(lone), ["a\ufffd\tb\r\n"]);
});

test.run();
