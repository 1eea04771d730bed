import { suite } from "uvu";
import * as assert from "uvu/assert";
import { authOptions } from "../../../plugins/auth/src/options.ts";
import { type Answer, ask } from "../http/world.ts";
import { executable, missing, openBrowser } from "../web/browser.ts";
import { Provider } from "./provider.ts";
import { type AuthWorld, authWorld, type Options, type Reader } from "./world.ts";

const test = suite("signing in by OpenID Connect");

async function worldWith(
  provider: Provider,
  more: Partial<NonNullable<Options["oidc"]>> = {},
  later?: () => Options,
): Promise<AuthWorld> {
  return authWorld({ oidc: { ...provider.options, ...more } }, {}, later);
}

const pathOf = (answer: Answer) => {
  const { pathname, search } = new URL(answer.headers.location ?? "", "http://a");
  return pathname + search;
};

/** Goes to the provider and as far as back to the server's door. */
async function toTheDoor(reader: Reader, to = ""): Promise<string> {
  const begun = await reader.get(`/auth/oidc${to === "" ? "" : `?to=${encodeURIComponent(to)}`}`);
  assert.is(begun.status, 303, begun.body);
  return pathOf(await ask(begun.headers.location as string));
}

const signIn = async (reader: Reader, to = "") => reader.get(await toTheDoor(reader, to));

test("somebody signs in, with the groups that the provider tells, and comes back to where he was", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  const reader = world.reader();
  assert.match(
    (await reader.get("/login?to=%2Fbuilders")).body,
    'href="/auth/oidc?to=%2Fbuilders">Sign in with Test</a>',
  );
  const { status, headers } = await signIn(reader, "/builders?q=a");
  assert.equal([status, headers.location], [303, "/builders?q=a"]);
  assert.is(await reader.me(), "olga");
  assert.is((await reader.call("builders.pause", { builder: "plain" })).json.error, undefined, "the group app may");
  assert.is((await reader.call("builders.pause", { builder: "slow" })).json.error.data.code, "BELFRY_FORBIDDEN");
  assert.equal([...reader.cookies.keys()].length, 1, "what was needed on the way is gone");
  provider.claims = { preferred_username: "olga", groups: [] };
  const again = world.reader();
  await signIn(again);
  assert.is((await again.call("builders.resume", { builder: "plain" })).json.error.data.code, "BELFRY_FORBIDDEN");
});

test("what the ID token does not tell is asked for", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider, { userClaim: "nickname" });
  provider.claims = {};
  provider.userinfo = { nickname: "ola", groups: ["app"] };
  const reader = world.reader();
  await signIn(reader);
  assert.is(await reader.me(), "ola");
});

test("a forged, foreign, old or replayed answer lets nobody in", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  const refusedAs = async (reader: Reader, path: string, code: string) => {
    const answer = await reader.get(path);
    assert.is(answer.headers.location, `/login?fault=${code}`, answer.body);
    assert.is(reader.cookies.size, 0);
    assert.match((await reader.get(answer.headers.location as string)).body, "You are not signed in.");
  };
  const forgeries: ((claims: Record<string, unknown>) => Record<string, unknown>)[] = [
    (claims) => ({ ...claims, nonce: "another" }),
    ({ nonce: _, ...claims }) => claims,
    (claims) => ({ ...claims, aud: "somebody else" }),
    (claims) => ({ ...claims, iss: "https://evil.example" }),
    (claims) => ({ ...claims, exp: 1 }),
  ];
  for (const forge of forgeries) {
    provider.forge = forge;
    const reader = world.reader();
    await refusedAs(reader, await toTheDoor(reader), "BELFRY_AUTH_OIDC_DISTRUSTED");
  }
  provider.forge = (claims) => claims;
  provider.wrongKey = true;
  const signedByOther = world.reader();
  await refusedAs(signedByOther, await toTheDoor(signedByOther), "BELFRY_AUTH_OIDC_DISTRUSTED");
  provider.wrongKey = false;

  const reader = world.reader();
  const door = await toTheDoor(reader);
  const victim = world.reader();
  await refusedAs(victim, door, "BELFRY_AUTH_OIDC_STRAY");
  await toTheDoor(victim);
  await refusedAs(victim, door, "BELFRY_AUTH_OIDC_DISTRUSTED");
  assert.is(
    (await ask(world.url + door, { method: "HEAD", headers: { cookie: reader.cookie } })).headers["set-cookie"],
    undefined,
  );
  await reader.get(door);
  assert.is(await reader.me(), "olga", "who has begun gets in");
  const again = await reader.get(door);
  assert.is(again.headers.location, "/login?fault=BELFRY_AUTH_OIDC_STRAY", "once");
  assert.is(await reader.me(), "olga");
  const second = world.reader();
  const changed = (await toTheDoor(second)).replace(/code=[^&]+/, "code=made-up");
  await refusedAs(second, changed, "BELFRY_AUTH_OIDC_DISTRUSTED");
  const broken = world.reader();
  await toTheDoor(broken);
  for (const [name] of broken.cookies) broken.cookies.set(name, "bm9uc2Vuc2U");
  await refusedAs(broken, door, "BELFRY_AUTH_OIDC_STRAY");
});

test("a refusal of the provider, and a provider that is away, are told apart; it is asked again later", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  provider.broken = true;
  const reader = world.reader();
  const away = await reader.get("/auth/oidc?to=/builders");
  assert.is(away.headers.location, "/login?to=%2Fbuilders&fault=BELFRY_AUTH_OIDC_AWAY");
  assert.match((await reader.get("/login?fault=BELFRY_AUTH_OIDC_AWAY")).body, "does not answer");
  provider.broken = false;
  provider.denies = true;
  assert.is((await signIn(reader)).headers.location, "/login?fault=BELFRY_AUTH_OIDC_REFUSED");
  provider.denies = false;
  await signIn(reader);
  assert.is(await reader.me(), "olga");
  const program = await world.get("/auth/oidc/back?code=x", { accept: "application/json" });
  assert.equal([program.status, JSON.parse(program.body).error.code], [400, "BELFRY_AUTH_OIDC_STRAY"]);
});

test("names that mean somebody else, and groups that are none, give nothing", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  for (const name of ["administrator", "Belfry", "", "a\u202eb", "a\ud800", "x".repeat(101), 7, ["ada"]]) {
    provider.claims = { preferred_username: name, groups: ["app"] };
    const reader = world.reader();
    assert.is((await signIn(reader)).headers.location, "/login?fault=BELFRY_AUTH_NAME_REFUSED", JSON.stringify(name));
  }
  provider.claims = { groups: ["app"] };
  assert.is((await signIn(world.reader())).headers.location, "/login?fault=BELFRY_AUTH_OIDC_CLAIM");
  for (const groups of [undefined, null, 7, { app: true }, [["app"], 7, null, "x".repeat(200)]]) {
    provider.claims = { preferred_username: "olga", groups };
    const reader = world.reader();
    await signIn(reader);
    assert.is((await reader.call("builders.pause", { builder: "plain" })).json.error.data.code, "BELFRY_FORBIDDEN");
  }
  const odd = `<b>"'& \u05d0 😀`;
  provider.claims = { preferred_username: odd };
  const reader = world.reader();
  await signIn(reader);
  assert.match((await reader.get("/")).body, '<b dir="auto">&lt;b>');
});

test("an address that the provider has not verified is nobody's name", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider, { userClaim: "email" });
  for (const email_verified of [false, "false"]) {
    provider.claims = { email: "ada@example.com", email_verified };
    const reader = world.reader();
    assert.is((await signIn(reader)).headers.location, "/login?fault=BELFRY_AUTH_OIDC_UNVERIFIED");
    assert.match((await reader.get("/login?fault=BELFRY_AUTH_OIDC_UNVERIFIED")).body, "has not verified");
  }
  for (const more of [{ email_verified: true }, {}]) {
    provider.claims = { email: "ada@example.com", ...more };
    const reader = world.reader();
    await signIn(reader);
    assert.is(await reader.me(), "ada@example.com");
  }
});

test("nobody is led out of this server, and a session ends with the provider's place in the configuration", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider, {}, () => ({ oidc: undefined }));
  const reader = world.reader();
  for (const to of ["https://evil.example", "//evil.example", "/\\evil.example"])
    assert.is((await signIn(reader, to)).headers.location, "/", to);
  const { json } = await reader.call("ownTokens.add", { name: "t", scope: "read" });
  const headers = { authorization: `Bearer ${json.result.token}` };
  assert.is((await world.get("/tokens", headers)).status, 200);
  const { store } = world.kit.master;
  const [person] = await store.read.selectFrom("plugin_records").selectAll().where("key", "=", "person/olga").execute();
  const long = { ...JSON.parse(person?.value ?? "{}"), seenAt: Date.now() - 91 * 86_400_000 };
  await store.write((tx) =>
    tx.db
      .updateTable("plugin_records")
      .set({ value: JSON.stringify(long) })
      .where("key", "=", "person/olga")
      .execute(),
  );
  assert.is((await world.get("/tokens", headers)).status, 401, "who has not come for long has no tokens");
  await signIn(reader);
  assert.is((await world.get("/tokens", headers)).status, 200, "until he comes again");
  await world.kit.call("config.reload");
  assert.is(await reader.me(), undefined);
  assert.is((await world.get("/tokens", headers)).status, 401);
  assert.is((await reader.get("/auth/oidc")).status, 404);
});

test("a provider elsewhere has to be asked by https, and its secret is shown nowhere", async () => {
  const wrong = [
    "http://login.example.com",
    "ftp://a",
    "login.example.com",
    "https://user:pass@login.example.com",
    "https://a/?b",
  ];
  for (const issuer of wrong) assert.not.ok(authOptions.safeParse({ oidc: { issuer, clientId: "b" } }).success, issuer);
  assert.ok(authOptions.safeParse({ oidc: { issuer: "https://login.example.com/realms/a", clientId: "b" } }).success);
  assert.not.ok(authOptions.safeParse({ oidc: { issuer: "https://a", clientId: "b", scope: "profile" } }).success);
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  await signIn(world.reader());
  const { store } = world.kit.master;
  for (const table of ["config_generations", "plugin_records", "audit", "events"] as const)
    assert.not.match(JSON.stringify(await store.read.selectFrom(table).selectAll().execute()), provider.secret, table);
});

if (executable === undefined) console.log(missing);
(executable === undefined ? test.skip : test)("a real browser follows the way there and back", async () => {
  await using provider = await Provider.open();
  await using world = await worldWith(provider);
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(`${world.url}/builders/plain`);
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Sign in with Test" }).click();
  await page.getByText("signed in as olga").waitFor();
  assert.is(new URL(page.url()).pathname, "/builders/plain");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
});

test.run();
