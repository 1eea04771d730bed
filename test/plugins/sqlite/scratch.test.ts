import { readdir } from "node:fs/promises";
import { sqlite } from "@belfry/sqlite";
import { createPart, rejects, systemClock, within } from "@belfry/testkit";
import type { Database, DatabaseConnection } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { schemaDifference } from "../../../core/src/store/migrate.ts";
import { Store } from "../../../core/src/store/store.ts";
import { SqliteWorld } from "./world.ts";

const test = suite("a scratch database of sqlite");

async function open(world: SqliteWorld): Promise<DatabaseConnection> {
  const database: Database = createPart(sqlite, { file: world.path() });
  const connection = await database.scratch?.({ signal: new AbortController().signal, note: () => undefined });
  if (!connection) throw new Error("there is none");
  return connection;
}

const count = async (db: DatabaseConnection["read"]) =>
  Number((await sql<{ n: number }>`select count(*) as n from entry`.execute(db)).rows[0]?.n);

test("is empty, leaves no file, and is not the same as another one", async () => {
  await using world = await SqliteWorld.make();
  const [one, two] = [await open(world), await open(world)];
  await one.write((trx) => sql`create table entry (id integer primary key)`.execute(trx));
  assert.equal(await one.read.introspection.getTables().then((tables) => tables.map(({ name }) => name)), ["entry"]);
  assert.equal(await two.read.introspection.getTables(), []);
  await Promise.all([one.close(), two.close(), one.close()]);
  assert.equal(await readdir(world.folder), []);
  await rejects(
    one.write(async () => undefined),
    "BELFRY_SQLITE_CLOSED",
  );
});

test("has all of core's tables after the migrations", async () => {
  await using world = await SqliteWorld.make();
  const connection = await open(world);
  const store = new Store(connection, systemClock);
  await store.migrate();
  assert.is(await schemaDifference(await connection.orm()), "");
  await store.close();
});

test("writes one after the other, all or nothing, and reads what is committed", async () => {
  await using world = await SqliteWorld.make();
  const connection = await open(world);
  await connection.write((trx) => sql`create table entry (id integer primary key)`.execute(trx));
  const writes = [1, 2, 3].map((id) =>
    connection.write(async (trx) => {
      await sql`insert into entry values (${id})`.execute(trx);
      await new Promise((resolve) => setImmediate(resolve));
      assert.is(await count(trx), id === 3 ? 2 : id);
      if (id === 2) throw new Error("taken back");
    }),
  );
  const read = count(connection.read);
  const [, second] = await Promise.allSettled(writes);
  assert.is(second?.status, "rejected");
  assert.is(await within(5_000, "the read", read), 2);
  let kept: DatabaseConnection["read"] | undefined;
  await connection.write(async (trx) => {
    kept = trx;
  });
  await count(kept as DatabaseConnection["read"]).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /The transaction is over/),
  );
  await connection.close();
});

test.run();
