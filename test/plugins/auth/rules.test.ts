import { rejects } from "@belfry/testkit";
import { BelfryError, type Scope } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decide } from "../../../plugins/auth/src/decision.ts";
import { authOptions } from "../../../plugins/auth/src/options.ts";
import { type Person, rightsOf } from "../../../plugins/auth/src/rules.ts";
import { authWorld, type Options } from "./world.ts";

const test = suite("who may do what");

const rulesOf = (rules: NonNullable<Options["rules"]>) => authOptions.parse({ rules }).rules;
const person = (name: string, ...groups: string[]): Person => ({ name, groups });

const RULES = rulesOf([
  { name: "admins", users: ["ada"], may: "admin" },
  { name: "app team", groups: ["app"], may: "control", projects: ["app"], builders: ["deploy-*"] },
  { name: "guests", signedIn: true, may: "read", tags: ["public"] },
  { anybody: true, may: "read", builders: ["site"] },
]);

const subject = (builder: string, project = "", ...tags: string[]) => ({ builder, project, tags });

const ask = (who: Person | undefined, permission: Scope, about?: ReturnType<typeof subject>, access = {}) =>
  decide({ rules: RULES, person: who, permission, subject: about, access: { anonymous: "none", ...access } });

test("what several rules give counts together", () => {
  assert.equal(rightsOf(RULES, person("eve", "app")), {
    scopes: ["read", "control"],
    sees: { builders: ["site"], projects: ["app"], tags: ["public"], patterns: ["deploy-*"] },
    controls: { builders: null, projects: ["app"], tags: null, patterns: ["deploy-*"] },
    rules: ["app team", "guests", "rule 4"],
  });
  assert.equal(rightsOf(RULES, person("ada", "app")), {
    scopes: ["read", "control", "admin"],
    sees: null,
    controls: null,
    rules: ["admins", "app team", "guests", "rule 4"],
  });
  assert.equal(rightsOf(RULES, undefined).scopes, ["read"]);
});

test("a decision names the rule that gave it", () => {
  const eve = person("eve", "app");
  const app = subject("api", "app");
  assert.equal(ask(eve, "control", app), {
    may: true,
    why: 'app team gives control to the group "app"',
    rule: "app team",
  });
  assert.is(ask(eve, "control", subject("deploy-x")).rule, "app team");
  assert.is(ask(eve, "read", subject("docs", "", "public")).rule, "guests");
  assert.is(ask(undefined, "read", subject("site")).why, "rule 4 gives read to everybody");
  assert.is(ask(person("ada"), "admin").why, 'admins gives admin to the user "ada"');
  assert.equal(ask(undefined, "read", app, { anonymous: "read" }), {
    may: true,
    why: "access.anonymous of the configuration lets everybody read",
    rule: null,
  });
});

test("a refusal says what is missing", () => {
  const eve = person("eve", "app");
  assert.is(ask(eve, "admin").why, "no rule gives him admin");
  assert.is(
    ask(eve, "control", subject("docs", "", "public")).why,
    "he may see this builder, but no rule lets him control it",
  );
  assert.is(ask(eve, "control", subject("other")).why, "no rule lets him see this builder");
  assert.is(ask(person("bob"), "control", subject("api", "app")).why, "no rule gives him control");
  assert.is(ask(undefined, "read", subject("api", "app")).may, false);
  const visible = () => false;
  assert.is(
    ask(eve, "read", subject("site"), { visible }).why,
    "access.visible of the configuration hides this builder from him",
  );
  assert.ok(ask(person("ada"), "read", subject("site"), { visible }).may, "but not from who administers");
});

test("rules that cannot be meant are refused with the configuration", () => {
  const wrong: unknown[] = [
    { may: "read" },
    { users: ["ada"] },
    { users: ["ada"], may: "everything" },
    { users: ["ada"], may: "admin", projects: ["app"] },
    { anybody: true, may: "control" },
    { anybody: false, may: "read" },
    { user: "ada", may: "read" },
  ];
  for (const rule of wrong) assert.not.ok(authOptions.safeParse({ rules: [rule] }).success, JSON.stringify(rule));
  const password = "scrypt$4$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  assert.ok(authOptions.safeParse({ users: [{ name: "ada", password }] }).success);
  for (const name of ["", "administrator", "Anonymous", "belfry", " ada", "a\u202eb", "a\nb", "a\u0000"])
    assert.not.ok(authOptions.safeParse({ users: [{ name, password }] }).success, JSON.stringify(name));
  const twice = [
    { name: "ada", password },
    { name: "ada", password },
  ];
  assert.not.ok(authOptions.safeParse({ users: twice }).success);
  assert.not.ok(authOptions.safeParse({ users: [{ name: "ada", password: "plain" }] }).success);
});

test("the master decides as the decision says, for every user, method and builder", async () => {
  const rules = rulesOf([
    { users: ["ada"], may: "admin" },
    { groups: ["app"], may: "control", projects: ["app"] },
    { groups: ["app"], may: "read", builders: ["s*"] },
    { signedIn: true, may: "read", tags: ["slow"] },
  ]);
  await using world = await authWorld({ rules }, { access: { anonymous: "none" } });
  const people = [person("ada"), person("bob", "app"), person("eve"), undefined];
  const { items } = await world.kit.call("builders.list");
  let answers = 0;
  for (const who of people) {
    const reader = who ? await world.as(who.name) : world.reader();
    for (const { name, project, tags } of items as { name: string; project: string; tags: string[] }[])
      for (const [method, permission] of [
        ["builders.get", "read"],
        ["builders.resume", "control"],
      ] as const) {
        const { json } = await reader.call(method, { builder: name });
        const about = { builder: name, project, tags };
        const { may, why } = decide({ rules, person: who, permission, subject: about, access: { anonymous: "none" } });
        assert.is(json.error === undefined, may, `${who?.name} ${method} ${name}: ${why}; ${JSON.stringify(json)}`);
        answers += may ? 1 : 0;
      }
    const { json } = await reader.call("tokens.list");
    assert.is(json.error === undefined, who?.name === "ada");
  }
  assert.is(answers, 10 + 4 + 1 + 0, "of ada, bob, eve and nobody");
});

test("rules for everybody narrow what an anonymous reader sees, in each tongue and on each page", async () => {
  const rules = rulesOf([{ anybody: true, may: "read", projects: ["app"] }]);
  await using world = await authWorld({ rules }, { access: { anonymous: "none" } });
  await world.build("secret");
  const reader = world.reader();
  for (const path of ["/", "/builders", "/waterfall", "/console", "/requests"])
    assert.not.match((await reader.get(path)).body, "secret", path);
  assert.match((await reader.get("/builders")).body, "plain");
  const { json } = await reader.call("builders.list");
  assert.equal(
    json.result.items.map(({ name }: { name: string }) => name),
    ["plain"],
  );
  assert.is((await reader.call("builders.pause", { builder: "plain" })).json.error.data.code, "BELFRY_FORBIDDEN");
});

test("a user whose sight is narrowed finds no trace of the rest, and controls what he may", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  await world.build("secret");
  const bob = await world.as("bob");
  for (const path of ["/", "/builders", "/waterfall", "/console", "/requests", "/workers", "/schedulers"])
    assert.not.match((await bob.get(path)).body, "secret", path);
  assert.is((await bob.get("/builders/secret")).status, 404);
  assert.is((await bob.call("builders.pause", { builder: "secret" })).json.error.data.code, "BELFRY_NOT_FOUND");
  assert.is((await bob.call("builders.pause", { builder: "plain" })).json.error, undefined);
  const error = await rejects(world.kit.call("links.add", { user: "x" }));
  assert.ok(BelfryError.is(error));
});

test.run();
