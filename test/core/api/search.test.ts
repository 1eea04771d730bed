import { force } from "@belfry/schedulers";
import { fakeWorker, logStore, rejects, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { administrator, BelfryError, type Config, type Json, type StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryLogStore } from "../../plugins/testkit/memory-log-store.ts";
import { tokenCaller } from "./world.ts";

const test = suite("logs.search");

interface World extends AsyncDisposable {
  kit: TestMaster;
  release(): void;
}

/** A build that prints, and one that goes on until it is released. */
async function world(more: Partial<Config> = {}): Promise<World> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const prints = step({
    run: async (ctx: StepContext) => {
      await ctx.log("stdio").write("one error\ntwo\nERROR three\n");
      await ctx.log("other").write("an error of the other log\n", "stderr");
      return { result: "success" };
    },
  });
  const waits = step({
    run: async (ctx: StepContext) => {
      await ctx.log("stdio").write("early error\n");
      await gate;
      await ctx.log("stdio").write("late error\n");
      return { result: "success" };
    },
  });
  const kit = await testMaster({
    config: {
      access: { anonymous: "read" },
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["printing", "waiting"] })],
      builders: [
        { name: "printing", project: "public", workers: ["w"], steps: [prints] },
        { name: "waiting", project: "hidden", workers: ["w"], steps: [waits] },
      ],
      ...more,
    },
  });
  return {
    kit,
    release: () => release(),
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
}

async function build(kit: TestMaster, builder: string, ends = true): Promise<void> {
  const { buildset } = await kit.call("schedulers.force", { builders: [builder] });
  if (ends) await kit.buildsetEnd(buildset);
}

const printed = { builder: "printing", number: -1, step: 1 };

async function refused(kit: TestMaster, params: { [key: string]: Json }): Promise<[code: string, path?: string]> {
  const error = await rejects(kit.call("logs.search", { ...printed, ...params }), JSON.stringify(params));
  assert.ok(BelfryError.is(error), String(error));
  return error.details[0] ? [error.code, error.details[0].path] : [error.code];
}

const STORES: [name: string, config: () => Partial<Config>][] = [
  ["files", () => ({})],
  ["a store of a plugin", () => ({ logStore: logStore({ store: new MemoryLogStore() }) })],
];

for (const [name, config] of STORES) {
  test(`a log in ${name} is searched by text and by pattern`, async () => {
    await using w = await world(config());
    await build(w.kit, "printing");
    const search = (params: { [key: string]: Json }) => w.kit.call("logs.search", { ...printed, ...params });
    const { items, ...facts } = await search({ text: "error" });
    assert.equal(
      items.map(({ time, ...item }: { time: number }) => item),
      [{ number: 0, channel: "stdout", text: "one error" }],
    );
    assert.equal(facts, {
      count: 1,
      before: 0,
      previous: null,
      lines: 3,
      finished: true,
      complete: true,
      next: null,
    });
    const read = await w.kit.call("logs.read", { ...printed, count: 1 });
    assert.is(items[0].time, read.items[0].time, "the same line as `logs.read` has");
    const paged = await search({ text: "error", ignoreCase: true, limit: 1 });
    assert.equal([paged.count, paged.items.length, paged.next], [2, 1, 2]);
    const errors = await search({ errors: true, first: 2 });
    assert.equal([errors.items.length, errors.count, errors.previous], [1, 1, null]);
    assert.equal((await search({ pattern: "^[A-Z]+ t" })).items[0].text, "ERROR three");
    assert.equal((await search({ pattern: "^[A-Z]+ t", first: -1 })).items.length, 1);
    const other = await search({ log: "other", text: "error" });
    assert.equal([other.items[0].channel, other.items[0].text], ["stderr", "an error of the other log"]);
    assert.equal((await search({ log: 2, text: "nothing such" })).items, []);
  });

  test(`a log in ${name} is searched while it is written`, async () => {
    await using w = await world(config());
    await build(w.kit, "waiting", false);
    const params = { builder: "waiting", number: 1, step: 1, text: "error" };
    let found: { count: number; finished: boolean; items: { text: string }[] } | undefined;
    await until(async () => {
      found = await w.kit.call("logs.search", params).catch(() => undefined);
      return found?.count === 1;
    }, "the first line");
    assert.equal([found?.finished, found?.items[0]?.text], [false, "early error"]);
    w.release();
    await w.kit.event("build.finished", ({ builder }) => builder === "waiting");
    const after = await w.kit.call("logs.search", params);
    assert.equal([after.finished, after.count, after.items[1].text], [true, 2, "late error"]);
  });
}

test("what cannot be searched for is refused with the parameter's name", async () => {
  await using w = await world();
  await build(w.kit, "printing");
  assert.equal(await refused(w.kit, { pattern: "a(b" }), ["BELFRY_PARAMS_INVALID", "pattern"]);
  assert.equal(await refused(w.kit, { pattern: "(?<!a)b" }), ["BELFRY_PARAMS_INVALID", "pattern"]);
  assert.equal(await refused(w.kit, { pattern: "" }), ["BELFRY_PARAMS_INVALID", "pattern"]);
  assert.equal(await refused(w.kit, { text: "a\nb" }), ["BELFRY_PARAMS_INVALID", "text"]);
  assert.equal(await refused(w.kit, { text: "x".repeat(1_001) }), ["BELFRY_PARAMS_INVALID", "text"]);
  assert.equal(await refused(w.kit, {}), ["BELFRY_PARAMS_INVALID", "text"]);
  assert.equal(await refused(w.kit, { text: "a", pattern: "a" }), ["BELFRY_PARAMS_INVALID", "pattern"]);
  assert.equal(await refused(w.kit, { text: "a", errors: true }), ["BELFRY_PARAMS_INVALID", "errors"]);
  assert.equal(await refused(w.kit, { text: "a", limit: 1_001 }), ["BELFRY_PARAMS_INVALID", "limit"]);
  assert.equal(await refused(w.kit, { text: "a", log: "none" }), ["BELFRY_NOT_FOUND"]);
  assert.equal(await refused(w.kit, { text: "a", step: 9 }), ["BELFRY_NOT_FOUND"]);
});

test("a log of a builder that the caller may not see is not found", async () => {
  await using w = await world();
  await build(w.kit, "waiting", false);
  w.release();
  await w.kit.event("build.finished", ({ builder }) => builder === "waiting");
  const { caller } = await tokenCaller(w.kit, "narrowed", { scopes: ["read"], projects: ["public"] });
  const params = { builder: "waiting", number: 1, step: 1, text: "error" };
  const error = await rejects(w.kit.call("logs.search", params, caller), "the search");
  assert.is((error as BelfryError).code, "BELFRY_NOT_FOUND");
  assert.is((await w.kit.call("logs.search", params)).count, 2);
});

test("a search whose caller has gone ends", async () => {
  await using w = await world();
  await build(w.kit, "printing");
  const gone = AbortSignal.abort(new Error("the caller went away"));
  const error = await rejects(
    w.kit.master.api.call("logs.search", { ...printed, text: "error" }, administrator, gone),
    "the search",
  );
  assert.is((error as Error).message, "the caller went away");
});

test.run();
