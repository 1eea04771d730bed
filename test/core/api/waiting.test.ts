import { postgres as postgresDatabase } from "@belfry/postgres";
import { rejects, testMaster, until, within } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../../tools/postgres.ts";
import { DATABASES } from "../databases.ts";
import { apiWorld } from "./world.ts";

const test = suite("calls that wait");
const LONG = 60_000;

for (const kind of DATABASES) {
  test(`${kind.name}: who waits for events is woken by one that fits, and by no other`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({ config: { database: database.entry } });
    const { next } = await kit.call("events.since", {});
    let woken = false;
    const waiting = kit.call("events.since", { since: next, types: ["token."], waitSeconds: 30 }).then((answer) => {
      woken = true;
      return answer;
    });
    for (let i = 0; i < 5; i += 1) await kit.addChange();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.not.ok(woken);
    await kit.call("tokens.add", { name: "t", scopes: ["read"] });
    const { items, next: after } = await within(LONG, "the answer", waiting);
    assert.equal(
      items.map((event: { type: string; data: object }) => [event.type, event.data]),
      [["token.added", { token: "t" }]],
    );
    const rest = await kit.call("events.since", { since: after });
    assert.equal(rest.items, []);
    const begun = performance.now();
    const empty = await kit.call("events.since", { since: after, waitSeconds: 0.1 });
    assert.equal([empty.items, empty.next], [[], after]);
    assert.ok(performance.now() - begun >= 90);
  });

  test(`${kind.name}: of many who wait each gets all its events, in order, and none twice`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({ config: { database: database.entry } });
    const { next } = await kit.call("events.since", {});
    const follow = async () => {
      const seen: number[] = [];
      for (let since = next; seen.length < 40; ) {
        const page = await kit.call("events.since", { since, types: ["change.added"], waitSeconds: 20, limit: 7 });
        for (const event of page.items) seen.push(event.data.change);
        since = page.next;
      }
      return seen;
    };
    const followers = Array.from({ length: 5 }, follow);
    const added: number[] = [];
    for (let i = 0; i < 40; i += 1) added.push(await kit.addChange());
    for (const seen of await within(LONG, "all followers", Promise.all(followers))) assert.equal(seen, added);
  });

  test(`${kind.name}: who goes away is not waited for`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({ config: { database: database.entry } });
    const gone = new AbortController();
    const caller = kit.master.api.anonymous();
    const reader = { ...caller, scopes: new Set(["read" as const]) };
    const waiting = kit.master.api.call("events.since", { waitSeconds: 30 }, reader, gone.signal);
    setTimeout(() => gone.abort(), 50);
    await within(LONG, "the call", waiting);
  });

  test(`${kind.name}: reading a log waits for lines to come, and for its end`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, running } = world;
    const read = (params: object) =>
      kit.call("logs.read", { build: running.build, step: 1, waitSeconds: 30, ...params });
    const first = await read({});
    assert.equal(
      first.items.map((line: { text: string }) => line.text),
      ["first"],
    );
    assert.equal([first.next, first.finished], [1, false]);
    let answered = false;
    const waiting = read({ first: 1 }).then((answer) => {
      answered = true;
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.not.ok(answered);
    world.release();
    const last = await within(LONG, "the last line", waiting);
    assert.equal(
      last.items.map((line: { number: number; text: string }) => [line.number, line.text]),
      [[1, "last"]],
    );
    await until(async () => (await read({ first: 2 })).finished, "the log's end");
    const end = await within(LONG, "an answer from behind the end", read({ first: 1_000_000 }));
    assert.equal([end.items, end.finished, end.lines], [[], true, 2]);
    assert.equal(
      (await read({ first: -1 })).items.map((line: { text: string }) => line.text),
      ["last"],
    );
  });
}

test("PostgreSQL: while the server is away callers are told so, and answered again when it is back", async () => {
  await using server = await postgres({ private: true });
  const url = await server.createDatabase();
  const failures: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (_f: object, message: string) => void failures.push(message),
    child: () => log,
  };
  await using kit = await testMaster({
    config: { database: postgresDatabase({ url, reconnectTimeout: "300ms", connectTimeout: "5s" }) },
    logger: log,
  });
  const { token } = await kit.call("tokens.add", { name: "t", scopes: ["read"] });
  const change = await kit.addChange();
  await server.down();
  for (const call of [
    () => kit.call("builders.list"),
    () => kit.call("changes.get", { change }),
    () => kit.call("changes.add", { repository: "r" }),
    () => kit.call("events.since", { since: "0" }),
    () => kit.master.api.authenticate(token),
  ]) {
    const error = await within(LONG, "the refusal", rejects(call()));
    assert.ok(BelfryError.is(error), String(error));
    assert.is(error.code, "BELFRY_DATABASE_AWAY");
    assert.not.match(error.message, /password|127\.0\.0\.1/);
  }
  assert.not.ok(failures.includes("a method failed"), "it is no fault of a method");
  await server.up();
  await until(
    () =>
      kit.call("changes.get", { change }).then(
        () => true,
        () => false,
      ),
    "an answer",
  );
  assert.ok(await kit.master.api.authenticate(token));
  const again = await kit.addChange();
  assert.ok(again > change);
});

test.run();
