import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, Line } from "../http/world.ts";
import { authWorld, type Options } from "./world.ts";

const test = suite("signing in by a trusted proxy");

const PROXY: NonNullable<Options["proxy"]> = {
  user: "X-Remote-User",
  groups: "X-Remote-Groups",
  from: ["127.0.0.1"],
  signOut: "https://login.example.com/out",
};
const olga = { "x-remote-user": "olga", "x-remote-groups": "staff, app" };

test("whom the proxy names is signed in, with his groups, at each request anew", async () => {
  await using world = await authWorld({ proxy: PROXY });
  const reader = world.reader();
  assert.is(await reader.me(olga), "olga");
  assert.is(await reader.me(), undefined);
  assert.is((await reader.call("builders.pause", { builder: "plain" }, olga)).json.error, undefined);
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedBy, "olga");
  const staff = { ...olga, "x-remote-groups": "staff" };
  assert.is(
    (await reader.call("builders.resume", { builder: "plain" }, staff)).json.error.data.code,
    "BELFRY_FORBIDDEN",
  );
  assert.is(await reader.me({ "x-remote-user": "ada" }), "ada");
  assert.is((await reader.call("tokens.list", {}, { "x-remote-user": "ada" })).json.error, undefined);
  const odd = Buffer.from("ольга", "utf8").toString("latin1");
  assert.is(await reader.me({ "x-remote-user": odd }), "ольга");
});

test("from anybody else than the proxy the header is refused, also if he says he is the proxy", async () => {
  await using world = await authWorld(
    { proxy: { ...PROXY, from: ["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"] } },
    {},
    undefined,
    { proxy: true },
  );
  for (const headers of [olga, { ...olga, "x-forwarded-for": "192.0.2.1" }, { "x-remote-groups": "app" }]) {
    const { status, body } = await world.get("/", headers);
    assert.equal([status, /BELFRY_AUTH_PROXY_REFUSED/.test(body)], [403, true]);
  }
  const answer = await world.reader().call("builders.list", {}, olga);
  assert.is(answer.json.error.data.code, "BELFRY_AUTH_PROXY_REFUSED");
  assert.is((await world.get("/")).status, 200);
  await using none = await authWorld();
  assert.is(await none.reader().me(olga), undefined, "without the option nobody looks at it");
});

test("a name that is none, or two names, are refused", async () => {
  await using world = await authWorld({ proxy: PROXY });
  for (const name of ["administrator", "Anonymous", "x".repeat(101), "a\tb"])
    assert.is((await world.get("/", { "x-remote-user": name })).status, 403, name);
  assert.is(await world.reader().me({ "x-remote-user": "" }), undefined, "nobody");
  const port = Number(new URL(world.url).port);
  for (const more of ["X-Remote-User: ada", "x-remote-user: olga", "X-REMOTE-GROUPS: app\r\nX-Remote-Groups: x"]) {
    using line = new Line(port);
    line.send(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nX-Remote-User: olga\r\n${more}\r\n\r\n`,
    );
    await line.closed;
    assert.match(line.received, /^HTTP\/1\.1 403 /, more);
  }
});

test("a page of another site does nothing by what the proxy says of its reader", async () => {
  await using world = await authWorld({ proxy: PROXY });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "builders.pause", params: { builder: "plain" } });
  for (const from of [{ origin: "https://evil.example" }, { "sec-fetch-site": "same-site" }, {}]) {
    const headers = { ...olga, ...from, "content-type": "application/json" };
    assert.is((await ask(`${world.url}/rpc`, { method: "POST", body, headers })).status, 403);
  }
});

test("streams of different readers behind one proxy are never each other's", async () => {
  await using world = await authWorld(
    {
      proxy: PROXY,
      rules: [
        { groups: ["app"], may: "read", projects: ["app"] },
        { groups: ["all"], may: "read" },
      ],
    },
    { access: { anonymous: "none" } },
  );
  const port = Number(new URL(world.url).port);
  const open = async (user: string, group: string) => {
    const line = new Line(port);
    line.send(
      `GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Remote-User: ${user}\r\nX-Remote-Groups: ${group}\r\n\r\n`,
    );
    await line.until(/text\/event-stream[\s\S]*\r\n\r\n/);
    return line;
  };
  using all = await open("olga", "all");
  using some = await open("ivan", "app");
  using same = await open("olga", "app");
  await world.build("secret");
  await world.build("plain");
  await all.until(/secret[\s\S]*build\.finished[\s\S]*plain/);
  for (const line of [some, same]) {
    await line.until(/plain[\s\S]*build\.finished/);
    assert.not.match(line.received, "secret");
  }
});

test("signing out is the proxy's affair, and the administrator's link counts before its word", async () => {
  await using world = await authWorld({ proxy: PROXY });
  const reader = world.reader();
  const out = await reader.post("/auth/sign-out", {}, olga);
  assert.is(out.headers.location, "/login?out=proxy");
  assert.match((await reader.get("/login?out=proxy", olga)).body, '<a href="https://login.example.com/out">there</a>');
  const { path } = await world.kit.call("links.add");
  await reader.post("/auth/link", { key: path.split("key=")[1] }, olga);
  assert.is(await reader.me(olga), "administrator");
  await reader.post("/auth/sign-out", {}, olga);
  assert.is(await reader.me(olga), "olga");
});

test("who comes by a proxy has tokens of his own", async () => {
  await using world = await authWorld({ proxy: PROXY });
  const reader = world.reader();
  await reader.get("/", olga);
  const { store } = world.kit.master;
  const noted = () => store.read.selectFrom("plugin_records").selectAll().where("key", "=", "person/olga").execute();
  await until(async () => (await noted()).length === 1, "that she was here");
  const { json } = await reader.call("ownTokens.add", { name: "t", scope: "control" }, olga);
  const token = { authorization: `Bearer ${json.result.token}` };
  const { json: done } = await reader.call("builders.pause", { builder: "plain" }, token);
  assert.is(done.error, undefined);
});

test.run();
