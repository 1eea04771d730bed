import { close, fdatasync, open } from "node:fs";
import { promisify } from "node:util";

const openFile = promisify(open);
const closeFile = promisify(close);
const sync = promisify(fdatasync);

/**
 * Makes what was committed durable, off the event loop.
 *
 * With `synchronous=FULL` SQLite does this inside COMMIT and holds the thread for as long as the
 * disk takes, which on a busy disk is far more than 20 ms. So the writing connection commits with
 * NORMAL, which only writes to the write-ahead log, and the log is flushed from here before anybody
 * is told. The log's file stays the same one while a connection is open, and SQLite takes no locks
 * on it that closing this descriptor could drop.
 */
export class WalSync {
  readonly #path: string;
  #file: number | undefined;

  constructor(databaseFile: string) {
    this.#path = `${databaseFile}-wal`;
  }

  async flush(): Promise<void> {
    this.#file ??= await openFile(this.#path, "r+");
    await sync(this.#file);
  }

  async close(): Promise<void> {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    await closeFile(file);
  }
}
