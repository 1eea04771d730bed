import { type Doorbell, LocalDoorbell, messageOf } from "belfry";
import type pg from "pg";
import { backOff } from "./waiting.ts";

const CHANNEL = "belfry";
/** The server takes less than 8,000 bytes in one notification. */
const MOST_BYTES = 7_500;
const MOST_PENDING = 1_000;
/** Stands for every topic. */
const ALL = "*";
const PING = 30_000;

/**
 * Rings in every master on this database, by LISTEN and NOTIFY on a connection of its own. Here it
 * rings at once, without asking the server; the others hear it when the server is there.
 */
export class NotifyDoorbell implements Doorbell {
  readonly #connect: () => pg.Client;
  readonly #note: (message: string) => void;
  readonly #local: LocalDoorbell;
  readonly #leaving = new AbortController();
  #client: pg.Client | undefined;
  #pending = new Set<string>();
  #sending = false;
  #kept: Promise<void> | undefined;

  /** `make` gives a client that is not yet connected. */
  constructor(make: () => pg.Client, note: (message: string) => void) {
    this.#connect = make;
    this.#note = note;
    this.#local = new LocalDoorbell(note);
  }

  /** Resolves when it listens; rejects with the driver's error. From then on it reconnects by itself. */
  async start(): Promise<void> {
    const client = await this.#open();
    this.#kept = this.#keep(client);
  }

  ring(...topics: string[]): void {
    if (this.#leaving.signal.aborted || topics.length === 0) return;
    this.#local.ring(...topics);
    const idle = this.#pending.size === 0;
    for (const topic of topics) this.#pend(topic);
    if (idle) setImmediate(() => void this.#send());
  }

  listen(topic: string, wake: () => void): () => void {
    return this.#local.listen(topic, wake);
  }

  async close(): Promise<void> {
    this.#local.close();
    this.#leaving.abort();
    await this.#client?.end().catch(() => {});
    await this.#kept;
  }

  async #open(): Promise<pg.Client> {
    const client = this.#connect();
    client.on("error", () => {});
    client.on("notification", ({ channel, payload, processId }) => {
      const own = processId === (client as unknown as { processID: number }).processID;
      if (channel === CHANNEL && !own) this.#heard(payload);
    });
    try {
      await client.connect();
      // A ring need not survive a crash, so it need not wait for the disk.
      await client.query(`set synchronous_commit = off; listen ${CHANNEL}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    return client;
  }

  async #keep(client: pg.Client): Promise<void> {
    const { signal } = this.#leaving;
    for (let current: pg.Client | undefined = client, attempt = 0; !signal.aborted; ) {
      if (current) {
        await this.#use(current);
        current = undefined;
        attempt = 0;
        if (!signal.aborted)
          this.#note("The connection that carries rings between masters was lost; it is made again.");
      }
      await backOff(attempt, signal);
      attempt += 1;
      if (signal.aborted) return;
      current = await this.#open().catch(() => undefined);
      // Rings may have been lost meanwhile.
      if (current) this.#local.ringAll();
    }
  }

  /** Resolves when the connection has ended. */
  async #use(client: pg.Client): Promise<void> {
    const ended = new Promise((resolve) => client.once("end", resolve));
    const ping = setInterval(() => {
      client.query({ text: "select 1", query_timeout: 10_000 } as pg.QueryConfig).catch(() => this.#destroy(client));
    }, PING).unref();
    this.#client = client;
    if (this.#leaving.signal.aborted) void client.end().catch(() => {});
    void this.#send();
    await ended;
    clearInterval(ping);
    this.#client = undefined;
  }

  #destroy(client: pg.Client): void {
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }

  #pend(topic: string): void {
    if (this.#pending.has(ALL)) return;
    if (this.#pending.size < MOST_PENDING && bytesOf(topic) < MOST_BYTES) this.#pending.add(topic);
    else this.#pending = new Set([ALL]);
  }

  /** Tells the other masters what is pending; what cannot be told stays pending till there is a connection. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#client && this.#pending.size > 0) {
        const client = this.#client;
        const batch = this.#batch();
        try {
          await client.query({ text: "select pg_notify($1, $2)", values: [CHANNEL, JSON.stringify(batch)] });
        } catch (error) {
          for (const topic of batch) this.#pend(topic);
          if (client === this.#client) {
            this.#note(`A ring could not be sent to other masters: ${messageOf(error)}`);
            this.#destroy(client);
          }
          return;
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  #batch(): string[] {
    const batch: string[] = [];
    let bytes = 2;
    for (const topic of this.#pending) {
      bytes += bytesOf(topic);
      if (bytes > MOST_BYTES && batch.length > 0) break;
      batch.push(topic);
      this.#pending.delete(topic);
    }
    return batch;
  }

  #heard(payload: string | undefined): void {
    let topics: unknown;
    try {
      topics = JSON.parse(payload ?? "");
    } catch {
      return;
    }
    if (!Array.isArray(topics)) return;
    const named = topics.filter((topic) => typeof topic === "string");
    if (named.includes(ALL)) this.#local.ringAll();
    else this.#local.ring(...named);
  }
}

/** What a topic takes in the JSON list. */
const bytesOf = (topic: string): number => Buffer.byteLength(JSON.stringify(topic)) + 1;
