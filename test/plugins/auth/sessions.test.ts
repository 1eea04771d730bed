import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hashOfKey } from "../../../plugins/auth/src/keys.ts";
import { Line, webSocketWish } from "../http/world.ts";
import { authWorld, type Options, type Reader, users } from "./world.ts";

const test = suite("sessions");

const keyOf = (reader: Reader) => [...reader.cookies.values()][0] ?? "";

test("the database has a hash of the key only, and no log or event or audit has the key", async () => {
  await using world = await authWorld();
  const reader = await world.as("ada");
  const { store } = world.kit.master;
  const records = JSON.stringify(await store.read.selectFrom("plugin_records").selectAll().execute());
  assert.match(records, hashOfKey(keyOf(reader)));
  for (const table of ["plugin_records", "audit", "events", "config_generations"] as const) {
    const rows = JSON.stringify(await store.read.selectFrom(table).selectAll().execute());
    for (const secret of [keyOf(reader), "ada!"]) assert.not.ok(rows.includes(secret), `${table}: ${secret}`);
  }
});

test("a key is new at each sign-in: who plants one gains nothing by it", async () => {
  await using world = await authWorld();
  const attacker = await world.as("eve");
  const victim = world.reader();
  const [name = "", planted = ""] = [...attacker.cookies][0] ?? [];
  victim.cookies.set(name, planted);
  await victim.signIn("ada", "ada!");
  assert.is.not(victim.cookies.get(name), planted);
  assert.is(await victim.me(), "ada");
  assert.is(await attacker.me(), undefined, "and the session that was there before has ended");
  const made = world.reader();
  made.cookies.set(name, "A".repeat(43));
  await made.signIn("ada", "ada!");
  assert.is.not(made.cookies.get(name), "A".repeat(43));
});

test("a cookie that only looks like the session's is not taken for it", async () => {
  await using world = await authWorld({}, {}, () => ({}), { proxy: true });
  const reader = world.reader();
  const secure = { "x-forwarded-proto": "https", "x-forwarded-host": "localhost" };
  await reader.post("/auth/sign-in", { user: "eve", password: "eve!" }, { ...secure, origin: "https://localhost" });
  const [name = "", key = ""] = [...reader.cookies][0] ?? [];
  assert.is(name, "__Host-belfry-session");
  const me = async (cookie: string) =>
    /signed in as <a href="\/tokens"><b dir="auto">([^<]*)/.exec(
      (await world.get("/", { ...secure, cookie })).body,
    )?.[1];
  assert.is(await me(` \t${name}\t= ${key} `), "eve");
  // Browsers keep neighbours from setting `__Host-`, but not from setting this.
  for (const space of ["\u00a0", "\u00a0 ", "\u00c2\u00a0"]) assert.is(await me(`${space}${name}=${key}`), undefined);
  assert.is(await me(`x\u00a0${name}=${key}`), undefined);
});

test("wrong keys are nobody's, whatever they are", async () => {
  await using world = await authWorld();
  const reader = await world.as("ada");
  const [name = ""] = [...reader.cookies][0] ?? [];
  const key = keyOf(reader);
  for (const wrong of [
    "",
    key.slice(1),
    `${key}x`,
    key.toLowerCase(),
    hashOfKey(key),
    "%",
    `"${key}"`,
    "x".repeat(5_000),
  ]) {
    const other = world.reader();
    other.cookies.set(name, wrong);
    assert.is(await other.me(), undefined, wrong);
  }
  assert.is(await reader.me(), "ada");
});

test("who signs in and out is in the audit, with the address and without a password", async () => {
  await using world = await authWorld();
  const reader = await world.as("ada");
  await reader.post("/auth/sign-out", {});
  await reader.signIn("ada", "wrong");
  const { items } = await world.kit.call("audit.list", { caller: "ada" });
  assert.equal(
    items.map(({ method, outcome, kind, from }: Record<string, string>) => [method, outcome, kind, from]),
    [
      ["sessions.end", "ok", "session", "127.0.0.1"],
      ["sessions.add", "ok", "session", "127.0.0.1"],
    ],
  );
  const told = items.map(({ params }: { params: string }) => params).join();
  assert.match(told, '"via":"password"');
  assert.not.match(told, '"password":', "not even a mark of one goes by that name");
});

test("signing out everywhere ends every session of a user, and of nobody else", async () => {
  await using world = await authWorld();
  const [here, there, other] = [await world.as("bob"), await world.as("bob"), await world.as("ada")];
  await here.post("/auth/sign-out", { everywhere: "yes" });
  assert.equal([await here.me(), await there.me(), await other.me()], [undefined, undefined, "ada"]);
  const bob = await world.as("bob");
  const { items } = await world.kit.call("sessions.list", {});
  assert.equal(items.map(({ user }: { user: string }) => user).sort(), ["ada", "bob"]);
  await world.kit.call("sessions.end", { user: "bob" });
  assert.is(await bob.me(), undefined);
});

test("a session ends when it is idle for too long, and at the latest at its end; use keeps it", async () => {
  await using world = await authWorld({ idle: "1h", longest: "2h" });
  const { store } = world.kit.master;
  const reader = await world.as("ada");
  const row = async () => {
    const found = await store.read.selectFrom("plugin_records").selectAll().where("key", "like", "session/%").execute();
    return found.map(({ value, expires_at }) => ({ ...JSON.parse(value), expires: expires_at as number }))[0];
  };
  const age = async (facts: object, expires: number) => {
    const { expires: _, ...session } = await row();
    const value = JSON.stringify({ ...session, ...facts });
    await store.write((tx) =>
      tx.db
        .updateTable("plugin_records")
        .set({ value, expires_at: expires })
        .where("key", "like", "session/%")
        .execute(),
    );
  };
  const first = await row();
  assert.is(first.expires, first.usedAt + 3_600_000);
  await age({ usedAt: first.usedAt - 1_800_000 }, first.expires - 1_800_000);
  assert.is(await reader.me(), "ada");
  await until(async () => (await row()).expires > first.expires - 1_800_000, "that it is in use is noted");
  await age({ endsAt: Date.now() + 60_000, usedAt: first.usedAt - 1_900_000 }, Date.now() + 60_000);
  assert.is(await reader.me(), "ada");
  assert.ok((await row()).expires <= Date.now() + 60_000, "not beyond its end");
  await age({}, Date.now() - 1);
  assert.is(await reader.me(), undefined);
  await world.as("eve");
  assert.is(
    (await store.read.selectFrom("plugin_records").selectAll().where("key", "like", "session/%").execute()).length,
    1,
    "what has expired is cleared away",
  );
});

test("what rules give, and whether there is such a user, is looked up at each request", async () => {
  const known = await users();
  let later: Options = {};
  await using world = await authWorld({ users: known }, {}, () => later);
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  assert.is((await ada.call("tokens.list")).json.error, undefined);
  later = { rules: [{ users: ["ada"], may: "control" }] };
  await world.kit.call("config.reload");
  assert.is((await ada.call("tokens.list")).json.error.data.code, "BELFRY_FORBIDDEN");
  assert.is((await ada.call("builders.pause", { builder: "plain" })).json.error, undefined);
  assert.is((await bob.call("builders.resume", { builder: "plain" })).json.error.data.code, "BELFRY_FORBIDDEN");
  later = { users: known.filter(({ name }) => name !== "bob") };
  await world.kit.call("config.reload");
  assert.is(await bob.me(), undefined, "he is gone");
  assert.is(await ada.me(), "ada");
});

test("another password ends the sessions that began with the old one, and no others", async () => {
  const known = await users();
  let later: Options = {};
  await using world = await authWorld({ users: known }, {}, () => later);
  const [ada, bob, linked] = [await world.as("ada"), await world.as("bob"), world.reader()];
  const { path } = (await world.kit.call("links.add", { user: "ada" })) as { path: string };
  await linked.post("/auth/link", { key: path.split("key=")[1] ?? "" });
  const old = known.find(({ name }) => name === "ada")?.password;
  const [changed] = await users(["ada"]);
  later = { users: [...known.filter(({ name }) => name !== "ada"), changed as (typeof known)[number]] };
  await world.kit.call("config.reload");
  assert.is(await ada.me(), undefined, "who knew the old one is out");
  assert.is((await ada.call("builders.pause", { builder: "plain" })).json.error.data.code, "BELFRY_FORBIDDEN");
  assert.is(await linked.me(), "ada", "she did not come with it");
  assert.is(await bob.me(), "bob");
  assert.is((await ada.signIn("ada", "ada!")).headers.location, "/");
  assert.is(await ada.me(), "ada");
  const listed = JSON.stringify(await world.kit.call("sessions.list"));
  assert.not.match(listed, /password"?:/, "what tells them apart is shown to nobody");
  assert.is.not(old, changed?.password);
});

test("a stream and a WebSocket end soon after their session has", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  const reader = await world.as("ada");
  const port = Number(new URL(world.url).port);
  using stream = new Line(port);
  stream.send(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${reader.cookie}\r\n\r\n`);
  await stream.until(/text\/event-stream/);
  using page = new Line(port);
  page.send(`GET /web/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${reader.cookie}\r\n\r\n`);
  await page.until(/text\/event-stream/);
  using socket = new Line(port);
  socket.send(webSocketWish("/rpc", `Origin: ${world.url}\r\nCookie: ${reader.cookie}\r\n`, `127.0.0.1:${port}`));
  await socket.until(/101 Switching/);
  await reader.post("/auth/sign-out", {});
  await Promise.all([stream.closed, page.closed, socket.closed]);
});

test.run();
