import { messageOf } from "belfry";
import { CompiledQuery } from "kysely";
import type { Session } from "./session.ts";
import { StatementThread } from "./statement-thread.ts";

/** Pages in the write-ahead log after which they are copied into the database, as SQLite's own default. */
const COPY_AT = 1_000;
/** Pages after which the writes wait, so that the log can begin anew instead of growing for ever. */
const RESET_AT = 4_000;
const IDLE = 30_000;
const NOOP = CompiledQuery.raw("pragma wal_checkpoint(noop)");

interface Progress {
  busy: number;
  log: number;
  checkpointed: number;
}

/**
 * Copies what is committed from the write-ahead log into the database file, in a thread. On the
 * writing connection, where SQLite would do it, the copying and its flushes would hold the event
 * loop.
 */
export class Checkpointer {
  readonly #session: Session;
  readonly #file: string;
  readonly #note: (message: string) => void;
  #thread: StatementThread | undefined;
  #copied = 0;
  #copying: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(session: Session, file: string, note: (message: string) => void) {
    this.#session = session;
    this.#file = file;
    this.#note = note;
  }

  /** To be called after each commit. What it returns is to be awaited before the next transaction begins. */
  committed(): Promise<void> | undefined {
    const { log } = this.#progress();
    if (log < this.#copied) this.#copied = 0;
    if (log - this.#copied >= COPY_AT) this.#copying ??= this.#copy(log);
    return log >= RESET_AT ? this.#copying : undefined;
  }

  /** Copies what is left where that would take SQLite long, once the other connections are closed. */
  async close(closeOthers: () => void): Promise<void> {
    clearTimeout(this.#idle);
    await this.#copying;
    const much = this.#progress().log >= COPY_AT / 4;
    // Who closes the last connection makes the last checkpoint: let that be the thread.
    if (much) await this.#run("select 1").catch(() => {});
    closeOthers();
    await this.#thread?.close();
  }

  #progress(): Progress {
    const [row] = this.#session.run(NOOP).rows as unknown as Progress[];
    return row ?? { busy: 0, log: 0, checkpointed: 0 };
  }

  async #copy(log: number): Promise<void> {
    this.#copied = log;
    clearTimeout(this.#idle);
    try {
      await this.#run("pragma wal_checkpoint(passive)");
    } catch (error) {
      this.#note(`The database's log could not be copied into it; this is tried again: ${messageOf(error)}`);
    }
    this.#copying = undefined;
    this.#idle = setTimeout(() => {
      if (this.#copying !== undefined) return;
      const thread = this.#thread;
      this.#thread = undefined;
      void thread?.close();
    }, IDLE).unref();
  }

  #run(sql: string): Promise<unknown> {
    this.#thread ??= new StatementThread({ file: this.#file, readOnly: false, timeout: 1_000 });
    return this.#thread.run(sql);
  }
}
