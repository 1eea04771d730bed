import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Line, serving, webSocketWish } from "./world.ts";

const test = suite("http upgrades");

test("a handler gets the socket of an upgrade at its path, and who asks", async () => {
  await using world = await serving();
  world.server.onUpgrade("/live", async ({ socket, caller }) => {
    const { name } = await caller();
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ${name}`);
  });
  using line = new Line(world.port).send(webSocketWish("/live?x=1", "Authorization: Bearer belfry_right\r\n"));
  await line.until(/hello ann$/);
});

test("an upgrade with a foreign Host or Origin is refused before the handler is asked", async () => {
  await using world = await serving();
  let asked = 0;
  world.server.onUpgrade("/live", ({ socket }) => {
    asked++;
    socket.destroy();
  });
  using host = new Line(world.port).send(webSocketWish("/live", "", "evil.example"));
  await host.closed;
  assert.match(host.received, /^HTTP\/1\.1 421 /);
  using origin = new Line(world.port).send(webSocketWish("/live", "Origin: https://evil.example\r\n"));
  await origin.closed;
  assert.match(origin.received, /^HTTP\/1\.1 403 /);
  assert.is(asked, 0);
});

test("a wish to upgrade where nobody offers it is answered as if it was not there", async () => {
  await using world = await serving();
  const release = world.server.onUpgrade("/live", ({ socket }) => void socket.destroy());
  using plain = new Line(world.port).send(webSocketWish("/health"));
  await plain.until(/ok\n$/);
  release();
  using gone = new Line(world.port).send(webSocketWish("/live"));
  await gone.until(/BELFRY_HTTP_PATH_UNKNOWN/);
});

test("an upgraded connection that is still open at the stop is closed", async () => {
  await using world = await serving({ grace: 60_000 });
  world.server.onUpgrade("/live", ({ socket }) => void socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\nopen"));
  using line = new Line(world.port).send(webSocketWish("/live"));
  await line.until(/open$/);
  await world.services[0]?.stop();
  await line.closed;
});

test("a handler of upgrades that throws costs its connection only", async () => {
  await using world = await serving();
  world.server.onUpgrade("/live", () => {
    throw new Error("a secret");
  });
  using line = new Line(world.port).send(webSocketWish("/live"));
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 500 /);
  assert.not.match(line.received, "a secret");
  using next = new Line(world.port).send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await next.until(/ok\n$/);
});

test.run();
