import { createRequire } from "node:module";

/** A prepared statement of better-sqlite3; only what is used here. */
export interface NativeStatement {
  readonly reader: boolean;
  readonly readonly: boolean;
  all(parameters: readonly unknown[]): Record<string, unknown>[];
  run(parameters: readonly unknown[]): { changes: number; lastInsertRowid: number | bigint };
}

/** A connection of better-sqlite3, which ships no types. */
export interface NativeDatabase {
  readonly inTransaction: boolean;
  readonly open: boolean;
  prepare(sql: string): NativeStatement;
  exec(sql: string): void;
  pragma(sql: string, options: { simple: true }): unknown;
  close(): void;
}

export interface NativeOptions {
  readonly?: boolean;
  fileMustExist?: boolean;
  /** How long SQLite itself sleeps on a lock, in milliseconds. It holds the thread meanwhile. */
  timeout?: number;
}

const load = createRequire(import.meta.url);

let Native: (new (file: string, options: NativeOptions) => NativeDatabase) | undefined;

export function openNative(file: string, options: NativeOptions): NativeDatabase {
  Native ??= load("better-sqlite3") as NonNullable<typeof Native>;
  return new Native(file, options);
}
