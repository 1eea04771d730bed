import { rejects } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask } from "../http/world.ts";
import { type AuthWorld, authWorld } from "./world.ts";

const test = suite("one-time links");

const keyIn = (url: string) => new URL(url).searchParams.get("key") ?? "";

const linkOf = async (world: AuthWorld, params = {}): Promise<string> => {
  const { url, path } = await world.kit.call("links.add", params);
  return url ?? world.url + path;
};

test("a link signs in the administrator once, by a button and not by being looked at", async () => {
  await using world = await authWorld();
  const link = await linkOf(world);
  const path = link.slice(world.url.length);
  const reader = world.reader();
  for (const method of ["GET", "HEAD"] as const) {
    const { status, headers } = await ask(link, { method });
    assert.equal([status, headers["set-cookie"]], [200, undefined], "a program that looks at links uses none up");
  }
  const page = await reader.get(path);
  assert.match(page.body, '<form method="post" action="/auth/link"');
  assert.match(page.headers["referrer-policy"] as string, "same-origin");
  const { status, headers } = await reader.post("/auth/link", { key: keyIn(link) });
  assert.equal([status, headers.location], [303, "/"]);
  assert.match((await reader.get("/")).body, 'signed in as <a href="/tokens"><b dir="auto">administrator</b>');
  assert.is((await reader.call("tokens.list")).status, 200);

  const again = world.reader();
  const refused = await again.post("/auth/link", { key: keyIn(link) });
  assert.is(refused.headers.location, "/login?fault=BELFRY_AUTH_LINK_USED");
  assert.is(again.cookies.size, 0);
  assert.match((await again.get(refused.headers.location as string)).body, "does not sign in any more");
});

test("a link for a user gives what the rules give him", async () => {
  await using world = await authWorld();
  const reader = world.reader();
  await reader.post("/auth/link", { key: keyIn(await linkOf(world, { user: "bob" })) });
  assert.match((await reader.get("/")).body, 'signed in as <a href="/tokens"><b dir="auto">bob</b>');
  assert.is((await reader.call("tokens.list")).json.error.data.code, "BELFRY_FORBIDDEN");
  const error = await rejects(world.kit.call("links.add", { user: "nobody else" }));
  assert.is((error as { code?: string }).code, "BELFRY_AUTH_USER_UNKNOWN");
});

test("of many who use a link at the same moment one gets in", async () => {
  await using world = await authWorld();
  const key = keyIn(await linkOf(world));
  const readers = Array.from({ length: 10 }, () => world.reader());
  await Promise.all(readers.map((reader) => reader.post("/auth/link", { key })));
  assert.is(readers.filter(({ cookies }) => cookies.size > 0).length, 1);
});

test("a link that is too old, or no link at all, lets nobody in", async () => {
  await using world = await authWorld();
  const key = keyIn(await linkOf(world));
  await world.kit.master.store.write((tx) =>
    tx.db
      .updateTable("plugin_records")
      .set({ expires_at: Date.now() - 1 })
      .where("key", "like", "link/%")
      .execute(),
  );
  for (const wrong of [key, "", "x".repeat(43), "%00", "x".repeat(10_000), `${key}\n`]) {
    const reader = world.reader();
    const { headers } = await reader.post("/auth/link", { key: wrong });
    assert.is(headers.location, "/login?fault=BELFRY_AUTH_LINK_USED");
    assert.is(reader.cookies.size, 0);
  }
  assert.match((await world.get("/login/link?key=<script>")).body, "does not sign in any more");
  assert.not.match((await world.get("/login/link?key=<script>alert(1)</script>")).body, "<script>alert");
});

test("only who administers makes links, and neither database nor log nor audit has one", async () => {
  await using world = await authWorld();
  const bob = await world.as("bob");
  assert.is((await bob.call("links.add")).json.error.data.code, "BELFRY_FORBIDDEN");
  assert.is((await bob.call("links.use", { id: "0".repeat(64) })).json.error.data.code, "BELFRY_FORBIDDEN");
  const key = keyIn(await linkOf(world));
  const { store } = world.kit.master;
  for (const table of ["plugin_records", "audit", "events"] as const)
    assert.not.match(JSON.stringify(await store.read.selectFrom(table).selectAll().execute()), key);
});

test("a start tells a link where the pages are, unless it is told not to", async () => {
  await using world = await authWorld({ startLink: true });
  const line = world.kit.master.describe().find((one) => one.includes("/login/link?key=")) as string;
  assert.match(line, world.url);
  const reader = world.reader();
  const key = /key=([\w-]+)/.exec(line)?.[1] ?? "";
  assert.is((await reader.post("/auth/link", { key })).headers.location, "/");
  assert.is(reader.cookies.size, 1);
  await using silent = await authWorld();
  assert.not.match(silent.kit.master.describe().join(), "/login/link");
});

test.run();
