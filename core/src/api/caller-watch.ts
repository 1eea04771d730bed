import type { Caller } from "../interfaces/api-method.ts";
import { rightsKey } from "./callers.ts";

/** Who is behind the credentials that were shown: a new answer each time. Rejects if they are no longer good. */
export type WhoIs = () => Promise<Caller>;

interface Group {
  readonly caller: Caller;
  readonly whoIs: WhoIs;
  /** For each connection, what to do when the credentials are no longer good. */
  readonly lapsed: Set<() => void>;
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

  /**
   * Watches a connection from now on; returns how to end that. `credentials` is what was shown:
   * connections with the same have the same caller. `lapsed` is called when they are no longer
   * good, or stand for somebody who may do something else than before.
   */
  add(caller: Caller, credentials: string, whoIs: WhoIs, lapsed: () => void): () => void {
    const group = this.#groups.get(credentials) ?? { caller, whoIs, lapsed: new Set<() => void>() };
    this.#groups.set(credentials, group);
    group.lapsed.add(lapsed);
    return () => {
      group.lapsed.delete(lapsed);
      if (group.lapsed.size === 0 && this.#groups.get(credentials) === group) this.#groups.delete(credentials);
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

async function ask({ caller, whoIs, lapsed }: Group): Promise<void> {
  try {
    if (sameRights(await whoIs(), caller)) return;
  } catch (error) {
    // That the database does not answer says nothing about the credentials.
    if ((error as { code?: string }).code === "BELFRY_DATABASE_AWAY") return;
  }
  for (const tell of [...lapsed]) tell();
}

function sameRights(a: Caller, b: Caller): boolean {
  return (
    a.name === b.name &&
    a.kind === b.kind &&
    a.scopes.size === b.scopes.size &&
    [...a.scopes].every((scope) => b.scopes.has(scope)) &&
    (a.visible === null) === (b.visible === null) &&
    rightsKey(a) === rightsKey(b)
  );
}
