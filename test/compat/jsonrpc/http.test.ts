import { jsonrpc } from "@belfry/jsonrpc";
import { z } from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, eventually, FakeApi, Line, method, rejects, World } from "../../plugins/http/world.ts";
import { bare, exampleApi, post, rpcWorld, say } from "./world.ts";

const test = suite("JSON-RPC over HTTP");

const request = '{"jsonrpc":"2.0","id":1,"method":"get_data"}';
const result = '{"jsonrpc":"2.0","id":1,"result":["hello",5]}';
const codeOf = (body: string) => JSON.parse(body).error.data.code;

test("an answer is JSON with a length, and is not to be stored", async () => {
  await using world = await rpcWorld();
  const answer = await post(world, request);
  assert.is(answer.body, result);
  assert.is(answer.headers["content-type"], "application/json; charset=utf-8");
  assert.is(answer.headers["content-length"], String(result.length));
  assert.is(answer.headers["cache-control"], "no-store");
});

test("a notification is answered with 204 and no body", async () => {
  await using world = await rpcWorld();
  const answer = await post(world, '{"jsonrpc":"2.0","method":"get_data"}');
  assert.equal([answer.status, answer.body, answer.headers["content-type"]], [204, "", undefined]);
});

test("only POST is allowed", async () => {
  await using world = await rpcWorld();
  for (const name of ["GET", "PUT", "DELETE", "PATCH"]) {
    const answer = await ask(`${world.url}/rpc`, { method: name });
    assert.equal([answer.status, answer.headers.allow], [405, "POST"], name);
    assert.is(codeOf(answer.body), "BELFRY_HTTP_METHOD_REFUSED");
  }
  assert.is((await ask(`${world.url}/rpc/more`, { method: "POST", body: request })).status, 404);
});

test("a body is taken as JSON by its type, in UTF-8", async () => {
  await using world = await rpcWorld();
  for (const type of [
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
    "application/json-rpc",
  ]) {
    assert.is((await post(world, request, { "content-type": type })).body, result, type);
  }
  for (const type of [
    "text/plain",
    "text/xml",
    "multipart/form-data; boundary=x",
    "application/json; charset=latin1",
    "json",
  ]) {
    const answer = await post(world, request, { "content-type": type });
    assert.equal([answer.status, codeOf(answer.body)], [415, "BELFRY_JSONRPC_MEDIA_TYPE"], type);
  }
  assert.is(world.api.calls.length, 4);
});

test("curl's default type, or none, is taken from a program and not from a browser", async () => {
  await using world = await rpcWorld();
  const types = [{ "content-type": "application/x-www-form-urlencoded" }, {}];
  for (const headers of types) {
    const send = (more: Record<string, string> = {}) =>
      ask(`${world.url}/rpc`, {
        method: "POST",
        body: request,
        headers: { host: `localhost:${world.port}`, ...headers, ...more },
      });
    assert.is((await send()).body, result);
    assert.is((await send({ origin: `http://localhost:${world.port}` })).status, 415);
    assert.is((await send({ "sec-fetch-site": "same-origin" })).status, 415);
    assert.is((await send({ origin: "https://evil.example" })).status, 403);
  }
  assert.is(world.api.calls.length, 2);
});

test("a foreign Host or Origin is refused in JSON-RPC's form, and nothing is run", async () => {
  await using world = await rpcWorld();
  const host = await post(world, request, { host: "evil.example" });
  assert.equal([host.status, bare(JSON.parse(host.body))], [421, { jsonrpc: "2.0", id: null, error: -32003 }]);
  const origin = await post(world, request, { origin: "https://evil.example" });
  assert.equal([origin.status, codeOf(origin.body)], [403, "BELFRY_HTTP_ORIGIN_REFUSED"]);
  const site = await post(world, request, { "sec-fetch-site": "cross-site" });
  assert.is(site.status, 403);
  assert.equal(world.api.calls, []);
});

test("control needs a token, reading does not if the API allows it", async () => {
  await using world = await rpcWorld();
  const stop = { jsonrpc: "2.0", id: 1, method: "builds.stop", params: { id: 7 } };
  const refused = await say(world, stop);
  assert.equal([refused.error.code, refused.error.data.code], [-32002, "BELFRY_FORBIDDEN"]);
  assert.equal(world.api.calls, []);
  assert.is((await say(world, stop, { authorization: "Bearer belfry_right" })).result, "stopped");
  world.api.anonymousScopes = [];
  assert.is((await say(world, request)).error.code, -32002);
});

test("a wrong token is answered with 401 and runs nothing, also what anonymous may do", async () => {
  await using world = await rpcWorld();
  const answer = await post(world, request, { authorization: "Bearer belfry_wrong" });
  assert.is(answer.status, 401);
  assert.match(answer.headers["www-authenticate"] as string, "Bearer");
  assert.equal(bare(JSON.parse(answer.body)), { jsonrpc: "2.0", id: null, error: -32001 });
  assert.equal(world.api.calls, []);
});

test("an oversized body is refused with 413, by its length and in chunks", async () => {
  await using world = await rpcWorld();
  const large = `{"jsonrpc":"2.0","id":1,"method":"echo","params":["${"x".repeat(1_048_576)}"]}`;
  for (const headers of [{}, { "transfer-encoding": "chunked" }] as Record<string, string>[]) {
    const answer = await post(world, large, headers);
    assert.equal([answer.status, bare(JSON.parse(answer.body))], [413, { jsonrpc: "2.0", id: null, error: -32005 }]);
  }
  assert.equal(world.api.calls, []);
  assert.is((await say(world, large.replace(/x{1000}/, ""))).error, undefined);
});

test("a slow body is refused with 408", async () => {
  await using world = await rpcWorld();
  using line = new Line(world.port).send(
    "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
  );
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 408 [\s\S]*BELFRY_HTTP_BODY_SLOW/);
});

test("deep JSON is refused before it is parsed, and what is deep enough is not", async () => {
  await using world = await rpcWorld();
  const nested = (depth: number, open = "[", close = "]") =>
    `{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":${open.repeat(depth)}${close.repeat(depth)}}}`;
  for (const body of [nested(100_000), "[".repeat(100_000), '{"a":'.repeat(100_000), nested(63)]) {
    const answer = await say(world, body);
    assert.equal([answer.id, answer.error.code, answer.error.data.code], [null, -32600, "BELFRY_JSONRPC_TOO_DEEP"]);
  }
  assert.is((await say(world, nested(62))).error, undefined);
  assert.is(
    (
      await say(
        world,
        JSON.stringify({ jsonrpc: "2.0", id: 1, method: "echo", params: { value: '[[[["\\'.repeat(1_000) } }),
      )
    ).error,
    undefined,
  );
});

test("JSON of too many small parts is refused before it is parsed", async () => {
  await using world = await rpcWorld({ valueLimit: 1_000 });
  const echo = (value: string) => `{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":${value}}}`;
  const members = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`;
  for (const value of [`[${"{},".repeat(1_000)}1]`, `[${"1,".repeat(1_000)}1]`, members(1_000)]) {
    assert.is((await say(world, echo(value))).error.data.code, "BELFRY_JSONRPC_TOO_MANY_VALUES");
  }
  assert.is((await say(world, echo(members(490)))).error, undefined);
  assert.is((await say(world, echo(`[${"1,".repeat(900)}1]`))).error, undefined);
  assert.is((await say(world, echo(JSON.stringify("{:[,".repeat(5_000))))).error, undefined);
});

test("malformed, empty and non-UTF-8 bodies are parse errors", async () => {
  await using world = await rpcWorld();
  const parse = { jsonrpc: "2.0", id: null, error: -32700 };
  const echo = (value: Buffer) =>
    Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"echo","params":["'), value, Buffer.from('"]}')]);
  for (const body of [
    "",
    " ",
    "{",
    "}",
    "[",
    "nonsense",
    '{"a":1}}',
    "{'a':1}",
    "NaN",
    '"\\',
    "\ufeff\ufeff1",
    "\u0000",
  ]) {
    assert.equal(bare(await say(world, body)), parse, JSON.stringify(body));
  }
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    assert.equal(bare(await say(world, echo(Buffer.from(bytes)))), parse, bytes.join());
  }
  assert.is((await say(world, echo(Buffer.from("é😀")))).result, "é😀");
  assert.equal(await say(world, `\ufeff${request}`), JSON.parse(result));
  assert.is((await say(world, Buffer.from(request, "utf16le"))).error.code, -32700);
});

test("the signal of a call aborts when its client has gone", async () => {
  let signal: AbortSignal | undefined;
  const api = new FakeApi([
    method("wait", z.object({}), (_params, given) => {
      signal = given;
      return new Promise((_resolve, reject) => given.addEventListener("abort", () => reject(given.reason)));
    }),
  ]);
  await using world = await rpcWorld({}, api);
  const body = '{"jsonrpc":"2.0","id":1,"method":"wait"}';
  const line = new Line(world.port).send(
    `POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await eventually(() => signal !== undefined);
  assert.is(signal?.aborted, false);
  line.socket.destroy();
  await eventually(() => signal?.aborted === true);
  assert.is((await say(world, request)).error.code, -32601);
  assert.not.ok(world.log.some(({ level }) => level === "error"));
});

test("stopping lets a running call end and leaves the path free", async () => {
  const release = Promise.withResolvers<void>();
  let entered = false;
  const api = new FakeApi([
    method("wait", z.object({}), async () => {
      entered = true;
      await release.promise;
      return "done";
    }),
  ]);
  await using world = await rpcWorld({}, api);
  const running = say(world, '{"jsonrpc":"2.0","id":1,"method":"wait"}');
  await eventually(() => entered);
  const stop = world.services[1]?.stop();
  const refused = await post(world, request);
  assert.equal([refused.status, codeOf(refused.body)], [503, "BELFRY_HTTP_STOPPING"]);
  release.resolve();
  assert.is((await running).result, "done");
  await stop;
  assert.is((await post(world, request)).status, 404);
  await world.services[1]?.stop();
});

test("another path can be chosen, and one that is taken is an error", async () => {
  await using world = await rpcWorld({ path: "/api/rpc" });
  assert.is((await ask(`${world.url}/api/rpc`, { method: "POST", body: request })).body, result);
  assert.match((await ask(world.url)).body, "/api/rpc  (POST)  JSON-RPC 2.0");
  const second = world.create(jsonrpc, { path: "/api/rpc" });
  assert.is(
    ((await rejects(second.start(new AbortController().signal))) as { code: string }).code,
    "BELFRY_HTTP_PATH_TAKEN",
  );
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(exampleApi(), []);
  const service = world.create(jsonrpc, {});
  await service.stop();
  const error = (await rejects(service.start(new AbortController().signal))) as { code: string; fix: string };
  assert.is(error.code, "BELFRY_JSONRPC_NO_HTTP");
  assert.match(error.fix, "http()");
});

/** What `/rpc` may say to any bytes. */
function isProper(status: number, body: string, type: string | undefined): boolean {
  if (status === 204) return body === "";
  if (status !== 200 && !(status >= 400 && status < 500)) return false;
  if (!/^application\/json/.test(type ?? "")) return false;
  const answers = [JSON.parse(body)].flat();
  if (answers.length === 1 && !("jsonrpc" in answers[0])) return isProperOne(answers[0]);
  return (
    answers.length > 0 &&
    answers.every((answer) => answer.jsonrpc === "2.0" && "id" in answer && "result" in answer !== "error" in answer)
  );
}

function isProperOne(answer: object): boolean {
  const { result, error } = answer as { result: unknown; error: unknown };
  return Object.keys(answer).sort().join() === "error,id,result" && (result === null || error === null);
}

test("no bytes make /rpc say anything but an answer of JSON-RPC", async () => {
  await using world = await rpcWorld();
  const members = fc.record(
    {
      jsonrpc: fc.oneof(fc.constant("2.0"), fc.jsonValue()),
      id: fc.oneof(fc.integer(), fc.constant(null), fc.jsonValue()),
      method: fc.oneof(fc.constantFrom("echo", "subtract", "throws", "builds.stop", "__proto__"), fc.jsonValue()),
      params: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const requests = fc
    .oneof(members, fc.array(members, { maxLength: 5 }), fc.jsonValue())
    .map((value) => Buffer.from(JSON.stringify(value)));
  const damaged = fc.tuple(requests, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[at % copy.length] = byte;
    return copy;
  });
  const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(requests, damaged, any), async (body) => {
      const answer = await post(world, body);
      assert.ok(
        isProper(answer.status, answer.body, answer.headers["content-type"]),
        `${answer.status} ${answer.body}`,
      );
    }),
    { numRuns: 500 },
  );
  assert.equal(bare(await say(world, request)), JSON.parse(result));
});

test.run();
