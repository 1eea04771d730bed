import type { Database, DatabaseConnection, DatabaseContext } from "belfry";
import pg from "pg";
import { addressOf } from "./address.ts";
import { CommitKeys } from "./commit-keys.ts";
import { PostgresConnection } from "./connection.ts";
import { faults } from "./errors.ts";
import type { Link } from "./link.ts";
import { NotifyDoorbell } from "./notify-doorbell.ts";
import { ormDialect } from "./orm-dialect.ts";
import { clientConfig, Server, type ServerOptions } from "./server.ts";

export interface PostgresOptions extends ServerOptions {
  url: string | (() => string | Promise<string>) | undefined;
}

const OLDEST = 130_000;

export class PostgresDatabase implements Database {
  readonly #options: PostgresOptions;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  async open(ctx: DatabaseContext): Promise<DatabaseConnection> {
    const { url, connectTimeout, slowLimit } = this.#options;
    const address = addressOf(typeof url === "function" ? await url() : url);
    const server = new Server(address, this.#options);
    const config = clientConfig(address, connectTimeout);
    const doorbell = new NotifyDoorbell(() => new pg.Client(config), ctx.note);
    const keys = new CommitKeys();
    try {
      const database = await this.#prepare(server, keys, ctx);
      await doorbell.start().catch((error: unknown) => {
        throw server.explained(error);
      });
      const orm = async () => {
        const { PostgreSqlDriver } = await import("@mikro-orm/postgresql");
        return { driver: PostgreSqlDriver, dbName: database, driverOptions: ormDialect(config) };
      };
      return new PostgresConnection({
        server,
        keys,
        doorbell,
        orm,
        slowLimit,
        readOnly: ctx.readOnly,
        shown: address.shown,
      });
    } catch (error) {
      await doorbell.close();
      await server.close(async () => {});
      throw error;
    }
  }

  /** Looks whether this server will do; gives the name of the database. */
  async #prepare(server: Server, keys: CommitKeys, ctx: DatabaseContext): Promise<string> {
    ctx.signal.throwIfAborted();
    // Shorter than later on: somebody waits for the start.
    const link = await server.connect(performance.now() + this.#options.connectTimeout, ctx.signal);
    try {
      const { rows } = await link.query(
        "select current_setting('server_version_num')::int as version, current_database() as name, pg_is_in_recovery() as standby",
      );
      const { version, name, standby } = rows[0] as { version: number; name: string; standby: boolean };
      checkVersion(version);
      if (standby && !ctx.readOnly) throw faults.readOnlyServer(server.where);
      if (!ctx.readOnly) await this.#makeTable(server, keys, link);
      return name;
    } finally {
      link.release();
    }
  }

  async #makeTable(server: Server, keys: CommitKeys, link: Link): Promise<void> {
    try {
      await keys.prepare(link);
    } catch (error) {
      throw server.explained(error);
    }
  }
}

/** Throws for a server that lacks what is needed; `version` is its `server_version_num`. */
export function checkVersion(version: number): void {
  if (version < OLDEST) throw faults.tooOld(version);
}
