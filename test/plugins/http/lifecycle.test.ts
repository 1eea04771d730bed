import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, eventually, http, Line, rejects, serving, World } from "./world.ts";

const test = suite("http start and stop");

const get = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";

function slow(world: World, answer: Promise<unknown>) {
  const seen = { count: 0, signals: [] as AbortSignal[] };
  world.server.mount("/slow", {
    title: "t",
    describe: "d",
    handler: async (ctx) => {
      seen.count++;
      seen.signals.push(ctx.state.signal);
      await answer;
      ctx.body = "done";
    },
  });
  return seen;
}

test("the server listens at this machine's own address unless told otherwise, and says where", async () => {
  const { host, port } = http.definition.options.parse({});
  assert.equal([host, port], ["127.0.0.1", 8010]);
  await using world = new World();
  assert.is(world.server.url, undefined);
  const service = await world.start(http, { port: 0 });
  assert.match(world.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.ok(world.log.some(({ level, fields }) => level === "info" && fields.url === world.url));
  assert.not.ok(world.log.some(({ level }) => level === "warn"));
  await service.stop();
  assert.is(world.server.url, undefined);
});

test("a server that other machines can reach says so in the log", async () => {
  await using world = await serving({ host: "0.0.0.0" });
  assert.ok(world.log.some(({ level, message }) => level === "warn" && message.includes("other machines")));
});

test("IPv6 has brackets in the address", async () => {
  await using world = new World();
  const service = world.create(http, { host: "::1", port: 0 });
  const outcome = await service.start(new AbortController().signal).then(
    () => "started",
    (error) => error.code,
  );
  if (outcome === "BELFRY_HTTP_HOST_UNKNOWN") return;
  world.services.push(service);
  assert.match(world.url, /^http:\/\/\[::1\]:\d+$/);
  assert.is((await ask(`${world.url}/health`)).status, 200);
});

test("what is mounted before the start and what is mounted after it are both answered", async () => {
  await using world = new World();
  world.server.mount("/early", {
    title: "t",
    describe: "d",
    handler: (ctx) => {
      ctx.body = "early";
    },
  });
  await world.start(http, { port: 0 });
  world.server.mount("/late", {
    title: "t",
    describe: "d",
    handler: (ctx) => {
      ctx.body = "late";
    },
  });
  assert.is((await ask(`${world.url}/early`)).body, "early");
  assert.is((await ask(`${world.url}/late`)).body, "late");
});

test("a port in use is an error that says what to do, and nothing stays open", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  await using world = new World();
  const service = world.create(http, { port });
  const error = (await rejects(service.start(new AbortController().signal))) as {
    code: string;
    what: string;
    fix: string;
  };
  assert.is(error.code, "BELFRY_HTTP_PORT_IN_USE");
  assert.match(error.what, String(port));
  assert.is(world.server.url, undefined);
  await service.stop();
  await new Promise((resolve) => other.close(resolve));
  await service.start(new AbortController().signal);
  world.services.push(service);
  assert.is(world.port, port);
});

test("a host that is not this machine's is an error of its own", async () => {
  await using world = new World();
  for (const host of ["192.0.2.1", "no-such-host.invalid"]) {
    const error = (await rejects(world.create(http, { host, port: 0 }).start(new AbortController().signal))) as {
      code: string;
    };
    assert.is(error.code, "BELFRY_HTTP_HOST_UNKNOWN");
  }
});

test("a start that was called off rejects and listens nowhere", async () => {
  await using world = new World();
  const aborted = world.create(http, { port: 0 });
  await rejects(aborted.start(AbortSignal.abort(new Error("off"))));
  const controller = new AbortController();
  const service = world.create(http, { port: 0 });
  const started = service.start(controller.signal);
  controller.abort(new Error("called off"));
  assert.is(((await rejects(started)) as Error).message, "called off");
  assert.is(world.server.url, undefined);
});

test("stop is harmless before start and when called twice", async () => {
  await using world = new World();
  const service = world.create(http, { port: 0 });
  await service.stop();
  await service.start(new AbortController().signal);
  await Promise.all([service.stop(), service.stop()]);
  await service.stop();
});

test("a server can be started again after its stop", async () => {
  await using world = new World();
  const service = world.create(http, { port: 0 });
  await service.start(new AbortController().signal);
  await service.stop();
  await service.start(new AbortController().signal);
  world.services.push(service);
  assert.is((await ask(`${world.url}/health`)).status, 200);
});

test("stop lets a running request end, and takes no new ones meanwhile", async () => {
  await using world = await serving({ grace: 10_000 });
  const [service] = world.services;
  const { port } = world;
  const release = Promise.withResolvers<void>();
  const seen = slow(world, release.promise);
  using idle = new Line(port).send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await idle.until(/ok\n$/);
  using running = new Line(port).send(get);
  await eventually(() => seen.count === 1);
  let stopped = false;
  const stop = service?.stop().then(() => {
    stopped = true;
  });
  await idle.closed;
  using late = new Line(port);
  await late.closed;
  assert.is(late.received, "");
  running.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.is(stopped, false);
  assert.is(seen.signals[0]?.aborted, false);
  release.resolve();
  await running.closed;
  await stop;
  assert.match(running.received, /^HTTP\/1\.1 200 OK[\s\S]*Connection: close[\s\S]*done/i);
});

test("a request that outlasts the time of grace is aborted and its connection closed", async () => {
  await using world = await serving({ grace: 50 });
  const seen = slow(world, new Promise((resolve) => setTimeout(resolve, 400)));
  using line = new Line(world.port).send(get);
  await eventually(() => seen.count === 1);
  await world.services[0]?.stop();
  assert.is(seen.signals[0]?.aborted, true);
  await line.closed;
  assert.is(line.received, "");
  assert.ok(world.log.some(({ level, message }) => level === "warn" && message.includes("cut off")));
});

test("a handler that never ends does not keep the server from stopping", async () => {
  await using world = await serving({ grace: 20 });
  const seen = slow(world, new Promise(() => {}));
  using line = new Line(world.port).send(get);
  await eventually(() => seen.count === 1);
  await world.services[0]?.stop();
  await line.closed;
  assert.ok(world.log.some(({ message }) => message.includes("do not end")));
});

test("connections that sent nothing, or half a head, do not keep the server from stopping", async () => {
  await using world = await serving({ grace: 60_000 });
  using silent = new Line(world.port);
  using half = new Line(world.port).send("GET / HT");
  await eventually(() => silent.socket.readyState === "open" && half.socket.readyState === "open");
  await world.services[0]?.stop();
  await Promise.all([silent.closed, half.closed]);
});

test("the signal of a request aborts when its client goes away, and not when it was answered", async () => {
  await using world = await serving();
  const release = Promise.withResolvers<void>();
  const seen = slow(world, release.promise);
  const gone = new Line(world.port).send(get);
  await eventually(() => seen.count === 1);
  gone.socket.destroy();
  await eventually(() => seen.signals[0]?.aborted === true);
  using stays = new Line(world.port).send(get);
  await eventually(() => seen.count === 2);
  release.resolve();
  await stays.until(/done$/);
  stays.socket.destroy();
  await stays.closed;
  await ask(`${world.url}/health`);
  assert.is(seen.signals[1]?.aborted, false);
  assert.not.ok(world.log.some(({ level }) => level === "error"));
});

test("a path that is given back refuses new requests, waits for running ones, and then is unknown", async () => {
  await using world = await serving({ grace: 10_000 });
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const unmount = world.server.mount("/slow", {
    title: "t",
    describe: "d",
    handler: async (ctx) => {
      entered.resolve();
      await release.promise;
      ctx.body = "done";
    },
  });
  const running = ask(`${world.url}/slow`);
  await entered.promise;
  let left = false;
  const leaving = unmount().then(() => {
    left = true;
  });
  const refused = await ask(`${world.url}/slow`);
  assert.equal([refused.status, refused.headers["retry-after"]], [503, "1"]);
  assert.is(left, false);
  release.resolve();
  assert.is((await running).body, "done");
  await leaving;
  assert.is((await ask(`${world.url}/slow`)).status, 404);
});

test("more connections than allowed are closed, and the others go on", async () => {
  await using world = await serving({ maxConnections: 2 });
  using first = new Line(world.port).send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await first.until(/ok\n$/);
  using second = new Line(world.port).send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await second.until(/ok\n$/);
  using third = new Line(world.port);
  await third.closed;
  first.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await first.until(/ok\n[\s\S]*ok\n$/);
});

test("a client that does not take its answer is cut off, one that waits for it is not", async () => {
  await using world = await serving({ stallTimeout: 100 });
  const signals: AbortSignal[] = [];
  world.server.mount("/large", {
    title: "t",
    describe: "d",
    handler: (ctx) => {
      signals.push(ctx.state.signal);
      ctx.body = "x".repeat(50_000_000);
    },
  });
  using stalled = new Line(world.port);
  stalled.socket.pause();
  stalled.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await eventually(() => signals[0]?.aborted === true);
  const release = Promise.withResolvers<void>();
  slow(world, release.promise);
  using patient = new Line(world.port).send(get);
  setTimeout(release.resolve, 400);
  await patient.until(/done$/);
});

test("an idle connection is closed after its time", async () => {
  await using world = await serving({ keepAliveTimeout: 50 });
  using line = new Line(world.port).send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await line.until(/ok\n$/);
  await line.closed;
});

test("wrong options are refused, each with its path", () => {
  const faultsOf = (options: object) =>
    http.definition.options.safeParse(options).error?.issues.map(({ path }) => path.join("."));
  assert.equal(
    faultsOf({
      port: 70_000,
      host: "",
      trustedHosts: ["a b"],
      allowedOrigins: ["dash.example"],
      bodyLimit: 0,
      grace: "soon",
    }),
    ["host", "port", "trustedHosts.0", "allowedOrigins.0", "bodyLimit", "grace"],
  );
  assert.is(http.definition.options.safeParse({ prot: 80 }).success, false);
});

test.run();
