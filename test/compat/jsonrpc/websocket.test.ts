import { rejects, until } from "@belfry/testkit";
import type { Json } from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Line, webSocketWish } from "../../plugins/http/world.ts";
import { masterWorld, Talker } from "./master-world.ts";
import { bare } from "./world.ts";

const test = suite("JSON-RPC over WebSocket");

const upgrade = (more = "") => webSocketWish("/rpc", more);

/** A frame as a client sends it, masked with zeros. */
function frame(opcode: number, payload: string | Buffer): Buffer {
  const body = Buffer.from(payload);
  const length = body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length, 0, 0, 0, 0]), body]);
}

test("requests of both versions, batches and notifications are answered as by POST", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  const answer = await talker.ask("builders.list", { fields: ["name"] });
  assert.equal(answer.result.items.length, 2);
  talker.send({ method: "builders.get", params: [{ builder: "runtests" }], id: "one" });
  const one = await talker.find(({ id }) => id === "one");
  assert.equal([one.error, one.result.name, "jsonrpc" in one], [null, "runtests", false]);
  talker.send([
    { jsonrpc: "2.0", id: 7, method: "builders.list" },
    { jsonrpc: "2.0", method: "builders.list" },
    { jsonrpc: "2.0", id: 8, method: "nothing.such" },
  ]);
  const batch = await talker.find(Array.isArray);
  assert.equal(
    batch.map(({ id, error }: { id: number; error?: { code: number } }) => [id, error?.code]),
    [
      [7, undefined],
      [8, -32601],
    ],
  );
  talker.send("{");
  talker.send("[]");
  const invalid = await talker.find(({ error }) => error?.code === -32600);
  assert.equal(bare(invalid), { jsonrpc: "2.0", id: null, error: -32600 });
  await talker.find(({ error }) => error?.code === -32700);
  const answers = talker.said.length;
  talker.send({ jsonrpc: "2.0", method: "builders.list" });
  await talker.ask("builders.list");
  assert.is(talker.said.length, answers + 1);
});

test("a subscriber is told what happens, in order and once", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  const { result } = await talker.ask("events.subscribe");
  assert.is(typeof result.since, "string");
  for (let i = 0; i < 20; i++) await world.kit.addChange({ revision: `r${i}` });
  await until(() => talker.events(result.subscription).length >= 20, "the events");
  const events = talker.events(result.subscription);
  assert.equal(
    events.map(({ data }) => data.revision),
    Array.from({ length: 20 }, (_, i) => `r${i}`),
  );
  const told = talker.said.filter(({ method }) => method === "events.event");
  assert.equal(Object.keys(told[0].params).sort(), ["events", "gap", "next", "subscription"]);
  assert.is(told.at(-1).params.next, events.at(-1).position);
  assert.not.ok("id" in told[0]);
});

test("a subscription begins behind the position it names, and fits its filter", async () => {
  await using world = await masterWorld();
  await world.build();
  world.endBuild();
  await world.kit.event("build.finished");
  using talker = await Talker.open(world.wsUrl);
  const wish = { since: "0", types: ["build.", "change.added"], builder: "runtests" };
  const { result } = await talker.ask("events.subscribe", wish);
  await until(() => talker.events(result.subscription).length >= 3, "the events");
  await world.kit.addChange();
  assert.equal(
    talker.events(result.subscription).map(({ type }) => type),
    ["build.assigned", "build.started", "build.finished"],
  );
});

test("one of version 1.0 is told in the form of version 1.0", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  talker.send({ method: "events.subscribe", params: [{ types: ["change."] }], id: 1 });
  const { result } = await talker.find(({ id }) => id === 1);
  await world.kit.addChange({ revision: "abc" });
  const told = await talker.find(({ method }) => method === "events.event");
  assert.equal([told.id, "jsonrpc" in told, told.params.length], [null, false, 1]);
  assert.is(told.params[0].subscription, result.subscription);
  assert.is(told.params[0].events[0].data.revision, "abc");
});

test("a batch of 1,000 events behind a position arrives whole, in order", async () => {
  await using world = await masterWorld();
  for (let i = 0; i < 1_000; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, j) => world.kit.addChange({ revision: `r${i + j}` })));
  }
  using talker = await Talker.open(world.wsUrl);
  const { result } = await talker.ask("events.subscribe", { since: "0", types: ["change."] });
  await until(() => talker.events(result.subscription).length >= 1_000, "the events");
  const positions = talker.events(result.subscription).map(({ position }) => Number(position));
  assert.is(positions.length, 1_000);
  assert.equal(
    positions,
    [...positions].sort((a, b) => a - b),
  );
  assert.is(new Set(positions).size, 1_000);
});

test("a cursor from the future, a broken one and unknown parameters are refused, and nothing is told", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  const codes: string[] = [];
  for (const params of [{ since: "999999" }, { since: "yesterday" }, { until: "1" }, { types: "build." }] as Json[]) {
    const { error } = await talker.ask("events.subscribe", params);
    codes.push(error.data.code);
    assert.is(error.code, -32602);
  }
  assert.equal(codes, [
    "BELFRY_POSITION_AHEAD",
    "BELFRY_CURSOR_INVALID",
    "BELFRY_JSONRPC_PARAMS_INVALID",
    "BELFRY_JSONRPC_PARAMS_INVALID",
  ]);
  await world.kit.addChange();
  await talker.ask("builders.list");
  assert.not.ok(talker.said.some(({ method }) => method !== undefined));
});

test("a cursor from before what is kept is told of a gap, with where it goes on", async () => {
  await using world = await masterWorld();
  for (let i = 0; i < 10; i++) await world.kit.addChange({ revision: `r${i}` });
  const events = await world.kit.events();
  const kept = events.at(-3);
  await world.kit.master.store.write((tx) =>
    tx.db.deleteFrom("events").where("seq", "<", Number(kept.position)).execute(),
  );
  using talker = await Talker.open(world.wsUrl);
  await talker.ask("events.subscribe", { since: events[1].position });
  const told = await talker.find(({ method }) => method === "events.event");
  assert.is(told.params.gap, true);
  await world.kit.addChange({ revision: "later" });
  await until(() => talker.events(1).some(({ data }) => data.revision === "later"), "what comes later");
  assert.is(talker.said.filter(({ params }) => params?.gap).length, 1);
});

test("an ended subscription tells nothing more, and one that is not there cannot be ended", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  const first = (await talker.ask("events.subscribe")).result.subscription;
  const second = (await talker.ask("events.subscribe")).result.subscription;
  assert.is((await talker.ask("events.unsubscribe", { subscription: first })).result, true);
  await world.kit.addChange();
  await until(() => talker.events(second).length === 1, "the event");
  assert.equal(talker.events(first), []);
  for (const [method, subscription] of [
    ["events.unsubscribe", first],
    ["events.unsubscribe", 99],
    ["logs.unfollow", second],
  ] as const) {
    assert.is((await talker.ask(method, { subscription })).error.data.code, "BELFRY_JSONRPC_SUBSCRIPTION_UNKNOWN");
  }
});

test("a connection has a limit of subscriptions, which ended ones do not count for", async () => {
  await using world = await masterWorld({ options: { subscriptionLimit: 2 } });
  using talker = await Talker.open(world.wsUrl);
  const { subscription } = (await talker.ask("events.subscribe")).result;
  await talker.ask("events.subscribe", { since: "nonsense" });
  await talker.ask("events.subscribe");
  assert.is((await talker.ask("events.subscribe")).error.data.code, "BELFRY_JSONRPC_SUBSCRIPTIONS_FULL");
  await talker.ask("events.unsubscribe", { subscription });
  assert.ok((await talker.ask("events.subscribe")).result.subscription > 2);
});

test("a log is followed while it is written, to its end", async () => {
  await using world = await masterWorld();
  const build = await world.build();
  await world.log("one\ntwo\n");
  using talker = await Talker.open(world.wsUrl);
  const { result } = await talker.ask("logs.follow", { build, step: 1 });
  const lines = () =>
    talker.said
      .filter(({ method, params }) => method === "logs.lines" && params.subscription === result.subscription)
      .flatMap(({ params }) => params.items.map(({ text }: { text: string }) => text));
  await until(() => lines().length === 2, "the first lines");
  await world.log("three\n");
  await until(() => lines().length === 3, "the third line");
  world.endBuild();
  await talker.find(({ method, params }) => method === "logs.lines" && params.finished);
  assert.equal(lines(), ["one", "two", "three"]);
  const gone = await talker.ask("logs.unfollow", result);
  assert.is(gone.error.data.code, "BELFRY_JSONRPC_SUBSCRIPTION_UNKNOWN");
});

test("a log that is not there, or may not be seen, is refused at once", async () => {
  await using world = await masterWorld();
  const build = await world.build();
  const token = await world.token("narrow", ["read"], { projects: ["hidden"] });
  using open = await Talker.open(world.wsUrl);
  using narrow = await Talker.open(world.wsUrl, token);
  assert.is((await open.ask("logs.follow", { build, step: 9 })).error.data.code, "BELFRY_NOT_FOUND");
  assert.is((await narrow.ask("logs.follow", { build, step: 1 })).error.data.code, "BELFRY_NOT_FOUND");
});

test("subscribers with the same wish see what they may, each by its own token", async () => {
  await using world = await masterWorld();
  const hidden = await world.token("hidden", ["read"], { projects: ["hidden"] });
  const open = await world.token("open", ["read"], { projects: ["open"] });
  using first = await Talker.open(world.wsUrl, hidden);
  using second = await Talker.open(world.wsUrl, open);
  using third = await Talker.open(world.wsUrl);
  const wish = { types: ["build.finished"] };
  for (const talker of [first, second, third]) await talker.ask("events.subscribe", wish);
  const { buildset } = await world.kit.call("schedulers.force", { scheduler: "force", builders: ["covert"] });
  await world.kit.buildsetEnd(buildset);
  await world.build();
  world.endBuild();
  await until(() => third.events(1).length === 2, "both builds");
  await until(() => first.events(1).length === 1 && second.events(1).length === 1, "one build each");
  assert.equal(
    [first, second].map((talker) => talker.events(1).map(({ builder }) => builder)),
    [["covert"], ["runtests"]],
  );
});

test("a revoked token ends its connections with 4401, and those of others stay", async () => {
  await using world = await masterWorld({ options: { tokenInterval: 50 } });
  const token = await world.token("gone");
  const other = await world.token("stays");
  const revoked = await Promise.all([Talker.open(world.wsUrl, token), Talker.open(world.wsUrl, token)]);
  using stays = await Talker.open(world.wsUrl, other);
  for (const talker of [...revoked, stays]) await talker.ask("events.subscribe");
  await world.kit.call("tokens.revoke", { name: "gone" });
  for (const talker of revoked) assert.is((await talker.end()).code, 4401);
  await world.kit.addChange();
  await until(() => stays.events(1).some(({ type }) => type === "change.added"), "the change");
  await rejects(Talker.open(world.wsUrl, token));
});

test("a wrong token, nobody where reading is not open, and a foreign site are refused before anything is opened", async () => {
  await using world = await masterWorld({ config: { access: { anonymous: "none" } } });
  using wrong = new Line(world.port).send(upgrade("Authorization: Bearer belfry_wrong\r\n"));
  await wrong.closed;
  assert.match(wrong.received, /^HTTP\/1\.1 401 [\s\S]*WWW-Authenticate: Bearer[\s\S]*BELFRY_HTTP_TOKEN_REFUSED/);
  using nobody = new Line(world.port).send(upgrade());
  await nobody.closed;
  assert.match(nobody.received, /^HTTP\/1\.1 401 [\s\S]*BELFRY_JSONRPC_FORBIDDEN/);
  using foreign = new Line(world.port).send(upgrade("Origin: https://evil.example\r\n"));
  await foreign.closed;
  assert.match(foreign.received, /^HTTP\/1\.1 403 /);
});

test("by POST what needs a connection says so", async () => {
  await using world = await masterWorld();
  for (const [method, params] of [
    ["events.subscribe", {}],
    ["logs.follow", { build: 1, step: 1 }],
    ["events.unsubscribe", { subscription: 1 }],
    ["logs.unfollow", { subscription: 1 }],
  ] as const) {
    const answer = await fetch(`${world.url}/rpc`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { error } = (await answer.json()) as { error: { code: number; data: { code: string } } };
    assert.equal([error.code, error.data.code], [-32601, "BELFRY_JSONRPC_WEBSOCKET_ONLY"], method);
  }
});

test("messages that are too large, binary or no WebSocket at all cost their connection only", async () => {
  await using world = await masterWorld({ options: { bodyLimit: 2_000 } });
  using witness = await Talker.open(world.wsUrl);
  using large = await Talker.open(world.wsUrl);
  large.send("x".repeat(2_001));
  assert.is((await large.end()).code, 1009);
  using binary = await Talker.open(world.wsUrl);
  binary.socket.send(new Uint8Array([1, 2, 3]));
  assert.is((await binary.end()).code, 1003);
  for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff", frame(1, Buffer.from([0xff, 0xfe]))]) {
    using line = new Line(world.port).send(upgrade());
    await line.until(/101 Switching/);
    line.send(bytes);
    await line.closed;
  }
  assert.is((await witness.ask("builders.list")).result.items.length, 2);
});

test("deep JSON, a member __proto__ and lone surrogates do no harm", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  talker.send("[".repeat(10_000));
  const deep = await talker.find(({ error }) => error?.data.code === "BELFRY_JSONRPC_TOO_DEEP");
  assert.is(deep.error.code, -32600);
  talker.send('{"jsonrpc":"2.0","id":50,"method":"events.subscribe","params":{"__proto__":{"since":"0"}}}');
  assert.ok((await talker.find(({ id }) => id === 50)).error || (await talker.find(({ id }) => id === 50)).result);
  assert.is(({} as { since?: string }).since, undefined);
  talker.send('{"jsonrpc":"2.0","id":51,"method":"events.subscribe","params":{"builder":"\\ud800"}}');
  assert.is((await talker.find(({ id }) => id === 51)).error.data.code, "BELFRY_PARAMS_INVALID");
});

test("no text makes it say anything but an answer of JSON-RPC, and the connection lives", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  const members = fc.record(
    {
      jsonrpc: fc.oneof(fc.constant("2.0"), fc.jsonValue()),
      id: fc.oneof(fc.integer(), fc.constant(null), fc.jsonValue()),
      method: fc.oneof(
        fc.constantFrom("events.unsubscribe", "logs.follow", "builders.list", "__proto__"),
        fc.jsonValue(),
      ),
      params: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const requests = fc
    .oneof(members, fc.array(members, { maxLength: 5 }), fc.jsonValue())
    .map((value) => JSON.stringify(value));
  await fc.assert(
    fc.asyncProperty(fc.oneof(requests, fc.string({ unit: "grapheme" })), async (text) => {
      talker.said.length = 0;
      talker.send(text);
      await talker.ask("builders.list");
      for (const answer of talker.said.flat()) {
        const one = !("jsonrpc" in answer);
        assert.ok("id" in answer && (one || answer.jsonrpc === "2.0"), JSON.stringify(answer));
        assert.is("result" in answer && "error" in answer, one);
      }
    }),
    { numRuns: 300 },
  );
});

test("a connection beyond the limit is refused with 503, and one that ended makes room", async () => {
  await using world = await masterWorld({ options: { connectionLimit: 2 } });
  using first = await Talker.open(world.wsUrl);
  using _second = await Talker.open(world.wsUrl);
  using third = new Line(world.port).send(upgrade());
  await third.closed;
  assert.match(third.received, /^HTTP\/1\.1 503 [\s\S]*Retry-After: 10[\s\S]*BELFRY_JSONRPC_CONNECTIONS_FULL/);
  first.socket.close();
  await first.end();
  await until(async () => {
    try {
      using _talker = await Talker.open(world.wsUrl);
      return true;
    } catch {
      return false;
    }
  }, "room");
});

test("a thousand connections that say nothing are ended, and others are served meanwhile", async () => {
  await using world = await masterWorld({ options: { openTimeout: 500 } });
  const lines = Array.from({ length: 1_000 }, () => new Line(world.port).send(upgrade()));
  using talker = await Talker.open(world.wsUrl);
  assert.is((await talker.ask("builders.list")).result.items.length, 2);
  await Promise.all(lines.map((line) => line.closed));
  assert.ok(lines.every((line) => line.received.startsWith("HTTP/1.1 101 ")));
  assert.is((await talker.ask("builders.list")).result.items.length, 2);
});

test("a connection whose other side answers no ping is ended, one that does is not", async () => {
  await using world = await masterWorld({ options: { pingInterval: 100 } });
  using alive = await Talker.open(world.wsUrl);
  await alive.ask("builders.list");
  using dead = new Line(world.port).send(upgrade());
  await dead.until(/101 Switching/);
  dead.send(frame(1, '{"jsonrpc":"2.0","id":1,"method":"builders.list"}'));
  await dead.closed;
  assert.match(dead.received, "jsonrpc");
  assert.is((await alive.ask("builders.list")).result.items.length, 2);
});

test("a subscriber that does not read is not buffered, and gets everything once it reads", async () => {
  await using world = await masterWorld();
  using slow = new Line(world.port).send(upgrade());
  await slow.until(/101 Switching/);
  slow.send(
    frame(1, '{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"types":["change."],"since":"0"}}'),
  );
  await slow.until(/"subscription":1,"since"/);
  slow.socket.pause();
  using quick = await Talker.open(world.wsUrl);
  await quick.ask("events.subscribe", { types: ["change."] });
  const comments = "x".repeat(40_000);
  const many = 300;
  for (let i = 0; i < many; i += 10) {
    await Promise.all(
      Array.from({ length: 10 }, (_, j) =>
        world.kit.addChange({ revision: `<${i + j}>`, branch: comments.slice(0, 190) }),
      ),
    );
  }
  await until(() => quick.events(1).length === many, "the quick one's events");
  slow.socket.resume();
  await until(() => slow.received.includes(`<${many - 1}>`), "the slow one's events");
  const seen = [...slow.received.matchAll(/"revision":"<(\d+)>"/g)].map(([, number]) => Number(number));
  assert.equal(
    seen,
    Array.from({ length: many }, (_, i) => i),
  );
});

test("calls that wait do not keep others of the same connection waiting, up to the limit", async () => {
  await using world = await masterWorld({ options: { callLimit: 3 } });
  using talker = await Talker.open(world.wsUrl);
  const { next } = await world.kit.call("events.since", { limit: 1 });
  for (const id of ["a", "b"])
    talker.send({ jsonrpc: "2.0", id, method: "events.since", params: { since: next, waitSeconds: 20 } });
  assert.is((await talker.ask("builders.list")).result.items.length, 2);
  talker.send({ jsonrpc: "2.0", id: "c", method: "events.since", params: { since: next, waitSeconds: 20 } });
  const blocked = talker.ask("builders.list");
  await world.kit.addChange();
  assert.is((await blocked).result.items.length, 2);
  assert.is(talker.said.filter(({ id }) => typeof id === "string").length, 3);
});

test("when the master stops, connections end with 1012 and calls that wait are given up", async () => {
  await using world = await masterWorld();
  using talker = await Talker.open(world.wsUrl);
  await talker.ask("events.subscribe");
  talker.send({ jsonrpc: "2.0", id: "w", method: "events.since", params: { waitSeconds: 30 } });
  await talker.ask("builders.list");
  await world.kit.master.stop();
  assert.is((await talker.end()).code, 1012);
});

test.run();
