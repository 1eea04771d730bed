import { until } from "@belfry/testkit";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../../tools/postgres.ts";
import { Proxy } from "./proxy.ts";
import { PostgresWorld } from "./world.ts";

const bell = suite("the doorbell of postgres");
const server = await postgres();
bell.after(() => server.stop());

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

bell("a ring is heard in every master, and once only where it was rung", async () => {
  await using world = await PostgresWorld.on(server);
  const [first, second] = [await world.open(), await world.open()];
  const heard = { first: 0, second: 0, other: 0 };
  first.doorbell.listen("a", () => (heard.first += 1));
  second.doorbell.listen("a", () => (heard.second += 1));
  second.doorbell.listen("b", () => (heard.other += 1));
  first.doorbell.ring("a");
  await until(() => heard.second === 1, "the ring in the other master");
  // Its echo would have arrived by the time that a later ring has come back.
  second.doorbell.ring("a");
  await until(() => heard.first === 2, "the answer");
  assert.equal(heard, { first: 2, second: 2, other: 0 });
});

bell("any topic crosses: long ones, many at once, and those that look like SQL or like JSON", async () => {
  await using world = await PostgresWorld.on(server);
  const [first, second] = [await world.open(), await world.open()];
  const topics = [
    "",
    "'); drop table x; --",
    '"]',
    "schlüssel ☃",
    "__proto__",
    "x".repeat(20_000),
    ...Array.from({ length: 3_000 }, (_, n) => `topic ${n} ${"y".repeat(20)}`),
  ];
  const heard = new Set<string>();
  for (const topic of topics) second.doorbell.listen(topic, () => heard.add(topic));
  first.doorbell.ring(...topics);
  await until(() => heard.size === topics.length, "all topics");
  const few = new Set<string>();
  for (const topic of topics.slice(0, 5)) second.doorbell.listen(topic, () => few.add(topic));
  first.doorbell.ring(...topics.slice(0, 5));
  await until(() => few.size === 5, "the short ones");
});

bell("what strangers send on the channel harms nobody", async () => {
  await using world = await PostgresWorld.on(server);
  const connection = await world.open();
  let heard = 0;
  connection.doorbell.listen("a", () => (heard += 1));
  const client = new pg.Client({ connectionString: world.url });
  await client.connect();
  for (const payload of ["", "no json", "{}", "null", "7", '"a"', "[1, null, {}]", "[".repeat(5_000), '["a"]']) {
    await client.query("select pg_notify('belfry', $1)", [payload]);
  }
  await client.end();
  await until(() => heard > 0, "the one that is a ring");
  assert.is(heard, 1);
});

bell("a lost connection is made again, and everybody is rung once, since rings may have been lost", async () => {
  await using world = await PostgresWorld.on(server);
  await using proxy = await Proxy.before(world.url);
  const connection = await world.open({ url: proxy.url });
  const other = await world.open();
  let a = 0;
  let b = 0;
  connection.doorbell.listen("a", () => (a += 1));
  connection.doorbell.listen("b", () => (b += 1));
  proxy.cut(true);
  await until(() => world.notes.length > 0, "the note");
  // Lost for `connection`, which is cut off; and rung by it, for the others to hear later.
  other.doorbell.ring("a");
  let late = 0;
  other.doorbell.listen("late", () => (late += 1));
  connection.doorbell.ring("late");
  await wait(100);
  assert.equal([a, b, late], [0, 0, 0]);
  proxy.accept();
  await until(() => a === 1 && b === 1, "the rings after the reconnection");
  await until(() => late === 1, "the ring that was kept");
  other.doorbell.ring("b");
  await until(() => b === 2, "a ring over the new connection");
  assert.is(a, 1);
});

bell("rings for nobody, and for a server that is away, do not pile up", async () => {
  await using world = await PostgresWorld.on(server);
  await using proxy = await Proxy.before(world.url);
  const connection = await world.open({ url: proxy.url });
  const other = await world.open();
  proxy.cut(true);
  await until(() => world.notes.length > 0, "the note");
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < 200; round += 1) {
    for (let n = 0; n < 1_000; n += 1) connection.doorbell.ring(`topic ${round} ${n} ${"z".repeat(100)}`);
    await wait(0);
  }
  assert.ok(process.memoryUsage().heapUsed - before < 100_000_000);
  let heard = 0;
  other.doorbell.listen("anything", () => (heard += 1));
  proxy.accept();
  await until(() => heard === 1, "the ring that stands for all");
});

bell.run();
