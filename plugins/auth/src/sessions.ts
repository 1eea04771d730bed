import { type Json, type PluginStore, z } from "belfry";

export const VIAS = ["password", "link", "oidc", "proxy"] as const;
export type Via = (typeof VIAS)[number];

/** One browser that has signed in, as it is kept. Its key is not: only the hash, which is its id. */
export interface Session {
  id: string;
  user: string;
  /** As they were when he signed in; of users with passwords those of the configuration count. */
  groups: string[];
  via: Via;
  /** True for one of the administrator's links. */
  administrator: boolean;
  /** Of the password that it began with, by {@link markOf}; null for one that began otherwise. */
  password: string | null;
  from: string | null;
  createdAt: number;
  usedAt: number;
  /** It ends when nothing was asked for so long. */
  idle: number;
  /** It ends then at the latest. */
  endsAt: number;
}

export const sessionFacts = {
  user: z.string().max(100),
  groups: z.array(z.string().max(100)).max(1_000),
  via: z.enum(VIAS),
  administrator: z.boolean(),
  password: z.string().nullable(),
  from: z.string().nullable(),
};

export type Records = Pick<PluginStore, "get" | "list" | "apply">;

const keyOf = (id: string) => `session/${id}`;

/** The sessions in the database. */
export class Sessions {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async get(id: string): Promise<Session | undefined> {
    const record = await this.#records.get(keyOf(id));
    return record && (record.value as unknown as Session);
  }

  /** Together with other records. */
  async add(session: Session, more: { key: string; value: Json }[] = []): Promise<void> {
    await this.#records.apply({ put: [recordOf(session), ...more] });
  }

  /** Notes that it was used; one that has been ended meanwhile stays so. */
  async touch(session: Session, now: number): Promise<void> {
    const put = [recordOf({ ...session, usedAt: now })];
    await this.#records.apply({ take: [keyOf(session.id)], put });
  }

  async end(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#records.apply({ remove: ids.map(keyOf) });
  }

  /** In no order; of one user, or of all. */
  async list(user?: string): Promise<Session[]> {
    const found: Session[] = [];
    for (let after: string | undefined; ; ) {
      const page = await this.#records.list({ prefix: "session/", ...(after === undefined ? {} : { after }) });
      found.push(...page.map(({ value }) => value as unknown as Session));
      after = page.at(-1)?.key;
      if (page.length < 1_000) break;
    }
    return user === undefined ? found : found.filter((session) => session.user === user);
  }
}

function recordOf(session: Session) {
  const expires = Math.min(session.usedAt + session.idle, session.endsAt);
  return { key: keyOf(session.id), value: session as unknown as Json, expires };
}
