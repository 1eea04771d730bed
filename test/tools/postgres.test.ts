import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres, SHARED_POSTGRES, startPostgres } from "./postgres.ts";
import { processesNaming } from "./processes.ts";

const server = suite("a PostgreSQL for tests");

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function refuses(url: string): Promise<boolean> {
  return query(url, "SELECT 1").then(
    () => false,
    () => true,
  );
}

const keeperFolders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith("belfry-postgres-"));

async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (await holds()) return;
    await sleep(50);
  }
  assert.unreachable(`it never came true that ${what}`);
}

server("databases are fresh, apart from each other, and durable as in production", async () => {
  await using pg = await postgres();
  const [one, two] = await Promise.all([pg.createDatabase(), pg.createDatabase()]);
  assert.is.not(one, two);
  await query(one, "CREATE TABLE t (n int)");
  assert.equal(await query(two, "SELECT to_regclass('t') AS t"), [{ t: null }]);
  assert.equal(await query(two, "SHOW fsync"), [{ fsync: "on" }]);
  assert.match(String((await query(two, "SHOW server_version"))[0]?.["server_version"]), /^18\./);
  assert.equal(await query(two, "SELECT 'a' < 'B' AS as_a_language_orders"), [{ as_a_language_orders: true }]);
});

server("a template is prepared once, however many ask at the same time, and copied for each", async () => {
  await using pg = await postgres();
  let prepared = 0;
  const template = {
    key: `fixture_${process.pid}`,
    prepare: async (url: string) => {
      prepared += 1;
      await query(url, "CREATE TABLE t AS SELECT 7 AS n");
    },
  };
  const urls = await Promise.all([1, 2, 3].map(() => pg.createDatabase(template)));
  assert.is(prepared, 1);
  for (const url of urls) assert.equal(await query(url, "UPDATE t SET n = n + 1 RETURNING n"), [{ n: 8 }]);
});

server("a template that cannot be prepared says why and leaves no half of it", async () => {
  await using pg = await postgres();
  const key = `broken_${process.pid}`;
  const broken = { key, prepare: () => Promise.reject(new Error("no migration today")) };
  await pg.createDatabase(broken).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, "no migration today"),
  );
  const url = await pg.createDatabase({ key, prepare: (url) => query(url, "CREATE TABLE t (n int)").then(() => {}) });
  assert.equal(await query(url, "SELECT count(*)::int AS n FROM t"), [{ n: 0 }]);
});

server("what was committed is there after a restart in order and after a crash, at the same address", async () => {
  await using pg = await postgres({ private: true });
  const url = await pg.createDatabase();
  await query(url, "CREATE TABLE t AS SELECT 1 AS n");
  await pg.restart("fast");
  assert.equal(await query(url, "UPDATE t SET n = 2 RETURNING n"), [{ n: 2 }]);
  await pg.restart("immediate");
  assert.equal(await query(url, "SELECT n FROM t"), [{ n: 2 }]);
  await pg.down();
  assert.ok(await refuses(url), "a server that is down refuses");
  await pg.up();
  assert.equal(await query(url, "SELECT n FROM t"), [{ n: 2 }]);
});

server("a private server is gone once stopped, with its folder, and stopping again is harmless", async () => {
  const before = await keeperFolders();
  const pg = await postgres({ private: true });
  const url = await pg.createDatabase();
  await pg.stop();
  await pg.stop();
  assert.ok(await refuses(url));
  const mine = (await keeperFolders()).filter((name) => !before.includes(name));
  // Other test processes may have started theirs meanwhile.
  for (const name of mine) assert.ok((await processesNaming(name)).length > 0, `${name} is left behind`);
});

server(
  "a server that is shared outlives who used it, without their databases, and refuses to be restarted",
  async () => {
    const shared = await startPostgres();
    const before = process.env[SHARED_POSTGRES];
    try {
      process.env[SHARED_POSTGRES] = shared.url;
      const pg = await postgres();
      const url = await pg.createDatabase();
      assert.not.ok(await refuses(url));
      await pg.restart().then(
        () => assert.unreachable(),
        (error: Error) => assert.match(error.message, /private: true/),
      );
      await pg.stop();
      assert.ok(await refuses(url), "the database is dropped");
      assert.not.ok(await refuses(shared.url), "the server is not");
    } finally {
      if (before === undefined) delete process.env[SHARED_POSTGRES];
      else process.env[SHARED_POSTGRES] = before;
      await shared.stop();
    }
  },
);

server("a server does not outlive a process that was killed", async () => {
  const user = spawn(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { startPostgres } from ${JSON.stringify(new URL("./postgres.ts", import.meta.url).href)};
       const { url } = await startPostgres();
       console.log(url);
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    const url = await new Promise<string>((resolve, reject) => {
      user.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
      user.once("exit", () => reject(new Error("it ended before its server was up")));
    });
    assert.not.ok(await refuses(url));
    user.kill("SIGKILL");
    await eventually("the server is gone", () => refuses(url));
  } finally {
    user.kill("SIGKILL");
  }
});

server.run();
