import buildbotJsonPlugin, { buildbotJson } from "@belfry/buildbot-json";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, rejects, World } from "../../plugins/http/world.ts";
import { jsonWorld, ODD, part } from "./world.ts";

const test = suite("Buildbot's /json over HTTP");

const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`x:${password}`).toString("base64")}` });

test("an answer has the headers that it always had", async () => {
  await using world = await jsonWorld();
  const { status, headers, body } = await world.get("/json/builders");
  assert.is(status, 200);
  assert.is(headers["content-type"], "application/json");
  assert.is(headers["content-length"], String(Buffer.byteLength(body)));
  assert.is(headers["content-disposition"], 'attachment; filename="/json/builders.json"');
  assert.is(headers["access-control-allow-origin"], "*");
  assert.is(headers.pragma, "no-cache");
  const ahead = Date.parse(headers.expires ?? "") - Date.parse(headers.date ?? "");
  assert.ok(ahead >= 58_000 && ahead <= 62_000, String(ahead));
  assert.match(headers.expires ?? "", /^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
  const root = await world.get("/json/");
  assert.is(root.headers["content-disposition"], 'attachment; filename="buildbot.json"');
  const text = await world.get("/json/builders?as_text=1");
  assert.is(text.headers["x-content-type-options"], "nosniff");
  assert.is(text.headers["content-type"], "application/json");
});

test("HEAD has the headers without the body, and nothing but GET is answered", async () => {
  await using world = await jsonWorld();
  const get = await world.get("/json/project");
  const head = await ask(`${world.url}/json/project`, { method: "HEAD" });
  assert.equal([head.status, head.body], [200, ""]);
  assert.is(head.headers["content-length"], get.headers["content-length"]);
  assert.is(head.headers.etag, get.headers.etag);
  for (const method of ["POST", "PUT", "DELETE"]) {
    const answer = await ask(`${world.url}/json/project`, { method });
    assert.equal([answer.status, answer.headers.allow], [405, "GET, HEAD"], method);
  }
});

test("what is known and unchanged is answered with 304", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  const { headers } = await world.get("/json/builders");
  const etag = headers.etag ?? "";
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const answer = await world.get("/json/builders", { "if-none-match": known });
    assert.equal([answer.status, answer.body, answer.headers.etag], [304, "", etag], known);
    assert.is(answer.headers.vary, "Authorization, Cookie");
  }
  assert.is((await world.get("/json/builders", { "if-none-match": '"other"' })).status, 200);
  await world.build("runtests");
  const changed = await world.get("/json/builders", { "if-none-match": etag });
  assert.is(changed.status, 200);
  assert.equal(JSON.parse(changed.body).runtests.cachedBuilds, [1, 2]);
  assert.is.not(changed.headers.etag, etag);
});

test("an answer is never older than its question", async () => {
  await using world = await jsonWorld();
  for (let i = 1; i <= 5; i++) {
    void world.get("/json/builders/runtests");
    const number = await world.build("runtests");
    const asked = await Promise.all(Array.from({ length: 5 }, () => world.json("/json/builders/runtests")));
    for (const { cachedBuilds } of asked) assert.is(cachedBuilds.at(-1), number);
  }
});

test("nothing that a caller may not see is in any answer", async () => {
  await using world = await jsonWorld();
  for (const builder of ["secret", "broken", "secret"]) await world.build(builder);
  const narrow = await world.token("narrow", { builders: ["broken"] });
  const root = await world.json("/json", narrow);
  assert.equal(Object.keys(root.builders), ["broken"]);
  assert.equal(root.slaves.w1.builders, { broken: [1] });
  assert.equal(root.slaves.w2.builders, {});
  for (const path of [
    "/json",
    "/json/builders",
    "/json/slaves",
    "/json/metrics",
    "/json/slaves/w1?numbuilds=100",
    "/json/builders/help",
  ])
    assert.not.match((await world.get(path, narrow)).body, /secret|covert|never/, path);
  for (const path of [
    "/json/builders/secret",
    "/json/builders/secret/builds",
    "/json/builders/secret/builds/1",
    "/json/builders/secret/builds/_all",
    "/json/builders/secret/builds/1/steps/0",
    "/json/builders/secret/pendingBuilds",
    "/json/builders/secret/help",
  ])
    assert.is((await world.get(path, narrow)).status, 404, path);
  assert.equal(await world.json("/json/builders?select=secret&select=secret/builds/1", narrow), {
    secret: { error: "Not available", builds: { 1: { error: "Not available" } } },
  });
  const hidden = await world.get("/json/builders/secret", narrow);
  const missing = await world.get("/json/builders/secre7", narrow);
  const bare = (body: string) => body.replace(/"requestId":"[^"]*"/, "");
  assert.is(bare(hidden.body), bare(missing.body));
});

test("answers that are kept are kept for each caller apart, and so are their tags", async () => {
  await using world = await jsonWorld();
  const narrow = await world.token("narrow", { builders: ["broken"] });
  const wide = await world.token("wide");
  const one = await world.get("/json/builders", wide);
  const two = await world.get("/json/builders", narrow);
  const three = await world.get("/json/builders");
  assert.equal(Object.keys(JSON.parse(two.body)), ["broken"]);
  assert.is(one.body, three.body);
  assert.is(new Set([one, two, three].map(({ headers }) => headers.etag)).size, 3);
  const stolen = await world.get("/json/builders", { ...narrow, "if-none-match": one.headers.etag ?? "" });
  assert.equal([stolen.status, stolen.body], [200, two.body]);
  for (const { headers } of [one, two, three]) {
    assert.is(headers.vary, "Authorization, Cookie");
    assert.is(headers["cache-control"], "private, no-cache");
  }
  await world.kit.call("tokens.revoke", { name: "wide" });
  assert.is((await world.get("/json/builders", wide)).status, 401);
});

test("who may not read gets 403, a wrong token 401, and nothing else", async () => {
  await using world = await jsonWorld({}, { access: { anonymous: "none" } });
  const token = await world.token("reader");
  assert.is((await world.get("/json/builders", token)).status, 200);
  for (const path of ["/json", "/json/builders", "/json/builders/help", "/json/nothing", "/json?select=x"]) {
    const answer = await world.get(path);
    assert.equal([answer.status, JSON.parse(answer.body).error.code], [403, "BELFRY_FORBIDDEN"], path);
  }
  assert.is((await world.get("/json", { authorization: "Bearer belfry_wrong" })).status, 401);
});

test("a page of another site may not learn by a callback what a remembered password shows", async () => {
  await using world = await jsonWorld();
  const bearer = await world.token("ann");
  const password = bearer.authorization?.slice("Bearer ".length) ?? "";
  const path = "/json/project?callback=f";
  assert.match((await world.get(path, bearer)).body, /^f\(/);
  const remembered = await world.get(path, basic(password));
  assert.equal([remembered.status, remembered.headers["x-content-type-options"]], [200, "nosniff"]);
  assert.match(remembered.body, /^\{/);
  assert.match((await world.get(path)).body, /^f\(/);
});

test("other sites are kept out if the option says so", async () => {
  await using world = await jsonWorld({ crossOrigin: false });
  const answer = await world.get("/json/project?callback=f", { origin: "https://other.example" });
  assert.match(answer.body, /^\{/);
  assert.is(answer.headers["access-control-allow-origin"], undefined);
});

test("help says in words what is where, and shows names as they are", async () => {
  await using world = await jsonWorld();
  const { headers, body } = await world.get("/json/builders/help");
  assert.is(headers["content-type"], "text/html; charset=utf-8");
  assert.match(body, "All builders");
  assert.match(body, `href="/json/builders/${part(ODD)}/help"`.replaceAll("'", "'"));
  assert.match(body, "a/b c&quot;d'&lt;é&gt;😀 100%");
  assert.not.match(body, "<é>");
  for (const path of [
    "/json/help",
    "/json/builders/runtests/help",
    "/json/project/help/",
    "/json/builders/runtests/builds/_all/help",
  ])
    assert.match((await world.get(path)).body, "<h1>", path);
  assert.is((await world.get("/json/nothing/help")).status, 404);
});

test("another path can be chosen, and the server's list names it", async () => {
  await using world = await jsonWorld({ path: "/old/json" });
  assert.is((await world.json("/old/json/project")).title, "World");
  assert.is((await world.get("/json")).status, 404);
  assert.is((await world.get("/old/json")).headers["content-disposition"], 'attachment; filename="buildbot.json"');
  assert.match((await world.get("/")).body, "/old/json/*");
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(undefined, [buildbotJsonPlugin]);
  const service = world.create(buildbotJson, {});
  await service.stop();
  const error = (await rejects(service.start(new AbortController().signal))) as { code: string };
  assert.is(error.code, "BELFRY_BUILDBOT_JSON_NO_HTTP");
});

test.run();
