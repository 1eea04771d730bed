import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import type { NativeDatabase, NativeStatement } from "./native.ts";

const MOST_STATEMENTS = 500;
const LONGEST_CACHED = 20_000;

/**
 * One connection to the file with its prepared statements. Synchronous underneath: whoever calls
 * it holds the thread for as long as SQLite works.
 */
export class Session implements DatabaseConnection {
  readonly native: NativeDatabase;
  /** True once a statement ran that may have changed the file; reset by whoever commits. */
  wrote = false;
  // Ordered by last use: the first entry is the one to go.
  readonly #statements = new Map<string, NativeStatement>();

  constructor(native: NativeDatabase) {
    this.native = native;
  }

  /** Runs one statement that was compiled elsewhere. Throws SQLite's errors as they are. */
  run(query: CompiledQuery): QueryResult<never> {
    const statement = this.#statement(query.sql);
    const parameters = bindable(query.parameters);
    if (!statement.readonly) this.wrote = true;
    if (statement.reader) return { rows: statement.all(parameters) as never[] };
    const { changes, lastInsertRowid } = statement.run(parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  /** Runs SQL without parameters or result, such as `begin immediate`. */
  command(sql: string): void {
    this.#statement(sql).run([]);
  }

  version(): number {
    const [row] = this.#statement("pragma data_version").all([]);
    return row?.data_version as number;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.run(query);
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield this.run(query);
  }

  close(): void {
    this.#statements.clear();
    this.native.close();
  }

  #statement(sql: string): NativeStatement {
    const known = this.#statements.get(sql);
    if (known) {
      // Which one goes matters only where one has to; to keep the order takes as long as to find a statement.
      if (this.#statements.size > MOST_STATEMENTS / 2) {
        this.#statements.delete(sql);
        this.#statements.set(sql, known);
      }
      return known;
    }
    const statement = this.native.prepare(sql);
    if (sql.length > LONGEST_CACHED) return statement;
    if (this.#statements.size >= MOST_STATEMENTS) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

/**
 * better-sqlite3 binds every number as a REAL, so that `'x' || ?` gives "x1.0" for 1; whole numbers
 * go as bigint, which it binds as an INTEGER.
 */
function bindable(values: readonly unknown[]): unknown[] {
  const bound = new Array<unknown>(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (typeof value === "number") bound[index] = Number.isSafeInteger(value) ? BigInt(value) : value;
    else if (typeof value === "boolean") bound[index] = value ? 1n : 0n;
    else if (value === undefined) bound[index] = null;
    else if (value instanceof Date) throw new TypeError("A Date cannot be stored: give milliseconds as an integer.");
    else bound[index] = value;
  }
  return bound;
}
