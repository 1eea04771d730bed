import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssePlugin, { sse } from "@belfry/sse";
import { until, within } from "@belfry/testkit";
import type { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, FakeApi, rejects, World } from "../../plugins/http/world.ts";
import { Reader, sseWorld } from "./world.ts";

const test = suite("server-sent events");

const revisions = (reader: Reader) => reader.events.map(({ data }) => data.data?.revision);
const codeIn = (body: string) => JSON.parse(body).error.code;

test("what happens is streamed as it happens, each event with its position", async () => {
  await using world = await sseWorld();
  using reader = new Reader(world.url);
  const { status, headers } = await reader.response;
  assert.equal(
    [status, headers["content-type"], headers["cache-control"], headers["x-accel-buffering"]],
    [200, "text/event-stream; charset=utf-8", "no-store", "no"],
  );
  await until(() => reader.blocks.length > 0, "the beginning");
  assert.equal(reader.blocks[0]?.retry, "2000");
  for (let i = 0; i < 5; i++) await world.kit.addChange({ revision: `r${i}` });
  await reader.until((events) => events.length === 5);
  assert.equal(revisions(reader), ["r0", "r1", "r2", "r3", "r4"]);
  for (const { id, event, data } of reader.events) assert.equal([event, id], [undefined, data.position]);
});

test("it begins behind `since`, or where a browser left off, and fits the filter", async () => {
  await using world = await sseWorld();
  for (let i = 0; i < 3; i++) await world.kit.addChange({ revision: `r${i}` });
  const { buildset } = await world.kit.call("schedulers.force", { scheduler: "force", builders: ["runtests"] });
  await world.kit.buildsetEnd(buildset);
  using all = new Reader(`${world.url}?since=0&types=change.`);
  const [, second] = await all.until((events) => events.length === 3);
  using rest = new Reader(`${world.url}?since=0&types=change.`, { "last-event-id": second?.id ?? "" });
  await rest.until((events) => events.length === 1);
  assert.equal(revisions(rest), ["r2"]);
  using builds = new Reader(`${world.url}?since=0&types=build.started,build.finished&types=step.&builder=runtests`);
  const told = await builds.until((events) => events.length === 4);
  assert.equal(
    told.map(({ data }) => data.type),
    ["build.started", "step.started", "step.finished", "build.finished"],
  );
  using none = new Reader(`${world.url}?since=0&builder=covert`);
  await until(() => none.blocks.length > 1, "how far it has come");
  assert.equal(none.events, []);
});

test("a stream without a fitting event still says how far it has come", async () => {
  await using world = await sseWorld();
  await world.kit.addChange();
  const { next } = await world.kit.call("events.since", { limit: 1 });
  using reader = new Reader(`${world.url}?since=0&types=token.`);
  await until(() => Number(reader.blocks.at(-1)?.id) >= Number(next), "the position");
  assert.equal(reader.events, []);
});

test("a gap is an event of its own, before what is still kept", async () => {
  await using world = await sseWorld();
  for (let i = 0; i < 5; i++) await world.kit.addChange({ revision: `r${i}` });
  const { position } = (await world.kit.events()).at(-1);
  await world.kit.master.store.write((tx) => tx.db.deleteFrom("events").where("seq", "<", Number(position)).execute());
  using reader = new Reader(`${world.url}?since=1`);
  const [first, ...others] = await reader.until((events) => events.length > 1);
  assert.equal([first?.event, first?.data], ["gap", { from: "1" }]);
  assert.ok(others.every(({ event }) => event === undefined));
});

test("a position from the future, a broken one and other bad questions are refused before anything is streamed", async () => {
  await using world = await sseWorld();
  const refusals: [string, Record<string, string>, number, string][] = [
    ["?since=999999", {}, 400, "BELFRY_POSITION_AHEAD"],
    ["", { "last-event-id": "999999" }, 400, "BELFRY_POSITION_AHEAD"],
    ["?since=yesterday", {}, 400, "BELFRY_CURSOR_INVALID"],
    ["", { "last-event-id": "a\u00ffb" }, 400, "BELFRY_CURSOR_INVALID"],
    ["?until=5", {}, 400, "BELFRY_SSE_QUERY"],
    ["?__proto__=5", {}, 400, "BELFRY_SSE_QUERY"],
    ["?since=1&since=2", {}, 400, "BELFRY_SSE_QUERY"],
    [`?types=${Array.from({ length: 60 }, (_, i) => `t${i}`).join()}`, {}, 400, "BELFRY_PARAMS_INVALID"],
    ["?builder=%00", {}, 400, "BELFRY_PARAMS_INVALID"],
    ["", { authorization: "Bearer belfry_wrong" }, 401, "BELFRY_HTTP_TOKEN_REFUSED"],
    ["", { host: "evil.example" }, 421, "BELFRY_HTTP_HOST_REFUSED"],
  ];
  for (const [query, headers, status, code] of refusals) {
    const answer = await ask(`${world.url}${query}`, { headers: { accept: "application/json", ...headers } });
    assert.equal([answer.status, codeIn(answer.body)], [status, code], query);
  }
  assert.is((await ask(world.url, { method: "POST" })).status, 405);
});

test("HEAD says what GET would be, and streams nothing", async () => {
  await using world = await sseWorld({ options: { clientLimit: 1 } });
  for (let i = 0; i < 3; i++) {
    const answer = await ask(world.url, { method: "HEAD" });
    assert.equal([answer.status, answer.headers["content-type"]], [200, "text/event-stream; charset=utf-8"]);
  }
});

test("everybody sees what he may", async () => {
  await using world = await sseWorld();
  const { token } = await world.kit.call("tokens.add", { name: "narrow", scopes: ["read"], projects: ["open"] });
  using narrow = new Reader(`${world.url}?types=build.finished`, { authorization: `Bearer ${token}` });
  using all = new Reader(`${world.url}?types=build.finished`);
  await Promise.all([narrow.response, all.response]);
  for (const builder of ["covert", "runtests"]) {
    const { buildset } = await world.kit.call("schedulers.force", { scheduler: "force", builders: [builder] });
    await world.kit.buildsetEnd(buildset);
  }
  await all.until((events) => events.length === 2);
  await narrow.until((events) => events.length === 1);
  assert.equal(
    narrow.events.map(({ data }) => data.builder),
    ["runtests"],
  );
});

test("a revoked token ends its streams, and nobody else's", async () => {
  await using world = await sseWorld({ options: { tokenInterval: 50 } });
  const { token } = await world.kit.call("tokens.add", { name: "gone", scopes: ["read"] });
  using revoked = new Reader(world.url, { authorization: `Bearer ${token}` });
  using stays = new Reader(world.url);
  await Promise.all([revoked.response, stays.response]);
  await world.kit.call("tokens.revoke", { name: "gone" });
  await revoked.end();
  await world.kit.addChange({ revision: "later" });
  await stays.until((events) => events.some(({ data }) => data.data.revision === "later"));
});

test("there is a limit of streams for each client and one for all; those that ended make room", async () => {
  await using world = await sseWorld({ options: { clientLimit: 2, streamLimit: 3 } });
  const { token } = await world.kit.call("tokens.add", { name: "robot", scopes: ["read"] });
  const readers = [new Reader(world.url), new Reader(world.url)];
  for (const reader of readers) await reader.response;
  const json = { accept: "application/json" };
  const third = await ask(world.url, { headers: json });
  assert.equal([third.status, codeIn(third.body)], [429, "BELFRY_SSE_CLIENT_FULL"]);
  const robot = { authorization: `Bearer ${token}` };
  using _other = new Reader(world.url, robot);
  await _other.response;
  const fourth = await ask(world.url, { headers: { ...json, ...robot } });
  assert.equal([fourth.status, codeIn(fourth.body)], [503, "BELFRY_SSE_STREAMS_FULL"]);
  readers[0]?.[Symbol.dispose]();
  await until(async () => {
    using reader = new Reader(world.url);
    return (await reader.response).status === 200;
  }, "room");
  readers[1]?.[Symbol.dispose]();
});

test("a comment is sent now and then", async () => {
  await using world = await sseWorld({ options: { heartbeat: 30 } });
  using reader = new Reader(world.url);
  await until(() => reader.blocks.filter(({ comment }) => comment).length > 2, "comments");
});

test("who does not read is not buffered, and gets everything once he reads", async () => {
  await using world = await sseWorld();
  using slow = new Reader(`${world.url}?types=change.`);
  using quick = new Reader(`${world.url}?types=change.`);
  await Promise.all([slow.response, quick.response]);
  slow.pause();
  const many = 2_000;
  const branch = "b".repeat(400);
  for (let i = 0; i < many; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, j) => world.kit.addChange({ branch, revision: `r${i + j}` })));
  }
  await quick.until((events) => events.length === many);
  slow.resume();
  await slow.until((events) => events.length >= many);
  assert.equal(
    revisions(slow),
    Array.from({ length: many }, (_, i) => `r${i}`),
  );
});

test("a stop ends the streams, and does not wait for its time of grace", async () => {
  const world = await sseWorld();
  using reader = new Reader(world.url);
  await reader.response;
  await within(20_000, "the stop", world.kit.close());
  await reader.end();
  assert.is(reader.ended, true);
});

test("Node's own EventSource follows over a restart of the master, and misses nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "belfry-sse-"));
  let world = await sseWorld({ folder, options: { retry: 50 } });
  const script = `
    const source = new EventSource(process.argv[1]);
    source.onmessage = ({ data, lastEventId }) => console.log(JSON.parse(data).data.revision + " " + (lastEventId === JSON.parse(data).position));
    setInterval(() => {}, 1_000); // The timer with which it comes back does not keep Node alive.
    source.onopen = () => console.log("open");
  `;
  const stranger = spawn(process.execPath, ["--experimental-eventsource", "-e", script, `${world.url}?types=change.`]);
  let out = "";
  stranger.stdout.on("data", (text) => {
    out += text;
  });
  try {
    await until(() => out.includes("open"), "the stream");
    for (let life = 0; life < 3; life++) {
      await world.kit.addChange({ revision: `a${life}` });
      if (life === 0) await until(() => out.includes("a0"), "the first event");
      await world.kit.close();
      world = await sseWorld({ folder, port: world.port, options: { retry: 50 } });
      await world.kit.addChange({ revision: `b${life}` });
      await until(() => out.includes(`b${life}`), "the event after the restart");
    }
    const told = out.split("\n").filter((line) => /^[ab]/.test(line));
    assert.equal(told, ["a0 true", "b0 true", "a1 true", "b1 true", "a2 true", "b2 true"]);
  } finally {
    stranger.kill("SIGKILL");
    await world.kit.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(new FakeApi(), [ssePlugin]);
  const service = world.create(sse, {});
  await service.stop();
  const error = (await rejects(service.start(new AbortController().signal))) as BelfryError;
  assert.is(error.code, "BELFRY_SSE_NO_HTTP");
});

test.run();
