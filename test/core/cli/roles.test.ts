// time limit: 400 s
import { readdir } from "node:fs/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../../tools/postgres.ts";
import { configText, type Running, World } from "./program.ts";

const test = suite("roles in processes of their own");

const PARTS = {
  services: "http({ port: 0 }), jsonrpc()",
  more: 'access: { anonymous: "read", visible: ({ builder }) => builder !== "bad" },',
};

interface Asked {
  result?: any;
  error?: { message: string; data?: { code: string; why: string } };
}

function client(web: Running, token?: string) {
  const url = /https?:\/\/[^/\s]+/.exec(web.out)?.[0];
  return async (method: string, params: object = {}): Promise<Asked> => {
    const answer = await fetch(`${url}/rpc`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    return (await answer.json()) as Asked;
  };
}

async function newToken(world: World, name: string, ...more: string[]): Promise<string> {
  const { value } = await world.json("token", "add", name, ...more);
  return value.token;
}

const KINDS = [
  { name: "SQLite", oneWriter: true, open: async () => ({ text: configText(PARTS), close: async () => undefined }) },
  {
    name: "PostgreSQL",
    oneWriter: false,
    open: async () => {
      const server = await postgres();
      const url = await server.createDatabase();
      const text = configText({ ...PARTS, head: 'import { postgres } from "@belfry/postgres";' });
      return {
        text: text.replace("database: sqlite()", `database: postgres({ url: ${JSON.stringify(url)} })`),
        close: () => server[Symbol.asyncDispose](),
      };
    },
  },
];

for (const { name, oneWriter, open } of KINDS) {
  test(`${name}: the web reads what the engine writes, passes control on for its callers, and outlives it`, async () => {
    const { text, close } = await open();
    try {
      await using world = await World.make(text);
      const early = await world.spawn(["start", "--roles", "api"]).end();
      assert.is(early.code, 5);
      assert.match(early.err, /There is no database|This process cannot start yet/);
      const engine = await world.start("--roles", "engine");
      assert.not.match(engine.out, /http:/);
      const web = await world.start("--roles", "api");
      const second = await world.start("--roles", "api");
      const token = await newToken(world, "ada", "--scope", "control");
      const narrow = await newToken(world, "eve", "--scope", "control", "--builder", "good");
      const admin = await newToken(world, "root", "--scope", "admin");
      const [anybody, ada, eve, root] = [client(web), client(web, token), client(second, narrow), client(web, admin)];
      assert.equal(
        (await anybody("builders.list")).result.items.map((item: any) => item.name),
        ["good", "slow"],
      );
      assert.is((await anybody("schedulers.force", { scheduler: "force" })).error?.data?.code, "BELFRY_FORBIDDEN");
      const since = (await anybody("events.since")).result.next;
      const told = anybody("events.since", { since, types: ["build.finished"], waitSeconds: 30 });
      const forced = await ada("schedulers.force", { scheduler: "force", builders: ["good"] });
      assert.ok(forced.result, JSON.stringify(forced));
      assert.is((await told).result.items[0].data.result, "success");
      const log = await anybody("logs.read", { builder: "good", number: 1, step: 1, log: 1 });
      assert.match(JSON.stringify(log), /Hello/);

      assert.is((await eve("builders.pause", { builder: "slow" })).error?.data?.code, "BELFRY_NOT_FOUND");
      assert.is((await ada("builders.pause", { builder: "bad" })).error?.data?.code, "BELFRY_NOT_FOUND");
      assert.ok((await eve("builders.pause", { builder: "good", reason: "mine" })).result);
      await until(async () => (await ada("builders.get", { builder: "good" })).result.paused, "the pause");
      assert.is((await ada("builders.get", { builder: "good" })).result.pausedBy, "eve");
      assert.ok((await ada("schedulers.force", { scheduler: "force", builders: ["slow"] })).result);
      await until(async () => (await anybody("status.now")).result.builds.length === 1, "the running build");
      assert.ok((await anybody("status.now")).result.engine);
      assert.ok((await ada("builds.stop", { builder: "slow", number: 1, reason: "enough" })).result);
      await until(
        async () => (await ada("builds.get", { builder: "slow", number: 1 })).result.result === "cancelled",
        "the stop",
      );
      assert.match(
        (await ada("builds.get", { builder: "slow", number: 1 })).result.stopReason,
        /stopped by ada: enough/,
      );
      const audit = (await root("audit.list")).result.items;
      const entry = audit.find((item: any) => item.method === "builds.stop");
      assert.equal([entry.caller, entry.kind, entry.outcome], ["ada", "token", "ok"]);
      assert.match(entry.from, /127\.0\.0\.1|::1/);
      assert.is((await root("config.reload")).result.items.length, 0);
      assert.is((await ada("master.stop")).error?.data?.code, "BELFRY_FORBIDDEN");

      await engine.signal("SIGTERM");
      assert.is((await anybody("builds.list")).result.items.length, 2);
      assert.is((await anybody("status.now")).result.engine, false);
      const away = await ada("builders.resume", { builder: "good" });
      if (oneWriter) assert.is(away.error?.data?.code, "BELFRY_ENGINE_AWAY");
      else assert.is(away.result?.paused, false);
      assert.is((await root("config.reload")).error?.data?.code, "BELFRY_ENGINE_AWAY");
      const next = await world.start("--roles", "engine");
      if (oneWriter) assert.ok((await ada("builders.resume", { builder: "good" })).result);
      const again = await ada("schedulers.force", { scheduler: "force", builders: ["good"] });
      const done = async () => (await anybody("buildsets.get", { buildset: again.result.buildset })).result.result;
      await until(async () => (await done()) === "success", "another build");
      assert.ok((await root("master.stop")).result);
      assert.is((await next.end()).code, 0);
      for (const running of [web, second]) assert.is((await running.signal("SIGTERM")).code, 0, running.err);
      assert.ok((await readdir(world.path(".belfry"))).includes("api.log"));
    } finally {
      await close();
    }
  });
}

test("what a process without an engine cannot do is told at once", async () => {
  await using world = await World.make(configText());
  const once = await world.run("start", "--roles", "api", "--once");
  assert.is(once.code, 2);
  assert.match(once.err, /`--once` needs a process that has the engine/);
  assert.is((await world.run("start", "--roles", "nothing")).code, 2);
});

test.run();
