import webPlugin, { html, recordApi, recordedApi, WEB, web } from "@belfry/web";
import type { Json } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, rejects, World } from "../http/world.ts";
import { everyPage, pagesOver, webWorld } from "./world.ts";

const test = suite("what plugins add to the pages");

test("a page, a panel, a link, an entry and an action are there until they are taken back", async () => {
  await using world = await webWorld();
  await world.build("plain");
  const pages = world.kit.master.container.resolve(WEB);
  const remove = [
    pages.page({
      name: "hello",
      path: "/hello/:who",
      render: async (view) => ({
        title: `Hello ${view.keys["who"]}`,
        body: html`<p>${view.link("builder", { builder: "plain" })}</p>`,
      }),
    }),
    pages.panel({ name: "hello", page: "build", render: async (_view, { number }) => html`<p>panel of ${number}</p>` }),
    pages.panel({ name: "broken", page: "build", render: () => Promise.reject(new Error("broken")) }),
    pages.link({
      type: "worker",
      url: ({ worker }) => `https://workers.example/${worker}`,
      label: ({ worker }) => `machine ${worker}`,
    }),
    pages.navigation({ title: "Hello", path: "/hello/all", order: 15 }),
  ];
  const { body } = await world.get("/hello/a%2Fb");
  assert.match(body, "<h1>Hello a/b</h1>");
  assert.match(body, '<a href="/builders/plain">plain</a>');
  assert.match(body, /href="\/">.*href="\/hello\/all">Hello<.*href="\/builders"/s);
  const build = await world.get("/builders/plain/builds/1");
  assert.match(build.body, "<p>panel of 1</p>");
  assert.match(build.body, '<a href="https://workers.example/w">');
  for (const take of remove) take();
  assert.is((await world.get("/hello/x")).status, 404);
  assert.not.match((await world.get("/builders/plain/builds/1")).body, "panel of 1");
});

test("who replaces one of our pages, snippets or links has it until he gives it back", async () => {
  await using world = await webWorld();
  const pages = world.kit.master.container.resolve(WEB);
  const page = pages.page({ name: "about", path: "/about", render: async () => ({ title: "Mine", body: null }) });
  const snippet = pages.snippet({ name: "home.last", render: async () => ({ body: html`<p>mine</p>` }) });
  assert.match((await world.get("/about")).body, "<h1>Mine</h1>");
  assert.match((await world.get("/")).body, "<p>mine</p>");
  page();
  snippet();
  assert.match((await world.get("/about")).body, "<h1>About</h1>");
  assert.match((await world.get("/")).body, "Last results");
});

test("a path that is none is refused when it is registered", async () => {
  await using world = await webWorld();
  const pages = world.kit.master.container.resolve(WEB);
  for (const path of ["hello", "/a b", "/:", "/a//b"]) {
    assert.throws(
      () => pages.page({ name: "x", path, render: async () => ({ title: "x", body: null }) }),
      (error: { code: string }) => error.code === "BELFRY_WEB_PATH_INVALID",
    );
  }
});

test("every page is the same on a recording, with no master behind it", async () => {
  await using world = await webWorld();
  await world.kit.addChange({ revision: "r1", author: "Ada" });
  await world.build("plain", "failure", { revision: "r1" });
  await world.kit.event("build.explained");
  const more = [
    "/schedulers/by%20hand",
    "/waterfall?q=plain&until=4000000000000",
    "/console?revision=r1",
    "/badges/plain.svg",
  ];
  const paths = [...everyPage(), ...more];
  const { api, recording } = recordApi(world.kit.master.api);
  const read = async (from: World, path: string) => {
    const { status, body } = await ask(`${from.url}${path}`);
    assert.is(status, 200, path);
    return body.replace(/ data-position="\d+"/, "");
  };
  await using live = await pagesOver(api);
  const before = new Map<string, string>();
  for (const path of paths) before.set(path, await read(live, path));
  await using still = await pagesOver(recordedApi(JSON.parse(JSON.stringify(recording)) as Record<string, Json>));
  for (const path of paths) assert.is(await read(still, path), before.get(path), path);
  assert.is((await ask(`${still.url}/builders/other`)).status, 404);
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(undefined, [webPlugin]);
  const started = world.create(web, {});
  await started.stop();
  const error = (await rejects(started.start(new AbortController().signal))) as { code: string };
  assert.is(error.code, "BELFRY_WEB_NO_HTTP");
});

test.run();
