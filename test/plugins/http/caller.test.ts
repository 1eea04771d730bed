import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, FakeApi, serving, type World } from "./world.ts";

const test = suite("http callers");

function withWho(world: World): World {
  world.server.mount("/who", {
    title: "t",
    describe: "d",
    handler: async (ctx) => {
      const { name, kind } = await world.server.caller(ctx);
      ctx.body = { name, kind };
    },
  });
  return world;
}

test("without a token the caller is anonymous, with a right one its owner", async () => {
  await using world = withWho(await serving());
  const who = async (headers = {}) => JSON.parse((await ask(`${world.url}/who`, { headers })).body);
  assert.equal(await who(), { name: "anonymous", kind: "anonymous" });
  assert.equal(await who({ authorization: "Bearer belfry_right" }), { name: "ann", kind: "token" });
  assert.equal(await who({ authorization: "bearer belfry_right" }), { name: "ann", kind: "token" });
});

test("a wrong token is answered with 401, never taken as anonymous", async () => {
  await using world = withWho(await serving());
  for (const authorization of [
    "Bearer belfry_wrong",
    "Bearer",
    "Bearer ",
    "",
    "Basic YTpi",
    "belfry_right",
    "Bearer belfry_right x",
    `Bearer ${"x".repeat(5_000)}`,
  ]) {
    const answer = await ask(`${world.url}/who`, { headers: { authorization } });
    assert.is(answer.status, 401, authorization);
    assert.match(answer.headers["www-authenticate"] as string, /^Bearer /);
    assert.is(JSON.parse(answer.body).error.code, "BELFRY_HTTP_TOKEN_REFUSED");
    assert.not.match(answer.body, "belfry_wrong");
  }
  assert.not.match(JSON.stringify(world.log), "belfry_wrong");
});

test("the password of Basic is taken as the token, whoever it says it is", async () => {
  await using world = withWho(await serving());
  const who = (pair: string, scheme = "Basic") =>
    ask(`${world.url}/who`, { headers: { authorization: `${scheme} ${Buffer.from(pair).toString("base64")}` } });
  for (const pair of ["ann:belfry_right", ":belfry_right", "somebody else\u00e9:belfry_right"])
    assert.is(JSON.parse((await who(pair)).body).name, "ann", pair);
  assert.is(JSON.parse((await who("x:belfry_right", "basic")).body).name, "ann");
  for (const pair of [
    "ann:belfry_wrong",
    "ann:",
    "belfry_right",
    "belfry_right:",
    "ann:belfry_right:x",
    "ann:belfry_right\n",
  ])
    assert.is((await who(pair)).status, 401, pair);
});

test("an API that cannot check tokens fails the request, and lets nobody in", async () => {
  class Broken extends FakeApi {
    override async authenticate(): Promise<undefined> {
      throw new Error("no database");
    }
  }
  await using world = withWho(await serving({}, new Broken()));
  const answer = await ask(`${world.url}/who`, { headers: { authorization: "Bearer belfry_right" } });
  assert.is(answer.status, 500);
  assert.not.match(answer.body, "no database");
});

test.run();
