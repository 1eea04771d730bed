import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonText } from "../../../compat/buildbot-json/src/json-text.ts";
import { rejects } from "../../plugins/http/world.ts";

const test = suite("JSON with sorted keys");

const plain = { filter: false, compact: true, limit: 1_000_000 };
const value = fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<any>;

/** What Buildbot's filter did, written down once more. */
function filtered(given: any): any {
  const empty = (x: any) =>
    !x || (typeof x === "object" && (Array.isArray(x) ? x.length === 0 : Object.keys(x).length === 0));
  if (Array.isArray(given)) {
    const items = given.map(filtered);
    return items.every(empty) ? null : items;
  }
  if (typeof given !== "object" || given === null) return given;
  const members = Object.entries(given).map(([key, member]) => [key, filtered(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !empty(member)));
}

function sorted(given: any): any {
  if (Array.isArray(given)) return given.map(sorted);
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(
    Object.keys(given)
      .filter((key) => !/^\d+$/.test(key))
      .sort()
      .map((key) => [key, sorted(given[key])]),
  );
}

test("the text means the value, in every style", async () => {
  await fc.assert(
    fc.asyncProperty(value, fc.boolean(), async (given, compact) => {
      const text = await jsonText(given, { ...plain, compact });
      assert.equal(JSON.parse(text), JSON.parse(JSON.stringify(given)));
    }),
  );
});

test("the filter is Buildbot's", async () => {
  await fc.assert(
    fc.asyncProperty(value, async (given) => {
      const text = await jsonText(given, { ...plain, filter: true });
      assert.equal(JSON.parse(text), JSON.parse(JSON.stringify(filtered(given))));
    }),
  );
  const text = async (given: any) => await jsonText(given, { ...plain, filter: true });
  assert.is(
    await text({ results: [0, []], times: [1.5, null], state: "", more: [2, ["failed"]], n: -0 }),
    '{"more":[2,["failed"]],"times":[1.5,null]}',
  );
  assert.equal([await text([]), await text([[], [0]]), await text({}), await text(0)], ["null", "null", "{}", "0"]);
});

test("it is written as JSON.stringify would write sorted keys", async () => {
  const key = fc.string({ maxLength: 5 }).filter((name) => !/^\d+$/.test(name) && name !== "__proto__");
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(null),
      fc.array(tie("node"), { maxLength: 4 }),
      fc.dictionary(key, tie("node"), { maxKeys: 4 }),
    ),
  })).node as fc.Arbitrary<any>;
  await fc.assert(
    fc.asyncProperty(tree, async (given) => {
      assert.is(await jsonText(given, plain), JSON.stringify(sorted(given)));
      assert.is(await jsonText(given, { ...plain, compact: false }), JSON.stringify(sorted(given), null, 2));
    }),
  );
});

test("no depth is too deep for it, and what is too long is refused", async () => {
  let deep: any = 1;
  for (let i = 0; i < 50_000; i++) deep = [deep];
  assert.is((await jsonText(deep, plain)).length, 100_001);
  const long = { list: Array(1_000).fill("0123456789") };
  assert.is((await jsonText(long, { ...plain, limit: 20_000 })).length, JSON.stringify(long).length);
  const error = (await rejects(jsonText(long, { ...plain, limit: 5_000 }))) as { code: string };
  assert.is(error.code, "BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE");
  let inside: any = Array(100).fill(0);
  for (let i = 0; i < 80; i++) inside = [inside];
  const spaced = { ...plain, compact: false };
  const { length } = await jsonText(inside, spaced);
  assert.is((await jsonText(inside, { ...spaced, limit: length + 100 })).length, length);
  const blanks = (await rejects(jsonText(inside, { ...spaced, limit: length / 2 }))) as { code: string };
  assert.is(blanks.code, "BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE", "blanks are characters, too");
});

test("others have their turn while a large value is written", async () => {
  const large = Array.from({ length: 20_000 }, (_, i) => ({
    number: i,
    text: ["build", "successful"],
    results: [0, []],
  }));
  let turns = 0;
  const turn = setInterval(() => turns++, 1);
  await jsonText(large, { ...plain, limit: 100_000_000 });
  clearInterval(turn);
  assert.ok(turns >= 2, `${turns} turns`);
});

test.run();
