import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask } from "../http/world.ts";
import { fieldsOf, unescaped } from "../web/world.ts";
import { type AuthWorld, authWorld, type Options, type Reader, users } from "./world.ts";

const test = suite("own tokens, and the audit");

/** Sends a form of an action that is on a page. */
async function send(reader: Reader, page: string, action: string, fields: Record<string, string> = {}, nth = 0) {
  const given = fieldsOf((await reader.get(page)).body, action, nth);
  return reader.post(`/do/${action}`, { ...given, ...fields });
}

async function tokenOf(reader: Reader, fields: Record<string, string>): Promise<string> {
  const { status, body } = await send(reader, "/tokens", "own-token-add", fields);
  const token = /value="(belfry_own_[\w-]{43})"/.exec(body)?.[1];
  if (status !== 200 || token === undefined) throw new Error(`no token: ${status} ${body}`);
  return token;
}

const call = async (world: AuthWorld, token: string, method: string, params = {}) => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const answer = await ask(`${world.url}/rpc`, { method: "POST", body, headers });
  return answer.status === 401 ? "refused" : (JSON.parse(answer.body).error?.data.code ?? "ok");
};

test("somebody makes a token, sees it once, uses it and revokes it", async () => {
  await using world = await authWorld();
  const bob = await world.as("bob");
  assert.match((await bob.get("/tokens")).body, "You have none.");
  const page = await send(bob, "/tokens", "own-token-add", { name: "laptop", scope: "control", days: "30" });
  assert.equal([page.status, page.headers["cache-control"]], [200, "no-store"]);
  const token = /value="(belfry_own_[\w-]{43})"/.exec(page.body)?.[1] as string;
  assert.is(await call(world, token, "builders.pause", { builder: "plain" }), "ok");
  assert.is(await call(world, token, "builders.pause", { builder: "slow" }), "BELFRY_FORBIDDEN", "he may not either");
  assert.is(await call(world, token, "tokens.list"), "BELFRY_FORBIDDEN");
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedBy, "bob/laptop");
  const list = (await bob.get("/tokens")).body;
  assert.match(list, "<bdi>laptop</bdi>");
  assert.not.match(list, token);
  assert.is((await send(bob, "/tokens", "own-token-revoke")).headers.location, "/tokens");
  assert.match((await bob.get("/tokens")).body, "You have none.", "at once");
  assert.is(await call(world, token, "builders.list"), "refused");
});

test("a token may no more than its owner, at any time, and dies with him", async () => {
  let later: Options = {};
  await using world = await authWorld({}, { access: { anonymous: "none" } }, () => later);
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  const refused = await send(bob, "/tokens", "own-token-add", { name: "x", scope: "admin" });
  assert.equal([refused.status, /BELFRY_AUTH_TOKEN_TOO_WIDE/.test(refused.body)], [400, true]);
  const all = await tokenOf(ada, { name: "all", scope: "admin" });
  const reading = await tokenOf(ada, { name: "reading", scope: "read" });
  assert.is(await call(world, all, "tokens.list"), "ok");
  assert.is(await call(world, reading, "builders.list"), "ok");
  assert.is(await call(world, reading, "builders.pause", { builder: "plain" }), "BELFRY_FORBIDDEN");
  later = { rules: [{ users: ["ada"], may: "read" }] };
  await world.kit.call("config.reload");
  assert.is(await call(world, all, "tokens.list"), "BELFRY_FORBIDDEN");
  assert.is(await call(world, all, "builders.list"), "ok");
  later = { users: await users(["bob"]) };
  await world.kit.call("config.reload");
  assert.is(await call(world, all, "builders.list"), "refused");
  later = {};
  await world.kit.call("config.reload");
  assert.is(await call(world, all, "tokens.list"), "ok");
});

test("a token makes no tokens, and neither does who is nobody in particular", async () => {
  await using world = await authWorld();
  const ada = await world.as("ada");
  const token = await tokenOf(ada, { name: "all", scope: "admin" });
  assert.is(await call(world, token, "ownTokens.add", { name: "y", scope: "read" }), "BELFRY_AUTH_SESSION_NEEDED");
  assert.is(await call(world, token, "ownTokens.list"), "BELFRY_AUTH_SESSION_NEEDED");
  assert.match((await world.get("/tokens")).body, 'href="/login?to=%2Ftokens"');
  const reader = world.reader();
  const { path } = await world.kit.call("links.add");
  await reader.post("/auth/link", { key: path.split("key=")[1] });
  const { json } = await reader.call("ownTokens.add", { name: "z", scope: "read" });
  assert.is(json.error.data.code, "BELFRY_AUTH_NOBODY");
  const { body } = await reader.get("/tokens");
  assert.match(body, "belfry token add");
  assert.not.match(body, "Make a token");
});

test("names are one for each owner, any text, and there is an end of them", async () => {
  await using world = await authWorld();
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  const odd = `<script>alert(1)</script> "'& \u05d0 😀`;
  await tokenOf(bob, { name: odd, scope: "read" });
  const twice = await bob.call("ownTokens.add", { name: odd, scope: "read" });
  assert.is(twice.json.error.data.code, "BELFRY_AUTH_TOKEN_TWICE");
  await tokenOf(ada, { name: odd, scope: "read" });
  assert.not.match((await bob.get("/tokens")).body, "<script>alert");
  const many = await Promise.all(
    Array.from({ length: 60 }, (_, i) => bob.call("ownTokens.add", { name: `t${i}`, scope: "read" })),
  );
  assert.is(many.filter(({ json }) => json.error?.data.code === "BELFRY_AUTH_TOKENS_FULL").length, 11);
  assert.is((await bob.call("ownTokens.revoke", { name: odd })).json.error, undefined);
  assert.is((await ada.call("ownTokens.list")).json.result.items.length, 1, "hers is hers");
});

test("others' tokens are the administrator's affair only", async () => {
  await using world = await authWorld();
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  const token = await tokenOf(bob, { name: "t", scope: "read" });
  for (const method of ["ownTokens.list", "ownTokens.revoke"])
    assert.is(
      (await bob.call(method, { owner: "ada", ...(method.endsWith("revoke") && { name: "t" }) })).json.error.data.code,
      "BELFRY_AUTH_NOT_YOURS",
    );
  assert.is((await ada.call("ownTokens.list", { owner: "bob" })).json.result.items[0].name, "t");
  await ada.call("ownTokens.revoke", { owner: "bob", name: "t" });
  assert.is(await call(world, token, "builders.list"), "refused");
  assert.is(
    (await bob.call("ownTokens.touch", { hash: "0".repeat(64) })).json.error.data.code,
    "BELFRY_AUTH_INTERNAL_ONLY",
  );
});

test("a token of another kind that has somebody's name has none of his tokens", async () => {
  await using world = await authWorld();
  await tokenOf(await world.as("bob"), { name: "laptop", scope: "read" });
  const { token } = await world.kit.call("tokens.add", { name: "bob", scopes: ["read"] });
  assert.is(await call(world, token, "ownTokens.list", { owner: "bob" }), "BELFRY_AUTH_NOT_YOURS");
  assert.is(await call(world, token, "ownTokens.revoke", { owner: "bob", name: "laptop" }), "BELFRY_AUTH_NOT_YOURS");
  assert.is(await call(world, token, "ownTokens.list"), "BELFRY_AUTH_SESSION_NEEDED");
});

test("a token's name shows all that is in it", async () => {
  await using world = await authWorld();
  const bob = await world.as("bob");
  for (const name of ["a\u202eb", "a\nb", "a\u001b[2J", ""])
    assert.is((await bob.call("ownTokens.add", { name, scope: "read" })).json.error.data.code, "BELFRY_PARAMS_INVALID");
});

test("a token expires, is kept as a hash only, and its making is in the audit without its text", async () => {
  await using world = await authWorld();
  const bob = await world.as("bob");
  const token = await tokenOf(bob, { name: "short", scope: "read", days: "7" });
  const { store } = world.kit.master;
  for (const table of ["plugin_records", "audit", "events"] as const)
    assert.not.ok(JSON.stringify(await store.read.selectFrom(table).selectAll().execute()).includes(token.slice(11)));
  const { items } = await world.kit.call("audit.list", { method: "ownTokens.add" });
  assert.equal(
    [items[0].caller, items[0].kind, items[0].outcome, JSON.parse(items[0].params).name],
    ["bob", "session", "ok", "short"],
  );
  await store.write((tx) =>
    tx.db
      .updateTable("plugin_records")
      .set({ expires_at: Date.now() - 1 })
      .where("key", "like", "token/%")
      .execute(),
  );
  assert.is(await call(world, token, "builders.list"), "refused");
  for (const wrong of ["belfry_own_", `${token}x`, token.slice(0, -1), `belfry_own_${"x".repeat(400)}`])
    assert.is(await call(world, wrong, "builders.list"), "refused", wrong);
});

test("the audit page is for who administers: by caller and method, page by page", async () => {
  await using world = await authWorld();
  const [ada, bob] = [await world.as("ada"), await world.as("bob")];
  assert.is((await bob.get("/audit")).status, 403);
  assert.not.match((await bob.get("/")).body, 'href="/audit"');
  assert.match((await ada.get("/")).body, 'href="/audit"');
  for (let i = 0; i < 60; i += 1) await bob.call("builders.pause", { builder: "plain", reason: `<b>${i}</b>` });
  const first = await ada.get("/audit?caller=bob&method=builders.pause");
  assert.is([...first.body.matchAll(/<td>ok<\/td>/g)].length, 50);
  assert.not.match(first.body, "<b>59</b>");
  const older = unescaped(/href="([^"]*cursor=[^"]*)"/.exec(first.body)?.[1] ?? "");
  assert.match(older, "caller=bob&method=builders.pause");
  assert.is([...(await ada.get(older)).body.matchAll(/<td>ok<\/td>/g)].length, 10);
  assert.match((await ada.get("/audit?caller=nobody")).body, "Nothing is noted of that.");
  assert.is((await ada.get("/audit?cursor=x")).status, 400);
});

test.run();
