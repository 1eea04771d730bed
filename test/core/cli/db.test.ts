// time limit: 300 s
import { open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry db");
const Sqlite = createRequire(import.meta.url)("better-sqlite3");

function change(world: World, sql: string): void {
  const db = new Sqlite(world.path(".belfry/belfry.sqlite"));
  db.pragma("foreign_keys = off");
  db.exec(sql);
  db.close();
}

test("upgrade makes the tables, and says the second time that there is nothing to do", async () => {
  await using world = await World.make(configText());
  const before = await world.run("db", "check");
  assert.is(before.code, 1);
  assert.match(
    before.out,
    /applied: none\npending: 0001-tables, 0002-tongues, 0003-scheduling, 0004-distribution, 0005-builds, 0006-operation, 0007-resuming, 0008-pages, 0009-schedulers-history\nproblem: It is empty/,
  );
  const first = await world.run("db", "upgrade");
  assert.is(first.code, 0, first.err);
  assert.match(first.out, /^0001-tables: done\n[\s\S]*The database is up to date now\.\n$/);
  assert.is((await world.run("db", "upgrade")).out, "The database is up to date.\n");
  const after = await world.run("db", "check");
  assert.is(after.code, 0, after.out);
  assert.match(after.out, /applied: 0001-tables.*\npending: none\nThe database is good\.\n$/);
  const { value } = await world.json("db", "check");
  assert.equal([value.ok, value.pending, value.unknown, value.problems], [true, [], [], []]);
  const master = await world.start();
  assert.is((await master.signal("SIGINT")).code, 0);
});

test("both are refused while a master runs", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  for (const action of ["upgrade", "check"]) {
    const { code, err } = await world.run("db", action);
    assert.is(code, 4, action);
    assert.match(
      err,
      new RegExp(`The database is in use\\.\n  why: A master runs here, process ${master.process.pid};`),
    );
  }
  assert.is((await master.signal("SIGINT")).code, 0);
  assert.is((await world.run("db", "check")).code, 0);
});

test("a database of a newer version is neither upgraded nor started on", async () => {
  await using world = await World.make(configText());
  await world.run("db", "upgrade");
  change(world, "insert into mikro_orm_migrations (name, executed_at) values ('9999-future', 0)");
  const check = await world.run("db", "check");
  assert.is(check.code, 1);
  assert.match(check.out, /unknown: 9999-future\nproblem: A newer Belfry made it/);
  for (const args of [["db", "upgrade"], ["start"]]) {
    const { code, err } = await world.run(...args);
    assert.is(code, 5, args.join(" "));
    assert.match(err, /made by a newer Belfry[\s\S]*9999-future/);
  }
});

test("tables that differ, rows without their owners and damaged pages are found", async () => {
  await using world = await World.make(configText());
  await world.run("db", "upgrade");
  change(world, "alter table builders add column extra text");
  const differing = await world.run("db", "check");
  assert.is(differing.code, 1);
  assert.match(differing.out, /problem: Its tables differ .*extra/);

  await using other = await World.make(configText());
  const master = await other.start();
  await other.run("force", "good", "--wait");
  await master.signal("SIGINT");
  assert.is((await other.run("db", "check")).code, 0);
  const file = await open(other.path(".belfry/belfry.sqlite"), "r+");
  const { size } = await file.stat();
  for (let at = 4096 * 3; at < size; at += 4096 * 7) await file.write(Buffer.alloc(512, 0xaa), 0, 512, at);
  await file.close();
  const damaged = await other.run("db", "check");
  assert.not.equal(damaged.code, 0);
});

test("a file that is no database is told, and not touched", async () => {
  await using world = await World.make(configText());
  await world.run("db", "upgrade");
  await writeFile(world.path(".belfry/belfry.sqlite"), "this is a letter to my aunt".repeat(100));
  for (const args of [["db", "check"], ["db", "upgrade"], ["start"]]) {
    const { code, err } = await world.run(...args);
    assert.is(code, 5, args.join(" "));
    assert.match(err, /^error: .+\n {2}why: .+\n {2}fix: .+\n$/);
  }
});

test("a broken configuration is told with its paths", async () => {
  await using world = await World.make(
    configText({ builders: '{ name: "a", workers: ["nobody"], steps: [] }', schedulers: "" }),
  );
  const { code, err } = await world.run("db", "check");
  assert.is(code, 5);
  assert.match(err, /builders\[0\]\.workers\[0\]/);
});

test("cleanup removes old history, by the master while it runs and by itself while none does; a dry run tells first", async () => {
  await using world = await World.make(configText({ more: "retention: { builds: { count: 1 } }," }));
  const master = await world.start();
  for (let i = 0; i < 3; i += 1) assert.is((await world.run("force", "good", "--wait")).code, 0);
  assert.is((await world.json("db", "cleanup", "--dry-run")).value.builds, 2);
  const removed = await world.json("db", "cleanup");
  assert.is(removed.code, 0);
  assert.is(removed.value.builds, 2);
  assert.is((await world.json("builds")).value.items.length, 1);
  assert.is((await world.run("force", "good", "--wait")).code, 0);
  await master.signal("SIGTERM");
  assert.match((await world.run("db", "cleanup", "--dry-run")).out, /^It would remove 1 builds/);
  assert.match((await world.run("db", "cleanup")).out, /^Removed 1 builds/);
  assert.match((await world.run("db", "cleanup")).out, /^Removed 0 builds/);
  assert.is((await world.run("db", "check", "--dry-run")).code, 2);
});

test("backup writes a file that a master can go on with, while another one runs, and replaces nothing", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "good", "--wait");
  const { code, out } = await world.run("db", "backup", "backup.sqlite");
  assert.is(code, 0);
  assert.match(out, /^Written: .*backup\.sqlite, [\d.]+ MB\.\nThe logs of builds/);
  assert.is((await stat(world.path("backup.sqlite"))).mode & 0o777, 0o600);
  assert.equal(
    (await readdir(world.folder)).filter((name) => name.includes("part")),
    [],
  );
  await world.run("force", "good", "--wait");
  await master.signal("SIGTERM");
  const again = await world.run("db", "backup", "backup.sqlite");
  assert.is(again.code, 5);
  assert.match(again.err, /a backup replaces nothing/);
  assert.match(
    (await world.run("db", "backup", "nowhere/x")).err,
    /The backup .*nowhere\/x was not made\.\n.*Writing it failed/,
  );
  for (const end of ["", "-wal", "-shm"]) await rm(world.path(`.belfry/belfry.sqlite${end}`), { force: true });
  await rename(world.path("backup.sqlite"), world.path(".belfry/belfry.sqlite"));
  assert.is((await world.run("db", "check")).code, 0);
  const next = await world.start();
  assert.is((await world.json("builds")).value.items.length, 1);
  assert.is((await world.run("force", "good", "--wait")).code, 0);
  await next.signal("SIGTERM");
});

test("copy takes the history to the database of another configuration, and that only once", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "good", "--wait");
  const other = configText().replace("sqlite()", 'sqlite({ file: "other.sqlite" })');
  await writeFile(world.path("other.config.ts"), other);
  assert.is((await world.run("db", "copy", "other.config.ts")).code, 4);
  await master.signal("SIGTERM");
  const copied = await world.run("db", "copy", "other.config.ts");
  assert.is(copied.code, 0, copied.err);
  assert.match(copied.out, /^Copied \d+ rows; every table has as many in both databases\.\n/);
  assert.match(copied.err, /^builds: 1$/m);
  const again = await world.run("db", "copy", "other.config.ts");
  assert.is(again.code, 5);
  assert.match(again.err, /There is something in the database/);
  assert.is((await world.run("db", "copy")).code, 2);
  assert.is((await world.run("db", "check", "x")).code, 2);
  await writeFile(world.path("belfry.config.ts"), other);
  const next = await world.start();
  assert.is((await world.run("force", "good", "--wait")).code, 0);
  assert.equal(
    (await world.json("builds")).value.items.map((item: any) => [item.id, item.number, item.result]),
    [
      [2, 2, "success"],
      [1, 1, "success"],
    ],
  );
  assert.match((await world.run("log", "good", "1")).out, /Hello/);
  await next.signal("SIGTERM");
});

test.run();
