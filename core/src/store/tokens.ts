import { createHash, randomBytes } from "node:crypto";
import { faults } from "../errors/catalogue.ts";
import type { Narrowing, Scope } from "../interfaces/api-method.ts";
import type { Store } from "./store.ts";

export interface TokenFacts {
  name: string;
  scopes: Scope[];
  narrowed: Narrowing | null;
  createdAt: number;
  expiresAt: number | null;
  usedAt: number | null;
  revokedAt: number | null;
}

const PREFIX = "belfry_";
const USED_EVERY = 60_000;

function hashOf(token: string): string {
  // 256 random bits need no slow hash: there is nothing to guess.
  return createHash("sha256").update(token).digest("hex");
}

/** Makes a token; the text that is returned is kept nowhere. */
export async function addToken(
  store: Store,
  facts: { name: string; scopes: readonly Scope[]; narrowed: Narrowing | null; expiresAt: number | null },
): Promise<string> {
  const token = PREFIX + randomBytes(32).toString("base64url");
  await store.write(async (tx) => {
    const inserted = await tx.db
      .insertInto("tokens")
      .values({
        name: facts.name,
        hash: hashOf(token),
        scopes: JSON.stringify(facts.scopes),
        narrowed: facts.narrowed && JSON.stringify(facts.narrowed),
        created_at: tx.now,
        expires_at: facts.expiresAt,
        used_at: null,
        revoked_at: null,
      })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .returning("id")
      .executeTakeFirst();
    if (!inserted) throw faults.tokenTwice(facts.name);
    tx.event("token.added", { token: facts.name });
  });
  return token;
}

export async function listTokens(store: Store): Promise<TokenFacts[]> {
  const rows = await store.read.selectFrom("tokens").selectAll().orderBy("name").limit(10_000).execute();
  return rows.map(toFacts);
}

/** The facts of a token that may be used now; notes that it was used, unless told not to. */
export async function useToken(store: Store, token: string, now: number, note = true): Promise<TokenFacts | undefined> {
  if (!token.startsWith(PREFIX) || token.length > 100) return undefined;
  const row = await store.read.selectFrom("tokens").selectAll().where("hash", "=", hashOf(token)).executeTakeFirst();
  if (!row || row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= now)) return undefined;
  if (note && (row.used_at === null || now - row.used_at > USED_EVERY)) {
    await store.write((tx) => tx.db.updateTable("tokens").set({ used_at: now }).where("id", "=", row.id).execute());
  }
  return toFacts(row);
}

/** False if there is no such token. One that was revoked before stays as it was. */
export async function revokeToken(store: Store, name: string): Promise<boolean> {
  return store.write(async (tx) => {
    const row = await tx.db
      .updateTable("tokens")
      .set({ revoked_at: tx.now })
      .where("name", "=", name)
      .where("revoked_at", "is", null)
      .returning("id")
      .executeTakeFirst();
    if (row) tx.event("token.revoked", { token: name });
    const known = row ?? (await tx.db.selectFrom("tokens").select("id").where("name", "=", name).executeTakeFirst());
    return known !== undefined;
  });
}

function toFacts(row: {
  name: string;
  scopes: string;
  narrowed: string | null;
  created_at: number;
  expires_at: number | null;
  used_at: number | null;
  revoked_at: number | null;
}): TokenFacts {
  return {
    name: row.name,
    scopes: JSON.parse(row.scopes),
    narrowed: row.narrowed === null ? null : JSON.parse(row.narrowed),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    usedAt: row.used_at,
    revokedAt: row.revoked_at,
  };
}
