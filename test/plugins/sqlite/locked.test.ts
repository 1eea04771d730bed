import { rejects, until } from "@belfry/testkit";
import { BelfryError, type DatabaseConnection } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Program } from "./programs.ts";
import { SqliteWorld } from "./world.ts";

const locked = suite("sqlite beside another program that holds the file");

const insert = (connection: DatabaseConnection, id: number) =>
  connection.write((trx) => sql`insert into entry (id) values (${id})`.execute(trx));
const count = async (connection: DatabaseConnection) =>
  (await sql<{ n: number }>`select count(*) as n from entry`.execute(connection.read)).rows[0]?.n;
const code = (error: unknown) => (BelfryError.is(error) ? error.code : String(error));

async function opened(world: SqliteWorld, options = {}): Promise<DatabaseConnection> {
  const connection = await world.open(options);
  await connection.write((trx) => sql`create table entry (id integer primary key)`.execute(trx));
  return connection;
}

locked("a write waits for two seconds without holding the event loop, and reads go on", async () => {
  await using world = await SqliteWorld.make();
  const connection = await opened(world);
  await using other = new Program("./locking-program.ts", world.path());
  assert.is(await other.line(), "held");

  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const writes = Array.from({ length: 50 }, (_, id) => insert(connection, id));
  let settled = 0;
  for (const write of writes) void write.then(() => (settled += 1));
  const end = performance.now() + 2_000;
  while (performance.now() < end) {
    assert.is(await count(connection), 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.is(settled, 0);
  other.say("let go");
  await Promise.all(writes);
  clearInterval(timer);
  assert.is(await count(connection), 50);
  // The driver sleeps 3 ms at a time; the rest is for machines that are busy with other tests.
  assert.ok(longest < 100, `the event loop was held for ${longest} ms`);
});

locked("a lock that lasts too long is told, with nothing lost for those who come later", async () => {
  await using world = await SqliteWorld.make();
  const connection = await opened(world, { lockTimeout: "300ms" });
  await using other = new Program("./locking-program.ts", world.path());
  assert.is(await other.line(), "held");
  const errors = await Promise.all([rejects(insert(connection, 1)), rejects(insert(connection, 2))]);
  assert.equal(errors.map(code), ["BELFRY_SQLITE_LOCKED", "BELFRY_SQLITE_LOCKED"]);
  assert.ok(connection.dialect.isConnectionLost(errors[0]), "it is worth trying again later");
  assert.not.ok(connection.dialect.isUniqueViolation(errors[0]));
  other.say("let go");
  assert.is(await other.line(), "free");
  await insert(connection, 3);
  assert.is(await count(connection), 1);
});

locked("a file that is locked at the start is refused by name, and opens once it is free", async () => {
  await using world = await SqliteWorld.make();
  await (await opened(world)).close();
  await using other = new Program("./locking-program.ts", world.path(), "everything");
  assert.is(await other.line(), "held");
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const error = await rejects(world.open({ lockTimeout: 500 }));
  clearInterval(timer);
  assert.is(code(error), "BELFRY_SQLITE_LOCKED");
  assert.match((error as Error).message, world.path());
  assert.ok(longest < 100, `the event loop was held for ${longest} ms`);
  const waiting = world.open({ lockTimeout: 20_000 });
  other.say("let go");
  const connection = await waiting;
  assert.is(await count(connection), 0);
});

locked("opening a locked file can be given up", async () => {
  await using world = await SqliteWorld.make();
  await (await opened(world)).close();
  await using other = new Program("./locking-program.ts", world.path(), "everything");
  assert.is(await other.line(), "held");
  const { SqliteDatabase } = await import("../../../plugins/sqlite/src/database.ts");
  const database = new SqliteDatabase({
    file: world.path(),
    synchronous: "full",
    lockTimeout: 60_000,
    slowLimit: 1_000,
  });
  const reason = new Error("given up");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 100);
  const error = await rejects(
    database.open({ folder: world.folder, readOnly: false, signal: controller.signal, note: () => {} }),
  );
  assert.is(error, reason);
});

locked("a lock that comes and goes under load loses no write", async () => {
  await using world = await SqliteWorld.make();
  const connection = await opened(world);
  await using other = new Program("./locking-program.ts", world.path(), "often");
  let acknowledged = 0;
  let over = false;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let round = 0; !over; round += 1) {
      await insert(connection, writer * 1_000_000 + round);
      acknowledged += 1;
    }
  });
  for (let round = 0; round < 20; round += 1) assert.is(await other.line(), "held");
  const during = acknowledged;
  await until(() => acknowledged > during + 100, "writes afterwards");
  over = true;
  await Promise.all(writers);
  assert.is(await count(connection), acknowledged);
});

locked.run();
