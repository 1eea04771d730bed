import { rejects, type TestMaster } from "@belfry/testkit";
import { BelfryError, type Caller } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { apiWorld, tokenCaller } from "./world.ts";

const test = suite("details that lists can include");

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await rejects(promise);
  assert.ok(BelfryError.is(error), String(error));
  return error.code;
};

/** Builds once more, to the end. */
async function rebuilt(kit: TestMaster, build: number): Promise<{ again: number }> {
  const { buildset } = await kit.call("builds.rebuild", { build });
  await kit.event("buildset.finished", (data) => data.buildset === buildset);
  const { items } = await kit.call("builds.list", { limit: 1 });
  return { again: items[0].id };
}

for (const kind of DATABASES) {
  test(`${kind.name}: what builds.list includes is what the single calls answer`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, running } = world;
    const include = ["reason", "sourceStamps", "properties", "steps", "logs", "changes", "earlier", "usualMillis"];
    const { items } = await kit.call("builds.list", { include });
    assert.is(items.length, 3);
    for (const item of items) {
      const one = await kit.call("builds.get", { build: item.id, include: ["steps", "logs", "changes", "earlier"] });
      assert.equal(item, one);
      assert.equal(item.steps, (await kit.call("builds.steps", { build: item.id })).items);
      assert.equal(item.logs, (await kit.call("logs.list", { build: item.id })).items);
    }
    const open = items.find((item: { builder: string }) => item.builder === "open");
    assert.equal(
      open.steps.map((step: { name: string; result: string }) => [step.name, step.result]),
      [
        ["work", "success"],
        ["breaks", "exception"],
      ],
    );
    assert.is(open.reason, "forced by administrator: a reason of public");
    assert.equal(open.properties.p.value, { a: [1, null, "x"] });
    const page = await kit.call("builds.list", { include: ["steps"], fields: ["id"], limit: 1 });
    assert.equal(Object.keys(page.items[0]).sort(), ["id", "steps"]);
    assert.is(page.items[0].id, running.build);
    assert.is(await codeOf(kit.call("builds.list", { include: ["steps"], limit: 101 })), "BELFRY_PARAMS_INVALID");
  });

  test(`${kind.name}: builds are found by worker, and by when they ended, in that order`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, hidden, running } = world;
    const ids = async (params: object) =>
      (await kit.call("builds.list", params as never)).items.map((item: { id: number }) => item.id);
    assert.equal(await ids({ worker: "w" }), [hidden.build, seen.build]);
    assert.equal(await ids({ worker: "w2" }), [running.build]);
    assert.equal(await ids({ worker: "none" }), []);
    assert.equal(await ids({ order: "-finishedAt" }), [hidden.build, seen.build], "what runs has not ended");
    const first = (await kit.call("builds.get", { build: seen.build })).finishedAt;
    const last = (await kit.call("builds.get", { build: hidden.build })).finishedAt;
    assert.equal(await ids({ order: "finishedAt", finishedSince: first, finishedUntil: last }), [
      seen.build,
      hidden.build,
    ]);
    assert.equal(await ids({ finishedSince: last + 1 }), []);
    assert.equal(await ids({ finishedUntil: first - 1 }), []);
    const walked: number[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: { items: { id: number }[]; next: string | null } = await kit.call("builds.list", {
        order: "-finishedAt",
        limit: 1,
        ...(cursor ? { cursor } : {}),
      });
      walked.push(...page.items.map((item) => item.id));
      cursor = page.next;
    }
    assert.equal(walked, [hidden.build, seen.build]);
  });

  test(`${kind.name}: negative numbers count builds from the newest`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen } = world;
    const again = await kit.call("builds.rebuild", { build: seen.build });
    await kit.buildsetEnd(again.buildset);
    const number = async (n: number) => (await kit.call("builds.get", { builder: "open", number: n })).number;
    assert.equal([await number(-1), await number(-2)], [2, 1]);
    for (const n of [-3, -10_001, -(2 ** 40), 0])
      assert.is(await codeOf(kit.call("builds.get", { builder: "open", number: n })), "BELFRY_NOT_FOUND", String(n));
  });

  test(`${kind.name}: builders tell their last build, what runs and what waits, and their place`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, running } = world;
    const { items } = await kit.call("builders.list", { include: ["lastBuild", "running", "pending"] });
    const short = items.map((item: any) => [
      item.name,
      item.position,
      item.lastBuild?.id ?? null,
      item.running.map((build: { id: number }) => build.id),
      item.pending,
    ]);
    const { build } = world.hidden;
    assert.equal(short, [
      ["covert", 1, build, [], 0],
      ["open", 0, seen.build, [], 0],
      ["running", 2, null, [running.build], 1],
    ]);
    assert.equal(items[1].lastBuild, (await kit.call("builds.list", { builder: "open" })).items[0]);
    assert.equal(
      await kit.call("builders.get", { builder: "open", include: ["lastBuild", "running", "pending"] }),
      items[1],
    );
    const branch = await kit.call("builders.list", { include: ["lastBuild"], branch: "main", tag: "fast" });
    assert.equal(
      branch.items.map((item: any) => [item.name, item.lastBuild?.id]),
      [["open", seen.build]],
    );
    const other = await kit.call("builders.get", { builder: "open", include: ["lastBuild"], branch: "other" });
    assert.is(other.lastBuild, null);
  });

  test(`${kind.name}: builders.list finds builders by a part of their names, and tells the newest builds of each`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, running } = world;
    const { again } = await rebuilt(kit, seen.build);
    const list = async (params: object, caller?: Caller) =>
      (await kit.call("builders.list", params as never, caller)).items.map((item: any) => [
        item.name,
        item.recent?.map((build: { id: number }) => build.id),
      ]);
    assert.equal(await list({ include: ["recent"], search: "OPE" }), [["open", [again, seen.build]]]);
    assert.equal(await list({ include: ["recent"], recent: 1, builders: ["open", "running", "no such"] }), [
      ["open", [again]],
      ["running", [running.build]],
    ]);
    assert.equal(await list({ include: ["recent"], branch: "main", search: "open" }), [["open", [again, seen.build]]]);
    assert.equal(await list({ include: ["recent"], branch: "main", recent: 1, search: "open" }), [["open", [again]]]);
    assert.equal(await list({ include: ["recent"], branch: "other", search: "open" }), [["open", []]]);
    assert.equal(await list({ search: "%" }), []);
    const { caller } = await tokenCaller(kit, "part", { scopes: ["read"], builders: ["running"] });
    assert.equal(await list({ builders: ["open", "running"] }, caller), [["running", undefined]]);
    assert.equal(await list({ search: "n" }, caller), [["running", undefined]]);
    const [shown] = (await kit.call("builders.list", { include: ["recent"], search: "open" })).items;
    assert.equal(shown.recent, (await kit.call("builds.list", { builder: "open" })).items);
  });

  test(`${kind.name}: builds.list walks the builds of a builder, and gives those that are named`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, hidden } = world;
    const { again } = await rebuilt(kit, seen.build);
    const ids = async (params: object, caller?: Caller) =>
      (await kit.call("builds.list", params as never, caller)).items.map((item: { id: number }) => item.id);
    const first = await kit.call("builds.list", { builder: "open", limit: 1 });
    assert.equal([first.items[0].id, first.items.length], [again, 1]);
    assert.equal(await ids({ builder: "open", cursor: first.next }), [seen.build]);
    assert.equal(await ids({ builder: "open", order: "id" }), [seen.build, again]);
    const earlier = async (build: number) => (await kit.call("builds.get", { build, include: ["earlier"] })).earlier;
    assert.equal([await earlier(seen.build), await earlier(again)], [null, 1]);
    assert.is(await codeOf(kit.call("builds.list", { cursor: first.next })), "BELFRY_CURSOR_INVALID");
    assert.equal(await ids({ builds: [seen.build, hidden.build, 999_999] }), [hidden.build, seen.build]);
    const { caller } = await tokenCaller(kit, "some", { scopes: ["read"], builders: ["open"] });
    assert.equal(await ids({ builds: [seen.build, hidden.build] }, caller), [seen.build]);
  });

  test(`${kind.name}: requests tell their reason, stamps, properties and builds`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen } = world;
    const include = ["reason", "sourceStamps", "properties", "builds"];
    const { items } = await kit.call("requests.list", { include, order: "id" });
    const set = await kit.call("buildsets.get", { buildset: seen.buildset });
    const { reason, sourceStamps, properties } = set;
    assert.equal(items[0], { ...set.requests[0], reason, sourceStamps, properties, builds: [seen.build] });
    assert.is(properties.of, "public");
  });

  test(`${kind.name}: who may not see everything is included nothing of the rest`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
    const answers = await Promise.all([
      kit.call(
        "builds.list",
        { include: ["reason", "sourceStamps", "properties", "steps", "logs", "changes"] },
        caller,
      ),
      kit.call("builders.list", { include: ["lastBuild", "running", "pending"] }, caller),
      kit.call("requests.list", { include: ["reason", "sourceStamps", "properties", "builds"] }, caller),
      kit.call("workers.list", {}, caller),
    ]);
    const shown = JSON.stringify(answers).replaceAll('"hidden":false', "");
    assert.not.match(shown, /covert|hidden/);
    assert.match(JSON.stringify(answers[0]), /a reason of public/, "or this test could not fail");
  });
}

test("workers tell which builders may use them", async () => {
  const kind = DATABASES[0];
  assert.ok(kind);
  await using database = await kind.open();
  await using world = await apiWorld(database);
  const { items } = await world.kit.call("workers.list", {});
  assert.equal(
    items.map((item: { name: string; builders: string[] }) => [item.name, item.builders]),
    [
      ["w", ["open", "covert"]],
      ["w2", ["running"]],
    ],
  );
});

test.run();
