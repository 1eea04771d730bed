import type { Kysely } from "kysely";
import type { Doorbell } from "./doorbell.ts";

/** What MikroORM needs to make tables and run migrations on this database. */
export interface OrmOptions {
  /** A MikroORM driver class. */
  // biome-ignore lint/suspicious/noExplicitAny: MikroORM's driver classes share no narrower type.
  driver: any;
  dbName: string;
  driverOptions?: object;
  [option: string]: unknown;
}

export interface DatabaseContext {
  /** The master's folder; a relative file name starts here. */
  readonly folder: string;
  readonly signal: AbortSignal;
  note(message: string): void;
  /** True for a process that only reads (role `api` on SQLite). */
  readonly readOnly: boolean;
}

/**
 * An open database. The store is its only caller.
 *
 * Tables are made by migrations through `orm`; everything else goes through `read` and `write`.
 */
export interface DatabaseConnection {
  /** For migrations and checks of the tables. Loads the driver, which a start without them does without. */
  orm(): Promise<OrmOptions>;
  /** For queries outside transactions; sees only what is committed. */
  // biome-ignore lint/suspicious/noExplicitAny: the store knows the tables, the driver does not.
  readonly read: Kysely<any>;
  /**
   * Runs `work` in a transaction of its own and resolves after it is committed and durable. `work`
   * awaits nothing but queries on the `trx` it is given. If it throws, nothing of it is written and
   * the error comes back. Transactions behave as if they ran one after the other wherever they
   * touch the same rows. `work` may be called again after a conflict, so it must have no other
   * effects. A statement that fails ends the transaction, also if the work catches it: use
   * `on conflict` instead of catching a unique violation. A commit whose outcome is unknown rejects with `BELFRY_COMMIT_UNKNOWN`.
   */
  // biome-ignore lint/suspicious/noExplicitAny: see `read`.
  write<T>(work: (trx: Kysely<any>) => Promise<T>): Promise<T>;
  /**
   * A number that is another one whenever anybody, here or in another process, has committed
   * something; answered at once, within microseconds. Left out where that is not to be had: nothing
   * that was read is then kept.
   */
  version?(): number;
  /**
   * Writes a consistent copy of everything, as of one moment, into a file that is not there yet, while this and other
   * processes read and write; holds the event loop no longer than any statement does. It can be opened as a database
   * of this kind. If it rejects, no file stays. Left out where the database has tools of its own for that.
   */
  backup?(file: string): Promise<void>;
  /** Instead of `backup`: the command that makes such a copy into a file, without any password. */
  backupCommand?(file: string): string;
  readonly dialect: Dialect;
  readonly doorbell: Doorbell;
  close(): Promise<void>;
}

/** The few places where the databases differ. */
export interface Dialect {
  readonly name: "sqlite" | "postgresql";
  /** SQL for the database's own clock, in milliseconds as an integer. Judges leases. */
  readonly nowMillis: string;
  /**
   * SQL to put behind a SELECT whose rows nobody may lock with `lockForUpdate` till the commit; ""
   * where there is one writer anyway. Updates that take no such lock may pass: a lease is prolonged
   * although writes under it never pause.
   */
  readonly lockForShare: string;
  /** SQL to put behind a SELECT whose rows are about to be changed, when nobody may rely on them any more. */
  readonly lockForUpdate: string;
  isUniqueViolation(error: unknown): boolean;
  /** The server is away or was restarted, or the file is locked: try again later. Never true of an unknown commit. */
  isConnectionLost(error: unknown): boolean;
}

/** Where history is kept. One instance per master. */
export interface Database {
  /** True if only one process may write it; others open it `readOnly`. */
  readonly oneWriter?: boolean;
  /** Rejects with a BelfryError that says what is wrong (file locked, server not reachable, password). */
  open(ctx: DatabaseContext): Promise<DatabaseConnection>;
  /**
   * Makes an empty database that has nothing to do with the configured one, is seen by nobody else
   * and is gone once its connection is closed; for a simulation. What is written to it need not
   * outlive the process, and a read may have to wait for a transaction that runs. Left out where
   * that is not to be had.
   */
  scratch?(ctx: Pick<DatabaseContext, "signal" | "note">): Promise<DatabaseConnection>;
}
