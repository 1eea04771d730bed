import { execFileSync } from "node:child_process";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import plugin, { sqlite } from "@belfry/sqlite";
import { createPart, rejects } from "@belfry/testkit";
import { BelfryError, type DatabaseConnection } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rawSqlite, SqliteWorld } from "./world.ts";

const refused = suite("sqlite refuses what it cannot use");

const code = (error: unknown) => (BelfryError.is(error) ? error.code : String(error));
const create = (connection: DatabaseConnection) =>
  connection.write((trx) => sql`create table entry (id integer primary key, text text)`.execute(trx));
const count = async (connection: DatabaseConnection) =>
  (await sql<{ n: number }>`select count(*) as n from entry`.execute(connection.read)).rows[0]?.n;

refused("a file that is no database, and leaves it as it was", async () => {
  await using world = await SqliteWorld.make();
  await writeFile(world.path(), "dear diary, ".repeat(1_000));
  const before = await stat(world.path());
  assert.is(code(await rejects(world.open())), "BELFRY_SQLITE_NOT_A_DATABASE");
  assert.is((await stat(world.path())).size, before.size);
});

refused("a folder in the file's place", async () => {
  await using world = await SqliteWorld.make();
  await mkdir(world.path());
  assert.is(code(await rejects(world.open())), "BELFRY_SQLITE_NOT_A_DATABASE");
  assert.is(code(await rejects(world.open({}, { readOnly: true }))), "BELFRY_SQLITE_NOT_A_DATABASE");
});

refused("a folder that cannot be made", async () => {
  await using world = await SqliteWorld.make();
  await writeFile(world.path("file"), "");
  assert.is(code(await rejects(world.open({ file: "file/below/db.sqlite" }))), "BELFRY_SQLITE_FOLDER");
});

refused("a damaged database, at the latest when it is read", async () => {
  await using world = await SqliteWorld.make();
  const raw = rawSqlite(world.path());
  raw.exec("create table entry (id integer primary key, text text)");
  raw.exec(
    "insert into entry (text) select hex(randomblob(500)) from generate_series(1, 200)".replace(
      "generate_series(1, 200)",
      "(with recursive n(x) as (select 1 union all select x + 1 from n where x < 200) select x from n)",
    ),
  );
  raw.close();
  const { open } = await import("node:fs/promises");
  const file = await open(world.path(), "r+");
  await file.write(Buffer.alloc(40_000, 0x5a), 0, 40_000, 4_096);
  await file.close();
  const connection = await world.open();
  assert.is(code(await rejects(count(connection))), "BELFRY_SQLITE_CORRUPT");
});

refused("options that mean nothing", () => {
  for (const options of [
    { file: ":memory:" },
    { file: "" },
    { file: 7 },
    { synchronous: "off" },
    { lockTimeout: "soon" },
    { slowLimit: -1 },
  ]) {
    assert.throws(() => createPart(sqlite, options as never), undefined, JSON.stringify(options));
  }
  assert.is(plugin.name, "@belfry/sqlite");
  assert.is(sqlite({ file: "x.db" }).kind, "@belfry/sqlite/database");
});

refused("a process that only reads, where there is nothing to read", async () => {
  await using world = await SqliteWorld.make();
  assert.is(code(await rejects(world.open({}, { readOnly: true }))), "BELFRY_SQLITE_MISSING");
});

refused("writes in a process that only reads; it sees what the other one commits", async () => {
  await using world = await SqliteWorld.make();
  const writer = await world.open();
  await create(writer);
  const reader = await world.open({}, { readOnly: true });
  assert.is(code(await rejects(reader.write(async () => {}))), "BELFRY_SQLITE_READS_ONLY");
  assert.ok(await rejects(sql`insert into entry (id) values (1)`.execute(reader.read)));
  await writer.write((trx) => sql`insert into entry (id) values (2)`.execute(trx));
  assert.is(await count(reader), 1);
  await reader.close();
  assert.is(code(await rejects(reader.write(async () => {}))), "BELFRY_SQLITE_READS_ONLY");
});

/** A small disk of its own; `undefined` where this user may not make one. */
function smallDisk(folder: string, options: string): (() => void) | undefined {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" });
    return () => execFileSync("umount", ["-l", folder], { stdio: "ignore" });
  } catch {
    return undefined;
  }
}

async function canMount(): Promise<boolean> {
  await using world = await SqliteWorld.make();
  const unmount = smallDisk(world.folder, "size=1m");
  unmount?.();
  return unmount !== undefined;
}

const onDisk = (await canMount()) ? refused : refused.skip;
if (onDisk === refused.skip) console.log("SKIPPED: the tests of full and read-only disks need the right to mount");

onDisk("a disk that cannot be written", async () => {
  await using world = await SqliteWorld.make();
  await (await world.open()).close();
  const folder = world.path("disk");
  await mkdir(folder);
  const unmount = smallDisk(folder, "size=4m");
  try {
    const connection = await world.open({}, { folder });
    await create(connection);
    await connection.close();
    execFileSync("mount", ["-o", "remount,ro", folder]);
    assert.is(code(await rejects(world.open({}, { folder }))), "BELFRY_SQLITE_READ_ONLY");
    assert.is(code(await rejects(world.open({ file: "new.sqlite" }, { folder }))), "BELFRY_SQLITE_FOLDER");
  } finally {
    unmount?.();
  }
});

onDisk("a write on a full disk, alone, and goes on when there is space", async () => {
  await using world = await SqliteWorld.make();
  const folder = world.path("disk");
  await mkdir(folder);
  const unmount = smallDisk(folder, "size=6m");
  try {
    const connection = await world.open({}, { folder });
    await create(connection);
    const ballast = `${folder}/ballast`;
    await writeFile(ballast, Buffer.alloc(3_000_000));
    const insert = (id: number, size: number) =>
      connection.write((trx) => sql`insert into entry (id, text) values (${id}, ${"x".repeat(size)})`.execute(trx));
    // One that cannot fit, among many that can: only that one fails.
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 10 }, (_, id) => insert(id, 100)),
      insert(50, 20_000_000),
      ...Array.from({ length: 10 }, (_, id) => insert(100 + id, 100)),
    ]);
    const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [code(outcome.reason)] : []));
    assert.equal(failed, ["BELFRY_SQLITE_FULL"]);
    assert.is(await count(connection), 20);
    // Now until nothing fits any more.
    let acknowledged = 20;
    let error: unknown;
    for (let id = 1_000; error === undefined && id < 2_000; id += 1) {
      await insert(id, 100_000).then(
        () => (acknowledged += 1),
        (reason) => {
          error = reason;
        },
      );
    }
    assert.is(code(error), "BELFRY_SQLITE_FULL");
    assert.is(await count(connection), acknowledged);
    await rm(ballast);
    await insert(3_000, 100_000);
    assert.is(await count(connection), acknowledged + 1);
    await connection.close();
    const again = await world.open({}, { folder });
    assert.is(await count(again), acknowledged + 1);
    await again.close();
  } finally {
    unmount?.();
  }
});

refused.run();
