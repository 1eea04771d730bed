import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import type { Millis } from "../interfaces/values.ts";
import type { Db } from "./tables.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

/** Who disabled a scheduler, when and why. */
export interface Disabled {
  at: Millis;
  by: string;
  reason: string;
}

/** Events behind `from` up to and with `to` do not count for a scheduler; `null` while it is disabled still. */
export interface Skip {
  from: number;
  to: number | null;
}

export const readDisabled = (text: string | null): Disabled | null => (text === null ? null : JSON.parse(text));
export const readSkips = (text: string | null): Skip[] => (text === null ? [] : JSON.parse(text));
export const writeSkips = (skips: readonly Skip[]): string | null =>
  skips.length === 0 ? null : JSON.stringify(skips);

/**
 * Disables a scheduler, or enables it again. False if it was so already. What is committed between
 * the two is skipped, to the event: the counter of positions is locked, so that nobody commits
 * between the look at it and this commit.
 */
export async function switchScheduler(
  tx: Tx,
  name: string,
  wish: { disable: boolean; by: string; reason: string },
): Promise<boolean> {
  const row = await locked(
    tx,
    tx.db.selectFrom("schedulers").select(["disabled", "skips"]).where("name", "=", name),
  ).executeTakeFirst();
  if (!row) throw faults.notFound("scheduler", `"${name}"`);
  if ((row.disabled !== null) === wish.disable) return false;
  const counter = await locked(
    tx,
    tx.db.selectFrom("counters").select("value").where("name", "=", "events"),
  ).executeTakeFirst();
  const newest = counter?.value ?? 0;
  const skips = readSkips(row.skips);
  const by = storable(wish.by);
  const reason = storable(wish.reason);
  if (wish.disable) skips.push({ from: newest, to: null });
  else for (const skip of skips) skip.to ??= newest;
  await tx.db
    .updateTable("schedulers")
    .set({
      disabled: wish.disable ? JSON.stringify({ at: tx.now, by, reason } satisfies Disabled) : null,
      ...(wish.disable ? {} : { enabled_at: tx.now }),
      skips: writeSkips(skips),
    })
    .where("name", "=", name)
    .execute();
  tx.event(wish.disable ? "scheduler.disabled" : "scheduler.enabled", { scheduler: name, by, reason });
  tx.ring(`scheduler:${name}`);
  return true;
}

/** Throws `BELFRY_SCHEDULER_DISABLED` for one that is disabled now. */
export async function requireEnabled(db: Db, name: string): Promise<void> {
  const row = await db.selectFrom("schedulers").select("disabled").where("name", "=", name).executeTakeFirst();
  const disabled = readDisabled(row?.disabled ?? null);
  if (disabled) throw faults.schedulerDisabled(name, disabled.by, disabled.reason);
}

function locked<Q extends { modifyEnd(modifier: ReturnType<typeof sql.raw>): Q }>(tx: Tx, query: Q): Q {
  return tx.dialect.lockForUpdate ? query.modifyEnd(sql.raw(tx.dialect.lockForUpdate)) : query;
}
