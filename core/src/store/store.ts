import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { DatabaseConnection, Dialect } from "../interfaces/database.ts";
import type { Doorbell } from "../interfaces/doorbell.ts";
import type { Db } from "./tables.ts";
import { Tx } from "./tx.ts";

/** The names of all migrations, oldest first. A database that names others was made by a newer Belfry. */
export const MIGRATIONS = [
  "0001-tables",
  "0002-tongues",
  "0003-scheduling",
  "0004-distribution",
  "0005-builds",
  "0006-operation",
  "0007-resuming",
  "0008-pages",
  "0009-schedulers-history",
] as const;

const MOST_ATTEMPTS = 5;

export interface MigrationState {
  applied: string[];
  pending: string[];
  /** Migrations in the database that this version does not know. */
  unknown: string[];
}

/** The open database with the tables in it. The only way to them. */
export class Store {
  readonly #connection: DatabaseConnection;
  readonly #clock: Clock;

  constructor(connection: DatabaseConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  get dialect(): Dialect {
    return this.#connection.dialect;
  }

  get doorbell(): Doorbell {
    return this.#connection.doorbell;
  }

  /** For reading outside transactions; sees what is committed. */
  get read(): Db {
    return this.#connection.read as unknown as Db;
  }

  /**
   * Runs `work` in one transaction, with its events, and rings its bells after the commit. `work`
   * awaits nothing but queries and may be called again after a conflict.
   */
  async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let rings: Iterable<string> = [];
    const result = await this.#connection.write(async (trx) => {
      const tx = new Tx(trx as unknown as Db, this.dialect, this.#clock.now());
      const value = await work(tx);
      await tx.appendEvents();
      rings = tx.rings;
      return value;
    });
    this.doorbell.ring(...rings);
    return result;
  }

  /** Another number whenever anybody has committed something; `undefined` where that is not cheaply told. */
  version(): number | undefined {
    return this.#connection.version?.();
  }

  /** The time by the database's clock. */
  async databaseNow(): Promise<number> {
    const { rows } = await sql<{ now: number }>`select ${sql.raw(this.dialect.nowMillis)} as now`.execute(this.read);
    return Number(rows[0]?.now);
  }

  async migrations(): Promise<MigrationState> {
    const applied = await this.#appliedMigrations();
    const known: readonly string[] = MIGRATIONS;
    return {
      applied,
      pending: known.filter((name) => !applied.includes(name)),
      unknown: applied.filter((name) => !known.includes(name)),
    };
  }

  /** Brings the tables up to date. Refuses a database that a newer version made. */
  async migrate(): Promise<MigrationState> {
    const state = await this.migrations();
    if (state.unknown.length > 0) throw faults.databaseNewer(state.unknown);
    if (state.pending.length === 0) return state;
    const { runMigrations } = await import("./migrate.ts");
    for (let attempt = 1; ; attempt += 1) {
      try {
        await runMigrations(await this.#connection.orm());
        return await this.migrations();
      } catch (error) {
        // Another master may have started at the same moment and made the tables first.
        await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
        const now = await this.migrations().catch(() => state);
        if (now.pending.length === 0) return now;
        if (attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  async #appliedMigrations(): Promise<string[]> {
    const tables = await this.read.introspection.getTables({ withInternalKyselyTables: false });
    if (!tables.some((table) => table.name === "mikro_orm_migrations")) {
      if (tables.some((table) => table.name === "builds" || table.name === "changes")) throw faults.databaseForeign();
      return [];
    }
    const { rows } = await sql<{ name: string }>`select name from mikro_orm_migrations order by id`.execute(this.read);
    return rows.map((row) => row.name);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
