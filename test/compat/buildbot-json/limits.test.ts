import { type Api, internal } from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Reader } from "../../../compat/buildbot-json/src/reader.ts";
import { ask, rejects } from "../../plugins/http/world.ts";
import { jsonWorld, ODD, part } from "./world.ts";

const test = suite("Buildbot's /json, its limits");

test("a selection of too many parts, or too deep, is refused with 400", async () => {
  await using world = await jsonWorld({ selectLimit: 20 });
  const select = (paths: string[]) => world.get(`/json?${paths.map((path) => `select=${path}`).join("&")}`);
  const many = Array.from({ length: 20 }, (_, i) => `builders/b${i}`);
  assert.is((await select(many)).status, 200);
  for (const paths of [[...many, "x"], ["a/".repeat(17)], ["a/".repeat(2_000)], Array(3_000).fill("x")]) {
    const answer = await select(paths.slice(0, 1_500));
    assert.is(answer.status, 400);
    assert.is(JSON.parse(answer.body).error.code, "BELFRY_BUILDBOT_JSON_SELECT_REFUSED");
  }
});

test("the same part selected many times is read once", async () => {
  await using world = await jsonWorld({ selectLimit: 1_000 });
  await world.build("runtests");
  const { body } = await world.get(`/json?${Array(300).fill("select=builders/runtests/builds/1").join("&")}`);
  assert.equal(Object.keys(JSON.parse(body).builders.runtests.builds), ["1"]);
});

test("an answer that grows too large is refused with 400, and the next one is whole", async () => {
  await using world = await jsonWorld({ answerLimit: 3_000 });
  for (let i = 0; i < 3; i++) await world.build("broken");
  const answer = await world.get("/json/builders/broken/builds/_all");
  assert.is(answer.status, 400);
  assert.is(JSON.parse(answer.body).error.code, "BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE");
  assert.equal(Object.keys(await world.json("/json/builders/broken/builds/_all?max=1")), ["3"]);
});

test("numbers of builds and requests that wait are told up to a limit", async () => {
  await using world = await jsonWorld({ numbersLimit: 2, pendingLimit: 3 });
  for (let i = 0; i < 3; i++) await world.build("runtests");
  assert.equal(await world.json("/json/builders/runtests/builds"), { 2: null, 3: null });
  for (let i = 0; i < 6; i++) await world.force("slow");
  await world.kit.event("build.started", ({ builder }) => builder === "slow");
  assert.is((await world.json("/json/builders/slow")).pendingBuilds, 5);
  assert.is((await world.json("/json/builders/slow/pendingBuilds")).length, 3);
});

test("no answer reads more than 2,000 builds, however it is asked for", async () => {
  let calls = 0;
  const api = {
    call: async (name: string, { limit }: { limit: number }) => {
      calls += 1;
      return name === "builds.get" ? { number: 1 } : { items: Array(limit).fill({ number: 1 }), next: "more" };
    },
  } as unknown as Api;
  const readers = [
    (reader: Reader) => reader.newest("b", 1_000_000),
    (reader: Reader) => reader.numbers("b", 1_000_000_000),
    (reader: Reader) => reader.pending("b", 1_000_000_000),
    async (reader: Reader) => {
      for (let i = 1; i < 1_000_000; i++) await reader.build("b", i);
    },
  ];
  for (const read of readers) {
    calls = 0;
    const error = (await rejects(read(new Reader(api, internal, new AbortController().signal)))) as { code: string };
    assert.is(error.code, "BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE");
    assert.ok(calls >= 80 && calls <= 2_000, `${calls} calls`);
  }
});

test("whatever is asked is answered with JSON, 400 or 404, and the master lives", async () => {
  await using world = await jsonWorld();
  await world.build(ODD);
  const names = [
    "builders",
    "builds",
    "runtests",
    part(ODD),
    "-1",
    "1",
    "steps",
    "0",
    "source_stamp",
    "changes",
    "slaves",
  ];
  const piece = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...names, "_all", "help", "project", "metrics", "..", "%", "%00", "__proto__"),
    },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((text) => encodeURIComponent(text.toWellFormed())) },
  );
  const path = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("/"));
  const argument = fc.tuple(
    fc.constantFrom("select", "filter", "compact", "as_text", "callback", "max", "numbuilds", "x", ""),
    fc.oneof(path, fc.constantFrom("1", "0", "true", "-1", "f", "")),
  );
  const query = fc
    .array(argument, { maxLength: 6 })
    .map((all) => all.map(([name, value]) => `${name}=${value}`).join("&"));
  await fc.assert(
    fc.asyncProperty(path, query, async (below, asked) => {
      const url = `/json/${below}?${asked}`;
      const { status, body, headers } = await ask(world.url, { path: url });
      if (headers["content-type"]?.startsWith("text/html")) return;
      if (status === 400 || status === 404) return void JSON.parse(body);
      assert.is(status, 200, url);
      JSON.parse(body.replace(/^[$\w.]+\(([\s\S]*)\);$/, "$1"));
    }),
    { numRuns: 300 },
  );
  assert.is((await world.json("/json/project")).title, "World");
});

test.run();
