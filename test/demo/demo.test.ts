import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask } from "../plugins/http/world.ts";
import { openDemo } from "./demo.ts";
import { makeHistory, NOW } from "./history.ts";

const test = suite("the demo farm");

test("it has 30 builders, 2,000 builds, several people, failures with their causes, and something that runs and waits", async () => {
  await using demo = await openDemo();
  const { call } = demo.kit;
  assert.is((await call("builders.list", { limit: 500 })).items.length, 30);
  const all = new Map<number, { result: string | null; state: string; finishedAt: number | null }>();
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: any = await call("builds.list", { limit: 500, ...(cursor ? { cursor } : {}) });
    for (const build of page.items) all.set(build.id, build);
    cursor = page.next;
  }
  assert.is(all.size, 2_000);
  const results = new Set([...all.values()].map(({ result, state }) => result ?? state));
  assert.equal([...results].sort(), ["cancelled", "exception", "failure", "retry", "running", "success", "warnings"]);
  assert.ok([...all.values()].every(({ finishedAt }) => finishedAt === null || finishedAt <= NOW));
  const people = new Set((await call("changes.list", { limit: 500 })).items.map(({ author }: any) => author));
  assert.ok(people.size >= 6, [...people].join());
  const [failed] = (await call("builds.list", { builder: "windows-msvc", result: "failure", limit: 1 })).items;
  const { failure } = await call("builds.failure", { build: failed.id });
  const { steps, lastGood, changes } = failure;
  assert.match(JSON.stringify(steps), /error/);
  assert.ok(lastGood !== null && changes.length > 0);
  const log = await call("logs.read", { build: failed.id, step: steps[0].step, count: 5 });
  assert.is(log.items.length, 5);
  const waiting = (await call("requests.list", { state: "pending" })).items;
  assert.ok(waiting.length > 10);
  const reasons = await Promise.all(
    waiting.map(async ({ id }: { id: number }) => (await call("requests.why", { request: id })).reasons),
  );
  assert.ok(
    reasons.every((list) => list.length > 0),
    "nobody waits for nothing",
  );
  for (const path of ["/", "/waterfall", "/console", "/badges/linux-gcc.svg"])
    assert.is((await ask(`${demo.url}${path}`)).status, 200, path);
});

test("it is the same each time", () => {
  assert.equal(JSON.stringify(makeHistory()), JSON.stringify(makeHistory()));
});

test.run();
