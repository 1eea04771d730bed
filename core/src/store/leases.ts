import { sql } from "kysely";
import type { Store } from "./store.ts";
import type { HeldLease } from "./tx.ts";

/**
 * Takes a lease if nobody holds it, or its time is over, by the database's clock. The fence grows
 * each time it is taken, also by the same owner.
 */
export async function takeLease(
  store: Store,
  name: string,
  owner: string,
  ttl: number,
  force = false,
): Promise<HeldLease | undefined> {
  return store.write(async (tx) => {
    const now = sql<number>`${sql.raw(tx.dialect.nowMillis)}`;
    await tx.db
      .insertInto("leases")
      .values({ name, owner: "", fence: 0, until_at: 0 })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
    // Looked at without a lock first: a lease that somebody else holds is none of ours to wait for.
    const free = tx.db
      .selectFrom("leases")
      .select("name")
      .where("name", "=", name)
      .$if(!force, (query) => query.where((eb) => eb.or([eb("until_at", "<=", now), eb("owner", "=", owner)])));
    if (!(await free.executeTakeFirst())) return undefined;
    // Waits for whoever writes under it at this moment; who comes after that finds another fence.
    if (tx.dialect.lockForUpdate) await free.modifyEnd(sql.raw(tx.dialect.lockForUpdate)).execute();
    const taken = await tx.db
      .updateTable("leases")
      .set((eb) => ({ owner, fence: eb("fence", "+", 1), until_at: sql<number>`${now} + ${ttl}` }))
      .where("name", "=", name)
      .$if(!force, (query) => query.where((eb) => eb.or([eb("until_at", "<=", now), eb("owner", "=", owner)])))
      .returning("fence")
      .executeTakeFirst();
    return taken && { name, owner, fence: taken.fence };
  });
}

/** Prolongs all leases of an owner; returns the names it still holds. */
export async function renewLeases(store: Store, owner: string, ttl: number): Promise<Set<string>> {
  const rows = await store.write((tx) =>
    tx.db
      .updateTable("leases")
      .set({ until_at: sql<number>`${sql.raw(tx.dialect.nowMillis)} + ${ttl}` })
      .where("owner", "=", owner)
      .returning("name")
      .execute(),
  );
  return new Set(rows.map((row) => row.name));
}

/** Lets go of leases, so that the next owner need not wait. */
export async function releaseLeases(store: Store, owner: string, name?: string): Promise<void> {
  await store.write((tx) =>
    tx.db
      .updateTable("leases")
      .set({ owner: "", until_at: 0 })
      .where("owner", "=", owner)
      .$if(name !== undefined, (query) => query.where("name", "=", name as string))
      .execute(),
  );
}

/** Keeps a lease for another owner who is about to come; all others are kept out for so long. */
export async function bequeathLease(
  store: Store,
  owner: string,
  { name, heir, millis }: { name: string; heir: string; millis: number },
): Promise<void> {
  await store.write((tx) =>
    tx.db
      .updateTable("leases")
      .set({ owner: heir, until_at: sql<number>`${sql.raw(tx.dialect.nowMillis)} + ${millis}` })
      .where("name", "=", name)
      .where("owner", "=", owner)
      .execute(),
  );
}

export interface LeaseState {
  name: string;
  owner: string;
  fence: number;
  /** Milliseconds left; 0 or less when it is over. */
  left: number;
}

export async function leaseState(store: Store, name: string): Promise<LeaseState | undefined> {
  const row = await store.read
    .selectFrom("leases")
    .select(["name", "owner", "fence", sql<number>`until_at - ${sql.raw(store.dialect.nowMillis)}`.as("left")])
    .where("name", "=", name)
    .executeTakeFirst();
  return row && { ...row, left: Number(row.left) };
}
