import { faults } from "../errors/catalogue.ts";
import type { LockMode } from "../interfaces/lock.ts";
import type { BuildKey } from "./builds.ts";
import { type Blocked, LAST_PLACE, LockBook, type LockEntry, type LockLimits, type LockNeed } from "./lock-book.ts";
import type { Db, Row } from "./tables.ts";
import type { Tx } from "./tx.ts";

const ROWS_AT_ONCE = 50;

export function toEntry(row: Row<"locks">): LockEntry {
  return {
    lock: row.lock,
    worker: row.worker,
    mode: row.mode as LockMode,
    count: row.count,
    held: row.held === 1,
    urgency: row.urgency,
    place: row.place,
    request: row.request_id,
    build: row.build_id,
    step: row.step,
    askedAt: row.asked_at,
    heldAt: row.held_at,
  };
}

/** Everybody who holds or waits. Within a transaction that decides, call {@link decideOnLocks} first. */
export async function readLocks(db: Db, limits: LockLimits): Promise<LockBook> {
  const rows = await db.selectFrom("locks").selectAll().orderBy("id").execute();
  return new LockBook(rows.map(toEntry), limits);
}

/**
 * Keeps everybody else from giving locks till the commit, on all masters, and gives a new place in
 * the line. Giving them back needs no such thing.
 */
export async function decideOnLocks(tx: Tx): Promise<number> {
  const { value } = await tx.db
    .updateTable("counters")
    .set((eb) => ({ value: eb("value", "+", 1) }))
    .where("name", "=", "locks")
    .returning("value")
    .executeTakeFirstOrThrow();
  return value;
}

type Claim = Pick<LockEntry, "held" | "urgency" | "place" | "request" | "build" | "step">;

/** Writes what somebody holds now, or waits for. What the same claim had waited for has to be removed before. */
export async function addLocks(tx: Tx, claim: Claim, needs: readonly LockNeed[], askedAt = tx.now): Promise<void> {
  const rows = needs.map(({ lock, worker, mode, count }) => ({
    lock,
    worker,
    mode,
    count,
    held: claim.held ? 1 : 0,
    urgency: claim.urgency,
    place: claim.place,
    request_id: claim.request,
    build_id: claim.build,
    step: claim.step,
    asked_at: askedAt,
    held_at: claim.held ? tx.now : null,
  }));
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await tx.db
      .insertInto("locks")
      .values(rows.slice(at, at + ROWS_AT_ONCE))
      .execute();
  }
}

/** Takes requests out of the line: they have ended, or something else keeps them now. */
export async function leaveLine(tx: Tx, requests: readonly number[]): Promise<void> {
  if (requests.length === 0) return;
  const gone = await tx.db
    .deleteFrom("locks")
    .where("request_id", "in", [...requests])
    .where("build_id", "=", 0)
    .returning("id")
    .execute();
  if (gone.length > 0) ringForLocks(tx);
}

/** Gives back everything that a build and its steps hold or wait for. */
export async function releaseBuild(tx: Tx, build: number): Promise<void> {
  const gone = await tx.db.deleteFrom("locks").where("build_id", "=", build).returning("id").execute();
  if (gone.length > 0) ringForLocks(tx);
}

export async function releaseStep(tx: Tx, build: number, step: number): Promise<void> {
  await tx.db.deleteFrom("locks").where("build_id", "=", build).where("step", "=", step).execute();
  ringForLocks(tx);
}

function ringForLocks(tx: Tx): void {
  tx.ring("locks");
}

export interface StepClaim {
  build: BuildKey;
  step: number;
  name: string;
  urgency: number;
  needs: readonly LockNeed[];
}

export type StepLocks = { state: "held" } | { state: "waiting" | "deadlock"; blocked: Blocked[] };

/**
 * Takes all locks of a step, or has it stand in line; asked again and again till it has them. The
 * caller checks the build's fence in the same transaction.
 */
export async function claimForStep(tx: Tx, claim: StepClaim, limits: LockLimits): Promise<StepLocks> {
  const { build, step, needs } = claim;
  const isNeeded = (entry: LockNeed) =>
    needs.some(({ lock, worker }) => lock === entry.lock && worker === entry.worker);
  const fresh = await decideOnLocks(tx);
  const book = await readLocks(tx.db, limits);
  const own = book.remove((entry) => entry.build === build.id && entry.step === step);
  if (own.some((entry) => entry.held)) return { state: "held" };
  const twice = book.entries.find((held) => held.held && held.build === build.id && held.step === 0 && isNeeded(held));
  if (twice) throw faults.lockInvalid(`the step "${claim.name}"`, `Its build holds the lock "${twice.lock}" already`);
  const waited = own[0];
  // While it waits, its request may have been given another priority.
  const urgency = waited?.urgency ?? claim.urgency;
  const blocked = book.blocked(needs, { urgency, place: waited?.place ?? LAST_PLACE }, build.id);
  if (blocked.length > 0 && book.isDeadlock(blocked, build.id)) return { state: "deadlock", blocked };
  const place = waited?.place ?? fresh;
  const rows = { urgency, place, request: build.requestId, build: build.id, step };
  const event = { build: build.id, builder: build.builder, number: build.number, step, name: claim.name };
  const scope = { builder: build.builder, project: build.project };
  const locks = needs.map((need) => need.lock);
  if (blocked.length > 0) {
    if (!waited) {
      await markStep(tx, build.id, step);
      await addLocks(tx, { ...rows, held: false }, needs);
      tx.event("step.waiting", { ...event, locks }, scope);
      // A request that waits for this build's place may have to let it pass.
      if (blocked.some(({ ahead }) => ahead.some((entry) => entry.build === 0))) tx.ring("requests");
    }
    return { state: "waiting", blocked };
  }
  if (waited) {
    await tx.db.deleteFrom("locks").where("build_id", "=", build.id).where("step", "=", step).execute();
    tx.event("step.resumed", { ...event, locks }, scope);
    // Whoever stood behind may fit beside it.
    ringForLocks(tx);
  } else await markStep(tx, build.id, step);
  await addLocks(tx, { ...rows, held: true }, needs, waited?.askedAt);
  return { state: "held" };
}

/** So that the transaction that ends the step knows that there is something to give back. */
async function markStep(tx: Tx, build: number, step: number): Promise<void> {
  await tx.db.updateTable("steps").set({ locks: 1 }).where("build_id", "=", build).where("step", "=", step).execute();
}

/** An entry, and whose it is. */
export interface NamedLock extends LockEntry {
  builder: string;
  /** Of the build; null while only the request waits. */
  number: number | null;
}

/** Everybody who holds or waits, in the order of the line. */
export async function namedLocks(db: Db): Promise<NamedLock[]> {
  const rows = await db
    .selectFrom("locks as l")
    .innerJoin("build_requests as r", "r.id", "l.request_id")
    .innerJoin("builders as n", "n.id", "r.builder_id")
    .leftJoin("builds as b", "b.id", "l.build_id")
    .selectAll("l")
    .select(["n.name", "b.number"])
    .orderBy("l.held", "desc")
    .orderBy("l.urgency")
    .orderBy("l.place")
    .orderBy("l.id")
    .execute();
  return rows.map((row) => ({ ...toEntry(row), builder: row.name, number: row.number }));
}
