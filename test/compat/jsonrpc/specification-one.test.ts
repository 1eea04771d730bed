import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../plugins/http/world.ts";
import { bare, exampleApi, post, rpcWorld, say } from "./world.ts";

const test = suite("JSON-RPC 1.0");

const one = (method: string, params: unknown, id: unknown = 1) => ({ method, params, id });

test("the first example of the specification: a request and its response", async () => {
  await using world = await rpcWorld();
  assert.equal(await say(world, '{ "method": "echo", "params": ["Hello JSON-RPC"], "id": 1}'), {
    result: "Hello JSON-RPC",
    error: null,
    id: 1,
  });
});

test("the example of a chat: answers with the ids of their requests, notifications with null are run and not answered", async () => {
  await using world = await rpcWorld();
  assert.equal(await say(world, '{ "method": "get_data", "params": [], "id": 99}'), {
    result: ["hello", 5],
    error: null,
    id: 99,
  });
  const notification = '{ "method": "notify_hello", "params": [7], "id": null}';
  const answer = await post(world, notification);
  assert.equal([answer.status, answer.body], [204, ""]);
  await eventually(() => world.api.calls.length === 2);
  assert.equal(world.api.calls[1], { name: "notify_hello", params: { x: 7 } });
  assert.is(await say(world, one("foobar", [], null)), undefined);
  assert.is(await say(world, one("throws", [], null)), undefined);
});

test("an error has a null result beside it, and a result a null error", async () => {
  await using world = await rpcWorld();
  const unknown = await say(world, one("foobar", []));
  assert.equal(Object.keys(unknown).sort(), ["error", "id", "result"]);
  assert.equal(bare(unknown), { id: 1, result: null, error: -32601 });
  const missing = await say(world, one("find", []));
  assert.equal([missing.result, missing.error.data.code], [null, "BELFRY_NOT_FOUND"]);
  assert.equal(await say(world, one("nothing", [])), { id: 1, result: null, error: null });
});

test("an id may be any value and comes back as it was", async () => {
  await using world = await rpcWorld();
  for (const id of ["a", 0, -1, 1.5, true, false, [1, null], { a: { b: [] } }, ""]) {
    assert.equal(await say(world, one("get_data", [], id)), { id, result: ["hello", 5], error: null });
  }
  const inexact = await say(world, '{"method":"get_data","params":[],"id":12345678901234567890}');
  assert.equal(bare(inexact), { id: null, result: null, error: -32600 });
});

test("all three members are needed, and parameters are an array", async () => {
  await using world = await rpcWorld();
  const refused = { result: null, error: -32600 };
  assert.equal(bare(await say(world, { params: [], id: 1 })), { id: 1, ...refused });
  assert.equal(bare(await say(world, { method: "get_data", id: 1 })), { id: 1, ...refused });
  assert.equal(bare(await say(world, { method: "get_data", params: [] })), { id: null, ...refused });
  assert.equal(bare(await say(world, one("get_data", {}))), { id: 1, ...refused });
  assert.equal(bare(await say(world, one("get_data", null))), { id: 1, ...refused });
  assert.equal(bare(await say(world, { method: 1, params: [], id: "x" })), { id: "x", ...refused });
  assert.equal(bare(await say(world, "{}")), { id: null, ...refused });
  assert.equal(world.api.calls, []);
});

test("parameters go by position, or by name in a single object", async () => {
  await using world = await rpcWorld();
  assert.is((await say(world, one("subtract", [42, 23]))).result, 19);
  assert.is((await say(world, one("subtract", [{ subtrahend: 23, minuend: 42 }]))).result, 19);
  assert.equal((await say(world, one("echo", [{ value: 7 }]))).result, 7);
  assert.equal((await say(world, one("echo", [{ other: 7 }]))).result, { other: 7 });
  assert.equal((await say(world, one("echo", [[{ value: 7 }]]))).result, [{ value: 7 }]);
  assert.is((await say(world, one("subtract", [1, 2, 3]))).error.code, -32602);
  assert.is((await say(world, one("subtract", [{ minuend: 1 }]))).error.code, -32602);
});

test("a member __proto__ among the parameters changes nothing", async () => {
  await using world = await rpcWorld();
  const answer = await say(world, '{"method":"echo","params":[{"__proto__":{"value":"polluted"}}],"id":1}');
  assert.equal(JSON.stringify(answer.result), '{"__proto__":{"value":"polluted"}}');
  assert.is(({} as { value?: unknown }).value, undefined);
});

test("it has no batches: in an array every request is one of 2.0", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, [one("get_data", [])])), [{ jsonrpc: "2.0", id: 1, error: -32600 }]);
});

test("version 2.0 is asked by its member, whatever is in it", async () => {
  await using world = await rpcWorld();
  for (const jsonrpc of ["1.0", 2, null, ""]) {
    assert.equal(bare(await say(world, { jsonrpc, ...one("get_data", []) })), { jsonrpc: "2.0", id: 1, error: -32600 });
  }
  assert.equal(await say(world, { version: "1.1", ...one("get_data", []) }), {
    id: 1,
    result: ["hello", 5],
    error: null,
  });
});

test("a handler that throws is an internal error without its words", async () => {
  await using world = await rpcWorld();
  for (const name of ["throws", "throws.nothing", "unsendable"]) {
    const answer = await say(world, one(name, []));
    assert.equal(bare(answer), { id: 1, result: null, error: -32603 }, name);
    assert.not.match(JSON.stringify(answer), "secret");
  }
});

test("who has spent its budget is told by the status too, when the request came alone", async () => {
  const api = exampleApi();
  const { BelfryError } = await import("belfry");
  api.call = async () => {
    throw new BelfryError(
      "BELFRY_BUDGET_SPENT",
      { what: "w", why: "y", fix: "f" },
      { details: [{ path: "retryAfterSeconds", message: "3" }] },
    );
  };
  await using world = await rpcWorld({}, api);
  for (const request of [one("get_data", []), { jsonrpc: "2.0", ...one("get_data", []) }]) {
    const answer = await post(world, JSON.stringify(request));
    assert.equal([answer.status, answer.headers["retry-after"]], [429, "3"]);
    assert.is(JSON.parse(answer.body).error.code, -32009);
  }
  const batch = await post(world, JSON.stringify([{ jsonrpc: "2.0", ...one("get_data", []) }]));
  assert.equal([batch.status, JSON.parse(batch.body)[0].error.code], [200, -32009]);
});

test.run();
