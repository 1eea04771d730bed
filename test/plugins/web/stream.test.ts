import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Reader } from "../../compat/sse/world.ts";
import { basic, unescaped, webWorld } from "./world.ts";

const test = suite("pages that keep up to date");

test("a page says where its stream begins, and its snippets what concerns them", async () => {
  await using world = await webWorld();
  await world.begin();
  const { body } = await world.get("/builders/slow/builds/1");
  const position = /<body data-position="(\d+)">/.exec(body)?.[1] ?? "";
  const { next } = await world.kit.call("events.since", { limit: 1 });
  assert.is(position, next);
  const snippets = [...body.matchAll(/data-snippet="([^"]*)" data-live="([^"]*)"/g)].map(([, url, live]) => [
    unescaped(url ?? ""),
    JSON.parse(unescaped(live ?? "")),
  ]);
  assert.equal(snippets[0], [
    "/web/snippets/build.head?builder=slow&number=1",
    { types: ["build."], match: { build: 1 } },
  ]);
  for (const [url] of snippets) assert.is((await world.get(url)).status, 200, url);
  using stream = new Reader(`${world.url}/web/events?types=build.&since=${position}`);
  await stream.response;
  world.release();
  await until(() => stream.blocks.some(({ data }) => data?.type === "build.finished"), "the end of the build");
  const { data } = stream.blocks.find(({ data }) => data?.type === "build.finished") ?? {};
  assert.equal([data.data.builder, data.data.build], ["slow", 1]);
  const after = await world.get(snippets[0]?.[0] as string);
  assert.match(after.body, "success");
  assert.not.match(after.body, "data-live");
});

test("a page of something that has ended has no stream", async () => {
  await using world = await webWorld();
  await world.build("plain");
  assert.not.match((await world.get("/builders/plain/builds/1")).body, /data-position|data-live/);
});

test("everybody's stream has what he may see, and there are only so many", async () => {
  await using world = await webWorld({ clientLimit: 1 });
  const narrow = basic(await world.token("narrow", { projects: ["app"] }));
  using stream = new Reader(`${world.url}/web/events?types=build.finished`, narrow);
  assert.is((await stream.response).status, 200);
  await world.build("secret");
  await world.build("plain");
  await until(() => stream.blocks.some(({ data }) => data?.type === "build.finished"), "an end");
  assert.equal(
    stream.blocks.filter(({ data }) => data?.type === "build.finished").map(({ data }) => data.data.builder),
    ["plain"],
  );
  using second = new Reader(`${world.url}/web/events`, narrow);
  assert.is((await second.response).status, 429);
  using other = new Reader(`${world.url}/web/events`);
  assert.is((await other.response).status, 200);
});

test.run();
