import { type DatabaseConnection, LocalDoorbell, type OrmOptions } from "belfry";
import {
  CompiledQuery,
  type Dialect,
  type Driver,
  type DatabaseConnection as KyselyConnection,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { dialect } from "./dialect.ts";
import { type AnyKysely, kyselyOver, transactionOver } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { explained } from "./failures.ts";
import { openNative } from "./native.ts";
import { Session } from "./session.ts";

const NAME = "in memory";

/**
 * A database in memory. There is one connection to it, so what is asked for outside of transactions
 * while one runs waits till that has ended.
 */
export class ScratchConnection implements DatabaseConnection {
  readonly dialect = dialect;
  readonly doorbell: LocalDoorbell;
  readonly read: AnyKysely;
  readonly #session: Session;
  #writing: Promise<unknown> | undefined;
  #commits = 0;
  #closed = false;

  constructor(note: (message: string) => void) {
    this.doorbell = new LocalDoorbell(note);
    this.#session = new Session(openNative(":memory:", {}));
    for (const pragma of ["foreign_keys = on", "temp_store = memory"])
      this.#session.native.pragma(pragma, { simple: true });
    this.read = kyselyOver(connectionOf((query) => this.#read(query)));
  }

  async write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    const before = this.#writing;
    const writing = before ? before.then(() => this.#transact(work)) : this.#transact(work);
    const settled = writing.then(
      () => undefined,
      () => undefined,
    );
    this.#writing = settled;
    try {
      return await writing;
    } finally {
      if (this.#writing === settled) this.#writing = undefined;
    }
  }

  version(): number {
    return this.#commits;
  }

  async orm(): Promise<OrmOptions> {
    const { SqliteDriver } = await import("@mikro-orm/sqlite");
    return { driver: SqliteDriver, dbName: ":memory:", driverOptions: ormDialect(this.#session) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#writing;
    this.#closed = true;
    this.doorbell.close();
    this.#session.close();
  }

  async #read<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    while (this.#writing) await this.#writing;
    if (this.#closed) throw faults.closed();
    try {
      return this.#session.run(query);
    } catch (error) {
      throw explained(error, NAME);
    }
  }

  async #transact<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    if (this.#closed) throw faults.closed();
    this.#session.command("begin");
    let over = false;
    try {
      const run = async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
        if (over) throw new Error("The transaction is over: await every query before `work` returns.");
        return this.#session.run(query);
      };
      const value = await work(transactionOver(connectionOf(run)));
      this.#session.command("commit");
      this.#commits += 1;
      return value;
    } catch (error) {
      if (this.#session.native.inTransaction) this.#session.command("rollback");
      throw explained(error, NAME);
    } finally {
      over = true;
    }
  }
}

type Run = <R>(query: CompiledQuery) => Promise<QueryResult<R>>;

function connectionOf(run: Run): KyselyConnection {
  return {
    executeQuery: run,
    async *streamQuery<R>(query: CompiledQuery) {
      yield await run<R>(query);
    },
  };
}

/** What MikroORM gets: the one connection, which it does not close. */
function ormDialect(session: Session): Dialect {
  const connection = connectionOf(async (query) => {
    try {
      return session.run(query);
    } catch (error) {
      // A dump: several statements in one string.
      if (!(error instanceof RangeError) || query.parameters.length > 0) throw error;
      session.native.exec(query.sql);
      return { rows: [] };
    }
  });
  const command = (sql: string) => async () => {
    await connection.executeQuery(CompiledQuery.raw(sql));
  };
  const named = (sql: string) => (_: KyselyConnection, name: string) => command(`${sql} "${name}"`)();
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: command("begin"),
    commitTransaction: command("commit"),
    rollbackTransaction: command("rollback"),
    savepoint: named("savepoint"),
    rollbackToSavepoint: named("rollback to"),
    releaseSavepoint: named("release"),
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return {
    createDriver: () => driver,
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}
