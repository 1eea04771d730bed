import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import plugin, { postgres as database } from "@belfry/postgres";
import { createPart, rejects, until } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { sql } from "kysely";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkVersion } from "../../../plugins/postgres/src/database.ts";
import { postgres } from "../../tools/postgres.ts";
import { PostgresWorld } from "./world.ts";

const refused = suite("postgres refuses what it cannot use");
const server = await postgres();
refused.after(() => server.stop());

const SECRET = "s3cr3t-w0rd";
const code = (error: unknown) => (BelfryError.is(error) ? error.code : String(error));

async function refusal(url: string, options = {}): Promise<BelfryError> {
  const error = await rejects(
    createPart(database, { url, connectTimeout: 500, ...options }).open({
      folder: "/",
      readOnly: false,
      signal: new AbortController().signal,
      note: () => {},
    }),
  );
  assert.ok(BelfryError.is(error), String(error));
  const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + error.message;
  assert.not.ok(shown.includes(SECRET), "the password is shown");
  return error as BelfryError;
}

refused("a server that does not answer, by host and port", async () => {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  listener.close();
  await once(listener, "close");
  const error = await refusal(`postgresql://me:${SECRET}@127.0.0.1:${port}/db`);
  assert.is(error.code, "BELFRY_POSTGRES_UNREACHABLE");
  assert.match(error.message, `127.0.0.1:${port}`);
});

refused("a server that accepts and then says nothing", async () => {
  const sockets: { destroy(): void }[] = [];
  const listener = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const error = await refusal(`postgresql://me:${SECRET}@127.0.0.1:${port}/db`);
  assert.is(error.code, "BELFRY_POSTGRES_UNREACHABLE");
  for (const socket of sockets) socket.destroy();
  listener.close();
});

refused("something else that listens there", async () => {
  const listener = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const error = await refusal(`postgresql://me:${SECRET}@127.0.0.1:${port}/db`);
  assert.match(error.code, /^BELFRY_POSTGRES_(UNREACHABLE|FAILED)$/);
  listener.close();
});

refused("a wrong password, an unknown user, and a missing database, each by its own code", async () => {
  const url = new URL(server.url("postgres"));
  const right = url.password;
  url.password = SECRET;
  assert.is((await refusal(url.href)).code, "BELFRY_POSTGRES_REFUSED");
  url.username = "nobody";
  assert.is((await refusal(url.href)).code, "BELFRY_POSTGRES_REFUSED");
  url.username = "postgres";
  url.password = right;
  url.pathname = "/no_such_database";
  assert.is((await refusal(url.href)).code, "BELFRY_POSTGRES_DATABASE_MISSING");
});

refused("a user who may not make tables", async () => {
  await using world = await PostgresWorld.on(server);
  const role = `guest_${process.pid}`;
  await (await world.open()).close();
  const client = new pg.Client({ connectionString: world.url });
  await client.connect();
  try {
    await client.query("revoke create on schema public from public");
    await client.query("drop table belfry_commits");
    await client.query(`create role ${role} login password '${SECRET}'`);
    const url = new URL(world.url);
    url.username = role;
    url.password = SECRET;
    assert.is((await refusal(url.href)).code, "BELFRY_POSTGRES_FORBIDDEN");
  } finally {
    await client.query(`drop role if exists ${role}`);
    await client.end();
  }
});

refused("addresses that are none, or would show a part of the password as something else", async () => {
  for (const url of [
    "nonsense",
    "http://localhost/db",
    `mysql://me:${SECRET}@localhost/db`,
    `postgres://me:12/${SECRET}@localhost/db`,
    `postgres://me:12#${SECRET}@localhost/db`,
    `postgres://me:12?${SECRET}@localhost/db`,
    `postgres://me:${SECRET}/@localhost/db`,
    `postgres://me:${SECRET}@localhost:99999/db`,
  ]) {
    assert.is((await refusal(url)).code, "BELFRY_POSTGRES_URL", url);
  }
  assert.is(
    code(await rejects(PostgresWorld.on(server).then((world) => world.open({ url: async () => "nonsense" })))),
    "BELFRY_POSTGRES_URL",
  );
});

refused("options that mean nothing", () => {
  for (const options of [{ url: "" }, { url: 7 }, { pool: 0 }, { pool: 1.5 }, { reconnectTimeout: "soon" }]) {
    assert.throws(() => createPart(database, options as never), undefined, JSON.stringify(options));
  }
  assert.is(plugin.name, "@belfry/postgres");
  assert.is(database({ url: "postgres://localhost/x" }).kind, "@belfry/postgres/database");
});

refused("servers that are too old", () => {
  let thrown: unknown;
  try {
    checkVersion(120_022);
  } catch (error) {
    thrown = error;
  }
  assert.is(code(thrown), "BELFRY_POSTGRES_TOO_OLD");
  assert.match((thrown as Error).message, "version 12;");
  checkVersion(130_000);
  checkVersion(180_004);
});

refused("writes in a process that only reads", async () => {
  await using world = await PostgresWorld.on(server);
  await world.open();
  const reader = await world.open({}, { readOnly: true });
  assert.is(code(await rejects(reader.write(async () => {}))), "BELFRY_POSTGRES_READS_ONLY");
  assert.is((await sql<{ n: number }>`select 1 as n`.execute(reader.read)).rows[0]?.n, 1);
});

refused("a server's wish not to wait for the disk", async () => {
  await using world = await PostgresWorld.on(server);
  const before = await world.open();
  const setting = async (connection: typeof before) =>
    (await sql<{ s: string }>`select current_setting('synchronous_commit') as s`.execute(connection.read)).rows[0]?.s;
  const name = new URL(world.url).pathname.slice(1);
  const client = new pg.Client({ connectionString: world.url });
  await client.connect();
  await client.query(`alter database "${name}" set synchronous_commit = off`);
  await client.end();
  assert.is(await setting(await world.open()), "on");
});

refused("nothing that the environment says, where no address is given", async () => {
  await using world = await PostgresWorld.on(server);
  const url = new URL(world.url);
  const variables = {
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: url.pathname.slice(1),
  };
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    const connection = await world.open({ url: undefined });
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(connection.read);
    assert.is(rows[0]?.name, variables.PGDATABASE);
    await connection.close();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});

refused("to stay: after the close no connection is left, and the process ends by itself", async () => {
  await using world = await PostgresWorld.on(server);
  const program = fileURLToPath(new URL("./passing-program.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, program, world.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (data) => (printed += data));
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [exit] = await once(child, "exit");
  clearTimeout(timer);
  assert.is(exit, 0);
  assert.is(printed, "closed\n");
  const watcher = await world.open();
  const others = async () =>
    (
      await sql<{ n: number }>`select count(*) as n from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid() and query not like '%listen belfry%'`.execute(
        watcher.read,
      )
    ).rows[0]?.n;
  await until(async () => (await others()) === 0, "all connections' end");
  const { rows } = await sql`select slot from belfry_commits`.execute(watcher.read);
  assert.equal(rows, []);
});

refused("to have an error that its README does not name", async () => {
  const folder = new URL("../../../plugins/postgres/", import.meta.url);
  const codes = (text: string, pattern: RegExp) => [...new Set(text.match(pattern))].toSorted();
  const listed = codes(await readFile(new URL("README.md", folder), "utf8"), /(?<=^\| `)BELFRY_\w+/gm);
  const thrown = codes(await readFile(new URL("src/errors.ts", folder), "utf8"), /(?<=")BELFRY_\w+/g);
  assert.ok(thrown.length > 0);
  assert.equal(listed, thrown);
});

refused.run();
