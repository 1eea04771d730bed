import { until, within } from "@belfry/testkit";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EventFeed } from "../../../core/src/status/event-feed.ts";
import { eventsAfter, newestPosition, oldestPosition, type StoredEvent } from "../../../core/src/store/events.ts";
import type { Store } from "../../../core/src/store/store.ts";
import type { Tx } from "../../../core/src/store/tx.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("event log");

const WRITERS = 8;
const WRITES = 30;
const REFUSED = new Error("taken back on purpose");

/** Lets some time pass within a transaction, in the only way that it may: by a statement. */
async function pause(tx: Tx): Promise<void> {
  if (tx.dialect.name === "postgresql") await sql`select pg_sleep(${Math.random() * 0.012})`.execute(tx.db);
  else await sql`select 1`.execute(tx.db);
}

/** Appends events in transactions of random length, some of which are taken back. Returns how many were committed. */
async function write(store: Store, writer: number): Promise<number> {
  let committed = 0;
  for (let i = 0; i < WRITES; i += 1) {
    const count = 1 + Math.floor(Math.random() * 3);
    const fails = Math.random() < 0.15;
    const first = Math.random() < 0.5;
    const append = (tx: Tx) => {
      for (let n = 0; n < count; n += 1) tx.event("master.started", { master: `${writer}/${i}/${n}` });
    };
    await store
      .write(async (tx) => {
        if (first) append(tx);
        await pause(tx);
        await tx.db.updateTable("builders").set({ paused: 0 }).where("name", "=", `nobody ${writer}`).execute();
        await pause(tx);
        if (!first) append(tx);
        if (fails) throw REFUSED;
      })
      .then(
        () => {
          committed += count;
        },
        (error) => {
          if (error !== REFUSED) throw error;
        },
      );
  }
  return committed;
}

/** Follows the log by cursor until told that all is written, with reads of random size. */
async function follow(
  read: (after: number, limit: number) => Promise<StoredEvent[]>,
  end: () => number,
): Promise<number[]> {
  const seen: number[] = [];
  for (let cursor = 0; cursor < end(); ) {
    const events = await read(cursor, 1 + Math.floor(Math.random() * 20));
    for (const event of events) seen.push(event.seq);
    cursor = events.at(-1)?.seq ?? cursor;
    if (events.length === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  }
  return seen;
}

for (const kind of DATABASES) {
  test(`${kind.name}: readers by cursor see every event once and in order while ${WRITERS} writers commit in random order`, async () => {
    await using database = await kind.open();
    await using writing = await openStore(database);
    await using reading = await openStore(database);
    const feeds = [new EventFeed(writing.store), new EventFeed(reading.store)];
    let end = Number.POSITIVE_INFINITY;
    const readers = [
      ...feeds.map((feed) =>
        follow(
          (after, limit) => feed.after(after, limit),
          () => end,
        ),
      ),
      ...[writing.store, reading.store].map((store) =>
        follow(
          (after, limit) => eventsAfter(store, after, limit),
          () => end,
        ),
      ),
    ];
    const work = (async () => {
      const counts = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writing.store, writer)));
      end = await newestPosition(writing.store);
      return counts.reduce((sum, count) => sum + count, 0);
    })();
    const [committed, ...seen] = await within(120_000, "all reading and writing", Promise.all([work, ...readers]));
    const all = await writing.store.read.selectFrom("events").select(["seq", "data"]).orderBy("seq").execute();
    assert.is(all.length, committed, "every committed event is there, and none of those taken back");
    assert.is(new Set(all.map((row) => row.data)).size, all.length);
    const stored = all.map((row) => row.seq);
    assert.ok(
      stored.every((seq, i) => i === 0 || seq > (stored[i - 1] ?? 0)),
      "positions are unique and increase",
    );
    for (const [i, own] of seen.entries()) assert.equal(own, stored, `reader ${i} saw each event once, in order`);
    assert.is(await feeds[0]?.newest(), stored.at(-1));
    assert.is(await oldestPosition(reading.store), stored[0]);
  });

  test(`${kind.name}: events of one transaction stand side by side, in the order in which they were appended`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        open.store.write(async (tx) => {
          for (let n = 0; n < 5; n += 1) {
            tx.event("master.started", { master: `${i}/${n}` });
            await pause(tx);
          }
        }),
      ),
    );
    const rows = await eventsAfter(open.store, 0, 1_000);
    for (let at = 0; at < rows.length; at += 5) {
      const group = rows.slice(at, at + 5).map((row) => String(row.data.master));
      const owner = group[0]?.split("/")[0];
      assert.equal(
        group,
        Array.from({ length: 5 }, (_, n) => `${owner}/${n}`),
      );
    }
  });

  test(`${kind.name}: the feed answers from memory and from the database alike, however far behind somebody is`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const add = (count: number) =>
      open.store.write(async (tx) => {
        for (let i = 0; i < count; i += 1) tx.event("master.started", { master: "m" });
      });
    for (let i = 0; i < 4; i += 1) await add(400);
    const feed = new EventFeed(open.store);
    for (let i = 0; i < 4; i += 1) await add(400);
    assert.is(await feed.newest(), 3_200);
    for (const cursor of [0, 1_099, 1_100, 1_101, 2_700, 3_199, 3_200]) {
      const got = await feed.after(cursor, 7);
      assert.equal(got, await eventsAfter(open.store, cursor, 7), `behind ${cursor}`);
    }
    // Far more than it keeps, so that it has to forget.
    for (let i = 0; i < 24; i += 1) await add(500);
    assert.is(await feed.newest(), 15_200);
    for (const cursor of [0, 4_000, 10_100, 15_190])
      assert.equal(await feed.after(cursor, 20), await eventsAfter(open.store, cursor, 20));
  });

  test(`${kind.name}: an event that comes between reading and waiting is not slept through`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const feed = new EventFeed(open.store);
    const never = new AbortController().signal;
    const append = () => open.store.write(async (tx) => tx.event("master.started", { master: "m" }));
    await append();
    const at = await feed.newest();
    await append();
    // The bell rang while nobody listened: the wait has to know.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await within(10_000, "the wait", feed.wait(at, 30_000, never));
    const now = await feed.newest();
    let woken = false;
    const waiting = feed.wait(now, 30_000, never).then(() => {
      woken = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.not.ok(woken, "without news it waits");
    await append();
    await within(10_000, "the wait", waiting);
    const gone = new AbortController();
    const left = feed.wait(await feed.newest(), 30_000, gone.signal);
    gone.abort();
    await within(10_000, "the wait of somebody who has gone", left);
    await within(10_000, "a wait's own limit", feed.wait(await feed.newest(), 20, never));
  });
}

test("PostgreSQL: a master hears of another one's events through the bell", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  await using one = await openStore(database);
  await using other = await openStore(database);
  const feed = new EventFeed(other.store);
  const at = await feed.newest();
  let woken = false;
  const waiting = feed.wait(at, 60_000, new AbortController().signal).then(() => {
    woken = true;
  });
  await one.store.write(async (tx) => tx.event("master.started", { master: "m" }));
  await until(() => woken, "the bell", 20_000);
  await waiting;
  assert.is((await feed.after(at)).length, 1);
});

test.run();
