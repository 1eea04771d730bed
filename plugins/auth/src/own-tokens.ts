import { randomBytes } from "node:crypto";
import { type ApiMethod, type Caller, type Json, type PluginHost, type Scope, TOKENS, z } from "belfry";
import { faults } from "./errors.ts";
import { hashOfKey } from "./keys.ts";
import { method, requireInternal, unlessGone } from "./method.ts";
import { plainName } from "./options.ts";
import { knownPerson } from "./people.ts";
import { type Records, VIAS } from "./sessions.ts";

const PREFIX = "belfry_own_";
const MOST = 50;
const DAY = 86_400_000;
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const scope = z.enum(["read", "control", "admin"]);

/** A token that somebody has made for himself, as it is kept: by the hash of its text. */
export interface OwnToken {
  hash: string;
  owner: string;
  name: string;
  scope: Scope;
  createdAt: number;
  expiresAt: number | null;
  usedAt: number | null;
}

const keyOf = (hash: string) => `token/${hash}`;

/** What a text would be kept as, if it can be such a token. */
export function tokenHash(text: string): string | undefined {
  return text.startsWith(PREFIX) && text.length <= 100 ? hashOfKey(text) : undefined;
}

async function tokensOf(records: Records, owner: string): Promise<OwnToken[]> {
  const found: OwnToken[] = [];
  for (let after: string | undefined; ; ) {
    const page = await records.list({ prefix: "token/", ...(after === undefined ? {} : { after }) });
    found.push(...page.map(({ value }) => value as unknown as OwnToken).filter((token) => token.owner === owner));
    after = page.at(-1)?.key;
    if (page.length < 1_000) return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

function recordOf(token: OwnToken) {
  const { expiresAt: expires } = token;
  return { key: keyOf(token.hash), value: token as unknown as Json, ...(expires === null ? {} : { expires }) };
}

const tokenShape = z.object({
  name: z.string(),
  scope,
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  usedAt: z.number().nullable().describe("to some minutes"),
});

/** Tokens that people make for themselves: they may no more than their owner, and nothing without him. */
export function ownTokenMethods({ store, container }: PluginHost): ApiMethod[] {
  const now = () => container.resolve(TOKENS.clock).now();
  /** Calls may overlap; what one counts the other must not change meanwhile. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work, work);
    last = done.catch(() => undefined);
    return done;
  };

  /** Whose tokens a caller means: his own, or as the administrator anybody's. */
  function ownerFor(name: string, caller: Caller, asked: string | undefined): string {
    // A token that is called as somebody is not him.
    const isOwn = caller.kind === "session" && (asked === undefined || asked === caller.name);
    if (isOwn) return caller.name;
    if (asked === undefined) throw faults.sessionNeeded(name);
    if (!caller.scopes.has("admin")) throw faults.othersTokens(name);
    return asked;
  }

  return [
    method({
      name: "ownTokens.add",
      permission: "read",
      place: "writer",
      audited: true,
      summary: "Makes a token for whoever is signed in. Its text is in this answer and nowhere else.",
      params: z.strictObject({
        name: plainName,
        scope: scope.describe("no more than its owner has"),
        days: z.int().min(1).max(3_650).optional().describe("how long it is good; default: as long as its owner is"),
      }),
      result: z.object({ name: z.string(), token: z.string(), expiresAt: z.number().nullable() }),
      example: { name: "laptop", scope: "read", days: 90 },
      async call({ name, scope: wanted, days }, { caller }) {
        if (caller.kind !== "session") throw faults.sessionNeeded("ownTokens.add");
        if (!caller.scopes.has(wanted)) throw faults.tokenTooWide(wanted);
        if ((await knownPerson(store, caller.name)) === undefined) throw faults.noTokensForLinks();
        return inTurn(async () => {
          const known = await tokensOf(store, caller.name);
          if (known.some((token) => token.name === name)) throw faults.tokenTwice(name);
          if (known.length >= MOST) throw faults.tokensFull(MOST);
          const token = PREFIX + randomBytes(32).toString("base64url");
          const createdAt = now();
          const expiresAt = days === undefined ? null : createdAt + days * DAY;
          const facts = { owner: caller.name, name, scope: wanted, createdAt, expiresAt, usedAt: null };
          await store.apply({ put: [recordOf({ hash: hashOfKey(token), ...facts })] });
          return { name, token, expiresAt };
        });
      },
    }),
    method({
      name: "ownTokens.list",
      permission: "read",
      summary: "The tokens that somebody has made for himself, without their text; of others for who administers.",
      params: z.strictObject({ owner: z.string().max(100).optional() }),
      result: z.object({ items: z.array(tokenShape) }),
      example: { owner: "ada" },
      async call({ owner }, { caller }) {
        const found = await tokensOf(store, ownerFor("ownTokens.list", caller, owner));
        return { items: found.map(({ hash: _, owner: __, ...token }) => token) };
      },
    }),
    method({
      name: "ownTokens.revoke",
      permission: "read",
      place: "writer",
      audited: true,
      summary: "Revokes a token that somebody has made for himself, at once; of others for who administers.",
      params: z.strictObject({ name: z.string().max(100), owner: z.string().max(100).optional() }),
      result: z.object({ name: z.string() }),
      example: { name: "laptop", owner: "ada" },
      async call({ name, owner }, { caller }) {
        const found = await tokensOf(store, ownerFor("ownTokens.revoke", caller, owner));
        const token = found.find((one) => one.name === name);
        if (token === undefined) throw faults.tokenUnknown(name);
        await store.apply({ remove: [keyOf(token.hash)] });
        return { name };
      },
    }),
    method({
      name: "ownTokens.find",
      permission: "read",
      summary: "The token of a hash, if it is good, with its owner; for the master itself.",
      params: z.strictObject({ hash }),
      result: z.object({
        token: tokenShape.extend({ hash: z.string(), owner: z.string() }).nullable(),
        owner: z
          .object({ user: z.string(), groups: z.array(z.string()), via: z.enum(VIAS), seenAt: z.number() })
          .nullable(),
      }),
      example: { hash: "0".repeat(64) },
      async call({ hash: asked }, { caller }) {
        requireInternal("ownTokens.find", caller);
        const token = (await store.get(keyOf(asked)))?.value as unknown as OwnToken | undefined;
        const owner = token && (await knownPerson(store, token.owner));
        return { token: token ?? null, owner: owner ?? null };
      },
    }),
    method({
      name: "ownTokens.touch",
      permission: "read",
      place: "writer",
      summary: "Notes that a token is in use; for the master itself.",
      params: z.strictObject({ hash }),
      result: z.object({}),
      example: { hash: "0".repeat(64) },
      async call({ hash: asked }, { caller }) {
        requireInternal("ownTokens.touch", caller);
        const record = await store.get(keyOf(asked));
        if (record === undefined) return {};
        const put = [recordOf({ ...(record.value as unknown as OwnToken), usedAt: now() })];
        await store.apply({ take: [keyOf(asked)], put }).catch(unlessGone);
        return {};
      },
    }),
  ];
}
