import { rejects, until } from "@belfry/testkit";
import { BelfryError, type DatabaseConnection } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../../tools/postgres.ts";
import { Proxy, type Verdict } from "./proxy.ts";
import { PostgresWorld } from "./world.ts";

const lost = suite("postgres when the connection is lost");
const server = await postgres();
lost.after(() => server.stop());

const code = (error: unknown) => (BelfryError.is(error) ? error.code : String(error));

/** A table on a database behind a proxy, read past it. */
async function behindProxy(options = {}) {
  const world = await PostgresWorld.on(server);
  const proxy = await Proxy.before(world.url);
  const direct = await world.open();
  await direct.write((trx) => sql`create table entry (id integer, note text)`.execute(trx));
  const connection = await world.open({ url: proxy.url, reconnectTimeout: 20_000, ...options });
  return {
    world,
    proxy,
    connection,
    stored: async () =>
      (await sql<{ id: number }>`select id from entry order by id`.execute(direct.read)).rows.map((row) => row.id),
    [Symbol.asyncDispose]: async () => {
      proxy.judge = () => "forward";
      await world[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Lets the `nth` message that holds the text meet a fate; all others pass. */
function fate(proxy: Proxy, text: string, verdict: Verdict, nth = 1): { met: () => boolean } {
  let seen = 0;
  proxy.judge = (sent) => {
    if (!sent.includes(text)) return "forward";
    seen += 1;
    return seen === nth ? verdict : "forward";
  };
  return { met: () => seen >= nth };
}

const insert = (connection: DatabaseConnection, id: number, ran: () => void = () => {}) =>
  connection.write(async (trx) => {
    ran();
    await sql`insert into entry (id) values (${id})`.execute(trx);
    return id;
  });

const COMMIT = "Q\0\0\0\x0bcommit\0";

lost("a commit that arrived, but whose answer did not, is told as committed and not repeated", async () => {
  await using test = await behindProxy();
  await insert(test.connection, 1);
  const { met } = fate(test.proxy, COMMIT, "forward and cut");
  let runs = 0;
  assert.is(await insert(test.connection, 2, () => (runs += 1)), 2);
  assert.ok(met());
  assert.is(runs, 1);
  assert.equal(await test.stored(), [1, 2]);
});

lost("a commit that did not arrive is run again", async () => {
  await using test = await behindProxy();
  const { met } = fate(test.proxy, COMMIT, "cut");
  let runs = 0;
  assert.is(await insert(test.connection, 1, () => (runs += 1)), 1);
  assert.ok(met());
  assert.is(runs, 2);
  assert.equal(await test.stored(), [1]);
});

lost(
  "a commit that did not arrive is run again, also when the server believes that the client is still there",
  async () => {
    await using test = await behindProxy();
    const { met } = fate(test.proxy, COMMIT, "cut the client only");
    let runs = 0;
    assert.is(await insert(test.connection, 1, () => (runs += 1)), 1);
    assert.ok(met());
    assert.is(runs, 2);
    assert.equal(await test.stored(), [1]);
  },
);

lost("many commits of which every third loses its answer, one way or the other, are there exactly once", async () => {
  await using test = await behindProxy();
  let commits = 0;
  const verdicts: Verdict[] = ["forward and cut", "cut", "cut the client only"];
  test.proxy.judge = (sent) => {
    if (!sent.includes(COMMIT)) return "forward";
    commits += 1;
    return commits % 3 === 0 ? (verdicts[(commits / 3) % 3] ?? "cut") : "forward";
  };
  const ids = Array.from({ length: 60 }, (_, id) => id);
  assert.equal(await Promise.all(ids.map((id) => insert(test.connection, id))), ids);
  assert.equal(await test.stored(), ids);
});

lost("a commit that nobody can be asked about is told as unknown, not as lost", async () => {
  await using test = await behindProxy({ reconnectTimeout: 300 });
  test.proxy.judge = (sent) => {
    if (!sent.includes(COMMIT)) return "forward";
    setImmediate(() => test.proxy.cut(true));
    return "forward and cut";
  };
  const error = await rejects(insert(test.connection, 1));
  assert.is(code(error), "BELFRY_COMMIT_UNKNOWN");
  assert.not.ok(test.connection.dialect.isConnectionLost(error), "it is not to be repeated blindly");
  test.proxy.judge = () => "forward";
  test.proxy.accept();
  await insert(test.connection, 2);
  assert.ok((await test.stored()).includes(2));
});

lost(
  "a master that falls silent within a transaction holds up the others no longer than the slow limit and a bit",
  async () => {
    await using test = await behindProxy({ slowLimit: 500 });
    await insert(test.connection, 1);
    const { met } = fate(test.proxy, COMMIT, "swallow");
    const update = (connection: DatabaseConnection, note: string) =>
      connection.write((trx) => sql`update entry set note = ${note} where id = 1`.execute(trx));
    const silent = update(test.connection, "silent").catch(() => {});
    await until(met, "the silence");
    const other = await test.world.open({ statementTimeout: 20_000 });
    await update(other, "other");
    const { rows } = await sql<{ note: string }>`select note from entry`.execute(other.read);
    assert.equal(rows, [{ note: "other" }]);
    test.proxy.cut();
    await silent;
  },
);

lost("a connection that is lost before the commit begins the work anew", async () => {
  await using test = await behindProxy();
  const { met } = fate(test.proxy, "insert into entry", "forward and cut");
  let runs = 0;
  await insert(test.connection, 1, () => (runs += 1));
  assert.ok(met());
  assert.is(runs, 2);
  assert.equal(await test.stored(), [1]);
});

lost("so it does when the server believes that the client is still there, with its locks", async () => {
  await using test = await behindProxy();
  await insert(test.connection, 1);
  fate(test.proxy, "insert into entry", "cut the client only");
  let runs = 0;
  await test.connection.write(async (trx) => {
    runs += 1;
    await sql`update entry set note = 'mine'`.execute(trx);
    await sql`insert into entry (id) values (2)`.execute(trx);
  });
  assert.is(runs, 2);
  assert.equal(await test.stored(), [1, 2]);
});

lost("so it does when the work hides the failure behind an error of its own", async () => {
  await using test = await behindProxy();
  fate(test.proxy, "insert into entry", "cut");
  let runs = 0;
  await test.connection.write(async (trx) => {
    runs += 1;
    try {
      await sql`insert into entry (id) values (1)`.execute(trx);
    } catch {
      throw new Error("my own words");
    }
  });
  assert.is(runs, 2);
  assert.equal(await test.stored(), [1]);
});

lost("an error of the work's own is not repeated, though the connection was lost meanwhile", async () => {
  await using test = await behindProxy();
  fate(test.proxy, "rollback", "cut");
  let runs = 0;
  const mine = new Error("mine");
  const error = await rejects(
    test.connection.write(async (trx) => {
      runs += 1;
      await sql`insert into entry (id) values (1)`.execute(trx);
      throw mine;
    }),
  );
  assert.is(error, mine);
  assert.is(runs, 1);
  assert.equal(await test.stored(), []);
});

lost("a transaction that only reads is not in doubt when its commit is lost", async () => {
  await using test = await behindProxy();
  fate(test.proxy, COMMIT, "cut");
  let runs = 0;
  const rows = await test.connection.write(async (trx) => {
    runs += 1;
    return trx.selectFrom("entry").select("id").execute();
  });
  assert.equal(rows, []);
  assert.is(runs, 1);
});

lost("a read is asked again", async () => {
  await using test = await behindProxy();
  await insert(test.connection, 1);
  for (const verdict of ["cut", "forward and cut"] as const) {
    const { met } = fate(test.proxy, "select id, note", verdict);
    const { rows } = await sql<{ id: number }>`select id, note from entry`.execute(test.connection.read);
    assert.is(rows[0]?.id, 1);
    assert.ok(met());
  }
});

lost("what always loses its connection is not repeated for ever", async () => {
  await using test = await behindProxy({ reconnectTimeout: 600_000 });
  test.proxy.judge = (sent) => (sent.includes("poison") ? "cut" : "forward");
  let runs = 0;
  const write = rejects(
    test.connection.write(async (trx) => {
      runs += 1;
      await sql`select 'poison'`.execute(trx);
    }),
  );
  assert.is(code(await rejects(sql`select 'poison'`.execute(test.connection.read))), "BELFRY_POSTGRES_UNREACHABLE");
  assert.is(code(await write), "BELFRY_POSTGRES_UNREACHABLE");
  assert.is(runs, 9);
});

lost("connections that die while idle are not noticed by anybody", async () => {
  await using test = await behindProxy();
  await Promise.all(Array.from({ length: 10 }, (_, id) => insert(test.connection, id)));
  test.proxy.cut();
  await Promise.all(Array.from({ length: 10 }, (_, id) => insert(test.connection, 10 + id)));
  assert.is((await test.stored()).length, 20);
});

lost("a server that stays away is told after the time it was given, and used when it is back", async () => {
  await using test = await behindProxy({ reconnectTimeout: 300 });
  test.proxy.cut(true);
  const errors = await Promise.all([
    rejects(insert(test.connection, 1)),
    rejects(sql`select 1`.execute(test.connection.read)),
  ]);
  assert.equal(errors.map(code), ["BELFRY_POSTGRES_UNREACHABLE", "BELFRY_POSTGRES_UNREACHABLE"]);
  for (const error of errors) assert.ok(test.connection.dialect.isConnectionLost(error));
  test.proxy.accept();
  await insert(test.connection, 2);
  assert.equal(await test.stored(), [2]);
});

lost("a server that falls silent is given up", async () => {
  await using test = await behindProxy({ reconnectTimeout: 1_000, statementTimeout: 200, connectTimeout: 500 });
  test.proxy.judge = () => "swallow";
  const error = await rejects(sql`select 1`.execute(test.connection.read));
  assert.ok(test.connection.dialect.isConnectionLost(error), String(error));
});

lost("close does not wait for a server that is away", async () => {
  await using test = await behindProxy({ reconnectTimeout: 600_000 });
  test.proxy.cut(true);
  const write = rejects(insert(test.connection, 1));
  const read = rejects(sql`select 1`.execute(test.connection.read));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await test.connection.close();
  assert.equal([code(await write), code(await read)], ["BELFRY_POSTGRES_UNREACHABLE", "BELFRY_POSTGRES_UNREACHABLE"]);
});

lost("two transactions that lock each other out both succeed", async () => {
  await using test = await behindProxy();
  await insert(test.connection, 1);
  await insert(test.connection, 2);
  let runs = 0;
  const crossing = (first: number, second: number, met: () => void, other: Promise<void>) =>
    test.connection.write(async (trx) => {
      runs += 1;
      await sql`update entry set note = 'x' where id = ${first}`.execute(trx);
      met();
      // Not allowed in earnest: makes sure that each holds its first row.
      await other;
      await sql`update entry set note = 'x' where id = ${second}`.execute(trx);
    });
  const one = Promise.withResolvers<void>();
  const two = Promise.withResolvers<void>();
  await Promise.all([crossing(1, 2, one.resolve, two.promise), crossing(2, 1, two.resolve, one.promise)]);
  assert.is(runs, 3);
});

lost("a conflict that never ends is told", async () => {
  await using test = await behindProxy();
  let runs = 0;
  const error = await rejects(
    test.connection.write(async (trx) => {
      runs += 1;
      await sql`do $$ begin raise exception 'again' using errcode = '40001'; end $$`.execute(trx);
    }),
  );
  assert.is((error as { code?: string }).code, "40001");
  assert.is(runs, 11);
});

lost("a statement that fails is the end of its transaction, even if the work goes on", async () => {
  await using test = await behindProxy();
  const error = await rejects(
    test.connection.write(async (trx) => {
      await sql`insert into entry (id) values (1)`.execute(trx);
      await rejects(sql`insert into nowhere (id) values (1)`.execute(trx));
      const second = await rejects(sql`insert into entry (id) values (2)`.execute(trx));
      assert.match((second as Error).message, "nowhere");
    }),
  );
  assert.match((error as Error).message, "nowhere");
  const unawaited = await rejects(
    test.connection.write(async (trx) => {
      void sql`insert into entry (id) values (3)`.execute(trx).catch(() => {});
    }),
  );
  assert.match((unawaited as Error).message, "await");
  assert.equal(await test.stored(), []);
});

lost("a statement that takes too long ends, and the connection is used again", async () => {
  await using test = await behindProxy({ statementTimeout: 200, pool: 1 });
  const error = await rejects(sql`select pg_sleep(30)`.execute(test.connection.read));
  assert.is((error as { code?: string }).code, "57014");
  assert.not.ok(test.connection.dialect.isConnectionLost(error));
  await insert(test.connection, 1);
  await until(async () => (await test.stored()).length === 1, "the write");
});

lost.run();
