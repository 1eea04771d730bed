import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, Line, webSocketWish } from "../http/world.ts";
import { formKeyOf } from "../web/world.ts";
import { authWorld } from "./world.ts";

const test = suite("pages of other sites");

const EVIL = "https://evil.example";

test("no page of another site does anything by a reader's session, in any tongue", async () => {
  await using world = await authWorld();
  const ada = await world.as("ada");
  const pause = { jsonrpc: "2.0", id: 1, method: "builders.pause", params: { builder: "plain" } };
  const xml =
    "<?xml version='1.0'?><methodCall><methodName>builders.pause</methodName><params><param><value><struct><member><name>builder</name><value><string>plain</string></value></member></struct></value></param></params></methodCall>";
  const attempts: [path: string, type: string, body: string][] = [
    ["/rpc", "application/json", JSON.stringify(pause)],
    ["/rpc", "text/plain", JSON.stringify(pause)],
    ["/rpc", "application/x-www-form-urlencoded", JSON.stringify(pause)],
    ["/xmlrpc", "text/xml", xml],
    ["/do/pause", "application/x-www-form-urlencoded", "builder=plain"],
    ["/auth/sign-out", "application/x-www-form-urlencoded", "everywhere=yes"],
    ["/auth/sign-in", "application/x-www-form-urlencoded", "user=eve&password=eve!"],
  ];
  const froms = [
    { origin: EVIL },
    { origin: "null" },
    { origin: EVIL, "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: world.url.replace("127.0.0.1", "localhost") },
    {},
  ];
  for (const [path, type, body] of attempts)
    for (const from of froms) {
      const headers = { ...from, cookie: ada.cookie, "content-type": type };
      const answer = await ask(`${world.url}${path}`, { method: "POST", body, headers });
      assert.ok([403, 415].includes(answer.status), `${path} ${type} ${JSON.stringify(from)}: ${answer.body}`);
      assert.is(answer.headers["set-cookie"], undefined);
    }
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).paused, false);
  assert.match((await ada.get("/")).body, ">ada</b>", "and she is still signed in");
});

test("a form of this server without its key, or with somebody else's, is refused", async () => {
  await using world = await authWorld();
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  const keyOn = async (reader: typeof ada) => formKeyOf((await reader.get("/builders/plain")).body);
  const stale = await keyOn(ada);
  for (const _form of ["", "x", await keyOn(bob)])
    assert.is((await ada.post("/do/pause", { builder: "plain", _form })).status, 403);
  assert.is((await ada.post("/do/pause", { builder: "plain", _form: stale })).status, 303);
  await ada.signIn("ada", "ada!");
  assert.is((await ada.post("/do/resume", { builder: "plain", _form: stale })).status, 403, "of another session");
});

test("a session is of no use to a WebSocket of another site", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  const ada = await world.as("ada");
  const port = Number(new URL(world.url).port);
  const open = async (origin: string) => {
    using line = new Line(port);
    line.send(webSocketWish("/rpc", `${origin}Cookie: ${ada.cookie}\r\n`, `127.0.0.1:${port}`));
    return await line.until(/^HTTP\/1\.1 \d+/);
  };
  assert.match(await open(`Origin: ${world.url}\r\n`), " 101 ");
  assert.match(await open(`Origin: ${EVIL}\r\n`), " 403 ");
  assert.match(await open(""), " 403 ");
});

test("nobody is led out of this server by signing in", async () => {
  await using world = await authWorld();
  for (const to of [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n//evil.example",
    "javascript:alert(1)",
    " //evil.example",
    "/%0d%0aSet-Cookie:x=1\r\nx",
    "x",
    "/\u0001",
    "/\u4e2d",
    `/${"x".repeat(3_000)}`,
  ]) {
    const reader = world.reader();
    assert.is((await reader.signIn("ada", "ada!", { to })).headers.location, "/", to);
    const { body } = await reader.get(`/login?to=${encodeURIComponent(to)}`);
    assert.match(body, '<input type="hidden" name="to" value="/"', to);
  }
  assert.is((await world.reader().signIn("ada", "ada!", { to: "/a?b=c#d" })).headers.location, "/a?b=c#d");
});

test("an anonymous reader who may not see a page is led to sign in, and back; programs are told instead", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  const reader = world.reader();
  const { status, headers } = await reader.get("/builders?q=plain");
  assert.equal([status, headers.location], [302, "/login?to=%2Fbuilders%3Fq%3Dplain"]);
  assert.is((await reader.signIn("ada", "ada!", { to: "/builders?q=plain" })).headers.location, "/builders?q=plain");
  assert.is((await reader.get("/builders?q=plain")).status, 200);
  const program = await world.get("/builders", { accept: "*/*" });
  assert.equal([program.status, program.headers["www-authenticate"]], [401, undefined]);
  assert.is((await world.get("/web/snippets/sources.list", { accept: "text/html" })).status, 401);
  assert.is((await world.get("/login", { accept: "text/html" })).status, 200);
});

test("the cookie says Secure, and a name that only this server can set, where readers come by https", async () => {
  await using world = await authWorld({}, {}, undefined, { proxy: true, trustedHosts: ["ci.example.com"] });
  const proxied = {
    "x-forwarded-host": "ci.example.com",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "198.51.100.4",
    origin: "https://ci.example.com",
  };
  const reader = world.reader();
  const form = { user: "ada", password: "ada!" };
  const { headers } = await reader.post("/auth/sign-in", form, proxied);
  assert.match(
    headers["set-cookie"]?.[0] ?? "",
    /^__Host-belfry-session=[\w-]{43}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure$/,
  );
  assert.match((await reader.get("/", proxied)).body, ">ada</b>");
  assert.match((await reader.get("/")).body, ">Sign in</a>", "not without https");
  assert.is((await world.kit.call("audit.list", { caller: "ada" })).items[0].from, "198.51.100.4");
  assert.is((await reader.post("/auth/sign-in", form, { ...proxied, origin: world.url })).status, 403);
});

test.run();
