import type { HttpContext } from "@belfry/http";
import { z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, FakeApi, fault, Line, method, serving } from "./world.ts";

const test = suite("http requests");

const saying = (text: string) => (ctx: HttpContext) => {
  ctx.body = text;
};
const post = { method: "POST", body: "x" };
const sink = { title: "sink", describe: "takes a post", methods: ["POST"] };

test("the page at / says what is mounted where, as text, HTML or JSON, and escapes it", async () => {
  await using world = await serving();
  world.server.mount("/rpc", { ...sink, title: "<b>&\"'", handler() {} });
  const text = await ask(world.url);
  assert.is(text.status, 200);
  assert.is(text.headers["content-type"], "text/plain; charset=utf-8");
  assert.match(text.body, /^Belfry \d+\.\d+\.\d+\n/);
  assert.match(text.body, "/rpc  (POST)  <b>");
  const html = await ask(world.url, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
  assert.is(html.headers["content-type"], "text/html; charset=utf-8");
  assert.match(html.headers["content-security-policy"] as string, "default-src 'none'");
  assert.match(html.body, "&lt;b&gt;&amp;&quot;&#39;");
  assert.not.match(html.body, "<b>");
  const json = await ask(world.url, { headers: { accept: "application/json" } });
  assert.equal(JSON.parse(json.body).mounts, [
    { path: "/rpc", title: "<b>&\"'", describe: "takes a post", methods: ["POST"] },
  ]);
});

test("a path where nothing is mounted is answered with 404 and where to go", async () => {
  await using world = await serving();
  const json = await ask(`${world.url}/nowhere?token=hidden`);
  assert.is(json.status, 404);
  const { error, requestId } = JSON.parse(json.body);
  assert.is(error.code, "BELFRY_HTTP_PATH_UNKNOWN");
  assert.match(error.fix, "/");
  assert.is(requestId, json.headers["x-request-id"]);
  assert.not.match(json.body, "hidden");
  const text = await ask(`${world.url}/<script>`, { headers: { accept: "text/html" } });
  assert.is(text.headers["content-type"], "text/plain; charset=utf-8");
  assert.is(text.headers["x-content-type-options"], "nosniff");
});

test("the server says that it lives", async () => {
  await using world = await serving();
  assert.is((await ask(`${world.url}/health`)).body, "ok\n");
});

test("the server says whether the master can do its work, and not to everybody why it cannot", async () => {
  let ready = true;
  const call = () => ({ ready, troubles: ready ? [] : ["the database does not answer"] });
  await using world = await serving({}, new FakeApi([method("master.ready", z.strictObject({}), call)]));
  assert.is((await ask(`${world.url}/ready`)).body, "ready\n");
  ready = false;
  const away = await ask(`${world.url}/ready`);
  assert.is(away.status, 503);
  assert.is(away.body, "not ready\n");
  assert.is((await ask(`${world.url}/health`)).status, 200, "it lives");
});

test("an exact mount answers at its path only, a mount with a star below it too, and the longest wins", async () => {
  await using world = await serving();
  const say = (name: string) => ({
    title: name,
    describe: name,
    handler: saying(name),
  });
  world.server.mount("/a", say("exact"));
  world.server.mount("/json/*", say("json"));
  world.server.mount("/json/builders/*", say("builders"));
  world.server.mount("/json/builders", say("builders itself"));
  const bodies = async (...paths: string[]) =>
    Promise.all(paths.map(async (path) => (await ask(world.url + path)).body));
  assert.equal(await bodies("/a", "/json", "/json/x/y", "/json/builders", "/json/builders/z"), [
    "exact",
    "json",
    "json",
    "builders itself",
    "builders",
  ]);
  assert.is((await ask(`${world.url}/a/b`)).status, 404);
  assert.is((await ask(`${world.url}/jsonx`)).status, 404);
  world.server.mount("/*", say("web"));
  assert.equal(await bodies("/", "/any/thing", "/json/q"), ["web", "web", "json"]);
});

test("what is mounted at all paths takes the page at / and what nobody has, but not the server's health", async () => {
  await using world = await serving();
  const unmount = world.server.mount("/*", { title: "all", describe: "", handler: saying("all") });
  world.server.mount("/rpc", { title: "rpc", describe: "", handler: saying("rpc") });
  const bodies = await Promise.all(["/", "/rpc", "/rpc/x", "/health"].map((path) => ask(`${world.url}${path}`)));
  assert.equal(
    bodies.map(({ body }) => body),
    ["all", "rpc", "all", "ok\n"],
  );
  assert.match((await ask(`${world.url}/ready`)).body, "ready");
  await unmount();
  assert.match((await ask(world.url)).body, "/rpc");
});

test("a path can be mounted once, and again when it was given back", async () => {
  await using world = await serving();
  const unmount = world.server.mount("/a", { ...sink, handler() {} });
  assert.throws(
    () => world.server.mount("/a", { ...sink, handler() {} }),
    (error: { code: string }) => error.code === "BELFRY_HTTP_PATH_TAKEN",
  );
  for (const path of ["a", "/a/", "/a?b", "/a b", "", "//a", "/a/*/b*/"]) {
    assert.throws(
      () => world.server.mount(path, { ...sink, handler() {} }),
      (error: { code: string }) => error.code === "BELFRY_HTTP_PATH_INVALID",
      path,
    );
  }
  await unmount();
  const again = world.server.mount("/a", { ...sink, handler: saying("again") });
  await unmount();
  assert.is((await ask(`${world.url}/a`, post)).body, "again");
  await again();
  assert.is((await ask(`${world.url}/a`, post)).status, 404);
});

test("a method that is not allowed is answered with 405 and Allow, HEAD goes with GET, OPTIONS with all", async () => {
  await using world = await serving();
  world.server.mount("/get", { title: "t", describe: "d", handler: saying("four") });
  world.server.mount("/post", { ...sink, handler() {} });
  const refused = await ask(`${world.url}/post`);
  assert.is(refused.status, 405);
  assert.is(refused.headers.allow, "POST");
  const head = await ask(`${world.url}/get`, { method: "HEAD" });
  assert.equal([head.status, head.headers["content-length"], head.body], [200, "4", ""]);
  const options = await ask(`${world.url}/get`, { method: "OPTIONS" });
  assert.equal([options.status, options.headers.allow, options.body], [204, "GET, HEAD", ""]);
  assert.is((await ask(`${world.url}/nowhere`, { method: "OPTIONS" })).status, 404);
  assert.is((await ask(world.url, { method: "DELETE" })).status, 405);
});

test("every answer has a request id: the client's if it is harmless, a new one if not", async () => {
  await using world = await serving();
  const idFor = async (id: string) =>
    (await ask(world.url, { headers: { "x-request-id": id } })).headers["x-request-id"];
  assert.is(await idFor("abc-123"), "abc-123");
  for (const id of ["", "a b", "x".repeat(65), "<script>", "-a"])
    assert.match((await idFor(id)) as string, /^[0-9a-f-]{36}$/);
  assert.is.not(await idFor(""), await idFor(""));
});

test("a request is logged at debug, without its query", async () => {
  await using world = await serving();
  await ask(`${world.url}/health?token=hidden`, { headers: { "x-request-id": "mine" } });
  const line = world.log.find(({ message }) => message === "request");
  assert.is(line?.level, "debug");
  assert.is(line?.fields.requestId, "mine");
  assert.is(line?.fields.path, "/health");
  assert.is(line?.fields.status, 200);
  assert.is(line?.fields.plugin, "@belfry/http");
  assert.not.match(JSON.stringify(world.log), "hidden");
});

test("what a handler throws that is no BelfryError is logged and stays inside", async () => {
  await using world = await serving();
  world.server.mount("/boom", {
    title: "t",
    describe: "d",
    handler() {
      throw new TypeError("the password is hunter2");
    },
  });
  const answer = await ask(`${world.url}/boom`, { headers: { "x-request-id": "r1" } });
  assert.is(answer.status, 500);
  assert.not.match(answer.body, "hunter2");
  assert.not.match(answer.body, "    at ");
  assert.match(JSON.parse(answer.body).error.fix, "r1");
  const line = world.log.find(({ level }) => level === "error");
  assert.is(line?.fields.requestId, "r1");
  assert.match(String(line?.fields.stack), "hunter2");
});

test("a BelfryError of a handler reaches the client, with a status by its code or of its own", async () => {
  await using world = await serving();
  const throwing = (code: string, status?: number) => ({
    title: "t",
    describe: "d",
    handler() {
      const error = fault(code, `It is ${code}.`);
      throw status === undefined ? error : world.server.withStatus(error, status);
    },
  });
  world.server.mount("/missing", throwing("BELFRY_NOT_FOUND"));
  world.server.mount("/forbidden", throwing("BELFRY_FORBIDDEN"));
  world.server.mount("/odd", throwing("BELFRY_ODD"));
  world.server.mount("/teapot", throwing("BELFRY_ODD", 418));
  const statuses = await Promise.all(
    ["missing", "forbidden", "odd", "teapot"].map(async (path) => (await ask(`${world.url}/${path}`)).status),
  );
  assert.equal(statuses, [404, 403, 500, 418]);
  assert.is(JSON.parse((await ask(`${world.url}/odd`)).body).error.what, "It is BELFRY_ODD.");
});

test("a mount may give refusals at its path a form of its own, also those of the server", async () => {
  await using world = await serving();
  world.server.mount("/own", { ...sink, handler() {}, errorBody: (error) => JSON.stringify({ mine: error.code }) });
  const wrongMethod = await ask(`${world.url}/own`, { headers: { accept: "text/html" } });
  assert.equal([wrongMethod.status, wrongMethod.body], [405, '{"mine":"BELFRY_HTTP_METHOD_REFUSED"}']);
  const wrongHost = await ask(`${world.url}/own`, { headers: { host: "evil.example" }, ...post });
  assert.equal([wrongHost.status, wrongHost.body], [421, '{"mine":"BELFRY_HTTP_HOST_REFUSED"}']);
});

test("an answer that fails half-way breaks off, and the server goes on", async () => {
  await using world = await serving();
  world.server.mount("/half", {
    title: "t",
    describe: "d",
    handler(ctx) {
      ctx.respond = false;
      ctx.res.writeHead(200, { "content-length": "100" });
      ctx.res.write("half");
      throw new Error("no more");
    },
  });
  const outcome = await ask(`${world.url}/half`).catch((error: Error) => error);
  assert.ok(outcome instanceof Error);
  assert.is((await ask(`${world.url}/health`)).status, 200);
});

test("bytes that are no HTTP are answered with 400, and an oversized head with 431", async () => {
  await using world = await serving({ headerLimit: 4_096 });
  using junk = new Line(world.port).send("\x00\x01\x02 nonsense\r\n\r\n");
  await junk.closed;
  assert.match(junk.received, /^HTTP\/1\.1 400 /);
  assert.match(junk.received, "BELFRY_HTTP_REQUEST_BROKEN");
  using large = new Line(world.port).send(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(8_192)}\r\n\r\n`);
  await large.closed;
  assert.match(large.received, /^HTTP\/1\.1 431 /);
});

test("a head that does not arrive in time is answered with 408", async () => {
  await using world = await serving({ headersTimeout: 200 });
  using slow = new Line(world.port).send("GET / HTTP/1.1\r\nHost: loc");
  await slow.closed;
  assert.match(slow.received, /^HTTP\/1\.1 408 /);
});

test("a target that is no path, as for a proxy, is refused", async () => {
  await using world = await serving();
  using line = new Line(world.port).send(
    "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 400 /);
  assert.match(line.received, "BELFRY_HTTP_TARGET_REFUSED");
});

test.run();
