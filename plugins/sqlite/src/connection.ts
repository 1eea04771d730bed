import { link, open, rm } from "node:fs/promises";
import { type DatabaseConnection, type Doorbell, LocalDoorbell, type OrmOptions } from "belfry";
import { Checkpointer } from "./checkpointer.ts";
import { dialect } from "./dialect.ts";
import { type AnyKysely, kyselyOver } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { ormDialect } from "./orm-dialect.ts";
import { Reader } from "./reader.ts";
import type { Session } from "./session.ts";
import { StatementThread } from "./statement-thread.ts";
import type { ThreadData } from "./statement-worker.ts";
import { WalSync } from "./wal-sync.ts";
import { WriteQueue } from "./write-queue.ts";

export interface ConnectionParts {
  file: string;
  reader: Session;
  /** Absent in a process that only reads. */
  writer: Session | undefined;
  synchronous: "full" | "normal";
  lockTimeout: number;
  slowLimit: number;
  note: (message: string) => void;
}

/** An open file: one connection that writes, one that reads, and threads for what takes long. */
export class SqliteConnection implements DatabaseConnection {
  readonly read: AnyKysely;
  readonly dialect = dialect;
  readonly #doorbell: LocalDoorbell;
  readonly #reader: Reader;
  readonly #writer: Session | undefined;
  readonly #queue: WriteQueue | undefined;
  readonly #sync: WalSync;
  readonly #checkpointer: Checkpointer | undefined;
  readonly #threadData: ThreadData;
  #closing: Promise<void> | undefined;

  constructor({ file, reader, writer, synchronous, lockTimeout, slowLimit, note }: ConnectionParts) {
    this.#doorbell = new LocalDoorbell(note);
    this.#writer = writer;
    this.#sync = new WalSync(file);
    if (writer) {
      const checkpointer = new Checkpointer(writer, file, note);
      this.#checkpointer = checkpointer;
      this.#queue = new WriteQueue(writer, {
        file,
        lockTimeout,
        slowLimit,
        flush: synchronous === "full" ? () => this.#sync.flush() : undefined,
        committed: () => checkpointer.committed(),
      });
    }
    this.#reader = new Reader(reader, { file, lockTimeout, flushing: () => this.#queue?.flushing });
    this.read = kyselyOver(this.#reader);
    this.#threadData = { file, readOnly: !writer, timeout: lockTimeout };
  }

  async orm(): Promise<OrmOptions> {
    const { SqliteDriver } = await import("@mikro-orm/sqlite");
    return { driver: SqliteDriver, dbName: this.#threadData.file, driverOptions: ormDialect(this.#threadData) };
  }

  version(): number {
    return this.#reader.version();
  }

  async backup(file: string): Promise<void> {
    const part = `${file}.part-${process.pid}`;
    const thread = new StatementThread({ ...this.#threadData, readOnly: true });
    try {
      // Only its owner may read it: it holds hashes of tokens.
      await (await open(part, "wx", 0o600)).close();
      await thread.run("vacuum into ?", [part]);
      await using written = await open(part, "r+");
      await written.sync();
      // Unlike a renaming, this replaces nothing.
      await link(part, file);
    } finally {
      await thread.close();
      await rm(part, { force: true });
    }
  }

  get doorbell(): Doorbell {
    return this.#doorbell;
  }

  write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    return this.#queue ? this.#queue.write(work) : Promise.reject(faults.readsOnly());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#doorbell.close();
    await this.#queue?.close();
    await this.#sync.close();
    const closeBoth = () => {
      this.#reader.close();
      this.#writer?.close();
    };
    if (this.#checkpointer) await this.#checkpointer.close(closeBoth);
    else closeBoth();
  }
}
