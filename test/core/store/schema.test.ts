import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rejects } from "@belfry/testkit";
import { BelfryError, Master } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { schemaDifference } from "../../../core/src/store/migrate.ts";
import { MIGRATIONS } from "../../../core/src/store/store.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("schema");

const COUNTERS = [
  { name: "events", value: 0 },
  { name: "locks", value: 0 },
];

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejects(promise);
  assert.ok(BelfryError.is(error), String(error));
  return error.code;
}

for (const kind of DATABASES) {
  test(`${kind.name}: the migrated tables are those that the entities describe`, async () => {
    await using database = await kind.open({ empty: true });
    await using open = await openStore(database);
    assert.is(await schemaDifference(await open.connection.orm()), "");
    await open.store.write((tx) => sql`alter table builds add column surplus integer`.execute(tx.db));
    assert.match(await schemaDifference(await open.connection.orm()), /surplus/, "or this test could not fail");
  });

  test(`${kind.name}: migrating again changes nothing and says what has run`, async () => {
    await using database = await kind.open({ empty: true });
    await using open = await openStore(database);
    assert.equal(await open.store.migrate(), { applied: [...MIGRATIONS], pending: [], unknown: [] });
    const counters = await open.store.read.selectFrom("counters").selectAll().orderBy("name").execute();
    assert.equal(counters, COUNTERS);
  });

  test(`${kind.name}: a database of a newer version is refused by store and master, and stays as it was`, async () => {
    await using database = await kind.open({ empty: true });
    await using open = await openStore(database);
    await open.store.write((tx) =>
      sql`insert into mikro_orm_migrations (name, executed_at) values ('9999-from-the-future', ${"2030-01-01"})`.execute(
        tx.db,
      ),
    );
    const error = await rejects(open.store.migrate());
    assert.ok(BelfryError.is(error));
    assert.is(error.code, "BELFRY_DATABASE_NEWER");
    assert.match(error.why, "9999-from-the-future");
    const folder = await mkdtemp(join(tmpdir(), "belfry-newer-"));
    try {
      const master = new Master({ database: database.entry }, { folder });
      assert.is(await codeOf(master.start()), "BELFRY_DATABASE_NEWER");
      await master.stop();
      assert.equal(await open.store.read.selectFrom("masters").selectAll().execute(), []);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test(`${kind.name}: a database with other tables of these names is refused and stays as it was`, async () => {
    await using database = await kind.open({ empty: true });
    await using open = await openStore(database, { migrate: false });
    await open.store.write(async (tx) => {
      await sql`create table builds (mine integer)`.execute(tx.db);
      await sql`insert into builds values (7)`.execute(tx.db);
    });
    assert.is(await codeOf(open.store.migrate()), "BELFRY_DATABASE_FOREIGN");
    const { rows } = await sql<{ mine: number }>`select mine from builds`.execute(open.store.read);
    assert.equal(rows, [{ mine: 7 }]);
  });

  test(`${kind.name}: masters that start at the same moment on an empty database migrate it once`, async () => {
    await using database = await kind.open({ empty: true });
    const opened = await Promise.all(Array.from({ length: 3 }, () => openStore(database, { migrate: false })));
    try {
      const states = await Promise.all(opened.map(({ store }) => store.migrate()));
      for (const state of states) assert.equal(state, { applied: [...MIGRATIONS], pending: [], unknown: [] });
      const counters = await opened[0]?.store.read.selectFrom("counters").selectAll().orderBy("name").execute();
      assert.equal(counters, COUNTERS);
    } finally {
      for (const { connection } of opened) await connection.close();
    }
  });
}

test.run();
