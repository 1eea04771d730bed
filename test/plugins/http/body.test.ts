import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, Line, serving, type World } from "./world.ts";

const test = suite("http bodies");

function withSink(world: World, limit?: number): World {
  world.server.mount("/sink", {
    title: "t",
    describe: "d",
    methods: ["POST"],
    handler: async (ctx) => {
      ctx.body = `${(await world.server.body(ctx, limit)).length}`;
    },
  });
  return world;
}

const head = (more: string) => `POST /sink HTTP/1.1\r\nHost: localhost\r\n${more}\r\n\r\n`;

test("a body is read whole, with and without a length, empty too", async () => {
  await using world = withSink(await serving());
  const send = async (body: string, headers = {}) =>
    (await ask(`${world.url}/sink`, { method: "POST", body, headers })).body;
  assert.is(await send("x".repeat(300_000)), "300000");
  assert.is(await send("x".repeat(1_048_576)), "1048576");
  assert.is(await send("x".repeat(300_000), { "transfer-encoding": "chunked" }), "300000");
  assert.is(await send(""), "0");
});

test("a body over the limit is refused with 413 by its length, before it is read", async () => {
  await using world = withSink(await serving({ bodyLimit: 1_000 }));
  using line = new Line(world.port).send(head("Content-Length: 1001"));
  await line.until(/\r\n\r\n\{.*BELFRY_HTTP_BODY_TOO_LARGE/);
  assert.match(line.received, /^HTTP\/1\.1 413 /);
});

test("a chunked body over the limit is refused with 413 when it passes it", async () => {
  await using world = withSink(await serving({ bodyLimit: 1_000 }));
  using line = new Line(world.port).send(head("Transfer-Encoding: chunked"));
  for (let i = 0; i < 3; i++) line.send(`190\r\n${"x".repeat(400)}\r\n`);
  await line.until(/BELFRY_HTTP_BODY_TOO_LARGE/);
  assert.match(line.received, /^HTTP\/1\.1 413 /);
});

test("a client that sends all of an oversized body still reads the answer, and may go on", async () => {
  await using world = withSink(await serving({ bodyLimit: 1_000 }));
  const answer = await ask(`${world.url}/sink`, { method: "POST", body: "x".repeat(8_000_000) });
  assert.is(answer.status, 413);
  using line = new Line(world.port).send(head("Content-Length: 2000")).send("x".repeat(2_000));
  await line.until(/^HTTP\/1\.1 413 /);
  line.send(head("Content-Length: 3\r\nConnection: close")).send("abc");
  await line.closed;
  assert.match(line.received, /HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n3$/);
});

test("a client that never stops sending is cut off", async () => {
  await using world = withSink(await serving({ bodyLimit: 1_000 }));
  using line = new Line(world.port).send(head("Transfer-Encoding: chunked"));
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  const pump = () => {
    while (!line.socket.destroyed && line.socket.writable)
      if (!line.socket.write(chunk)) return void line.socket.once("drain", pump);
  };
  pump();
  await line.closed;
});

test("a body that does not arrive in time is refused with 408 and the connection closed", async () => {
  await using world = withSink(await serving({ bodyTimeout: 100 }));
  using line = new Line(world.port).send(head("Content-Length: 10")).send("half");
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 408 /);
  assert.match(line.received, "BELFRY_HTTP_BODY_SLOW");
});

test("an encoded body is refused with 415", async () => {
  await using world = withSink(await serving());
  const answer = await ask(`${world.url}/sink`, { method: "POST", body: "x", headers: { "content-encoding": "gzip" } });
  assert.equal([answer.status, JSON.parse(answer.body).error.code], [415, "BELFRY_HTTP_BODY_ENCODED"]);
});

test("a client that asks before it sends is told to go on, or refused without sending", async () => {
  await using world = withSink(await serving({ bodyLimit: 1_000 }));
  using fine = new Line(world.port).send(head("Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close"));
  await fine.until(/^HTTP\/1\.1 100 Continue\r\n/);
  fine.send("abc");
  await fine.closed;
  assert.match(fine.received, /HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n3$/);
  using large = new Line(world.port).send(head("Content-Length: 1001\r\nExpect: 100-continue"));
  await large.closed;
  assert.match(large.received, /^HTTP\/1\.1 413 /);
});

test("a plugin may set a limit of its own", async () => {
  await using world = withSink(await serving({ bodyLimit: 10 }), 20);
  const status = async (length: number) =>
    (await ask(`${world.url}/sink`, { method: "POST", body: "x".repeat(length) })).status;
  assert.is(await status(20), 200);
  assert.is(await status(21), 413);
});

test("a body that breaks off is no body", async () => {
  await using world = await serving();
  let outcome: unknown;
  const read = new Promise<void>((resolve) => {
    world.server.mount("/sink", {
      title: "t",
      describe: "d",
      methods: ["POST"],
      handler: async (ctx) => {
        outcome = await world.server.body(ctx).catch((error) => error.code);
        resolve();
      },
    });
  });
  const line = new Line(world.port).send(head("Content-Length: 10")).send("half");
  await new Promise((resolve) => setTimeout(resolve, 50));
  line.socket.destroy();
  await read;
  assert.is(outcome, "BELFRY_HTTP_BODY_BROKEN");
});

test("a broken chunk is answered with 400", async () => {
  await using world = withSink(await serving());
  using line = new Line(world.port).send(head("Transfer-Encoding: chunked")).send("zz\r\nnonsense\r\n");
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 400 /);
});

test("contradicting lengths, the way to smuggle requests, are refused", async () => {
  await using world = withSink(await serving());
  for (const more of [
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Content-Length: 3\r\nContent-Length: 4",
    "Transfer-Encoding: x, chunked\r\nContent-Length: 1",
  ]) {
    using line = new Line(world.port).send(head(more)).send("abc");
    await line.closed;
    assert.match(line.received, /^HTTP\/1\.1 400 /, more);
  }
});

test.run();
