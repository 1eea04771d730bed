import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, inProcess } from "@belfry/jsonrpc/client";
import { rejects, until, within } from "@belfry/testkit";
import { administrator, type BelfryError, type BelfryEvent } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MasterWorld, masterWorld } from "./master-world.ts";

const test = suite("@belfry/jsonrpc/client");

const ways: Record<string, (world: MasterWorld) => Client> = {
  HTTP: (world) => connect(world.url),
  WebSocket: (world) => connect(world.wsUrl),
  "the master's socket": (world) => connect(world.kit.master.socketPath),
  "this process": (world) => inProcess(world.kit.master.api, administrator),
};

const temporary = () => mkdtemp(join(tmpdir(), "belfry-client-"));
const codeOf = async (promise: Promise<unknown>) => ((await rejects(promise)) as BelfryError).code;

async function take<T>(count: number, from: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const one of from) if (taken.push(one) === count) break;
  return taken;
}

for (const [way, open] of Object.entries(ways)) {
  test(`over ${way} a call has its result, typed, and its error with code, words and details`, async () => {
    await using world = await masterWorld();
    await using client = open(world);
    const { items } = await client.call("builders.list", { fields: ["name"], order: "name" });
    assert.equal(
      items.map(({ name }) => name),
      ["covert", "runtests"],
    );
    assert.is((await client.call("status.now")).title, "Belfry");
    const missing = (await rejects(client.call("builds.get", { build: 99 }))) as BelfryError;
    assert.is(missing.code, "BELFRY_NOT_FOUND");
    assert.match(missing.what, "build 99");
    assert.ok(missing.why && missing.fix && missing.message.startsWith(missing.what));
    const wrong = (await rejects(client.call("builds.list", { limit: 0 }))) as BelfryError;
    assert.equal([wrong.code, wrong.details[0]?.path], ["BELFRY_PARAMS_INVALID", "limit"]);
    assert.is(await codeOf(client.call("nothing.such", {})), "BELFRY_METHOD_UNKNOWN");
  });

  test(`over ${way} events come in order, from now on or from a position, until they are wanted no more`, async () => {
    await using world = await masterWorld();
    await using client = open(world);
    await world.kit.addChange({ revision: "r0" });
    const old = await within(10_000, "the events", take(1, client.events({ since: "0", types: ["change."] })));
    assert.is(old[0]?.data["revision"], "r0");
    let position: string | undefined;
    const wanted = new AbortController();
    const seen: BelfryEvent[] = [];
    const reading = (async () => {
      const wish = { types: ["change."], since: old[0]?.position };
      const options = { signal: wanted.signal, onPosition: (at: string) => void (position = at) };
      for await (const event of client.events(wish, options)) seen.push(event);
    })();
    for (let i = 1; i <= 5; i++) await world.kit.addChange({ revision: `r${i}` });
    await until(() => seen.length === 5, "the events");
    assert.equal(
      seen.map(({ data }) => data["revision"]),
      ["r1", "r2", "r3", "r4", "r5"],
    );
    await until(() => Number(position) >= Number(seen[4]?.position), "the position");
    const why = new Error("enough");
    wanted.abort(why);
    assert.is(await rejects(reading), why);
  });

  test(`over ${way} a log is followed to its end`, async () => {
    await using world = await masterWorld();
    await using client = open(world);
    const build = await world.build();
    await world.log("one\ntwo\n");
    const texts: string[] = [];
    const following = (async () => {
      for await (const { text } of client.followLog({ build, step: 1, first: 1 })) texts.push(text);
    })();
    await until(() => texts.length === 1, "the first line");
    await world.log("three\n");
    await until(() => texts.length === 2, "the next line");
    world.endBuild();
    await within(10_000, "the end", following);
    assert.equal(texts, ["two", "three"]);
    assert.is(await codeOf(take(1, client.followLog({ build, step: 9 }))), "BELFRY_NOT_FOUND");
  });

  test(`over ${way} a call that waits is given up by its signal, and by closing`, async () => {
    await using world = await masterWorld();
    await using client = open(world);
    const abort = new AbortController();
    const first = client.call("events.since", { waitSeconds: 20 }, { signal: abort.signal });
    const why = new Error("not any more");
    setTimeout(() => abort.abort(why), 50);
    assert.is(await rejects(within(5_000, "giving up", first)), why);
    const second = client.call("events.since", { waitSeconds: 20 });
    setTimeout(() => void client.close(), 50);
    assert.match(
      await codeOf(within(5_000, "the end", second)),
      /^BELFRY_(JSONRPC_CLOSED|MASTER_NOT_RUNNING|JSONRPC_UNREACHABLE)$/,
    );
    assert.is(await codeOf(client.call("status.now")), "BELFRY_JSONRPC_CLOSED");
  });

  test(`over ${way} a gap is an error, unless it is asked to go on`, async () => {
    await using world = await masterWorld();
    await using client = open(world);
    for (let i = 0; i < 5; i++) await world.kit.addChange();
    const newest = (await world.kit.events()).at(-1).position;
    await world.kit.master.store.write((tx) => tx.db.deleteFrom("events").where("seq", "<", Number(newest)).execute());
    assert.is(await codeOf(take(1, client.events({ since: "1" }))), "BELFRY_JSONRPC_GAP");
    const gaps: string[] = [];
    const [event] = await take(1, client.events({ since: "1" }, { onGap: (from) => gaps.push(from) }));
    assert.equal([gaps, typeof event?.position], [["1"], "string"]);
    assert.is(await codeOf(take(1, client.events({ since: "999999" }))), "BELFRY_POSITION_AHEAD");
  });
}

for (const way of ["HTTP", "WebSocket"] as const) {
  test(`over ${way} a token says who calls; control needs it, and a wrong one is refused`, async () => {
    await using world = await masterWorld();
    const address = way === "HTTP" ? world.url : world.wsUrl;
    await using nobody = connect(address);
    await using somebody = connect(address, { token: await world.token("robot", ["control"]) });
    await using wrong = connect(address, { token: "belfry_wrong" });
    const params = { scheduler: "force", builders: ["covert"] };
    assert.is(await codeOf(nobody.call("schedulers.force", params)), "BELFRY_FORBIDDEN");
    assert.ok((await somebody.call("schedulers.force", params)).buildset > 0);
    assert.is(await codeOf(wrong.call("status.now")), "BELFRY_HTTP_TOKEN_REFUSED");
    assert.is(await codeOf(take(1, wrong.events())), "BELFRY_HTTP_TOKEN_REFUSED");
  });

  test(`over ${way} events go on over a restart of the master, and none is missed or told twice`, async () => {
    const folder = await temporary();
    let world = await masterWorld({ folder });
    const { port } = world;
    await using client = connect(way === "HTTP" ? world.url : world.wsUrl);
    const wanted = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { data } of client.events({ since: "0", types: ["change."] }, { signal: wanted.signal }))
        seen.push(String(data["revision"]));
    })();
    try {
      for (let life = 0; life < 3; life++) {
        for (let i = 0; i < 10; i++) await world.kit.addChange({ revision: `${life}.${i}` });
        if (life === 1) await until(() => seen.length === 20, "the events of two lives");
        await world.kit.close();
        world = await masterWorld({ folder, port });
      }
      await until(() => seen.length >= 30, "all events");
      assert.equal(
        seen,
        [0, 1, 2].flatMap((life) => Array.from({ length: 10 }, (_, i) => `${life}.${i}`)),
      );
    } finally {
      wanted.abort();
      await reading.catch(() => undefined);
      await world.kit.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test("the socket's client finds the master again after a restart", async () => {
  const folder = await temporary();
  const first = await masterWorld({ folder });
  await using client = connect(first.kit.master.socketPath);
  await client.call("status.now");
  await first.kit.close();
  assert.is(await codeOf(client.call("status.now")), "BELFRY_MASTER_NOT_RUNNING");
  await using _second = await masterWorld({ folder });
  assert.is((await client.call("status.now")).title, "Belfry");
  await rm(folder, { recursive: true, force: true });
});

test("over WebSocket who reads slowly keeps nothing waiting in memory, and misses nothing", async () => {
  await using world = await masterWorld();
  await using client = connect(world.wsUrl);
  const events = client.events({ since: "0", types: ["change."] });
  const branch = "b".repeat(190);
  const count = 4_000;
  for (let i = 0; i < count; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, j) => world.kit.addChange({ branch, revision: `r${i + j}` })));
  }
  const first = await events.next();
  // Long enough for everything to be told to who would have it all.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const rest = await take(count - 1, events);
  assert.equal(
    [first.value, ...rest].map(({ data }) => data["revision"]),
    Array.from({ length: count }, (_, i) => `r${i}`),
  );
});

test("one WebSocket carries calls and subscriptions side by side", async () => {
  await using world = await masterWorld();
  await using client = connect(world.wsUrl);
  const readers = ["a", "b", "c"].map(() => take(3, client.events({ types: ["change."], since: "0" })));
  for (let i = 0; i < 3; i++) await world.kit.addChange({ revision: `r${i}` });
  const all = await within(10_000, "the readers", Promise.all(readers));
  for (const events of all)
    assert.equal(
      events.map(({ data }) => data["revision"]),
      ["r0", "r1", "r2"],
    );
  assert.is((await client.call("status.now")).title, "Belfry");
});

test("what is no master is told apart: nobody there, another program, a wrong path, an address that is none", async () => {
  const server = createServer((_req, res) => res.end("<html>hello</html>")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await using world = await masterWorld();
  try {
    for (const protocol of ["http", "ws"]) {
      assert.is(await codeOf(connect(`${protocol}://127.0.0.1:1`).call("status.now")), "BELFRY_JSONRPC_UNREACHABLE");
      await using other = connect(`${protocol}://127.0.0.1:${port}`);
      assert.is(await codeOf(other.call("status.now")), "BELFRY_JSONRPC_ANSWER_STRANGE");
      await using astray = connect(`${protocol}://127.0.0.1:${world.port}/nowhere`);
      assert.is(await codeOf(astray.call("status.now")), "BELFRY_HTTP_PATH_UNKNOWN");
      assert.is(await codeOf(take(1, astray.events())), "BELFRY_HTTP_PATH_UNKNOWN");
    }
    for (const address of ["ftp://example.org", "http://", ""])
      assert.throws(
        () => connect(address),
        (error: BelfryError) => error.code === "BELFRY_JSONRPC_ADDRESS",
      );
  } finally {
    server.close();
  }
});

test("the types know methods, parameters and results", () => {
  const typed = (client: Client) => {
    void client.call("builds.list", { builder: "runtests", limit: 5 }).then(({ items }) => items[0]?.number?.toFixed());
    // @ts-expect-error: no such parameter
    void client.call("builds.list", { bilder: "runtests" });
    // @ts-expect-error: a required parameter is missing
    void client.call("tokens.add");
    // @ts-expect-error: no such member in the result
    void client.call("status.now").then(({ titel }) => titel);
    void client.call("a.plugins", { anything: 1 }).then((answer) => answer === null);
  };
  assert.type(typed, "function");
});

test.run();
