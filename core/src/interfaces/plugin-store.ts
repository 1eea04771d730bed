import type { Json, Millis } from "./values.ts";

/** Writes of a plugin, carried out in one transaction with whatever core writes at that moment. */
export interface PluginWrites {
  put?: { key: string; value: Json; expires?: Millis }[];
  remove?: string[];
  /**
   * Removes these records, of which each has to be there and good: if one is not, nothing is written and the call
   * rejects with `BELFRY_RECORD_GONE`. So of several who take the same record one gets it.
   */
  take?: string[];
  enqueue?: {
    queue: string;
    payload: Json;
    runAt?: Millis /** A job of this key that still waits is not queued twice. */;
    key?: string;
  }[];
}

export interface PluginRecord {
  key: string;
  value: Json;
  /** The version that the plugin declared when it wrote this. */
  version: number;
}

export interface Job {
  id: number;
  queue: string;
  payload: Json;
  /** 1 the first time. */
  attempt: number;
}

/**
 * What a plugin may keep in the database: records under its own name, and jobs to do later. No
 * plugin makes tables of its own. A record that has expired is not found any more.
 */
export interface PluginStore {
  get(key: string): Promise<PluginRecord | undefined>;
  /** In order of key; `after` continues a listing. At most 1,000 at a time. */
  list(options?: { prefix?: string; after?: string; limit?: number }): Promise<PluginRecord[]>;
  apply(writes: PluginWrites): Promise<void>;
  /**
   * Does the jobs of a queue, one after the other, on one master at a time. A handler that throws
   * is called again after growing delays; after `attempts` tries (default 10) the job is parked and
   * shown. At least once: a job may be repeated after a crash. When `signal` aborts, a handler has
   * three seconds to end; after that the job counts as not done. May be called before the master
   * starts and later.
   */
  work(queue: string, handler: (job: Job, signal: AbortSignal) => Promise<void>, options?: { attempts?: number }): void;
}
