import { BelfryError } from "belfry";
import pg from "pg";
import type { Address } from "./address.ts";
import { faults } from "./errors.ts";
import { codeOf, isLost } from "./failures.ts";
import { Link } from "./link.ts";
import { backOff, Permits } from "./waiting.ts";

export interface ServerOptions {
  pool: number;
  connectTimeout: number;
  reconnectTimeout: number;
  statementTimeout: number;
  slowLimit: number;
}

/**
 * How often something is tried anew after its connection was lost, however much time is left: what it
 * asks might be what crashes the server.
 */
export const MOST_LOSSES = 8;

/**
 * A master takes its own slow transactions back. One that cannot, because it is suspended or cut off,
 * is spared that by the server this much later: until then it holds up whoever wants the same rows.
 */
const SLOWEST_MASTER = 2_000;

const INT8 = 20;
const NUMERIC = 1_700;

/** What is common to all connections: whole numbers of any size come back as numbers, as on SQLite. */
export function clientConfig(address: Address, connectTimeout: number): pg.ClientConfig {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  types.setTypeParser(NUMERIC, Number);
  return {
    ...(address.connectionString === undefined ? {} : { connectionString: address.connectionString }),
    application_name: "belfry",
    connectionTimeoutMillis: connectTimeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  };
}

/**
 * The pool of connections, which survives the server. Whoever asks for a connection while the server
 * is away waits for it to come back.
 */
export class Server {
  readonly where: string;
  readonly #options: ServerOptions;
  readonly #pool: pg.Pool;
  readonly #permits: Permits;
  readonly #processes = new WeakMap<pg.PoolClient, Link["process"]>();
  readonly #leaving = new AbortController();
  #closed = false;

  constructor(address: Address, options: ServerOptions) {
    this.where = address.where;
    this.#options = options;
    this.#permits = new Permits(options.pool);
    const { statementTimeout, slowLimit } = options;
    this.#pool = new pg.Pool({
      ...clientConfig(address, options.connectTimeout),
      ...{ pipeline: true },
      max: options.pool,
      idleTimeoutMillis: 30_000,
      onConnect: async (client) => {
        const setup = {
          text: SETUP,
          values: [String(statementTimeout), String(slowLimit + SLOWEST_MASTER)],
          query_timeout: options.connectTimeout,
        };
        const { rows } = await (client as pg.PoolClient).query(setup);
        this.#processes.set(client as pg.PoolClient, rows[0] as Link["process"]);
      },
    });
    // Connections that end while nobody uses them: the pool has let go of them already.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /** Aborts when the server is closed: waiting has no purpose any more. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Lets `use` hold one of the pool's places, and so at most one connection at a time. */
  async place<T>(use: () => Promise<T>): Promise<T> {
    if (this.#closed) throw faults.closed();
    await this.#permits.take();
    try {
      return await use();
    } finally {
      this.#permits.give();
    }
  }

  /**
   * A connection; to be called within `place`. Waits for a server that is away until `deadline`
   * (of `performance.now()`), then rejects with BELFRY_POSTGRES_UNREACHABLE.
   */
  async connect(deadline: number, signal: AbortSignal = this.leaving): Promise<Link> {
    const begun = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      try {
        const client = await this.#pool.connect();
        const process = this.#processes.get(client) ?? { pid: 0, since: "" };
        return new Link(client, process, this.#options.statementTimeout + 5_000);
      } catch (error) {
        if (!isLost(error)) throw this.explained(error);
        const now = performance.now();
        if (now >= deadline || signal.aborted) throw faults.unreachable(this.where, now - begun, error);
      }
      await backOff(attempt, signal);
    }
  }

  /** From now: how long somebody who just lost the server waits for it. */
  deadline(): number {
    return performance.now() + this.#options.reconnectTimeout;
  }

  /** Says what the user can do about failures to connect. */
  explained(error: unknown): unknown {
    if (BelfryError.is(error)) return error;
    const code = codeOf(error);
    if (code === "28P01" || code === "28000") return faults.refused(this.where, error);
    if (code === "3D000") return faults.databaseMissing(this.where, error);
    if (code === "42501") return faults.forbidden(this.where, error);
    if (code === "25006") return faults.readOnlyServer(this.where, error);
    return faults.failed(this.where, error);
  }

  /** Lets in nobody any more, waits for who is inside, but not for a server that is away, and ends all connections. */
  async close(last: () => Promise<void>): Promise<void> {
    this.#closed = true;
    this.#leaving.abort();
    await this.#permits.idle();
    await last().catch(() => {});
    await this.#pool.end();
  }
}

/**
 * Sessions read only unless a transaction asks for more. A server whose default is not to wait for
 * the disk is told to: a write that was acknowledged has to be there after a crash.
 */
const SETUP = `select pg_backend_pid() as pid,
  (select backend_start::text from pg_stat_activity where pid = pg_backend_pid()) as since,
  set_config('statement_timeout', $1, false),
  set_config('idle_in_transaction_session_timeout', $2, false),
  set_config('default_transaction_read_only', 'on', false),
  set_config('synchronous_commit',
    case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false)`;
