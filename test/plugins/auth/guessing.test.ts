import { testClock } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hashOfNobody, hashPassword, isPasswordHash, verifyPassword } from "../../../plugins/auth/src/password.ts";
import { Passwords } from "../../../plugins/auth/src/passwords.ts";
import { Tries } from "../../../plugins/auth/src/tries.ts";
import { rejects } from "../http/world.ts";
import { authWorld, CHEAP } from "./world.ts";

const test = suite("guessing passwords");

const codeOf = async (promise: Promise<unknown>) => ((await rejects(promise)) as { code: string }).code;

test("a hash fits its password and no other, however an accent is written", async () => {
  const hash = await hashPassword("cafe\u0301 au lait", CHEAP);
  assert.ok(isPasswordHash(hash));
  assert.ok(await verifyPassword("caf\u00e9 au lait", hash));
  for (const wrong of ["", "cafe au lait", "caf\u00e9 au lai", "caf\u00e9 au lait "])
    assert.not.ok(await verifyPassword(wrong, hash), wrong);
  assert.is.not(await hashPassword("same", CHEAP), await hashPassword("same", CHEAP));
  assert.match(await hashPassword("dear"), /^scrypt\$15\$8\$3\$/);
});

test("what is no hash, or one that would take the machine down, is refused by the configuration", async () => {
  const good = await hashPassword("x", CHEAP);
  for (const wrong of [
    "",
    "secret",
    "$2b$10$abcdefghijklmnopqrstuv",
    good.replace("scrypt$4", "scrypt$40"),
    good.replace("$1$1$", "$99$99$"),
    good.replace("scrypt$4$1", "scrypt$20$8"),
    `${good}$`,
    good.slice(0, -40),
  ])
    assert.not.ok(isPasswordHash(wrong), wrong);
});

test("five wrong passwords for a user from one address, and no more are looked at for a while", async () => {
  const clock = testClock();
  const users = [{ name: "ada", password: await hashPassword("right one", CHEAP), groups: [] }];
  const passwords = new Passwords(users, clock);
  for (let i = 0; i < 5; i += 1)
    assert.is(await codeOf(passwords.check("ada", "wrong", "192.0.2.1")), "BELFRY_AUTH_REFUSED");
  assert.is(await codeOf(passwords.check("ada", "right one", "192.0.2.1")), "BELFRY_AUTH_TOO_MANY_TRIES");
  assert.is((await passwords.check("ada", "right one", "192.0.2.2")).name, "ada", "she is not locked out elsewhere");
  await clock.advance(600_001);
  assert.is((await passwords.check("ada", "right one", "192.0.2.1")).name, "ada");
});

test("many tries at once are no more than many after another, and success forgets what failed before", async () => {
  const clock = testClock();
  const users = [{ name: "ada", password: await hashPassword("right one", CHEAP), groups: [] }];
  const passwords = new Passwords(users, clock);
  const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(passwords.check("ada", "wrong", "a"))));
  assert.is(codes.filter((code) => code === "BELFRY_AUTH_REFUSED").length, 5);
  const other = new Passwords(users, clock);
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < 4; i += 1) await codeOf(other.check("ada", "wrong", "b"));
    assert.is((await other.check("ada", "right one", "b")).name, "ada");
  }
});

test("an address that tries many names is stopped, and so are many addresses that try one", () => {
  const tries = new Tries(testClock());
  const taken = (user: string, address: string) => "succeeded" in tries.begin(user, address);
  const names = Array.from({ length: 40 }, (_, i) => taken(`user ${i}`, "2001:db8:1:2:3::1"));
  assert.is(names.filter(Boolean).length, 30);
  assert.not.ok(taken("another", "2001:db8:1:2:ffff::9"), "who has one address of IPv6 has all beside it");
  assert.ok(taken("another", "2001:db8:1:3::1"));
  // However its zeros are written.
  const short = Array.from({ length: 40 }, (_, i) => taken(`short ${i}`, `2001:db8::${i + 1}:5`));
  assert.is(short.filter(Boolean).length, 30);
  assert.not.ok(taken("another", "2001:db8:0:0:7:7:7:7"));
  assert.ok(taken("another", "2001:db8:0:1::1"));
  const addresses = Array.from({ length: 80 }, (_, i) => taken("ada", `192.0.2.${i}`));
  assert.is(addresses.filter(Boolean).length, 60);
});

test("for who is not there the same work is done as for who is", async () => {
  const hash = await hashPassword("x", { log2: 13, r: 8, p: 1 });
  const nobody = hashOfNobody(hash);
  assert.ok(isPasswordHash(nobody));
  const shape = (text: string) => text.split("$").map((part, i) => (i < 4 ? part : part.length));
  assert.equal(shape(nobody), shape(hash));
  assert.match(hashOfNobody(undefined), /^scrypt\$15\$8\$3\$/);
  const passwords = new Passwords([{ name: "ada", password: hash, groups: [] }], testClock());
  assert.is(await codeOf(passwords.check("nobody", "x", "a")), "BELFRY_AUTH_REFUSED");
});

test("the page says what went wrong, in words that do not tell whether the user exists", async () => {
  await using world = await authWorld();
  const reader = world.reader();
  const wrong = await reader.signIn("ada", "wrong", { to: "/builders" });
  const nobody = await reader.signIn("nobody at all", "wrong", { to: "/builders" });
  assert.is(wrong.headers.location, "/login?to=%2Fbuilders&fault=BELFRY_AUTH_REFUSED");
  assert.is(nobody.headers.location, wrong.headers.location);
  assert.is(reader.cookies.size, 0);
  assert.match((await reader.get(wrong.headers.location as string)).body, "the password is another one");
  for (let i = 0; i < 4; i += 1) await reader.signIn("ada", "wrong");
  const { headers } = await reader.signIn("ada", "ada!");
  assert.match(headers.location as string, /^\/login\?fault=BELFRY_AUTH_TOO_MANY_TRIES&wait=\d+$/);
  assert.match((await reader.get(headers.location as string)).body, /Try again in (10|9) minutes/);
  const program = await reader.signIn("ada", "ada!", {});
  assert.is(program.status, 303);
  const json = await reader.post("/auth/sign-in", { user: "ada", password: "ada!" }, { accept: "application/json" });
  assert.equal([json.status, JSON.parse(json.body).error.code], [429, "BELFRY_AUTH_TOO_MANY_TRIES"]);
});

test("hostile names and passwords are refused like wrong ones", async () => {
  await using world = await authWorld();
  for (const user of [
    "",
    "\0",
    "ADA",
    "ada ",
    "a\u0301da",
    "__proto__",
    "constructor",
    "administrator",
    "<b>",
    "x".repeat(16_000),
  ]) {
    const reader = world.reader();
    const { headers } = await reader.signIn(user, "ada!");
    assert.is(headers.location, "/login?fault=BELFRY_AUTH_REFUSED", user.slice(0, 20));
    assert.is(reader.cookies.size, 0);
  }
  const reader = world.reader();
  assert.is((await reader.signIn("ada", "x".repeat(5_000))).headers.location, "/login?fault=BELFRY_AUTH_REFUSED");
  assert.is((await reader.post("/auth/sign-in", { user: "x".repeat(20_000) })).status, 413);
});

test.run();
