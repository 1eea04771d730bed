import { randomUUID } from "node:crypto";
import type { Link } from "./link.ts";

const TABLE = "belfry_commits";

/** Says which transaction it is: `number` is stored in the row `slot` by the transaction itself. */
export interface CommitKey {
  slot: string;
  number: number;
}

/**
 * Settles commits whose answer was lost. Each transaction that writes puts a number of its own into
 * a row that nobody else uses at that time. When the answer to COMMIT does not arrive, the row tells:
 * with the number, the transaction was committed; without it, it never will be. Asking waits for the
 * lock on that row, and so for the end of the old transaction, if the server still has it.
 *
 * The server's own `pg_xact_status` would not do: after a crash a transaction's id may be given out
 * again.
 */
export class CommitKeys {
  readonly #instance = randomUUID();
  readonly #free: string[] = [];
  #slots = 0;
  #number = 0;

  /** For one write, till it is settled. */
  take(): CommitKey {
    this.#number += 1;
    return { slot: this.#free.pop() ?? `${this.#instance}:${++this.#slots}`, number: this.#number };
  }

  /** To be called when nothing is in doubt about the key's transaction any more. */
  give(key: CommitKey): void {
    this.#free.push(key.slot);
  }

  /** SQL that is part of the transaction. Without parameters, so that it can share a message with others. */
  mark({ slot, number }: CommitKey): string {
    return `insert into ${TABLE} (slot, number) values ('${slot}', ${number}) on conflict (slot) do update set number = excluded.number, at = now()`;
  }

  /** Whether the key's transaction was committed. Rejects when this connection is lost as well, or the wait takes too long. */
  async settle(link: Link, { slot, number }: CommitKey): Promise<boolean> {
    // One message, so that this transaction cannot be left half done as well.
    const { rows } = await link.query(
      `begin read write; insert into ${TABLE} (slot, number) values ('${slot}', -1) on conflict (slot) do update set at = now(); commit; select number from ${TABLE} where slot = '${slot}'`,
    );
    return rows[0]?.number === number;
  }

  /** Makes the table, if it is missing, and removes what masters left behind that were killed. */
  async prepare(link: Link): Promise<void> {
    const isThere = async () => {
      const { rows } = await link.query(`select to_regclass('${TABLE}') is not null as there`);
      return rows[0]?.there === true;
    };
    if (!(await isThere())) {
      await link
        .query(
          `begin read write; create table ${TABLE} (slot text primary key, number bigint not null, at timestamptz not null default now()) with (fillfactor = 50); commit`,
        )
        .catch(async (error: unknown) => {
          await link.query("rollback");
          // Another master was faster; of what two of them stand in each other's way, the server tells in several ways.
          if (!(await isThere())) throw error;
        });
    }
    await link.query(`begin read write; delete from ${TABLE} where at < now() - interval '7 days'; commit`);
  }

  /** Removes this process's rows. */
  async forget(link: Link): Promise<void> {
    await link.query(`begin read write; delete from ${TABLE} where slot like '${this.#instance}:%'; commit`);
  }
}
