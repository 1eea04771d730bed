// time limit: 300 s
import type { Json } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Said, TONGUES, type Tongue, type TongueWorld, tongueWorld } from "./world.ts";

const test = suite("every method on every tongue");

/** Those that change something last, of them those that begin a build, and the end of the master as the very last. */
const LAST = ["builds.rebuild", "buildsets.rebuild", "schedulers.force", "master.stop"];
const ORDER = ["read", "control", "admin"];

/** What differs between two masters that did the same: times of day, texts of tokens, the passes of loops. */
function comparable(method: string, said: Said): Said {
  if ("code" in said) return said;
  const result = structuredClone(said.result) as any;
  if (method === "status.now") {
    delete result.loops;
    delete result.load;
    delete result.startedAt;
  }
  if (method === "tokens.add") result.token = result.token.slice(0, 7);
  if (method === "schedulers.list") for (const item of result.items) delete item.passedAt;
  if (method === "tokens.list") for (const item of result.items) delete item.usedAt;
  if (method === "master.stop") delete result.builds;
  if (method === "audit.list") delete result.items;
  return { result };
}

async function examples(tongue: Tongue, world: TongueWorld): Promise<[string, Said][]> {
  const { token } = await world.kit.call("tokens.add", { name: "chief", scopes: ["admin"] });
  const methods = [...world.kit.master.api.methods()].sort(
    (a, b) => LAST.indexOf(a.name) - LAST.indexOf(b.name) || ORDER.indexOf(a.permission) - ORDER.indexOf(b.permission),
  );
  const said: [string, Said][] = [];
  for (const { name, example } of methods)
    said.push([name, comparable(name, await tongue.call(world, name, example as Json, token))]);
  return said;
}

const [first, ...others] = TONGUES;
assert.ok(first);
let wanted: [string, Said][] = [];

test("the example of each method is answered", async () => {
  await using world = await tongueWorld();
  wanted = await examples(first, world);
  assert.ok(wanted.length > 30);
  const refused = wanted.flatMap(([name, said]) => ("code" in said ? [[name, said.code]] : []));
  // The builds that the examples speak of have ended, and well.
  assert.equal(refused, [
    ["builds.stop", "BELFRY_BUILD_ENDED"],
    ["requests.cancel", "BELFRY_REQUEST_ENDED"],
    ["requests.prioritize", "BELFRY_REQUEST_NOT_WAITING"],
    ["buildsets.rebuild", "BELFRY_NOTHING_TO_REBUILD"],
  ]);
  assert.match(JSON.stringify(wanted), /naïve ☃ 🎉/, "among the answers are odd values");
});

for (const tongue of others) {
  test(`${tongue.name}: the same answers as within the process, to the last field`, async () => {
    await using world = await tongueWorld();
    const said = await examples(tongue, world);
    assert.is(said.length, wanted.length);
    for (const [i, [name, answer]] of said.entries()) assert.equal([name, answer], wanted[i]);
  });
}

test.run();
