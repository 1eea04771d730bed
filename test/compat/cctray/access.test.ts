import cctrayPlugin, { cctray } from "@belfry/cctray";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, rejects, serving, World } from "../../plugins/http/world.ts";
import { basic, feedWorld, projectsIn } from "./world.ts";

const test = suite("cc.xml over HTTP");

test("both addresses have the same feed, as XML in UTF-8", async () => {
  await using world = await feedWorld();
  const one = await world.get("/cc.xml");
  const two = await world.get("/cctray.xml");
  assert.is(one.body, two.body);
  assert.is(one.headers["content-type"], "application/xml; charset=utf-8");
  assert.match(one.body, /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<Projects>\n/);
  assert.is(one.headers["content-length"], String(Buffer.byteLength(one.body)));
  assert.is((await ask(`${world.url}/cc.xml`, { method: "POST" })).status, 405);
});

test("what is unchanged is answered with 304, and something that happens ends that", async () => {
  await using world = await feedWorld();
  await world.build("zebra");
  const { etag = "", ...headers } = (await world.get("/cc.xml")).headers;
  assert.equal([headers.vary, headers["cache-control"]], ["Authorization, Cookie", "private, no-cache"]);
  const again = await world.get("/cc.xml", { "if-none-match": etag });
  assert.equal([again.status, again.body, again.headers.etag], [304, "", etag]);
  await world.build("zebra", "failure");
  const changed = await world.get("/cc.xml", { "if-none-match": etag });
  assert.is(changed.status, 200);
  assert.is(projectsIn(changed.body)[0]?.lastBuildStatus, "Failure");
});

test("who may not read is asked for a password or a token, and sent nowhere else", async () => {
  await using world = await feedWorld({}, { access: { anonymous: "none" } });
  const token = await world.token("reader");
  const expired = await world.token("expired", { expiresAt: 1 });
  for (const headers of [
    {},
    { authorization: "Bearer belfry_wrong" },
    basic("belfry_wrong"),
    basic(""),
    basic(expired),
  ]) {
    const answer = await world.get("/cc.xml", headers);
    assert.is(answer.status, 401);
    assert.is(answer.headers["www-authenticate"], 'Basic realm="belfry", charset="UTF-8", Bearer realm="belfry"');
    assert.equal([answer.headers.location, answer.headers["set-cookie"]], [undefined, undefined]);
    assert.is(JSON.parse(answer.body).error.code, "BELFRY_CCTRAY_LOGIN_NEEDED");
  }
  assert.is((await world.feed("", { authorization: `Bearer ${token}` })).length, 5);
  assert.equal(await world.feed("", basic(token)), await world.feed("", basic(token, "me")));
});

test("who sees only some builders has a feed of these, under a tag of its own", async () => {
  await using world = await feedWorld();
  await world.build("secret");
  const narrow = basic(await world.token("narrow", { tags: ["slow"] }));
  const wide = basic(await world.token("wide"));
  const mine = await world.get("/cc.xml", narrow);
  assert.equal(
    projectsIn(mine.body).map(({ name }) => name),
    ["slow"],
  );
  for (const query of ["?builder=secret", "?tag=unit", "?branch=main", "?builder=secret&builder=slow"])
    assert.not.match((await world.get(`/cc.xml${query}`, narrow)).body, "secret", query);
  const all = await world.get("/cc.xml", wide);
  assert.match(all.body, "secret");
  const anonymous = await world.get("/cc.xml");
  assert.is(new Set([mine, all, anonymous].map(({ headers }) => headers.etag)).size, 3);
  assert.is((await world.get("/cc.xml", { ...narrow, "if-none-match": all.headers.etag ?? "" })).status, 200);
});

test("too many filters are refused with 400", async () => {
  await using world = await feedWorld({ filterLimit: 10 });
  const query = (count: number) => `/cc.xml?${Array.from({ length: count }, (_, i) => `branch=b${i}`).join("&")}`;
  assert.is((await world.get(query(10))).status, 200);
  const refused = await world.get(query(11));
  assert.equal([refused.status, JSON.parse(refused.body).error.code], [400, "BELFRY_CCTRAY_FILTER_REFUSED"]);
});

test("other paths can be chosen, and when one is taken the others are given back", async () => {
  await using world = await serving();
  const one = await world.start(cctray, { paths: ["/status/cc.xml"] });
  assert.match((await ask(world.url)).body, "/status/cc.xml");
  const two = world.create(cctray, { paths: ["/free.xml", "/status/cc.xml"] });
  const error = (await rejects(two.start(new AbortController().signal))) as { code: string };
  assert.is(error.code, "BELFRY_HTTP_PATH_TAKEN");
  assert.is((await ask(`${world.url}/free.xml`)).status, 404);
  await one.stop();
  assert.is((await ask(`${world.url}/status/cc.xml`)).status, 404);
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(undefined, [cctrayPlugin]);
  const service = world.create(cctray, {});
  await service.stop();
  const error = (await rejects(service.start(new AbortController().signal))) as { code: string };
  assert.is(error.code, "BELFRY_CCTRAY_NO_HTTP");
});

test.run();
