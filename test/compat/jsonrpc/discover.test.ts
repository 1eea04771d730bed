import { connect } from "@belfry/jsonrpc/client";
import type { Json } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { masterWorld, type Said, Talker } from "./master-world.ts";

const test = suite("rpc.discover");

test("the document names every method of the API and of this package, with parameters and result", async () => {
  await using world = await masterWorld();
  await using client = connect(world.url);
  const document = (await client.call("rpc.discover", {})) as Said;
  assert.match(document.openrpc, /^1\.\d+\.\d+$/);
  assert.is(document.info.title, "Belfry");
  const own = ["events.subscribe", "events.unsubscribe", "logs.follow", "logs.unfollow", "rpc.discover"];
  const names = world.kit.master.api.methods().map(({ name }) => name);
  assert.equal(
    document.methods.map(({ name }: Said) => name),
    [...names, ...own].sort(),
  );
  for (const method of document.methods) {
    assert.ok(method.summary && method.paramStructure === "either" && method.result.schema, method.name);
    for (const { name, required, schema } of method.params)
      assert.ok(name && typeof required === "boolean" && typeof schema === "object", method.name);
  }
  const list = document.methods.find(({ name }: Said) => name === "builds.list");
  const limit = list.params.find(({ name }: Said) => name === "limit");
  assert.equal([limit.required, limit.schema.type], [false, "integer"]);
  const stop = document.methods.find(({ name }: Said) => name === "builds.stop");
  assert.is(stop["x-permission"], "control");
});

test("nothing in it refers to what is not there", async () => {
  await using world = await masterWorld();
  await using client = connect(world.url);
  const text = JSON.stringify(await client.call("rpc.discover", {}));
  assert.not.match(text, "$ref");
  assert.not.match(text, "$defs");
});

test("its examples are calls that the methods take", async () => {
  await using world = await masterWorld();
  await using client = connect(world.url);
  const document = (await client.call("rpc.discover", {})) as Said;
  const schemas = new Map(world.kit.master.api.methods().map(({ name, params }) => [name, params]));
  let tried = 0;
  for (const { name, examples = [] } of document.methods) {
    for (const { params } of examples) {
      const byName = Object.fromEntries(
        params.map((param: { name: string; value: Json }) => [param.name, param.value]),
      );
      const { error } = schemas.get(name)?.safeParse(byName) ?? {};
      assert.is(error, undefined, `${name}: ${error?.message}`);
      tried++;
    }
  }
  assert.ok(tried > 20);
});

test("it is the same over WebSocket, and needs the right to read", async () => {
  await using world = await masterWorld();
  await using client = connect(world.url);
  using talker = await Talker.open(world.wsUrl);
  assert.equal((await talker.ask("rpc.discover")).result, await client.call("rpc.discover", {}));
  await using closed = await masterWorld({ config: { access: { anonymous: "none" } } });
  const answer = await fetch(`${closed.url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}',
  });
  const { error } = (await answer.json()) as Said;
  assert.equal([error.code, error.data.code], [-32002, "BELFRY_JSONRPC_FORBIDDEN"]);
});

test.run();
