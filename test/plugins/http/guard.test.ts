import { networkInterfaces } from "node:os";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Answer, ask, Line, serving, type World } from "./world.ts";

const test = suite("http host and origin");

function withSink(world: World): World {
  world.server.mount("/sink", {
    title: "t",
    describe: "d",
    methods: ["GET", "POST"],
    handler: (ctx) => {
      ctx.body = "taken";
    },
  });
  return world;
}

const codeOf = (answer: Answer) => (answer.status < 400 ? "taken" : JSON.parse(answer.body).error.code);
const getAs = async (world: World, host: string) => codeOf(await ask(`${world.url}/sink`, { headers: { host } }));
const postFrom = async (world: World, headers: Record<string, string>) =>
  codeOf(
    await ask(`${world.url}/sink`, {
      method: "POST",
      body: "{}",
      headers: { host: `localhost:${world.port}`, ...headers },
    }),
  );

test("the server answers under the names of this machine and the trusted ones", async () => {
  await using world = withSink(await serving({ trustedHosts: ["CI.example.com", "strict.example:8443"] }));
  for (const host of [
    `localhost:${world.port}`,
    `LOCALHOST:${world.port}`,
    `127.0.0.1:${world.port}`,
    `[::1]:${world.port}`,
    "localhost:9000",
    "localhost",
    "ci.example.com",
    "ci.example.com:80",
    "ci.example.com.",
    "strict.example:8443",
  ]) {
    assert.is(await getAs(world, host), "taken", host);
  }
});

test("a foreign, missing or unreadable Host is refused with 421, also for a plain read", async () => {
  await using world = withSink(await serving({ trustedHosts: ["strict.example:8443"] }));
  for (const host of [
    "evil.example",
    `evil.example:${world.port}`,
    "localhost.evil.example",
    "evil.example@localhost",
    "localhost/evil",
    "127.0.0.1.nip.example",
    "10.9.8.7",
    "localhost:99999",
    "localhost:",
    "strict.example",
    "strict.example:80",
    "[::1",
  ]) {
    const answer = await ask(`${world.url}/sink`, { headers: { host } });
    assert.equal([answer.status, codeOf(answer)], [421, "BELFRY_HTTP_HOST_REFUSED"], host);
  }
  for (const lines of [
    "",
    "Host:\r\n",
    "Host: localhost, evil.example\r\n",
    "Host: localhost\r\nhost: evil.example\r\n",
  ]) {
    using line = new Line(world.port).send(`GET /sink HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`);
    await line.closed;
    assert.match(line.received, /^HTTP\/1\.1 421 /, lines);
  }
});

test("a refused Host is named in the message without its control characters and not whole if it is long", async () => {
  await using world = await serving();
  using line = new Line(world.port).send(`GET / HTTP/1.1\r\nHost: ${"e".repeat(500)}\x80\r\nConnection: close\r\n\r\n`);
  await line.closed;
  assert.match(line.received, "eee...");
  assert.not.match(line.received, "e".repeat(200));
});

test("the address that a connection came to is a right Host, whatever the server listens at", async () => {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address !== undefined && !address.internal && address.family === "IPv4")?.address;
  await using world = withSink(await serving({ host: "0.0.0.0" }));
  assert.is(world.url, `http://127.0.0.1:${world.port}`);
  assert.is(await getAs(world, "127.0.0.1"), "taken");
  if (outside === undefined) return;
  const answer = await ask(`http://${outside}:${world.port}/sink`);
  assert.is(codeOf(answer), "taken");
  assert.is(await getAs(world, outside), "BELFRY_HTTP_HOST_REFUSED");
});

test("a request with a foreign Origin is refused with 403, unless it only reads", async () => {
  await using world = withSink(await serving());
  for (const origin of [
    "https://evil.example",
    "null",
    "http://localhost:1",
    "http://localhost",
    `https://localhost.evil:${world.port}`,
    `ftp://localhost:${world.port}`,
    `http://localhost:${world.port}@evil.example`,
    "",
  ]) {
    assert.is(await postFrom(world, { origin }), "BELFRY_HTTP_ORIGIN_REFUSED", origin);
  }
  const get = await ask(`${world.url}/sink`, { headers: { origin: "https://evil.example" } });
  assert.is(get.status, 200);
  assert.is(get.headers["access-control-allow-origin"], undefined);
  const preflight = await ask(`${world.url}/sink`, {
    method: "OPTIONS",
    headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
  });
  assert.is(preflight.status, 403);
});

test("the server's own pages may post, and programs that send no Origin", async () => {
  await using world = withSink(await serving({ trustedHosts: ["ci.example.com"] }));
  const { port } = world;
  assert.is(await postFrom(world, {}), "taken");
  assert.is(await postFrom(world, { origin: `http://localhost:${port}`, "sec-fetch-site": "same-origin" }), "taken");
  assert.is(await postFrom(world, { origin: `http://LOCALHOST:${port}` }), "taken");
  assert.is(await postFrom(world, { "sec-fetch-site": "none" }), "taken");
  assert.is(await postFrom(world, { host: "ci.example.com", origin: "https://ci.example.com" }), "taken");
  assert.is(await postFrom(world, { host: "ci.example.com:443", origin: "https://ci.example.com" }), "taken");
  assert.is(
    await postFrom(world, { host: "ci.example.com:80", origin: "https://ci.example.com" }),
    "BELFRY_HTTP_ORIGIN_REFUSED",
  );
});

test("what a browser marks as sent by another site is refused, unless it only reads", async () => {
  await using world = withSink(await serving());
  assert.is(await postFrom(world, { "sec-fetch-site": "cross-site" }), "BELFRY_HTTP_ORIGIN_REFUSED");
  assert.is(await postFrom(world, { "sec-fetch-site": "same-site" }), "BELFRY_HTTP_ORIGIN_REFUSED");
  const read = await ask(`${world.url}/sink`, { headers: { "sec-fetch-site": "cross-site" } });
  assert.is(read.status, 200);
});

test("an allowed origin may post, and gets the headers that let its page read the answer", async () => {
  await using world = withSink(await serving({ allowedOrigins: ["https://dash.example"] }));
  const headers = { origin: "https://dash.example", "sec-fetch-site": "cross-site" };
  const answer = await ask(`${world.url}/sink`, { method: "POST", body: "{}", headers });
  assert.is(answer.status, 200);
  assert.is(answer.headers["access-control-allow-origin"], "https://dash.example");
  assert.is(answer.headers.vary, "Origin");
  const preflight = await ask(`${world.url}/sink`, {
    method: "OPTIONS",
    headers: { ...headers, "access-control-request-method": "POST" },
  });
  assert.is(preflight.status, 204);
  assert.match(preflight.headers["access-control-allow-headers"] as string, "Authorization");
  assert.is(await postFrom(world, { origin: "https://dash.example.evil" }), "BELFRY_HTTP_ORIGIN_REFUSED");
});

test("forwarded headers are believed only behind a proxy", async () => {
  const headers = { host: "localhost", "x-forwarded-host": "evil.example" };
  {
    await using world = withSink(await serving());
    assert.is((await ask(`${world.url}/sink`, { headers })).status, 200);
  }
  await using world = withSink(await serving({ proxy: true, trustedHosts: ["ci.example.com"] }));
  assert.is((await ask(`${world.url}/sink`, { headers })).status, 421);
  assert.is(
    (await ask(`${world.url}/sink`, { headers: { host: "inner", "x-forwarded-host": "ci.example.com" } })).status,
    200,
  );
});

test.run();
