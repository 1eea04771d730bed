import { suite } from "uvu";
import * as assert from "uvu/assert";
import { timeFaults, timeOf } from "../../../plugins/web/src/parts/times.ts";
import { unescaped, type WebWorld, webWorld } from "./world.ts";

const test = suite("waterfall");

const shown = async (world: WebWorld, query: string) => unescaped((await world.get(`/waterfall${query}`)).body);
const link = (body: string, text: string) =>
  new RegExp(`<a(?: rel="\\w+")? href="([^"]*)">${text}</a>`).exec(body)?.[1];

test("a time is given as a field has it, as a day, or in milliseconds", () => {
  const evening = Date.UTC(2026, 0, 31, 18);
  for (const text of ["2026-01-31T18:00", "2026-01-31 18:00", "2026-01-31T18:00:00.000Z", String(evening)])
    assert.is(timeOf(text), evening, text);
  assert.is(timeOf("2026-01-31"), evening - 18 * 3_600_000);
  for (const text of ["", "yesterday", "2026-13-01", "2026-01-31T", "2026-01-31T25:00", "9".repeat(17), "-1"])
    assert.is(timeOf(text), undefined, text);
  assert.equal(timeFaults("", ""), []);
  assert.equal(timeFaults("2026-01-31", "2026-01-31"), []);
});

test("a time that cannot be used is told, and left out", async () => {
  await using world = await webWorld();
  await world.build("plain");
  const bad = await shown(world, "?from=yesterday");
  assert.match(
    bad,
    /role="alert">"yesterday" is no time, and was left out\. Times are written as 2026-01-31T18:00, in UTC\./,
  );
  assert.match(bad, "/builders/plain/builds/1");
  const turned = await shown(world, "?from=2026-01-02&until=2026-01-01");
  assert.match(turned, "The time begins after it ends");
  assert.not.match(await shown(world, "?from=2000-01-01"), 'role="alert"');
});

test("where no build is, it is said of which branch and of which time", async () => {
  await using world = await webWorld();
  assert.match(await shown(world, ""), "No build of these builders yet.");
  assert.match(await shown(world, "?branch=nosuch"), 'No build of the branch "nosuch" of these builders yet.');
  assert.match(await shown(world, "?until=2000-01-01"), "No build of these builders ended in this time.");
  await world.build("plain");
  assert.not.match(await shown(world, ""), "No build");
});

test("there is a way back from older times, page by page and to the newest, with the same builders", async () => {
  await using world = await webWorld();
  for (let i = 0; i < 101; i += 1) await world.build("plain");
  const now = await shown(world, "?q=pl");
  assert.is(link(now, "Newest"), undefined);
  const older = link(now, "Older");
  assert.match(older ?? "", /^\/waterfall\?q=pl&until=\d+$/);
  const then = await shown(world, (older ?? "").slice("/waterfall".length));
  assert.match(then, '/builders/plain/builds/1"');
  assert.is(link(then, "Newest"), "/waterfall?q=pl");
  assert.is(link(then, "Older"), undefined);
  const newer = await shown(world, (link(then, "Newer") ?? "").slice("/waterfall".length));
  assert.match(newer, '/builders/plain/builds/101"');
  assert.not.match(newer, '/builders/plain/builds/1"');
  assert.is(link(newer, "Newer"), undefined, "fewer than a page are left");
});

test("rows of the same minute tell their seconds", async () => {
  await using world = await webWorld();
  for (let i = 0; i < 5; i += 1) await world.build("plain");
  const rows = [...(await shown(world, "")).matchAll(/<th scope="row"><time[^>]*>([^<]*)</g)].map(
    ([, text]) => text ?? "",
  );
  const within = rows.filter((text) => /^:\d\d$/.test(text));
  assert.ok(within.length >= rows.length - 2, rows.join(" "));
});

test.run();
