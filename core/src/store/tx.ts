import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import type { Dialect } from "../interfaces/database.ts";
import type { Json, Millis } from "../interfaces/values.ts";
import type { EventType } from "../status/events.ts";
import type { Db } from "./tables.ts";

/** A right that a master holds for some time. `fence` grows with each owner. */
export interface HeldLease {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
}

export interface EventScope {
  builder?: string | null;
  project?: string | null;
}

const ROWS_AT_ONCE = 100;

interface PendingEvent extends EventScope {
  type: string;
  data: Record<string, Json>;
}

/**
 * One transaction on the store: queries, the events it appends, the bells it rings after the
 * commit. Events get their positions as the last thing before the commit.
 */
export class Tx {
  readonly db: Db;
  readonly dialect: Dialect;
  readonly now: Millis;
  readonly rings = new Set<string>();
  readonly #events: PendingEvent[] = [];

  constructor(db: Db, dialect: Dialect, now: Millis) {
    this.db = db;
    this.dialect = dialect;
    this.now = now;
  }

  /** Appends an event. */
  event(type: EventType, data: Record<string, Json>, scope: EventScope = {}): void {
    this.#events.push({ type, data, ...scope });
    this.rings.add("events");
  }

  /** Rings after the commit. */
  ring(topic: string): void {
    this.rings.add(topic);
  }

  /**
   * Makes sure that the lease is still held, and stays so till the commit. Throws
   * `BELFRY_LEASE_LOST` otherwise, so that nothing of this transaction is written.
   */
  async requireLease(lease: HeldLease): Promise<void> {
    let query = this.db.selectFrom("leases").select(["owner", "fence"]).where("name", "=", lease.name);
    if (this.dialect.lockForShare) query = query.modifyEnd(sql.raw(this.dialect.lockForShare));
    const row = await query.executeTakeFirst();
    if (row?.owner !== lease.owner || row.fence !== lease.fence) throw faults.leaseLost(lease.name);
  }

  /** Called by the store once, after the work and before the commit. */
  async appendEvents(): Promise<void> {
    const count = this.#events.length;
    if (count === 0) return;
    const { value } = await this.db
      .updateTable("counters")
      .set((eb) => ({ value: eb("value", "+", count) }))
      .where("name", "=", "events")
      .returning("value")
      .executeTakeFirstOrThrow();
    const rows = this.#events.map((event, i) => ({
      seq: value - count + 1 + i,
      time: this.now,
      type: event.type,
      builder: event.builder ?? null,
      project: event.project ?? null,
      data: JSON.stringify(event.data),
    }));
    // A statement takes a limited number of parameters.
    for (let at = 0; at < count; at += ROWS_AT_ONCE) {
      await this.db
        .insertInto("events")
        .values(rows.slice(at, at + ROWS_AT_ONCE))
        .execute();
    }
  }
}
