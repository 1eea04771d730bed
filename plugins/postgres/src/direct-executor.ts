import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  type Driver,
  Kysely,
  type KyselyConfig,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  Transaction,
} from "kysely";
import type { Rows } from "./link.ts";

/** Hands queries straight to the connection. */
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
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createAdapter: () => new PostgresAdapter(),
  createIntrospector: (db) => new PostgresIntrospector(db),
};

const compiler = new PostgresQueryCompiler();
const adapter = new PostgresAdapter();
const config: KyselyConfig = { dialect };

// biome-ignore lint/suspicious/noExplicitAny: the store knows the tables, the driver does not.
export type AnyKysely = Kysely<any>;

/** A Kysely over something that runs queries. Destroying it closes nothing. */
export function kyselyOver(connection: DatabaseConnection): AnyKysely {
  return new Kysely({ config, driver, dialect, executor: new DirectExecutor(connection) });
}

/** The same for the inside of a transaction: it cannot begin another one. */
export function transactionOver(connection: DatabaseConnection): AnyKysely {
  return new Transaction({ config, driver, dialect, executor: new DirectExecutor(connection) });
}

const COUNTED = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);

export function resultOf<R>({ command, rowCount, rows }: Rows): QueryResult<R> {
  return COUNTED.has(command) ? { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) } : { rows: rows as R[] };
}
