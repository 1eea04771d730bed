import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  Transaction,
} from "kysely";

/** What Kysely has to know of a database besides how to reach it. */
export type SqlLanguage = Pick<Dialect, "createQueryCompiler" | "createAdapter" | "createIntrospector">;

// biome-ignore lint/suspicious/noExplicitAny: the store knows the tables, the driver does not.
export type AnyKysely = Kysely<any>;

/** Makes Kyselys over connections that somebody else opens, shares out and closes; see {@link directKysely}. */
export interface DirectKysely {
  /** For queries outside transactions. Destroying it closes nothing. */
  over(connection: DatabaseConnection): AnyKysely;
  /** For the inside of a transaction: it cannot begin another one. */
  withinTransaction(connection: DatabaseConnection): AnyKysely;
}

/**
 * For plugins that are a `Database`: hands queries straight to a connection, since Kysely's own way
 * through a driver and its pool costs more than a short query, and transactions are made by the
 * `write` of the database connection alone.
 */
export function directKysely(language: SqlLanguage): DirectKysely {
  const compiler = language.createQueryCompiler();
  const adapter = language.createAdapter();
  const dialect: Dialect = { ...language, createDriver: () => driver };
  const config = { dialect };

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

  const props = (connection: DatabaseConnection) => ({
    config,
    driver,
    dialect,
    executor: new DirectExecutor(connection),
  });
  return {
    over: (connection) => new Kysely(props(connection)),
    withinTransaction: (connection) => new Transaction(props(connection)),
  };
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
