import type { Identifier } from "@belfry/http";
import type { Caller } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, fault, Line, serving, type World } from "./world.ts";

const test = suite("callers that a plugin knows");

const callerOf = (name: string, kind: Caller["kind"] = "session"): Caller => ({
  name,
  kind,
  scopes: new Set(["read"]),
  visible: null,
});

/** Takes the cookie's value for the caller's name. */
const byCookie: Identifier = {
  name: "cookie",
  caller: async ({ req }) => (req.headers.cookie ? callerOf(req.headers.cookie) : undefined),
  credentials: ({ req }) => req.headers.cookie,
};

function withWho(world: World): World {
  world.server.mount("/who", {
    title: "t",
    describe: "d",
    methods: ["GET", "POST"],
    handler: async (ctx) => {
      const { name, kind, origin } = await world.server.caller(ctx);
      ctx.body = { name, kind, origin, credentials: world.server.credentials(ctx) };
    },
  });
  return world;
}

const who = async (world: World, headers = {}, method = "GET") => {
  const { status, body } = await ask(`${world.url}/who`, { headers, method });
  return status === 200 ? JSON.parse(body) : { status, code: JSON.parse(body).error.code };
};

test("a plugin says who sent a request without Authorization, and no more when it has gone", async () => {
  await using world = withWho(await serving());
  const end = world.server.identify(byCookie);
  const { name, kind, origin } = await who(world, { cookie: "ann" });
  assert.equal([name, kind, origin], ["ann", "session", "127.0.0.1"]);
  assert.is((await who(world)).kind, "anonymous");
  assert.is((await who(world, { cookie: "bob", authorization: "Bearer belfry_right" })).kind, "token");
  assert.is((await who(world, { cookie: "bob", authorization: "Bearer wrong" })).status, 401, "not bob instead");
  end();
  end();
  assert.is((await who(world, { cookie: "ann" })).kind, "anonymous");
});

test("the first that can tell counts, one that refuses refuses the request, and a fault lets nobody in", async () => {
  await using world = withWho(await serving());
  const saying = (name: string, says: () => Promise<Caller | undefined>): Identifier => ({
    name,
    caller: says,
    credentials: () => undefined,
  });
  const first = world.server.identify(saying("first", async () => undefined));
  world.server.identify(saying("second", async () => callerOf("second")));
  world.server.identify(saying("third", async () => callerOf("third")));
  assert.is((await who(world)).name, "second");
  first();
  assert.is((await who(world)).name, "second");
  await using other = withWho(await serving());
  other.server.identify(saying("no", async () => Promise.reject(fault("BELFRY_FORBIDDEN", "No."))));
  assert.equal(await who(other), { status: 403, code: "BELFRY_FORBIDDEN" });
  await using broken = withWho(await serving());
  broken.server.identify(saying("no", async () => Promise.reject(new Error("no"))));
  assert.is((await who(broken)).status, 500);
});

test("what a browser sends by itself never counts for a page of another site", async () => {
  await using world = withWho(await serving({ allowedOrigins: ["https://dashboard.example.com"] }));
  world.server.identify(byCookie);
  const cookie = "ann";
  const own = { cookie, origin: world.url };
  assert.is((await who(world, own, "POST")).name, "ann");
  assert.is((await who(world, { cookie, "sec-fetch-site": "same-origin" }, "POST")).name, "ann");
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "https://dashboard.example.com" },
    { origin: world.url.replace(/:\d+$/, ":1") },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ])
    assert.equal(
      await who(world, { ...headers, cookie }, "POST"),
      { status: 403, code: "BELFRY_HTTP_ORIGIN_REFUSED" },
      JSON.stringify(headers),
    );
  assert.equal(await who(world, { cookie }, "POST"), { status: 403, code: "BELFRY_HTTP_ORIGIN_MISSING" });
  assert.is((await who(world, {}, "POST")).kind, "anonymous", "who is nobody has nothing to lose");
});

test("nor does the password of Basic, which a browser keeps and sends too", async () => {
  await using world = withWho(await serving({ allowedOrigins: ["https://dashboard.example.com"] }));
  const basic = { authorization: `Basic ${Buffer.from("x:belfry_right").toString("base64")}` };
  const origin = "https://dashboard.example.com";
  assert.equal(await who(world, { ...basic, origin }, "POST"), { status: 403, code: "BELFRY_HTTP_ORIGIN_REFUSED" });
  assert.is((await who(world, { ...basic, origin: world.url }, "POST")).name, "ann");
  assert.is((await who(world, basic, "POST")).name, "ann", "a program says nothing of where it comes from");
  assert.is((await who(world, { authorization: "Bearer belfry_right", origin }, "POST")).name, "ann");
});

test("parts of other sites' pages that only read are anonymous; a link that is followed is not", async () => {
  await using world = withWho(await serving());
  world.server.identify(byCookie);
  const cookie = "ann";
  for (const site of ["cross-site", "same-site"]) {
    const part = { cookie, "sec-fetch-site": site, "sec-fetch-mode": "no-cors" };
    assert.is((await who(world, part)).kind, "anonymous");
    assert.not.match((await who(world, part)).credentials, "ann", "or it would share ann's streams");
    assert.is((await who(world, { ...part, "sec-fetch-mode": "navigate" })).name, "ann");
  }
  assert.is((await who(world, { cookie, "sec-fetch-site": "none" })).name, "ann");
  assert.is((await who(world, { cookie })).name, "ann");
});

test("an anonymous caller that a plugin makes needs no page of this server", async () => {
  await using world = withWho(await serving());
  world.server.identify({ ...byCookie, caller: async () => callerOf("anonymous", "anonymous") });
  assert.is((await who(world, { cookie: "ann" }, "POST")).kind, "anonymous");
});

test("a plugin may know tokens that the API does not", async () => {
  await using world = withWho(await serving());
  world.server.identify({
    ...byCookie,
    token: async (token) => (token === "belfry_own" ? callerOf("own", "token") : undefined),
  });
  assert.is((await who(world, { authorization: "Bearer belfry_own" }, "POST")).name, "own");
  assert.is((await who(world, { authorization: "Bearer belfry_right" })).name, "ann");
  assert.is((await who(world, { authorization: "Bearer belfry_wrong" })).status, 401);
});

test("credentials differ between callers, and not by what nobody looks at", async () => {
  await using world = withWho(await serving());
  world.server.identify(byCookie);
  const of = async (headers: object) => (await who(world, headers)).credentials;
  assert.is(await of({ cookie: "ann", "x-more": "1" }), await of({ cookie: "ann", "x-more": "2" }));
  const all = [{}, { cookie: "ann" }, { cookie: "bob" }, { authorization: "Bearer belfry_right" }];
  assert.is(new Set(await Promise.all(all.map(of))).size, all.length);
});

test("an upgrade has the same caller, and is refused to pages of other sites", async () => {
  await using world = await serving({ allowedOrigins: ["https://dashboard.example.com"] });
  world.server.identify(byCookie);
  world.server.onUpgrade("/socket", ({ caller, socket, credentials }) => {
    caller().then(
      ({ name }) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${name} ${credentials.includes("ann")}`),
      (error) => socket.end(`HTTP/1.1 403 No\r\n\r\n${error.code}`),
    );
  });
  const upgrade = async (origin: string) => {
    using line = new Line(world.port);
    const head = `GET /socket HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nConnection: Upgrade\r\nUpgrade: x\r\nCookie: ann\r\n${origin}`;
    line.send(`${head}\r\n`);
    await line.closed;
    return line.received;
  };
  assert.match(await upgrade(`Origin: http://127.0.0.1:${world.port}\r\n`), /\nann true$/);
  assert.match(await upgrade("Origin: https://dashboard.example.com\r\n"), "BELFRY_HTTP_ORIGIN_REFUSED");
  assert.match(await upgrade("Origin: https://evil.example\r\n"), "403");
  assert.match(await upgrade(""), "BELFRY_HTTP_ORIGIN_MISSING");
});

test("a form that must come from a page of this server says so", async () => {
  await using world = await serving();
  world.server.mount("/form", {
    title: "t",
    describe: "d",
    methods: ["POST"],
    handler: (ctx) => {
      world.server.requireOwnPage(ctx);
      ctx.body = "taken";
    },
  });
  const send = async (headers: Record<string, string>) =>
    (await ask(`${world.url}/form`, { method: "POST", headers })).status;
  assert.is(await send({ origin: world.url }), 200);
  assert.is(await send({ origin: "https://evil.example" }), 403);
  assert.is(await send({}), 403);
});

test.run();
