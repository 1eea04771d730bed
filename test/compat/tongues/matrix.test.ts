// time limit: 300 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TONGUES, tongueWorld } from "./world.ts";

const test = suite("invariant 8 on every tongue: nobody, reader, narrowed reader, controller, admin");

const SCOPES: Record<string, readonly string[]> = {
  nobody: [],
  reader: ["read"],
  narrowed: ["read"],
  controller: ["read", "control"],
  admin: ["read", "control", "admin"],
};

for (const tongue of TONGUES.filter(({ knowsCallers }) => knowsCallers)) {
  test(`${tongue.name}: each method lets in whom its scope says, and nobody else`, async () => {
    await using world = await tongueWorld("none");
    const { kit } = world;
    const tokens = new Map<string, string>();
    for (const [name, scope] of [
      ["reader", "read"],
      ["controller", "control"],
      ["admin", "admin"],
    ] as const)
      tokens.set(name, (await kit.call("tokens.add", { name, scopes: [scope] })).token);
    tokens.set(
      "narrowed",
      (await kit.call("tokens.add", { name: "narrowed", scopes: ["read"], projects: ["public"] })).token,
    );
    let refused = 0;
    for (const { name: method, permission } of kit.master.api.methods()) {
      for (const [who, scopes] of Object.entries(SCOPES)) {
        // With a parameter that no method knows: who may call it is refused for that, and nothing happens.
        const said = await tongue.call(world, method, { surplus: true }, tokens.get(who));
        const code = "code" in said ? said.code : "none";
        assert.is(
          code,
          scopes.includes(permission) ? "BELFRY_PARAMS_INVALID" : "BELFRY_FORBIDDEN",
          `${method} by ${who}`,
        );
        if (code === "BELFRY_FORBIDDEN") refused += 1;
      }
    }
    assert.ok(refused > 50);
  });

  test(`${tongue.name}: a narrowed reader learns of nothing else, in any answer`, async () => {
    await using world = await tongueWorld("none");
    const { kit } = world;
    const { token } = await kit.call("tokens.add", { name: "narrowed", scopes: ["read"], projects: ["public"] });
    const { token: wide } = await kit.call("tokens.add", { name: "wide", scopes: ["read"] });
    const hidden = (await kit.call("builds.list", { builder: "covert" })).items[0];
    const build = hidden.id as number;
    const asked: [string, any][] = [
      ...kit.master.api
        .methods()
        .filter(({ permission }) => permission === "read")
        .map(({ name, example }): [string, any] => [name, example]),
      ["builders.list", { include: ["lastBuild", "running", "pending"] }],
      ["builders.get", { builder: "covert" }],
      ["builds.list", { include: ["reason", "sourceStamps", "properties", "steps", "logs", "changes"] }],
      ["builds.list", { builder: "covert" }],
      ["builds.get", { build }],
      ["builds.steps", { build }],
      ["logs.list", { build }],
      ["logs.read", { build, step: 1 }],
      ["logs.search", { build, step: 1, text: "one" }],
      ["requests.list", { include: ["reason", "sourceStamps", "properties", "builds"] }],
      ["requests.get", { request: hidden.request }],
      ["requests.why", { request: hidden.request }],
      ["buildsets.get", { buildset: hidden.buildset }],
      ["changes.list", {}],
      ["changes.get", { change: 2 }],
      ["events.since", { since: "0", limit: 500 }],
      ["status.now", {}],
    ];
    let told = 0;
    for (const [method, params] of asked) {
      const narrow = JSON.stringify(await tongue.call(world, method, params, token));
      assert.not.match(narrow, /clandestine|"covert"/, `${method} ${JSON.stringify(params)}`);
      if (/clandestine/.test(JSON.stringify(await tongue.call(world, method, params, wide)))) told += 1;
    }
    assert.ok(told >= 8, "those who may see it are told, or this test could not fail");
  });
}

test.run();
