import { definePlugin, type Json, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TONGUES, tongueWorld } from "./world.ts";

const test = suite("a plugin's own method");

/** All that a plugin has to write. */
const pigeons = definePlugin({
  name: "belfry-plugin-pigeons",
  register: (host) =>
    host.methods.add({
      name: "pigeons.send",
      permission: "control",
      summary: "Sends pigeons.",
      params: z.strictObject({ to: z.string().min(1), count: z.int().min(1).max(9).optional() }),
      result: z.object({ sent: z.int(), to: z.string(), by: z.string() }),
      example: { to: "home", count: 2 },
      call: async ({ to, count = 1 }, { caller }) => ({ sent: count, to, by: caller.name }),
    }),
});

test("is on every tongue, with its checks and its scope", async () => {
  await using world = await tongueWorld("read", [pigeons]);
  const { token } = await world.kit.call("tokens.add", { name: "robot", scopes: ["control"] });
  for (const tongue of TONGUES) {
    const by = tongue.knowsCallers ? "robot" : "administrator";
    const call = (params: Json, as?: string) => tongue.call(world, "pigeons.send", params, as);
    assert.equal(await call({ to: "home", count: 2 }, token), { result: { sent: 2, to: "home", by } }, tongue.name);
    assert.equal(await call({ to: "", count: 2 }, token), { code: "BELFRY_PARAMS_INVALID" }, tongue.name);
    if (tongue.knowsCallers) assert.equal(await call({ to: "home" }), { code: "BELFRY_FORBIDDEN" }, tongue.name);
  }
});

test("is told by whatever tells what there is", async () => {
  await using world = await tongueWorld("read", [pigeons]);
  const [within, , json, , , xml] = TONGUES;
  assert.ok(within && json && xml);
  const described: [string, Json, RegExp][] = [
    ["api.methods", { method: "pigeons.send" }, /Sends pigeons/],
    ["plugins.list", {}, /pigeons\.send/],
  ];
  for (const [method, params, expected] of described)
    assert.match(JSON.stringify(await within.call(world, method, params)), expected);
  assert.match(JSON.stringify(await json.call(world, "rpc.discover", {})), /Sends pigeons/);
  const system = async (method: string, ...params: string[]) => {
    const values = params.map((text) => `<param><value><string>${text}</string></value></param>`).join("");
    const body = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${values}</params></methodCall>`;
    const headers = { "content-type": "text/xml" };
    return (await fetch(`${world.url}/xmlrpc`, { method: "POST", headers, body })).text();
  };
  assert.match(await system("system.listMethods"), /<string>pigeons\.send<\/string>/);
  assert.match(await system("system.methodHelp", "pigeons.send"), /Sends pigeons/);
  assert.match(await system("system.methodSignature", "pigeons.send"), /<string>struct<\/string>/);
});

test.run();
