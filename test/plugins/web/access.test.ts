import type { Caller, CallerFacts } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segment } from "../../../plugins/web/src/urls.ts";
import { ask } from "../http/world.ts";
import { basic, pagesOver, webWorld } from "./world.ts";

const test = suite("who sees what, and how long it is kept");

test("an address without a page is a page with 404 and where to go", async () => {
  await using world = await webWorld();
  for (const path of [
    "/nothing",
    "/builders/nobody",
    "/builders/plain/builds/7",
    "/builders/plain/builds/x",
    "/requests/99",
    "/workers/nobody",
    "/%zz",
    "/builders//builds/1",
    "/web/snippets/nothing",
    "/web/snippets/%zz",
  ]) {
    const { status, body, headers } = await world.get(path);
    assert.is(status, 404, path);
    assert.is(headers["cache-control"], "no-store");
    assert.match(body, '<a href="/builders">', path);
  }
  const { status, headers } = await world.get("/builders/");
  assert.equal([status, headers.location], [308, "/builders"]);
  assert.is((await world.get("/health")).body, "ok\n");
});

test("a name that browsers would swallow has its page", async () => {
  await using world = await webWorld();
  assert.match((await world.get(`/builders/${segment("~.")}`)).body, "<h1>~.</h1>");
});

test("who sees only some builders finds no trace of the others", async () => {
  await using world = await webWorld();
  await world.build("secret", "failure", { reason: "hush" });
  await world.kit.event("build.explained");
  const narrow = basic(await world.token("narrow", { projects: ["app"] }));
  for (const path of [
    "/",
    "/builders",
    "/requests",
    "/workers",
    "/workers/w",
    "/schedulers",
    "/changes",
    "/waterfall",
    "/console",
    "/console?revision=5f6c835a",
    "/grid",
    "/tgrid",
    "/sources",
    "/about",
    "/schedulers/by%20hand",
    "/builders?q=secret",
    "/builders?tag=unit",
  ]) {
    const { body, status } = await world.get(path, narrow);
    assert.is(status, 200, path);
    assert.not.match(body.replace(/ value="secret"/, ""), /secret|hush/, path);
  }
  for (const path of [
    "/builders/secret",
    "/builders/secret/builds/1",
    "/builds/1",
    "/builders/secret/builds/1/steps/1",
    "/builders/secret/builds/1/steps/1/logs/1",
    "/builders/secret/builds/1/steps/1/logs/1/raw",
    "/badges/secret.svg",
    "/requests/1",
    "/web/snippets/builder.row?builder=secret",
  ]) {
    const hidden = await world.get(path, narrow);
    assert.is(hidden.status, 404, path);
    const same = await world.get(path.replace("secret", "nobody").replace("/1", "/999"), narrow);
    assert.is(same.status, 404, path);
  }
});

test("who may not read is asked for a token, and gets in with it", async () => {
  await using world = await webWorld({}, { access: { anonymous: "none" } });
  const out = await world.get("/builders");
  assert.equal([out.status, out.headers["www-authenticate"]], [401, 'Basic realm="belfry", charset="UTF-8"']);
  assert.match(out.body, "Please sign in");
  assert.is((await world.get("/builders", basic("belfry_wrong"))).status, 401);
  const { status, body } = await world.get("/builders", basic(await world.token("reader")));
  assert.is(status, 200);
  assert.match(body, 'signed in as <b dir="auto">reader</b>');
});

test("what is the same is answered with 304; what has ended is kept, what goes on is not", async () => {
  await using world = await webWorld();
  await world.build("plain");
  await world.begin();
  const known = async (path: string) => {
    const first = await world.get(path);
    const { etag = "", "cache-control": control, vary } = first.headers;
    assert.is(vary, "Authorization, Cookie");
    const again = await world.get(path, { "if-none-match": etag });
    assert.equal([again.status, again.body], [304, ""], path);
    return [etag.startsWith("W/"), control];
  };
  assert.equal(await known("/builders/plain/builds/1"), [false, "private, max-age=3600"]);
  assert.equal(await known("/builders/plain/builds/1/steps/1/logs/1"), [false, "private, max-age=3600"]);
  assert.equal(await known("/builders/slow/builds/1"), [true, "private, no-cache"]);
  assert.equal(await known("/builders"), [true, "private, no-cache"]);
  const { etag = "" } = (await world.get("/builders")).headers;
  await world.build("plain", "failure");
  assert.is((await world.get("/builders", { "if-none-match": etag })).status, 200);
});

test("a page that a crowd asks for is made once, until something happens, and for each reader", async () => {
  await using world = await webWorld();
  const asked: string[] = [];
  const api = world.kit.master.api;
  const counting = {
    methods: () => api.methods(),
    authenticate: (token: string) => api.authenticate(token),
    anonymous: () => api.anonymous(),
    callerOf: (facts: CallerFacts) => api.callerOf(facts),
    call: (name: string, params: unknown, caller: Caller, signal?: AbortSignal) => {
      if (name !== "events.since") asked.push(name);
      return api.call(name, params, caller, signal);
    },
  };
  await using other = await pagesOver(counting);
  const calls = async (headers = {}) => {
    const before = asked.length;
    assert.is((await ask(`${other.url}/builders`, { headers })).status, 200);
    return asked.length - before;
  };
  assert.ok((await calls()) > 0);
  assert.is(await calls(), 0);
  assert.ok((await calls(basic(await world.token("reader")))) > 0);
  await world.kit.addChange();
  assert.ok((await calls()) > 0);
});

test("style and script are kept for ever by their hash, and compressed", async () => {
  await using world = await webWorld();
  const { body } = await world.get("/builders");
  let total = 0;
  for (const path of [/href="(\/web\/style-[^"]+)"/, /src="(\/web\/script-[^"]+)"/].map(
    (pattern) => pattern.exec(body)?.[1] ?? "",
  )) {
    const answer = await world.get(path, { "accept-encoding": "gzip" });
    assert.equal(
      [answer.status, answer.headers["cache-control"], answer.headers["content-encoding"]],
      [200, "public, max-age=31536000, immutable", "gzip"],
    );
    total += Number(answer.headers["content-length"]);
    assert.is((await world.get(path, { "if-none-match": answer.headers.etag ?? "" })).status, 304);
    assert.is((await world.get(path.replace(/-[^.]+/, "-yesterday"))).headers["cache-control"], "public, max-age=300");
  }
  assert.ok(total < 40_000, `${total} bytes`);
});

test("crawlers are kept out unless they are let in, and from logs always", async () => {
  await using closed = await webWorld();
  assert.is((await closed.get("/robots.txt")).body, "User-agent: *\nDisallow: /\n");
  await using open = await webWorld({ crawlers: true });
  const { body } = await open.get("/robots.txt");
  assert.match(body, "Disallow: /*/logs/\n");
  assert.not.match(body, "Disallow: /\n");
});

test("who asks for pages too fast is told when to go on, and others are not slowed down", async () => {
  await using world = await webWorld({ pagesPerMinute: 3 });
  const statuses: number[] = [];
  for (let i = 0; i < 4; i += 1) statuses.push((await world.get(`/builders?q=${i}`)).status);
  assert.equal(statuses, [200, 200, 200, 429]);
  const { body, headers } = await world.get("/builders?q=5");
  assert.is(headers["retry-after"], "20");
  assert.match(body, "You ask for pages faster than this server makes them for one reader.");
  assert.match(body, "Go on in 20 seconds");
  const kept = await world.get("/builders?q=3", basic(await world.token("other")));
  assert.is(kept.status, 200);
  assert.is((await world.get("/web/snippets/home.running")).status, 429, "snippets count as well");
  assert.is((await world.get("/robots.txt")).status, 200);
});

test.run();
