import * as assert from "node:assert/strict";
import { rejects, until, within } from "@belfry/testkit";
import { MikroORM } from "@mikro-orm/core";
import { Migration, Migrator } from "@mikro-orm/migrations";
import { BelfryError, type DatabaseConnection } from "belfry";
import { type Kysely, sql } from "kysely";

export interface OpenDatabase {
  connection: DatabaseConnection;
  /** Closes the connection, if it is not closed yet, and takes the database away. */
  close(): Promise<void>;
}

export interface Check {
  readonly title: string;
  run(): Promise<void>;
}

interface Tables {
  entry: { id: number; name: string | null; amount: number | null };
}

type Db = Kysely<Tables>;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * What the interface `Database` promises, as checks. `open` makes an empty database for each check;
 * a transaction may take `slowLimit` milliseconds where that is given.
 */
export function databaseContract(
  name: string,
  open: (options: { slowLimit?: number }) => Promise<OpenDatabase>,
): Check[] {
  const checks: Check[] = [];

  const check = (
    title: string,
    work: (connection: DatabaseConnection, read: Db) => Promise<void>,
    options: { slowLimit?: number } = {},
  ) =>
    checks.push({
      title: `${name}: ${title}`,
      run: async () => {
        const { connection, close } = await open(options);
        try {
          await connection.write((trx) =>
            sql`create table entry (id integer primary key, name text unique, amount bigint)`.execute(trx),
          );
          await within(60_000, "the check", work(connection, connection.read as Db));
        } finally {
          await close();
        }
      },
    });

  const insert = (connection: DatabaseConnection, id: number, label: string | null = null) =>
    connection.write(async (trx: Db) => {
      await trx.insertInto("entry").values({ id, name: label, amount: 0 }).execute();
      return id;
    });

  const ids = async (read: Db) =>
    (await read.selectFrom("entry").select("id").orderBy("id").execute()).map((row) => row.id);

  check("resolves with what the work gave, and reads see it right afterwards", async (connection, read) => {
    for (let id = 1; id <= 30; id += 1) {
      assert.equal(await insert(connection, id), id);
      assert.equal((await ids(read)).length, id);
    }
  });

  check("a transaction sees its own writes, and reads see none of them before the commit", async (connection, read) => {
    await connection.write(async (trx: Db) => {
      await trx.insertInto("entry").values({ id: 1, name: "a", amount: 1 }).execute();
      assert.deepEqual(await ids(trx), [1]);
      assert.deepEqual(await ids(read), []);
    });
    assert.deepEqual(await ids(read), [1]);
  });

  check("a work that throws writes nothing, and its own error comes back", async (connection, read) => {
    const error = new Error("changed my mind");
    const thrown = await rejects(
      connection.write(async (trx: Db) => {
        await trx.insertInto("entry").values({ id: 1, name: null, amount: null }).execute();
        throw error;
      }),
    );
    assert.equal(thrown, error);
    const early = new Error("before anything");
    const sync = await rejects(
      connection.write(() => {
        throw early;
      }),
    );
    assert.equal(sync, early);
    assert.deepEqual(await ids(read), []);
    assert.equal(await insert(connection, 2), 2);
  });

  check("of many issued at once each fails alone", async (connection, read) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) =>
        connection.write(async (trx: Db) => {
          await trx.insertInto("entry").values({ id: index, name: null, amount: null }).execute();
          if (index % 7 === 0) throw new Error(`no ${index}`);
          if (index % 7 === 3) await trx.insertInto("entry").values({ id: index, name: null, amount: 1 }).execute();
          return index;
        }),
      ),
    );
    const kept = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    assert.deepEqual(
      kept,
      Array.from({ length: 60 }, (_, index) => index).filter((index) => index % 7 !== 0 && index % 7 !== 3),
    );
    assert.deepEqual(await ids(read), kept);
  });

  check("eight writers who count lose nothing", async (connection, read) => {
    await insert(connection, 1);
    const { lockForUpdate } = connection.dialect;
    const seen: number[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let round = 0; round < 25; round += 1) {
          seen.push(
            await connection.write(async (trx: Db) => {
              const { rows } = await sql<{
                amount: number;
              }>`select amount from entry where id = 1 ${sql.raw(lockForUpdate)}`.execute(trx);
              const amount = (rows[0]?.amount ?? Number.NaN) + 1;
              await trx.updateTable("entry").set({ amount }).where("id", "=", 1).execute();
              return amount;
            }),
          );
        }
      }),
    );
    assert.equal((await read.selectFrom("entry").select("amount").executeTakeFirstOrThrow()).amount, 200);
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
  });

  check(
    "what a writer shares by its lock, nobody locks for an update before the commit, and other updates may pass",
    async (connection, read) => {
      await insert(connection, 1);
      const { lockForShare, lockForUpdate, name } = connection.dialect;
      const order: string[] = [];
      const first = connection.write(async (trx: Db) => {
        await sql`select amount from entry where id = 1 ${sql.raw(lockForShare)}`.execute(trx);
        order.push("held");
        if (name === "postgresql") {
          await connection.write((other: Db) =>
            other.updateTable("entry").set({ amount: 4 }).where("id", "=", 1).execute(),
          );
          order.push("passed");
        }
        for (let round = 0; round < 20; round += 1) await sql`select 1`.execute(trx);
        order.push("let go");
      });
      await until(() => order.length > 0, "the lock");
      await connection.write(async (trx: Db) => {
        await sql`select amount from entry where id = 1 ${sql.raw(lockForUpdate)}`.execute(trx);
        await trx.updateTable("entry").set({ amount: 5 }).where("id", "=", 1).execute();
        order.push("changed");
      });
      await first;
      assert.deepEqual(order, ["held", ...(name === "postgresql" ? ["passed"] : []), "let go", "changed"]);
      assert.equal((await read.selectFrom("entry").select("amount").executeTakeFirstOrThrow()).amount, 5);
    },
  );

  check("the version, if it is told, is another one after each commit, and the same until then", async (connection) => {
    if (!connection.version) return;
    const seen = new Set([connection.version()]);
    for (let id = 0; id < 20; id += 1) {
      await insert(connection, id);
      const version: number = connection.version();
      assert.ok(!seen.has(version), "somebody committed");
      seen.add(version);
      await (connection.read as Db).selectFrom("entry").select("id").execute();
      await connection.write(async (trx: Db) => {
        await trx.selectFrom("entry").select("id").execute();
      });
      assert.equal(connection.version(), version, "nobody committed");
    }
  });

  check("a commit is told after the work has run once, in the order of the commits", async (connection) => {
    const told: number[] = [];
    let runs = 0;
    for (let id = 0; id < 20; id += 1) {
      await connection.write(async (trx: Db) => {
        runs += 1;
        await trx.insertInto("entry").values({ id, name: null, amount: null }).execute();
      });
      told.push(id);
    }
    assert.equal(runs, 20);
    assert.deepEqual(told, await ids(connection.read as Db));
  });

  check("integers and text come back as they were given", async (connection, read) => {
    const texts = ["", "plain", "quote ' \" \\ ;--", "snow ☃ and 🎉", "line\nline\ttab", "x".repeat(100_000)];
    const amounts = [0, -1, 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, null];
    await connection.write(async (trx: Db) => {
      for (const [id, text] of texts.entries()) {
        await trx
          .insertInto("entry")
          .values({ id, name: text, amount: amounts[id] ?? null })
          .execute();
      }
    });
    const rows = await read.selectFrom("entry").selectAll().orderBy("id").execute();
    assert.deepEqual(
      rows.map((row) => row.name),
      texts,
    );
    assert.deepEqual(
      rows.map((row) => row.amount),
      amounts,
    );
    await connection.write((trx: Db) =>
      trx
        .updateTable("entry")
        .set({ name: undefined as unknown as null, amount: 7 })
        .where("id", "=", 0)
        .execute(),
    );
    const { rows: nulls } = await sql<{ name: null }>`select ${undefined} as name`.execute(read);
    assert.equal(nulls[0]?.name, null);
  });

  check("counts, sums and extremes are numbers", async (connection, read) => {
    for (const id of [1, 2, 3]) await insert(connection, id);
    await connection.write((trx: Db) => trx.updateTable("entry").set({ amount: 4 }).execute());
    const { rows } = await sql`select count(*) as n, sum(amount) as total, max(amount) as most from entry`.execute(
      read,
    );
    assert.deepEqual({ ...(rows[0] as object) }, { n: 3, total: 12, most: 4 });
  });

  check("says how many rows were changed, and gives back what was asked to be returned", async (connection) => {
    await connection.write(async (trx: Db) => {
      const added = await trx
        .insertInto("entry")
        .values([1, 2, 3].map((id) => ({ id, name: null, amount: id })))
        .returning("id")
        .execute();
      assert.deepEqual(
        added.map((row) => row.id),
        [1, 2, 3],
      );
      const changed = await trx.updateTable("entry").set({ amount: 0 }).where("id", ">", 1).executeTakeFirst();
      assert.equal(Number(changed.numUpdatedRows), 2);
      const removed = await trx.deleteFrom("entry").where("id", "=", 3).executeTakeFirst();
      assert.equal(Number(removed.numDeletedRows), 1);
    });
  });

  check("knows a unique violation, however it is wrapped, and nothing else for one", async (connection) => {
    const { dialect } = connection;
    await insert(connection, 1, "same");
    const byKey = await rejects(insert(connection, 1));
    const byName = await rejects(insert(connection, 2, "same"));
    for (const error of [byKey, byName, new Error("outer", { cause: new Error("middle", { cause: byName }) })]) {
      assert.equal(dialect.isUniqueViolation(error), true);
      assert.equal(dialect.isConnectionLost(error), false);
    }
    const syntax = await rejects(connection.write((trx) => sql`selec`.execute(trx)));
    const circular = new Error("circle");
    circular.cause = circular;
    for (const error of [syntax, circular, undefined, null, "text", 7, new Error("plain"), { code: 23505 }]) {
      assert.equal(dialect.isUniqueViolation(error), false);
      assert.equal(dialect.isConnectionLost(error), false);
    }
  });

  check("its clock tells whole milliseconds and never runs back", async (connection, read) => {
    let last = 0;
    for (let round = 0; round < 50; round += 1) {
      const { rows } = await sql<{ now: number }>`select ${sql.raw(connection.dialect.nowMillis)} as now`.execute(read);
      const now = rows[0]?.now ?? Number.NaN;
      assert.ok(Number.isSafeInteger(now) && now >= last, `${now} after ${last}`);
      last = now;
    }
    assert.ok(Math.abs(last - Date.now()) < 60_000, "it is the clock of this machine");
    const inside = await connection.write(async (trx) => {
      const { rows } = await sql<{ now: number }>`select ${sql.raw(connection.dialect.nowMillis)} as now`.execute(trx);
      return rows[0]?.now;
    });
    assert.ok(inside !== undefined && inside >= last);
  });

  check("the transaction cannot be used after its work has settled", async (connection, read) => {
    let kept: Db | undefined;
    await connection.write(async (trx: Db) => {
      kept = trx;
    });
    assert.ok(await rejects((kept as Db).insertInto("entry").values({ id: 9, name: null, amount: null }).execute()));
    await rejects(
      connection.write(async (trx: Db) => {
        kept = trx;
        throw new Error("no");
      }),
    );
    assert.ok(await rejects((kept as Db).insertInto("entry").values({ id: 9, name: null, amount: null }).execute()));
    await insert(connection, 1);
    assert.deepEqual(await ids(read), [1]);
  });

  check("reads cannot write, and only `write` begins transactions", async (connection, read) => {
    assert.ok(await rejects(read.insertInto("entry").values({ id: 9, name: null, amount: null }).execute()));
    assert.ok(await rejects(read.updateTable("entry").set({ amount: 1 }).execute()));
    assert.ok(await rejects(read.deleteFrom("entry").execute()));
    assert.ok(await rejects(read.transaction().execute(async () => {})));
    assert.ok(await rejects(connection.write(async (trx) => trx.transaction().execute(async () => {}))));
    assert.deepEqual(await ids(read), []);
  });

  check(
    "a work that waits for something else is taken back, and the others go on",
    async (connection, read) => {
      const stuck = rejects(
        connection.write(async (trx: Db) => {
          await trx.insertInto("entry").values({ id: 1, name: null, amount: null }).execute();
          await new Promise(() => {});
        }),
      );
      const next = insert(connection, 2);
      const error = await stuck;
      assert.ok(BelfryError.is(error));
      assert.equal(error.code, "BELFRY_TRANSACTION_SLOW");
      assert.equal(await next, 2);
      assert.deepEqual(await ids(read), [2]);
    },
    { slowLimit: 200 },
  );

  check("MikroORM migrates over it, and closing the ORM leaves it open", async (connection, read) => {
    class First extends Migration {
      override up(): void {
        this.addSql("create table made (id integer primary key, note text)");
        this.addSql("insert into made (id, note) values (1, 'hello')");
      }
    }
    class Broken extends Migration {
      override up(): void {
        this.addSql("insert into made (id, note) values (2, 'half')");
        this.addSql("insert into nowhere (id) values (1)");
      }
    }
    const migrate = async (list: { name: string; class: typeof Migration }[]) => {
      const orm = await MikroORM.init({
        ...(await connection.orm()),
        entities: [],
        discovery: { warnWhenNoEntities: false },
        logger: () => {},
        extensions: [Migrator],
        migrations: { migrationsList: list as never, snapshot: false },
      });
      try {
        return (await orm.migrator.up()).map((migration) => migration.name);
      } finally {
        await orm.close(true);
      }
    };
    const first = { name: "first", class: First as typeof Migration };
    assert.deepEqual(await migrate([first]), ["first"]);
    assert.deepEqual(await migrate([first]), []);
    assert.ok(await rejects(migrate([first, { name: "second", class: Broken as typeof Migration }])));
    const { rows } = await sql`select id, note from made`.execute(read);
    assert.deepEqual(
      rows.map((row) => ({ ...(row as object) })),
      [{ id: 1, note: "hello" }],
    );
    await insert(connection, 1);
    assert.deepEqual(await ids(read), [1]);
  });

  check("the doorbell wakes who listens to the topic, and coalesces", async (connection) => {
    const { doorbell } = connection;
    const woken: string[] = [];
    const stop = doorbell.listen("a", () => woken.push("a"));
    doorbell.listen("b", () => woken.push("b"));
    for (let round = 0; round < 100; round += 1) doorbell.ring("a");
    assert.deepEqual(woken, [], "a ring wakes nobody before the caller has gone on");
    await until(() => woken.length > 0, "the wake");
    await turn();
    assert.deepEqual(woken, ["a"]);
    doorbell.ring("b", "a", "nobody");
    await until(() => woken.length > 2, "both wakes");
    assert.deepEqual(woken.slice(1).toSorted(), ["a", "b"]);
    stop();
    stop();
    doorbell.ring("a", "b");
    await until(() => woken.length > 3, "the last wake");
    assert.deepEqual(woken.slice(3), ["b"]);
  });

  check("a listener that throws harms no other, and the same function may listen twice", async (connection) => {
    const { doorbell } = connection;
    let wakes = 0;
    const wake = () => {
      wakes += 1;
    };
    doorbell.listen("a", () => {
      throw new Error("bad listener");
    });
    const stop = doorbell.listen("a", wake);
    doorbell.listen("a", wake);
    doorbell.ring("a");
    await until(() => wakes === 2, "both wakes");
    stop();
    doorbell.ring("a");
    await until(() => wakes === 3, "the wake of the one that is left");
  });

  check("topics may be any text", async (connection) => {
    const { doorbell } = connection;
    const topics = ["", "'; drop table entry; --", "schlüssel ☃", "__proto__", "long ".repeat(5_000)];
    const woken = new Set<string>();
    for (const topic of topics) doorbell.listen(topic, () => woken.add(topic));
    doorbell.ring(...topics);
    doorbell.ring();
    await until(() => woken.size === topics.length, "all wakes");
  });

  check("close waits for what was issued, and refuses what comes later", async (connection) => {
    const issued = Array.from({ length: 40 }, (_, id) => insert(connection, id));
    let wakes = 0;
    connection.doorbell.listen("a", () => {
      wakes += 1;
    });
    const closing = connection.close();
    assert.equal((await Promise.all(issued)).length, 40);
    await closing;
    await connection.close();
    for (const late of [insert(connection, 100), ids(connection.read as Db)]) {
      const error = await rejects(late);
      assert.ok(BelfryError.is(error) && error.code.endsWith("_CLOSED"), String(error));
    }
    connection.doorbell.ring("a");
    await turn();
    await turn();
    assert.equal(wakes, 0);
  });

  return checks;
}
