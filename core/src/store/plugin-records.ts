import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import type { Plugin } from "../interfaces/plugin.ts";
import type { PluginRecord, PluginWrites } from "../interfaces/plugin-store.ts";
import type { Json } from "../interfaces/values.ts";
import type { Store } from "./store.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

const MOST_KEY = 500;
const MOST_QUEUE = 200;

/** What one plugin keeps in the database: records, jobs, and the state of its sources and schedulers. */
export class PluginRecords {
  readonly plugin: string;
  readonly version: number;
  readonly #migrate: ((value: unknown, from: number, key: string) => unknown) | undefined;

  constructor(plugin: Pick<Plugin, "name" | "state">) {
    this.plugin = plugin.name;
    this.version = plugin.state?.version ?? 1;
    this.#migrate = plugin.state?.migrate;
  }

  /** Reads a state or record as this version of the plugin understands it; refuses what it cannot. */
  read(row: { name: string; state: string | null; version: number; plugin: string }): Json | undefined {
    if (row.state === null) return undefined;
    if (row.plugin !== this.plugin) return undefined;
    return this.upgrade(JSON.parse(row.state), row.version, row.name);
  }

  upgrade(value: Json, version: number, key: string): Json {
    if (version === this.version) return value;
    if (version > this.version || !this.#migrate) throw faults.stateUnreadable(this.plugin, version, this.version);
    return this.#migrate(value, version, key) as Json;
  }

  async get(store: Store, key: string, now: number): Promise<PluginRecord | undefined> {
    const row = await store.read
      .selectFrom("plugin_records")
      .selectAll()
      .where("plugin", "=", this.plugin)
      .where("key", "=", key)
      .executeTakeFirst();
    if (!row || (row.expires_at !== null && row.expires_at <= now)) return undefined;
    return { key, value: this.upgrade(JSON.parse(row.value), row.version, key), version: row.version };
  }

  async list(
    store: Store,
    now: number,
    options: { prefix?: string; after?: string; limit?: number } = {},
  ): Promise<PluginRecord[]> {
    const { prefix = "", after, limit = 1_000 } = options;
    // Byte by byte in both databases; a language's order would let other keys in between.
    const key = store.dialect.name === "postgresql" ? sql<string>`key collate "C"` : sql<string>`key`;
    const rows = await store.read
      .selectFrom("plugin_records")
      .selectAll()
      .where("plugin", "=", this.plugin)
      .$if(prefix !== "", (query) => query.where(key, ">=", prefix).where(key, "<", `${prefix}\u{10ffff}`))
      .$if(after !== undefined, (query) => query.where(key, ">", after as string))
      .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", now)]))
      .orderBy(key)
      .limit(Math.min(limit, 1_000))
      .execute();
    return rows.map((row) => ({
      key: row.key,
      value: this.upgrade(JSON.parse(row.value), row.version, row.key),
      version: row.version,
    }));
  }

  /** Carries out a plugin's writes within a transaction of core's. */
  async applyIn(tx: Tx, writes: PluginWrites): Promise<void> {
    for (const key of writes.take ?? []) {
      const taken = await tx.db
        .deleteFrom("plugin_records")
        .where("plugin", "=", this.plugin)
        .where("key", "=", key)
        .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", tx.now)]))
        .returning("key")
        .executeTakeFirst();
      if (!taken) throw faults.recordGone(key);
    }
    if (writes.put?.some(({ expires }) => expires !== undefined)) {
      // Whoever writes what expires clears away what has expired.
      await tx.db
        .deleteFrom("plugin_records")
        .where("plugin", "=", this.plugin)
        .where("expires_at", "<=", tx.now)
        .execute();
    }
    for (const { key, value, expires } of writes.put ?? []) {
      checkKey(key, MOST_KEY);
      const row = { value: JSON.stringify(value), version: this.version, expires_at: expires ?? null };
      await tx.db
        .insertInto("plugin_records")
        .values({ plugin: this.plugin, key, ...row })
        .onConflict((conflict) => conflict.columns(["plugin", "key"]).doUpdateSet(row))
        .execute();
    }
    if (writes.remove && writes.remove.length > 0) {
      await tx.db
        .deleteFrom("plugin_records")
        .where("plugin", "=", this.plugin)
        .where("key", "in", writes.remove)
        .execute();
    }
    for (const job of writes.enqueue ?? []) {
      checkKey(job.queue, MOST_QUEUE);
      if (job.key !== undefined) checkKey(job.key, MOST_KEY);
      await tx.db
        .insertInto("jobs")
        .values({
          plugin: this.plugin,
          queue: job.queue,
          key: job.key ?? null,
          payload: JSON.stringify(job.payload),
          version: this.version,
          run_at: job.runAt ?? tx.now,
          attempts: 0,
          parked: 0,
          error: null,
        })
        .onConflict((conflict) => conflict.columns(["plugin", "queue", "key"]).doNothing())
        .execute();
      tx.ring(`jobs:${this.plugin}/${job.queue}`);
    }
  }
}

/** Refuses what the tables have no room for, in the plugin's own call and alike on each database. */
function checkKey(key: string, most: number): void {
  if (typeof key === "string" && key.length > 0 && key.length <= most && storable(key) === key) return;
  throw new TypeError(`a key or a queue's name has 1 to ${most} characters, and none of them is NUL`);
}
