import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask } from "../../plugins/http/world.ts";
import { bare, exampleApi, rpcWorld, type Said, say } from "./world.ts";

const test = suite("JSON-RPC requests");

const call = (method: string, more: object = { id: 1 }) => ({ jsonrpc: "2.0", method, ...more });

test("a null id is the id of a request, and is answered", async () => {
  await using world = await rpcWorld();
  assert.equal(await say(world, call("get_data", { id: null })), { jsonrpc: "2.0", id: null, result: ["hello", 5] });
  assert.equal(bare(await say(world, call("foobar", { id: null }))), { jsonrpc: "2.0", id: null, error: -32601 });
  assert.equal(await say(world, [call("get_data", { id: null }), call("get_data", {}), call("get_data", { id: 0 })]), [
    { jsonrpc: "2.0", id: null, result: ["hello", 5] },
    { jsonrpc: "2.0", id: 0, result: ["hello", 5] },
  ]);
});

test("an id comes back as it was sent, and is refused if that cannot be", async () => {
  await using world = await rpcWorld();
  for (const id of ["", "x", "\u0000é\u2028😀", 0, -1, 1.5, 9007199254740991])
    assert.is((await say(world, call("get_data", { id }))).id, id);
  for (const id of ["9007199254740993", "1e999", "true", "{}", "[1]"]) {
    const answer = await say(world, `{"jsonrpc":"2.0","method":"get_data","id":${id}}`);
    assert.equal(bare(answer), { jsonrpc: "2.0", id: null, error: -32600 }, id);
  }
  assert.is(world.api.calls.length, 7);
});

test("an invalid request keeps its id if that can be read", async () => {
  await using world = await rpcWorld();
  const invalid = { jsonrpc: "2.0", id: "mine", error: -32600 };
  assert.equal(bare(await say(world, { jsonrpc: "2.0", id: "mine", method: 7 })), invalid);
  assert.equal(bare(await say(world, { jsonrpc: "2.0", id: "mine" })), invalid);
  assert.equal(bare(await say(world, { jsonrpc: "2.1", id: "mine", method: "get_data" })), invalid);
  assert.equal(bare(await say(world, { jsonrpc: 2, id: "mine", method: "get_data" })), invalid);
  for (const params of ["text", 1, true, null])
    assert.equal(bare(await say(world, call("get_data", { id: "mine", params }))), invalid);
  assert.equal(bare(await say(world, [{ id: "mine" }, { id: {} }])), [invalid, { ...invalid, id: null }]);
  assert.equal(world.api.calls, []);
});

test("text inside JSON is not taken for a request, nor a batch inside a batch", async () => {
  await using world = await rpcWorld();
  const inner = JSON.stringify(call("get_data"));
  const invalid = { jsonrpc: "2.0", id: null, error: -32600 };
  assert.equal(bare(await say(world, JSON.stringify(inner))), invalid);
  assert.equal(bare(await say(world, [inner])), [invalid]);
  assert.equal(bare(await say(world, [[call("get_data")]])), [invalid]);
  for (const body of ["null", "1", "true", '""']) assert.equal(bare(await say(world, body)), invalid, body);
  assert.equal(world.api.calls, []);
});

test("a method that throws, at once or later, anything, is an internal error without its words", async () => {
  await using world = await rpcWorld();
  for (const name of ["throws", "throws.nothing"]) {
    const answer = await say(world, call(name), { "x-request-id": "r-7" });
    assert.equal(bare(answer), { jsonrpc: "2.0", id: 1, error: -32603 });
    assert.not.match(JSON.stringify(answer), "secret");
    assert.not.match(JSON.stringify(answer), "    at ");
    assert.match(answer.error.data.fix, "r-7");
  }
  const line = world.log.find(({ level }) => level === "error");
  assert.is(line?.fields.requestId, "r-7");
  assert.match(String(line?.fields.stack), "secret");
});

test("an API that throws before it returns a promise does not reach the server", async () => {
  const api = exampleApi();
  api.call = () => {
    throw new Error("not even a promise");
  };
  await using world = await rpcWorld({}, api);
  assert.equal(bare(await say(world, [call("get_data"), call("get_data", {})])), [
    { jsonrpc: "2.0", id: 1, error: -32603 },
  ]);
});

test("a result that is no JSON is an internal error, and no result is null", async () => {
  await using world = await rpcWorld();
  assert.equal(bare(await say(world, [call("unsendable"), call("nothing", { id: 2 })])), [
    { jsonrpc: "2.0", id: 1, error: -32603 },
    { jsonrpc: "2.0", id: 2, result: null },
  ]);
});

test("names that every JavaScript object has are no methods", async () => {
  await using world = await rpcWorld();
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "rpc.other", ""]) {
    assert.equal(bare(await say(world, call(name))), { jsonrpc: "2.0", id: 1, error: -32601 }, name);
  }
});

test("a member named __proto__ changes nothing", async () => {
  await using world = await rpcWorld();
  const request =
    '{"__proto__":{"method":"throws","id":9},"jsonrpc":"2.0","id":1,"method":"echo","params":{"__proto__":{"value":"polluted"}}}';
  assert.equal(await say(world, request), { jsonrpc: "2.0", id: 1, result: null });
  assert.equal(bare(await say(world, '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"get_data"}}')), {
    id: null,
    result: null,
    error: -32600,
  });
  assert.is(({} as { value?: unknown }).value, undefined);
});

test("parameters may be left out, and positions fill names in the schema's order", async () => {
  await using world = await rpcWorld();
  assert.equal((await say(world, call("get_data"))).result, ["hello", 5]);
  assert.equal((await say(world, call("get_data", { id: 1, params: [] }))).result, ["hello", 5]);
  assert.equal((await say(world, call("echo", { id: 1, params: [[1]] }))).result, [1]);
  const tooMany = await say(world, call("subtract", { id: 1, params: [1, 2, 3] }));
  assert.is(tooMany.error.code, -32602);
  assert.match(tooMany.error.data.why, "minuend, subtrahend");
  assert.is((await say(world, call("subtract", { id: 1, params: [1] }))).error.code, -32602);
  assert.is((await say(world, call("subtract", { id: 1, params: ["a", {}] }))).error.code, -32602);
  assert.is((await say(world, call("foobar", { id: 1, params: [1] }))).error.code, -32601);
});

test("errors of the API keep their words and get numbers that clients can match on", async () => {
  await using world = await rpcWorld();
  const missing = await say(world, call("find"));
  assert.equal(missing.error, {
    code: -32004,
    message: "There is no such thing.",
    data: {
      code: "BELFRY_NOT_FOUND",
      what: "There is no such thing.",
      why: "Because of the test.",
      fix: "Change the test.",
      details: [],
    },
  });
  const conflict = await say(world, call("conflict"));
  assert.equal([conflict.error.code, conflict.error.data.code], [-32000, "BELFRY_GIT_CLONE_FAILED"]);
});

test("a parse error says what is wrong, and carries no empty data", async () => {
  await using world = await rpcWorld();
  const { error } = await say(world, '{"a": }');
  assert.is(error.data.code, "BELFRY_JSONRPC_PARSE");
  assert.match(error.data.why, "Unexpected token '}'");
});

test("a batch over the limit is one refusal and nothing of it is run", async () => {
  await using world = await rpcWorld({ batchLimit: 3 });
  const refused = await say(
    world,
    Array.from({ length: 4 }, () => call("get_data")),
  );
  assert.equal(
    [refused.id, refused.error.code, refused.error.data.code],
    [null, -32600, "BELFRY_JSONRPC_BATCH_TOO_LONG"],
  );
  assert.equal(world.api.calls, []);
  assert.is(
    (
      await say(
        world,
        Array.from({ length: 3 }, () => call("echo", { id: 1, params: [[1, 2, 3, [4, 5]]] })),
      )
    ).length,
    3,
  );
});

test("a batch of 100,000 is refused", async () => {
  await using world = await rpcWorld();
  assert.is((await say(world, `[${"1,".repeat(99_999)}1]`)).error.data.code, "BELFRY_JSONRPC_BATCH_TOO_LONG");
  await using wide = await rpcWorld({ bodyLimit: 100_000_000, path: "/wide", valueLimit: 100_000_000 });
  const body = JSON.stringify(Array.from({ length: 100_000 }, (_, id) => call("get_data", { id })));
  const answer = await ask(`${wide.url}/wide`, { method: "POST", body });
  assert.is(JSON.parse(answer.body).error.data.code, "BELFRY_JSONRPC_BATCH_TOO_LONG");
  assert.equal(wide.api.calls, []);
});

test("requests of a batch run a few at a time, and are answered in their order", async () => {
  const api = exampleApi();
  let running = 0;
  let most = 0;
  api.call = async (_name, params) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    running--;
    return params as never;
  };
  await using world = await rpcWorld({ batchConcurrency: 4 }, api);
  const answers = await say(
    world,
    Array.from({ length: 50 }, (_, id) => call("echo", { id, params: { id } })),
  );
  assert.equal(
    answers.map(({ id, result }: Said) => [id, result.id]),
    Array.from({ length: 50 }, (_, id) => [id, id]),
  );
  assert.is(most, 4);
});

test("a long batch gives others a turn", async () => {
  const api = exampleApi();
  const order: unknown[] = [];
  api.call = async (_name, params) => {
    for (const end = performance.now() + 3; performance.now() < end; );
    order.push((params as { who?: string }).who);
    return null;
  };
  await using world = await rpcWorld({}, api);
  const batch = say(
    world,
    Array.from({ length: 100 }, (_, id) => call("echo", { id, params: { who: "batch" } })),
  );
  while (order.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await say(world, call("echo", { id: 1, params: { who: "single" } }));
  await batch;
  assert.ok(order.indexOf("single") < 90, `it had its turn after ${order.indexOf("single")}`);
});

test("the rest of a batch whose answers have grown too large is not run, notifications excepted", async () => {
  await using world = await rpcWorld({ answerLimit: 15_000, batchConcurrency: 1 });
  const answers = await say(world, [
    call("large", { id: 1 }),
    call("large", { id: 2 }),
    call("large", { id: 3 }),
    call("update", {}),
    call("get_data", { id: null }),
  ]);
  assert.equal(
    answers.map((answer: Said) => [answer.id, answer.error?.code]),
    [
      [1, undefined],
      [2, undefined],
      [3, -32005],
      [null, -32005],
    ],
  );
  assert.equal(
    world.api.calls.map(({ name }) => name),
    ["large", "large", "update"],
  );
});

test.run();
