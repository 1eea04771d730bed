import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  type Driver,
  Kysely,
  type KyselyConfig,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  Transaction,
} from "kysely";

/** Kysely's own adapter makes each query queue behind a mutex, which a synchronous driver does not need. */
class FreeAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** Hands queries straight to the connection; Kysely's way through its driver costs more than the query. */
class DirectExecutor extends DefaultQueryExecutor {
  readonly #connection: DatabaseConnection;

  constructor(connection: DatabaseConnection) {
    super(compiler, adapter, { provideConnection: (consumer) => consumer(connection) });
    this.#connection = connection;
  }

  override executeQuery<R>(query: CompiledQuery, options?: AbortableQueryOptions): Promise<QueryResult<R>> {
    return options?.signal ? super.executeQuery(query, options) : this.#connection.executeQuery<R>(query);
  }
}

const refuse = async (): Promise<never> => {
  throw new Error("Transactions are made by `write` of the database connection only.");
};

const driver: Driver = {
  init: async () => {},
  acquireConnection: refuse,
  beginTransaction: refuse,
  commitTransaction: refuse,
  rollbackTransaction: refuse,
  releaseConnection: async () => {},
  destroy: async () => {},
};

const dialect: Dialect = {
  createDriver: () => driver,
  createQueryCompiler: () => new SqliteQueryCompiler(),
  createAdapter: () => new FreeAdapter(),
  createIntrospector: (db) => new SqliteIntrospector(db),
};

const compiler = new SqliteQueryCompiler();
const adapter = new FreeAdapter();
const config: KyselyConfig = { dialect };

// biome-ignore lint/suspicious/noExplicitAny: the store knows the tables, the driver does not.
export type AnyKysely = Kysely<any>;

/** A Kysely over one connection. Destroying it does not close the connection. */
export function kyselyOver(connection: DatabaseConnection): AnyKysely {
  return new Kysely({ config, driver, dialect, executor: new DirectExecutor(connection) });
}

/** The same for the inside of a transaction: it cannot begin another one. */
export function transactionOver(connection: DatabaseConnection): AnyKysely {
  return new Transaction({ config, driver, dialect, executor: new DirectExecutor(connection) });
}
