import { faults } from "../errors/catalogue.ts";
import type { LockDefinition, LockMode, LockUse } from "../interfaces/lock.ts";
import { type RenderContext, render } from "../interfaces/properties.ts";
import { type LockLimits, type LockNeed, mergeNeeds } from "../store/lock-book.ts";

export type Locks = ReadonlyMap<string, LockDefinition>;

export function limitsOf(locks: Locks): LockLimits {
  return (name, worker) => {
    const lock = locks.get(name);
    if (lock?.kind === "worker") return lock.maxCountForWorker[worker] ?? lock.maxCount;
    return lock?.maxCount;
  };
}

/**
 * What a builder, step or worker needs on this worker, computed by the configuration's functions:
 * not to be called within a transaction. Throws `BELFRY_LOCK_INVALID` for what could never be had.
 */
export async function needsOf(
  owner: string,
  use: LockUse | undefined,
  worker: string,
  locks: Locks,
  ctx: RenderContext,
): Promise<LockNeed[]> {
  if (use === undefined) return [];
  const rendered: unknown = await render(use, ctx);
  if (!Array.isArray(rendered)) throw faults.lockInvalid(owner, "What was computed is no list");
  const needs = mergeNeeds(rendered.map((access) => needOf(owner, access, worker, locks)));
  checkNeeds(owner, needs, worker, locks);
  return needs;
}

/** Throws `BELFRY_LOCK_INVALID` if there is not so much of a lock, whoever holds it. */
export function checkNeeds(owner: string, needs: readonly LockNeed[], worker: string, locks: Locks): void {
  const limits = limitsOf(locks);
  for (const { lock, mode, count } of needs) {
    const most = limits(lock, worker) ?? 0;
    if (mode === "counting" && count > most)
      throw faults.lockInvalid(owner, `They ask for ${count} of the lock "${lock}", of which there is ${most}`);
  }
}

function needOf(owner: string, access: unknown, worker: string, locks: Locks): LockNeed {
  const { lock: name, mode, count = 1 } = (access ?? {}) as { lock?: unknown; mode?: LockMode; count?: unknown };
  const lock = typeof name === "string" ? locks.get(name) : undefined;
  if (!lock) throw faults.lockInvalid(owner, `There is no lock named ${JSON.stringify(name) ?? "nothing"}`);
  if (mode !== "counting" && mode !== "exclusive")
    throw faults.lockInvalid(owner, `The mode of "${lock.name}" is neither "counting" nor "exclusive"`);
  const amount = mode === "exclusive" ? 1 : count;
  if (typeof amount !== "number" || !Number.isInteger(amount) || amount < 1)
    throw faults.lockInvalid(owner, `The count of "${lock.name}" is no whole number from 1 on`);
  return { lock: lock.name, worker: lock.kind === "worker" ? worker : "", mode, count: amount };
}
