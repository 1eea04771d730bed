import { fakeWorker, rejects, type TestMaster, testClock, testMaster } from "@belfry/testkit";
import { BelfryError, type Caller, definePlugin, type Json, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { apiWorld, tokenCaller } from "./world.ts";

const test = suite("who may what, and who did");

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await rejects(promise);
  assert.ok(BelfryError.is(error), String(error));
  return error.code;
};

const outcomes = async (kit: TestMaster, params: Json = {}) =>
  (await kit.call("audit.list", params)).items.map((item: { caller: string; method: string; outcome: string }) => [
    item.caller,
    item.method,
    item.outcome,
  ]);

for (const kind of DATABASES) {
  test(`${kind.name}: every call that controls is in the audit, with who, from where and how it ended`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen } = world;
    const { caller: robot } = await tokenCaller(kit, "robot", { scopes: ["control"] });
    const { caller: reader } = await tokenCaller(kit, "reader", { scopes: ["read"] });
    const begin = (await kit.call("audit.list", {})).items.length;
    const far: Caller = { ...robot, origin: "192.0.2.7" };
    await kit.call("builds.rebuild", { build: seen.build, reason: "x".repeat(400) }, far);
    assert.is(await codeOf(kit.call("builds.stop", { build: seen.build }, far)), "BELFRY_BUILD_ENDED");
    assert.is(await codeOf(kit.call("builds.stop", { build: seen.build, surplus: 1 }, far)), "BELFRY_PARAMS_INVALID");
    assert.is(await codeOf(kit.call("builds.stop", { build: seen.build }, reader)), "BELFRY_FORBIDDEN");
    assert.is(await codeOf(kit.call("tokens.list", {}, robot)), "BELFRY_FORBIDDEN");
    assert.is(await codeOf(kit.call("builds.stop", { build: 1 }, kit.master.api.anonymous())), "BELFRY_FORBIDDEN");
    await kit.call("builds.list", {}, robot);
    const all = await outcomes(kit);
    // The listing itself needs admin, and is noted after it has answered.
    assert.equal(all.slice(0, all.length - begin - 1), [
      ["robot", "tokens.list", "BELFRY_FORBIDDEN"],
      ["reader", "builds.stop", "BELFRY_FORBIDDEN"],
      ["robot", "builds.stop", "BELFRY_PARAMS_INVALID"],
      ["robot", "builds.stop", "BELFRY_BUILD_ENDED"],
      ["robot", "builds.rebuild", "ok"],
    ]);
    const [rebuilt] = (await kit.call("audit.list", { method: "builds.rebuild", caller: "robot" })).items;
    assert.equal([rebuilt.from, rebuilt.kind], ["192.0.2.7", "token"]);
    assert.equal(JSON.parse(rebuilt.params), { build: seen.build, reason: "x".repeat(400) });
    assert.is(await codeOf(kit.call("audit.list", {}, robot)), "BELFRY_FORBIDDEN", "only the administrator reads it");
  });

  test(`${kind.name}: a token's text is in no audit`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { token } = await tokenCaller(world.kit, "robot", { scopes: ["control"] });
    const text = JSON.stringify(await world.kit.call("audit.list", { limit: 500 }));
    assert.match(text, /tokens\.add/);
    assert.not.match(text, token);
  });

  test(`${kind.name}: a rule of the configuration hides builders from whom it says, and takes away only`, async () => {
    await using database = await kind.open();
    const asked = new Set<string>();
    await using world = await apiWorld(database, {
      access: {
        anonymous: "read",
        visible: ({ builder, project, tags }, caller) => {
          asked.add(`${caller.kind} ${builder} ${tags.join()}`);
          if (builder === "running") throw new Error("no idea");
          return caller.kind === "token" || project !== "hidden";
        },
      },
    });
    const { kit, hidden } = world;
    const names = async (caller: Caller) =>
      (await kit.call("builders.list", {}, caller)).items.map((item: { name: string }) => item.name);
    const anonymous = kit.master.api.anonymous();
    const { caller: narrow } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
    const { caller: wide } = await tokenCaller(kit, "wide", { scopes: ["read"] });
    const { caller: chief } = await tokenCaller(kit, "chief", { scopes: ["admin"] });
    assert.equal(await names(anonymous), ["open"]);
    assert.equal(await names(narrow), ["open"]);
    assert.equal(await names(wide), ["covert", "open"], "a rule that throws hides");
    assert.equal(await names(chief), ["covert", "open", "running"]);
    assert.ok(asked.has("anonymous covert slow"));
    assert.is(await codeOf(kit.call("builds.get", { build: hidden.build }, anonymous)), "BELFRY_NOT_FOUND");
    assert.is(await codeOf(kit.call("changes.get", { change: hidden.change }, anonymous)), "BELFRY_NOT_FOUND");
    const events = await kit.call("events.since", { since: "0", limit: 500 }, anonymous);
    assert.not.match(JSON.stringify(events), /covert|hidden/);
    assert.match(JSON.stringify(events), /open/);
  });

  test(`${kind.name}: changes of a project that no builder has are listed to whom the rule lets see it`, async () => {
    await using database = await kind.open();
    const visible = ({ project }: { project: string }) => project !== "secret";
    await using kit = await testMaster({
      config: {
        database: database.entry,
        access: { anonymous: "read", visible },
        workers: [fakeWorker({ name: "w" })],
        builders: [{ name: "app", project: "app", workers: ["w"], steps: [] }],
      },
    });
    const added: number[] = [];
    for (const [key, project] of Object.entries(["app", "library", "secret", "library"]))
      added.push(await kit.addChange({ key, project, branch: "main" }));
    for (let key = 0; key < 600; key += 1) await kit.addChange({ key: `s${key}`, project: "secret", branch: "main" });
    const anonymous = kit.master.api.anonymous();
    const [first, second, , fourth] = added;
    const ids = async (params: Json) => {
      const { items, next } = await kit.call("changes.list", params, anonymous);
      return { ids: items.map(({ id }: { id: number }) => id), next };
    };
    assert.equal(await ids({}), { ids: [fourth, second, first], next: null });
    assert.equal(await ids({ order: "id", branch: "main" }), { ids: [first, second, fourth], next: null });
    const page = await ids({ limit: 2 });
    assert.equal(page.ids, [fourth, second]);
    assert.equal(await ids({ limit: 2, cursor: page.next }), { ids: [first], next: null });
    assert.is((await kit.call("changes.get", { change: fourth as number }, anonymous)).project, "library");
  });

  test(`${kind.name}: a listener elsewhere keeps its place under its own name, which never moves back`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { caller: one } = await tokenCaller(kit, "one", { scopes: ["read"] });
    const { caller: other } = await tokenCaller(kit, "other", { scopes: ["read"] });
    const place = async (caller: Caller) => (await kit.call("listeners.cursor", { listener: "mail" }, caller)).position;
    const move = async (position: string) =>
      (await kit.call("listeners.acknowledge", { listener: "mail", position }, one)).position;
    assert.is(await place(one), null);
    assert.equal([await move("3"), await move("2"), await move("4")], ["3", "3", "4"]);
    assert.equal([await place(one), await place(other)], ["4", null]);
    assert.is(await codeOf(move("99999999")), "BELFRY_POSITION_AHEAD");
    assert.is(await codeOf(move("-1")), "BELFRY_CURSOR_INVALID");
    assert.is(await codeOf(place(kit.master.api.anonymous())), "BELFRY_FORBIDDEN");
    for (let i = 0; i < 99; i += 1) await kit.call("listeners.acknowledge", { listener: `l${i}`, position: "1" }, one);
    assert.is(
      await codeOf(kit.call("listeners.acknowledge", { listener: "one more", position: "1" }, one)),
      "BELFRY_PARAMS_INVALID",
    );
    assert.is(await move("5"), "5", "those it has go on");
  });
}

test("expensive calls are counted for each client, and who has spent its budget is told when to come again", async () => {
  const kind = DATABASES[0];
  assert.ok(kind);
  await using database = await kind.open();
  const clock = testClock();
  const dear = {
    name: "dear.call",
    permission: "read" as const,
    summary: "Costs much.",
    params: z.strictObject({}),
    result: z.object({}),
    example: {},
    cost: 10,
    call: async () => ({}),
  };
  await using kit = await testMaster({
    clock,
    config: {
      database: database.entry,
      access: { anonymous: "read", budget: 25 },
      plugins: [definePlugin({ name: "dear", register: (host) => host.methods.add(dear) })],
    },
  });
  const one: Caller = { ...kit.master.api.anonymous(), origin: "192.0.2.1" };
  const other: Caller = { ...one, origin: "192.0.2.2" };
  const call = (caller: Caller) => kit.call("dear.call", {}, caller);
  await call(one);
  await call(one);
  const error = await rejects(call(one));
  assert.ok(BelfryError.is(error));
  assert.is(error.code, "BELFRY_BUDGET_SPENT");
  assert.equal(error.details, [{ path: "retryAfterSeconds", message: "12" }]);
  await call(other);
  await kit.call("builders.list", {}, one);
  for (let i = 0; i < 5; i += 1) await kit.call("dear.call", {});
  await clock.advance(12_000);
  await call(one);
  assert.is(await codeOf(call(one)), "BELFRY_BUDGET_SPENT");
});

test.run();
