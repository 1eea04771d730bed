import { mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Database, DatabaseConnection, DatabaseContext } from "belfry";
import { backOff } from "./back-off.ts";
import { SqliteConnection } from "./connection.ts";
import { faults } from "./errors.ts";
import { codeOf, explained, isBusy } from "./failures.ts";
import { type NativeOptions, openNative } from "./native.ts";
import { ScratchConnection } from "./scratch.ts";
import { Session } from "./session.ts";

export interface SqliteOptions {
  file: string;
  synchronous: "full" | "normal";
  lockTimeout: number;
  slowLimit: number;
}

/** What SQLite itself may sleep on a lock. It holds the event loop meanwhile; longer waits are ours. */
const BUSY_TIMEOUT = 3;
/** A start is not kept waiting for as long as a write: somebody sits before it. */
const LONGEST_OPEN = 5_000;

export class SqliteDatabase implements Database {
  readonly oneWriter = true;
  readonly #options: SqliteOptions;

  constructor(options: SqliteOptions) {
    this.#options = options;
  }

  async open(ctx: DatabaseContext): Promise<DatabaseConnection> {
    const file = resolve(ctx.folder, this.#options.file);
    await (ctx.readOnly ? mustExist(file) : prepareFile(file));
    const writer = ctx.readOnly ? undefined : await this.#connect(file, ctx, false);
    try {
      const reader = await this.#connect(file, ctx, true);
      const { synchronous, lockTimeout, slowLimit } = this.#options;
      return new SqliteConnection({ file, reader, writer, synchronous, lockTimeout, slowLimit, note: ctx.note });
    } catch (error) {
      writer?.close();
      throw error;
    }
  }

  async scratch({ note }: Pick<DatabaseContext, "note">): Promise<DatabaseConnection> {
    return new ScratchConnection(note);
  }

  async #connect(file: string, ctx: DatabaseContext, readonly: boolean): Promise<Session> {
    const longest = Math.min(LONGEST_OPEN, this.#options.lockTimeout);
    const begun = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      ctx.signal.throwIfAborted();
      try {
        return connect(file, { readonly, fileMustExist: true, timeout: BUSY_TIMEOUT });
      } catch (error) {
        if (codeOf(error).startsWith("SQLITE_CANTOPEN")) throw faults.readOnly(file, error);
        if (!isBusy(error)) throw explained(error, file);
        const waited = performance.now() - begun;
        if (waited >= longest) throw faults.locked(file, waited, error);
      }
      await backOff(attempt);
    }
  }
}

function connect(file: string, options: NativeOptions): Session {
  const native = openNative(file, options);
  try {
    const pragma = (text: string) => native.pragma(text, { simple: true });
    // The first statement that looks into the file: refuses what is no database.
    pragma("schema_version");
    if (options.readonly) {
      pragma("query_only = on");
      pragma("cache_size = -16000");
    } else {
      const mode = String(pragma("journal_mode = wal"));
      if (mode !== "wal") throw faults.noWal(file, mode);
      // The log is flushed by `WalSync` and copied by `Checkpointer`, both off the event loop.
      pragma("synchronous = normal");
      pragma("wal_autocheckpoint = 0");
      pragma(`journal_size_limit = ${32 * 1024 * 1024}`);
      pragma("foreign_keys = on");
      pragma("cache_size = -16000");
      native.exec("begin immediate; rollback");
    }
    pragma("temp_store = memory");
    return new Session(native);
  } catch (error) {
    native.close();
    throw error;
  }
}

async function mustExist(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw faults.missing(file);
  if (!found.isFile()) throw faults.notADatabase(file);
}

/** Makes the folder, and the file so that only its owner can read it: it holds hashes of tokens. */
async function prepareFile(file: string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw faults.folder(folder, error);
  });
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile()) return;
  if (found) throw faults.notADatabase(file);
  try {
    await (await open(file, "a", 0o600)).close();
  } catch (error) {
    throw faults.folder(folder, error);
  }
}
