import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bare, rpcWorld, say } from "./world.ts";

const test = suite("JSON-RPC 2.0, the examples of the specification");

test("parameters by position", async () => {
  await using world = await rpcWorld();
  assert.equal(await say(world, '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}'), {
    jsonrpc: "2.0",
    result: 19,
    id: 1,
  });
  assert.equal(await say(world, '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}'), {
    jsonrpc: "2.0",
    result: -19,
    id: 2,
  });
});

test("parameters by name, in any order", async () => {
  await using world = await rpcWorld();
  assert.equal(
    await say(world, '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}'),
    {
      jsonrpc: "2.0",
      result: 19,
      id: 3,
    },
  );
  assert.equal(
    await say(world, '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}'),
    {
      jsonrpc: "2.0",
      result: 19,
      id: 4,
    },
  );
});

test("a notification is run and not answered, an unknown one neither", async () => {
  await using world = await rpcWorld();
  assert.is(await say(world, '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}'), undefined);
  assert.equal(world.api.calls, [{ name: "update", params: { a: 1, b: 2, c: 3, d: 4, e: 5 } }]);
  assert.is(await say(world, '{"jsonrpc": "2.0", "method": "foobar"}'), undefined);
});

test("a call of a method that does not exist", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}')), {
    jsonrpc: "2.0",
    error: -32601,
    id: "1",
  });
});

test("a call with invalid JSON", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')), {
    jsonrpc: "2.0",
    error: -32700,
    id: null,
  });
});

test("a call with an invalid request object", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, '{"jsonrpc": "2.0", "method": 1, "params": "bar"}')), {
    jsonrpc: "2.0",
    error: -32600,
    id: null,
  });
});

test("a batch with invalid JSON", async () => {
  await using world = await rpcWorld();
  const body = '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]';
  assert.equal(bare(await say(world, body)), { jsonrpc: "2.0", error: -32700, id: null });
  assert.equal(world.api.calls, []);
});

test("an empty batch", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, "[]")), { jsonrpc: "2.0", error: -32600, id: null });
});

test("a batch that is invalid but not empty", async () => {
  await using world = await rpcWorld();
  const one = { jsonrpc: "2.0", error: -32600, id: null };
  assert.equal(bare(await say(world, "[1]")), [one]);
  assert.equal(bare(await say(world, "[1,2,3]")), [one, one, one]);
});

test("a batch of all kinds", async () => {
  await using world = await rpcWorld();
  const answer = await say(
    world,
    `[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
      {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
      {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
      {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
      {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]`,
  );
  assert.equal(bare(answer), [
    { jsonrpc: "2.0", result: 7, id: "1" },
    { jsonrpc: "2.0", result: 19, id: "2" },
    { jsonrpc: "2.0", error: -32600, id: null },
    { jsonrpc: "2.0", error: -32601, id: "5" },
    { jsonrpc: "2.0", result: ["hello", 5], id: "9" },
  ]);
  assert.ok(world.api.calls.some(({ name }) => name === "notify_hello"));
});

test("a batch of notifications only", async () => {
  await using world = await rpcWorld();
  const body =
    '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]';
  assert.is(await say(world, body), undefined);
  assert.is(world.api.calls.length, 2);
});

test.run();
