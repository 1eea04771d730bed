import type { Caller } from "../interfaces/api-method.ts";

/** Who is behind the credentials that were shown: a new answer each time. Rejects if they are no longer good. */
export type WhoIs = () => Promise<Caller>;

export interface WatchedConnection {
  /** What was shown: connections with the same credentials have the same caller. */
  readonly credentials: string;
  readonly whoIs: WhoIs;
  /** The credentials are no longer good, or stand for somebody who may do something else than before. */
  lapsed(): void;
}

interface Group {
  readonly caller: Caller;
  readonly connections: Set<WatchedConnection>;
}

/**
 * Asks again and again whether the credentials of connections that stay open are still good: once
 * for all connections that showed the same ones.
 */
export class CallerWatch {
  readonly #groups = new Map<string, Group>();
  readonly #timer: NodeJS.Timeout;
  #asking = false;

  constructor(interval = 10_000) {
    this.#timer = setInterval(() => void this.#askAll(), interval);
    this.#timer.unref();
  }

  /** Watches a connection from now on; returns how to end that. */
  add(caller: Caller, connection: WatchedConnection): () => void {
    const { credentials } = connection;
    const group: Group = this.#groups.get(credentials) ?? { caller, connections: new Set() };
    this.#groups.set(credentials, group);
    group.connections.add(connection);
    return () => {
      group.connections.delete(connection);
      if (group.connections.size === 0 && this.#groups.get(credentials) === group) this.#groups.delete(credentials);
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#groups.clear();
  }

  async #askAll(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (const group of [...this.#groups.values()]) await ask(group);
    } finally {
      this.#asking = false;
    }
  }
}

async function ask(group: Group): Promise<void> {
  const [first] = group.connections;
  if (first === undefined) return;
  try {
    if (sameRights(await first.whoIs(), group.caller)) return;
  } catch (error) {
    // That the database does not answer says nothing about the credentials.
    if ((error as { code?: string }).code === "BELFRY_DATABASE_AWAY") return;
  }
  for (const connection of [...group.connections]) connection.lapsed();
}

function sameRights(a: Caller, b: Caller): boolean {
  return (
    a.name === b.name &&
    a.kind === b.kind &&
    a.scopes.size === b.scopes.size &&
    [...a.scopes].every((scope) => b.scopes.has(scope)) &&
    (a.visible === null) === (b.visible === null)
  );
}
