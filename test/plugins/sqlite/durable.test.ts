import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { rejects } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { CamelCasePlugin, CompiledQuery, sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kyselyOver } from "../../../plugins/sqlite/src/direct-kysely.ts";
import { openNative } from "../../../plugins/sqlite/src/native.ts";
import { Reader } from "../../../plugins/sqlite/src/reader.ts";
import { Session } from "../../../plugins/sqlite/src/session.ts";
import { WalSync } from "../../../plugins/sqlite/src/wal-sync.ts";
import { WriteQueue } from "../../../plugins/sqlite/src/write-queue.ts";
import { Program } from "./programs.ts";
import { rawSqlite, SqliteWorld } from "./world.ts";

const durable = suite("sqlite keeps what it acknowledged");

durable("a writer that is killed at any moment has lost nothing that it acknowledged", async () => {
  await using world = await SqliteWorld.make();
  const setup = await world.open();
  await setup.write((trx) => sql`create table entry (id integer, part integer, primary key (id, part))`.execute(trx));
  await setup.close();
  const acknowledged: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    await using program = new Program("./writing-program.ts", world.folder, String(round * 1_000_000));
    const enough = 20 + Math.floor(Math.random() * 400);
    for (let seen = 0; seen < enough; seen += 1) acknowledged.push(Number(await program.line()));
    const end = program.kill();
    // What it still told before it died counts as well.
    for (let next = await program.lines.next(); !next.done; next = await program.lines.next()) {
      acknowledged.push(Number(next.value));
    }
    await end;
  }
  const connection = await world.open();
  const { rows } = await sql<{
    id: number;
    parts: number;
  }>`select id, count(*) as parts from entry group by id`.execute(connection.read);
  const stored = new Set(rows.map((row) => row.id));
  assert.equal(
    acknowledged.filter((id) => !stored.has(id)),
    [],
  );
  assert.ok(acknowledged.length > 120);
  assert.equal(
    rows.filter((row) => row.parts !== 2),
    [],
    "a transaction is there as a whole or not at all",
  );
  assert.is(rawSqlite(world.path()).pragma("integrity_check", { simple: true }), "ok");
});

async function queueOver(world: SqliteWorld, flush: () => Promise<void>) {
  const native = openNative(world.path(), {});
  native.pragma("journal_mode = wal", { simple: true });
  native.exec("create table entry (id integer primary key)");
  const session = new Session(native);
  const queue = new WriteQueue(session, { file: world.path(), lockTimeout: 1_000, slowLimit: 5_000, flush });
  const reading = new Reader(new Session(openNative(world.path(), { readonly: true })), {
    file: world.path(),
    lockTimeout: 1_000,
    flushing: () => queue.flushing,
  });
  const read = kyselyOver(reading);
  const insert = (id: number) => queue.write((trx) => sql`insert into entry (id) values (${id})`.execute(trx));
  const count = async () => (await sql<{ n: number }>`select count(*) as n from entry`.execute(read)).rows[0]?.n;
  const close = async () => {
    await queue.close();
    reading.close();
    session.close();
  };
  return { queue, reading, insert, count, close };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

durable("nobody is told of a commit, and nobody reads it, before the disk has confirmed it", async () => {
  await using world = await SqliteWorld.make();
  const flushes: (() => void)[] = [];
  const { insert, count, close } = await queueOver(world, () => new Promise((resolve) => flushes.push(resolve)));
  const told: string[] = [];
  void insert(1).then(() => told.push("written"));
  await turn();
  await turn();
  assert.is(flushes.length, 1);
  void count().then((n) => told.push(`read ${n}`));
  await turn();
  await turn();
  assert.equal(told, []);
  flushes[0]?.();
  await turn();
  await turn();
  assert.equal(told.toSorted(), ["read 1", "written"]);
  await close();
});

durable("a write waits for the disk with synchronous full, and does not with normal", async () => {
  const { flush } = WalSync.prototype;
  for (const [synchronous, expected] of [
    ["full", 3],
    ["normal", 0],
  ] as const) {
    await using world = await SqliteWorld.make();
    let flushes = 0;
    WalSync.prototype.flush = async function (this: WalSync) {
      await flush.call(this);
      flushes += 1;
    };
    try {
      const connection = await world.open({ synchronous });
      await connection.write((trx) => sql`create table entry (id integer primary key)`.execute(trx));
      for (const id of [1, 2]) await connection.write((trx) => sql`insert into entry values (${id})`.execute(trx));
    } finally {
      WalSync.prototype.flush = flush;
    }
    assert.is(flushes, expected, synchronous);
  }
});

durable("writes issued together share one flush, and a transaction that changes nothing needs none", async () => {
  await using world = await SqliteWorld.make();
  let flushes = 0;
  const { queue, insert, close } = await queueOver(world, async () => {
    flushes += 1;
  });
  await Promise.all(Array.from({ length: 8 }, (_, id) => insert(id)));
  assert.is(flushes, 1);
  await queue.write((trx) => sql`select count(*) from entry`.execute(trx));
  assert.is(flushes, 1);
  await insert(100);
  assert.is(flushes, 2);
  await close();
});

durable("others have their turn within a transaction of thousands of statements, and see nothing of it", async () => {
  await using world = await SqliteWorld.make();
  const connection = await world.open();
  await connection.write((trx) => sql`create table entry (id integer primary key)`.execute(trx));
  let over = false;
  let turns = 0;
  const seen = new Set<number>();
  const count = async () => {
    const { rows } = await sql<{ count: number }>`select count(*) as count from entry`.execute(connection.read);
    return rows[0]?.count ?? -1;
  };
  const others = (async () => {
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
      seen.add(await count());
    }
  })();
  await connection.write(async (trx) => {
    turns = 0;
    for (let id = 0; id < 20_000; id += 1) await sql`insert into entry values (${id})`.execute(trx);
  });
  const during = turns;
  over = true;
  await others;
  assert.ok(during >= 3, `${during} turns`);
  assert.equal(
    [...seen].filter((rows) => rows !== 0 && rows !== 20_000),
    [],
  );
  assert.is(await count(), 20_000);
});

durable("others have their turn while many read at once, and none of these sees what is not durable", async () => {
  await using world = await SqliteWorld.make();
  let hold: Promise<void> | undefined;
  const { queue, insert, close, reading } = await queueOver(world, () => hold ?? Promise.resolve());
  await insert(1);
  // Each takes longer than all reads of a turn may.
  const slow = async () => {
    const numbers = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 300000)";
    const { rows } = await reading.executeQuery<{ entries: number }>(
      CompiledQuery.raw(`${numbers} select (select count(*) from entry) as entries, max(x) from n`),
    );
    return rows[0]?.entries;
  };
  const many = () => Array.from({ length: 12 }, slow);
  let turns = 0;
  const during = Promise.all(many()).then((seen) => [seen.every((entries) => entries === 1), turns] as const);
  while ((await Promise.race([during, new Promise<void>((resolve) => setImmediate(resolve))])) === undefined)
    turns += 1;
  const [same, had] = await during;
  assert.ok(same);
  assert.ok(had >= 10, `${had} turns`);

  let confirm = () => {};
  hold = new Promise((resolve) => {
    confirm = resolve;
  });
  let confirmed = false;
  const early: (number | undefined)[] = [];
  const reads = many().map((read) => read.then((entries) => void (confirmed || early.push(entries))));
  const written = insert(2);
  while (queue.flushing === undefined) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(early.length < reads.length, "some wait");
  assert.ok(early.every((entries) => entries === 1));
  confirmed = true;
  confirm();
  await Promise.all([written, ...reads]);
  assert.is(await slow(), 2);
  await close();
});

durable("a disk that does not confirm leaves the outcome unknown, and says so to all it concerns", async () => {
  await using world = await SqliteWorld.make();
  let broken = true;
  const { insert, count, close } = await queueOver(world, async () => {
    if (broken) throw new Error("EIO");
  });
  const errors = await Promise.all([rejects(insert(1)), rejects(insert(2))]);
  for (const error of errors) assert.ok(BelfryError.is(error) && error.code === "BELFRY_COMMIT_UNKNOWN");
  broken = false;
  await insert(3);
  assert.is(await count(), 3);
  await close();
});

durable("others have their turn between two groups, however much is queued", async () => {
  await using world = await SqliteWorld.make();
  const { insert, close } = await queueOver(world, async () => {});
  let done = 0;
  let turns = 0;
  const writes = Promise.all(Array.from({ length: 5_000 }, (_, id) => insert(id).then(() => (done += 1))));
  while (done < 5_000) {
    await turn();
    turns += 1;
  }
  await writes;
  assert.ok(turns > 10, `${turns} turns`);
  await close();
});

durable("a statement that fails within a work and is caught takes only itself back", async () => {
  await using world = await SqliteWorld.make();
  const { queue, insert, count, close } = await queueOver(world, async () => {});
  await insert(1);
  await queue.write(async (trx) => {
    await sql`insert into entry (id) values (2)`.execute(trx);
    await rejects(sql`insert into entry (id) values (1)`.execute(trx));
    await sql`insert into entry (id) values (3)`.execute(trx);
  });
  assert.is(await count(), 3);
  await close();
});

durable("the log is copied into the database while it runs, begins anew, and is gone after the close", async () => {
  await using world = await SqliteWorld.make();
  const connection = await world.open({ synchronous: "normal" });
  await connection.write((trx) => sql`create table entry (id integer primary key, text text)`.execute(trx));
  const text = "x".repeat(3_000);
  for (let round = 0; round < 300; round += 1) {
    await connection.write(async (trx) => {
      for (let id = 0; id < 100; id += 1) await sql`insert into entry (text) values (${text})`.execute(trx);
    });
  }
  const log = (await stat(`${world.path()}-wal`)).size;
  const main = (await stat(world.path())).size;
  assert.ok(log < 40_000_000, `the log has ${log} bytes`);
  assert.ok(main > 60_000_000, `the database has ${main} bytes`);
  await connection.close();
  assert.not.ok(existsSync(`${world.path()}-wal`));
  assert.is(rawSqlite(world.path()).pragma("integrity_check", { simple: true }), "ok");
  assert.equal(world.notes, []);
});

durable("the file is its owner's alone, and lies in the master's folder unless it is absolute", async () => {
  await using world = await SqliteWorld.make();
  await world.open();
  assert.is((await stat(world.path("belfry.sqlite"))).mode & 0o777, 0o600);
  await world.open({ file: "deeper/down/x.db" });
  assert.ok(existsSync(world.path("deeper/down/x.db")));
  await world.open({ file: world.path("absolute.db") }, { folder: "/" });
  assert.ok(existsSync(world.path("absolute.db")));
});

durable("whole numbers stay whole, truth is 1 or 0, bytes are bytes, and a Date is refused", async () => {
  await using world = await SqliteWorld.make();
  const connection = await world.open();
  await connection.write(async (trx) => {
    const { rows } = await sql`
      select 'x' || ${1} as joined, typeof(${1}) as whole, typeof(${1.5}) as broken, ${true} as yes, ${false} as no,
        ${12n} as big, hex(${Uint8Array.of(1, 255)}) as bytes, typeof(${undefined}) as void`.execute(trx);
    assert.equal(
      { ...(rows[0] as object) },
      {
        joined: "x1",
        whole: "integer",
        broken: "real",
        yes: 1,
        no: 0,
        big: 12,
        bytes: "01FF",
        void: "null",
      },
    );
    const error = await rejects(sql`select ${new Date()}`.execute(trx));
    assert.match((error as Error).message, "milliseconds");
  });
});

durable("thousands of different statements do not gather, and a changed table is read as it is", async () => {
  await using world = await SqliteWorld.make();
  const connection = await world.open();
  await connection.write((trx) => sql`create table entry (id integer primary key, a text)`.execute(trx));
  const all = async () => sql<object>`select * from entry`.execute(connection.read);
  assert.equal((await all()).rows, []);
  for (let round = 0; round < 2_000; round += 1)
    await sql`select ${sql.raw(String(round))} as n`.execute(connection.read);
  await connection.write((trx) => sql`insert into entry (id, a) values (1, 'x')`.execute(trx));
  assert.equal(
    (await all()).rows.map((row) => ({ ...row })),
    [{ id: 1, a: "x" }],
  );
  await connection.write((trx) => sql`alter table entry add column b integer default 5`.execute(trx));
  assert.equal(
    (await all()).rows.map((row) => ({ ...row })),
    [{ id: 1, a: "x", b: 5 }],
  );
});

durable("Kysely's own plugins work on reads and in transactions", async () => {
  await using world = await SqliteWorld.make();
  const connection = await world.open();
  await connection.write((trx) => sql`create table entry (some_name text)`.execute(trx));
  await connection.write((trx) =>
    trx.withPlugin(new CamelCasePlugin()).insertInto("entry").values({ someName: "a" }).execute(),
  );
  const rows = await connection.read.withPlugin(new CamelCasePlugin()).selectFrom("entry").selectAll().execute();
  assert.equal(
    rows.map((row) => ({ ...row })),
    [{ someName: "a" }],
  );
  const streamed: unknown[] = [];
  for await (const row of connection.read.selectFrom("entry").selectAll().stream()) streamed.push({ ...row });
  assert.equal(streamed, [{ some_name: "a" }]);
});

durable.run();
