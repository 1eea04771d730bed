import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import pg from "pg";
import type { Reply, Request, StopMode } from "./postgres-server.ts";

/** The name of the environment variable by which `npm test` says where the server is that all files share. */
export const SHARED_POSTGRES = "BELFRY_TEST_POSTGRES";

/** What fresh databases are copied from: made once for each key on a server, then copied in some 50 ms. */
export interface Template {
  /** Says what is in it; the same key always stands for the same content. */
  key: string;
  /** Fills an empty database, such as by running migrations, and closes what it opened. */
  prepare(url: string): Promise<void>;
}

/** A copy of a database made here takes 50 ms, one of PostgreSQL's own `template0` takes 400 ms. */
const EMPTY: Template = { key: "empty", prepare: async () => {} };

/** A real PostgreSQL server, for a test. */
export interface TestPostgres extends AsyncDisposable {
  /** The address of a database on this server, password included. */
  url(database: string): string;
  /** Makes an empty database, or a copy of the template, and gives its address. It is dropped with this handle. */
  createDatabase(template?: Template): Promise<string>;
  /** Shuts the server down, `fast` in order or `immediate` as a crash, and starts it on the same port. Private only. */
  restart(mode?: StopMode): Promise<void>;
  /** Shuts the server down until `up`; connecting is refused meanwhile. Private only. */
  down(mode?: StopMode): Promise<void>;
  up(): Promise<void>;
  /** Drops the databases made through this handle, and ends the server if it is private. Harmless when called twice. */
  stop(): Promise<void>;
}

/**
 * A PostgreSQL server for this test: the one that `npm test` shares between files, else one of its own. A test that
 * stops, restarts or reconfigures the server asks for a `private` one. A server of its own takes about 1.5 s to make,
 * and it never outlives this process, however that ends.
 */
export async function postgres(options: { private?: boolean } = {}): Promise<TestPostgres> {
  const shared = options.private ? undefined : process.env[SHARED_POSTGRES];
  const server = shared ? undefined : await startPostgres();
  const adminUrl = shared ?? (server as PostgresServer).url;
  const made: string[] = [];
  let stopped: Promise<void> | undefined;

  const own = (): PostgresServer => {
    if (!server) throw new Error("This server is shared with other tests; ask for `postgres({ private: true })`.");
    return server;
  };
  const stop = async () => {
    if (server) return server.stop();
    await asAdmin(adminUrl, async (client) => {
      for (const name of made.splice(0)) await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    });
  };
  const handle: TestPostgres = {
    url: (database) => urlOf(adminUrl, database),
    async createDatabase(template = EMPTY) {
      const name = `test_${process.pid}_${randomBytes(6).toString("hex")}`;
      await asAdmin(adminUrl, async (client) => {
        const from = await templateFor(client, adminUrl, template);
        await client.query(`CREATE DATABASE "${name}" TEMPLATE "${from}"`);
      });
      made.push(name);
      return urlOf(adminUrl, name);
    },
    restart: async (mode = "fast") => own().ask({ ask: "restart", mode }),
    down: async (mode = "fast") => own().ask({ ask: "down", mode }),
    up: async () => own().ask({ ask: "up" }),
    stop() {
      stopped ??= stop();
      return stopped;
    },
    [Symbol.asyncDispose]: () => handle.stop(),
  };
  return handle;
}

/** A server in a process that watches over it. */
export interface PostgresServer {
  /** Of the database `postgres`, as the superuser. */
  url: string;
  ask(request: Request): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server that ends with this process at the latest. For the test runner; tests call `postgres()`. */
export async function startPostgres(): Promise<PostgresServer> {
  const { BELFRY_TEST_FILE: _, ...env } = process.env;
  const keeper = spawn(process.execPath, [fileURLToPath(new URL("./postgres-server.ts", import.meta.url))], {
    env,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    // A group of its own: who ends a test's group must not end the one that tidies up after it.
    detached: true,
  });
  const next = replies(keeper);
  const first = await next(() => {});
  if (!("url" in first)) throw new Error("failed" in first ? first.failed : "PostgreSQL's keeper is confused.");

  let turn: Promise<unknown> = Promise.resolve();
  const ask = (request: Request): Promise<void> => {
    const answered = turn.then(async () => {
      const reply = await next(() => keeper.send(request));
      if ("failed" in reply) throw new Error(reply.failed);
    });
    turn = answered.catch(() => {});
    return answered;
  };
  return {
    url: first.url,
    ask,
    async stop() {
      if (keeper.exitCode !== null) return;
      const exited = new Promise((resolve) => keeper.once("exit", resolve));
      await ask({ ask: "stop", mode: "immediate" });
      keeper.ref();
      await exited;
    },
  };
}

/** Waits for replies one at a time; only while it waits does the keeper keep this process alive. */
function replies(keeper: ChildProcess): (send: () => void) => Promise<Reply> {
  keeper.unref();
  keeper.channel?.unref();
  return (send) =>
    new Promise<Reply>((resolve) => {
      const settle = (reply: Reply) => {
        keeper.channel?.unref();
        keeper.unref();
        keeper.off("message", settle).off("exit", gone).off("error", failed);
        resolve(reply);
      };
      const gone = () => settle({ failed: "PostgreSQL's keeper ended." });
      const failed = (error: Error) => settle({ failed: error.message });
      keeper.ref();
      keeper.channel?.ref();
      keeper.on("message", settle).once("exit", gone).once("error", failed);
      if (keeper.exitCode !== null || keeper.signalCode !== null) gone();
      else send();
    });
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

async function asAdmin<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  // Told to the query that is under way; one that comes between queries is not this function's business.
  client.on("error", () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** The template's database; whoever is first makes it, the others wait, in whatever process they are. */
async function templateFor(client: pg.Client, adminUrl: string, { key, prepare }: Template): Promise<string> {
  const name = `template_${key.replace(/[^a-z0-9_]/gi, "_")}`.slice(0, 60);
  await client.query("SELECT pg_advisory_lock(hashtext($1))", [name]);
  try {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
    if (rowCount === 0) {
      await client.query(`CREATE DATABASE "${name}_unready" TEMPLATE template0`);
      try {
        await prepare(urlOf(adminUrl, `${name}_unready`));
        await client.query(`ALTER DATABASE "${name}_unready" RENAME TO "${name}"`);
      } catch (error) {
        await client.query(`DROP DATABASE "${name}_unready" WITH (FORCE)`);
        throw error;
      }
    }
  } finally {
    await client.query("SELECT pg_advisory_unlock(hashtext($1))", [name]);
  }
  return name;
}
