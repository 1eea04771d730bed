import type { DatabaseConnection, Dialect, Doorbell, OrmOptions } from "belfry";
import type { CommitKeys } from "./commit-keys.ts";
import { type AnyKysely, kyselyOver } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { isConnectionLost, isUniqueViolation } from "./failures.ts";
import type { NotifyDoorbell } from "./notify-doorbell.ts";
import { Reader } from "./reader.ts";
import type { Server } from "./server.ts";
import { Writer } from "./writer.ts";

const dialect: Dialect = {
  name: "postgresql",
  // The clock itself: `now()` would stand still within a transaction.
  nowMillis: "floor(extract(epoch from clock_timestamp()) * 1000)::bigint",
  lockForShare: "for key share",
  lockForUpdate: "for update",
  isUniqueViolation,
  isConnectionLost,
};

export interface ConnectionParts {
  server: Server;
  keys: CommitKeys;
  doorbell: NotifyDoorbell;
  orm: () => Promise<OrmOptions>;
  slowLimit: number;
  readOnly: boolean;
  /** The database as `pg_dump` takes it, without the password. */
  shown: string;
}

/** A pool of connections to one database, and one more for the doorbell. */
export class PostgresConnection implements DatabaseConnection {
  readonly orm: () => Promise<OrmOptions>;
  readonly read: AnyKysely;
  readonly dialect = dialect;
  readonly #server: Server;
  readonly #keys: CommitKeys;
  readonly #doorbell: NotifyDoorbell;
  readonly #writer: Writer | undefined;
  readonly #shown: string;
  #closing: Promise<void> | undefined;

  constructor({ server, keys, doorbell, orm, slowLimit, readOnly, shown }: ConnectionParts) {
    this.#server = server;
    this.#keys = keys;
    this.#doorbell = doorbell;
    this.#shown = shown;
    this.#writer = readOnly ? undefined : new Writer(server, keys, slowLimit);
    this.read = kyselyOver(new Reader(server));
    this.orm = orm;
  }

  backupCommand(file: string): string {
    const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
    return `pg_dump --format=custom --file=${quoted(file)} ${quoted(this.#shown)}`;
  }

  get doorbell(): Doorbell {
    return this.#doorbell;
  }

  write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    return this.#writer ? this.#writer.write(work) : Promise.reject(faults.readsOnly());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#doorbell.close();
    await this.#server.close(async () => {
      if (!this.#writer) return;
      const link = await this.#server.connect(performance.now());
      await this.#keys.forget(link).finally(() => link.release());
    });
  }
}
