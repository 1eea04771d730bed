import { z } from "zod";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ChangeSource, NewChange, SourceContext } from "../interfaces/change-source.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { PluginWrites } from "../interfaces/plugin-store.ts";
import type { Json, Millis } from "../interfaces/values.ts";
import { addChange } from "../store/changes.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import { withGrace } from "./grace.ts";
import type { KeptLease, LeaseKeeper } from "./lease-keeper.ts";
import { backOff } from "./loop.ts";

const CHECKED_A_TURN = 200;

const text = (most: number) => z.string().max(most);

/** What a change may hold; larger ones are refused rather than cut without a word. */
export const newChangeSchema = z.object({
  key: text(500).min(1),
  author: text(1_000),
  comments: text(1_000_000),
  files: z.array(text(4_096)).max(100_000),
  revision: text(500).nullable(),
  branch: text(500).nullable(),
  repository: text(2_000),
  codebase: text(255).optional(),
  project: text(255).optional(),
  category: text(255).nullish(),
  link: text(2_000).nullish(),
  when: z.number().int().optional(),
  properties: z.record(z.string().max(255), z.json()).optional(),
});

export function checkChange(change: unknown): NewChange {
  const checked = newChangeSchema.safeParse(change);
  if (checked.success) return checked.data as NewChange;
  throw faults.changeInvalid(
    checked.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })),
  );
}

export interface SourceEntry {
  name: string;
  kind: string;
  source: ChangeSource;
  records: PluginRecords;
  folder: string;
}

export interface SourceDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  note(source: string, message: string): void;
}

/** One pass of a source's loop: polls if it is time or somebody asked. */
export async function sourcePass(
  entry: SourceEntry,
  deps: SourceDeps,
  signal: AbortSignal,
): Promise<{ wakeAt: Millis }> {
  const { store, clock, leases } = deps;
  const lease = await leases.hold(`source:${entry.name}`);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const { poll, pollInterval = 60_000 } = entry.source;
  const row = await store.read
    .selectFrom("change_sources")
    .selectAll()
    .where("name", "=", entry.name)
    .executeTakeFirst();
  if (!poll || !row) return { wakeAt: clock.now() + 30_000 };

  const wish = row.poll_wanted_at;
  const pause = row.failures > 0 ? Math.max(pollInterval, backOff(row.failures, 1_000)) : pollInterval;
  const due = row.polled_at === null ? 0 : row.polled_at + pause;
  if (wish === null && clock.now() < due) return { wakeAt: due };

  const begun = clock.now();
  let error: unknown;
  try {
    await pollOnce(entry, deps, lease, entry.records.read(row), signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    error = thrown ?? new Error("the poll failed");
  }
  await recordOutcome(entry, deps, lease, row, error, { begun, wish });
  if (error !== undefined) return { wakeAt: begun + Math.max(pollInterval, backOff(row.failures + 1, 1_000)) };
  return { wakeAt: begun + pollInterval };
}

/** One pass of a source that is told: it watches until the master stops, loses the source, or it fails. */
export async function watchPass(
  entry: SourceEntry,
  deps: SourceDeps,
  loopSignal: AbortSignal,
): Promise<{ wakeAt: Millis }> {
  const { store, clock, leases } = deps;
  const lease = await leases.hold(`source:${entry.name}`);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const row = await store.read
    .selectFrom("change_sources")
    .selectAll()
    .where("name", "=", entry.name)
    .executeTakeFirst();
  if (!row) return { wakeAt: clock.now() + 30_000 };

  const signal = AbortSignal.any([loopSignal, lease.signal]);
  let failing = row.error !== null;
  const ctx = sourceContext(entry, deps, lease, entry.records.read(row), signal, async () => {
    if (!failing) return;
    failing = false;
    await recordOutcome(entry, deps, lease, row, undefined);
  });
  let error: unknown;
  try {
    await withGrace(Promise.resolve(entry.source.watch?.(ctx.context)), signal);
    error = new Error("it stopped watching");
  } catch (thrown) {
    error = thrown ?? new Error("it failed while watching");
  } finally {
    ctx.end();
  }
  if (signal.aborted) return { wakeAt: clock.now() };
  const failures = failing ? row.failures : 0;
  await recordOutcome(entry, deps, lease, { error: failing ? row.error : null, failures }, error);
  return { wakeAt: clock.now() + backOff(failures + 1, 1_000) };
}

async function pollOnce(
  entry: SourceEntry,
  deps: SourceDeps,
  lease: KeptLease,
  state: Json | undefined,
  loopSignal: AbortSignal,
) {
  const limit = entry.source.pollTimeout ?? 600_000;
  const timedOut = new AbortController();
  const timer = deps.clock.setTimer(limit, () =>
    timedOut.abort(new Error(`the poll took longer than ${Math.round(limit / 1_000)} seconds`)),
  );
  const signal = AbortSignal.any([loopSignal, lease.signal, timedOut.signal]);
  const ctx = sourceContext(entry, deps, lease, state, signal);
  try {
    signal.throwIfAborted();
    await withGrace(Promise.resolve(entry.source.poll?.(ctx.context)), signal);
    signal.throwIfAborted();
  } finally {
    ctx.end();
    timer.cancel();
  }
}

/** What a source works with, of no more use after `end`. */
function sourceContext(
  entry: SourceEntry,
  deps: SourceDeps,
  lease: KeptLease,
  state: Json | undefined,
  signal: AbortSignal,
  reported?: () => Promise<void>,
): { context: SourceContext; end(): void } {
  let over = false;
  const context: SourceContext = {
    state,
    clock: deps.clock,
    signal,
    folder: entry.folder,
    async report(changes, next, writes) {
      // What was given up and still finds something would put back the state of what came after it.
      signal.throwIfAborted();
      if (over) throw new Error("the source has settled: await every report before that");
      const stored = await report(entry, deps, lease, changes, next, writes);
      await reported?.();
      return stored;
    },
    note: (message) => deps.note(entry.name, message),
  };
  return {
    context,
    end: () => {
      over = true;
    },
  };
}

/** Keeps how a poll or a watch went, and tells when that turned. */
async function recordOutcome(
  entry: SourceEntry,
  deps: SourceDeps,
  lease: KeptLease,
  before: { error: string | null; failures: number },
  error: unknown,
  poll?: { begun: Millis; wish: Millis | null },
): Promise<void> {
  await deps.store.write(async (tx) => {
    await tx.requireLease(lease);
    const failed = error !== undefined;
    await tx.db
      .updateTable("change_sources")
      .set({ error: failed ? JSON.stringify(describe(error)) : null, failures: failed ? before.failures + 1 : 0 })
      .$if(poll !== undefined, (query) => query.set({ polled_at: poll?.begun ?? null }))
      .where("name", "=", entry.name)
      .execute();
    if (typeof poll?.wish === "number") {
      // A wish that came while it looked has another time, and stands.
      await tx.db
        .updateTable("change_sources")
        .set({ poll_wanted_at: null })
        .where("name", "=", entry.name)
        .where("poll_wanted_at", "=", poll.wish)
        .execute();
    }
    if (failed && before.error === null) tx.event("source.failing", { source: entry.name, error: messageOf(error) });
    if (!failed && before.error !== null) tx.event("source.recovered", { source: entry.name });
  });
  if (error !== undefined) deps.note(entry.name, messageOf(error));
}

/** Stores what a source found, with its state, in one transaction. */
export async function report(
  entry: Pick<SourceEntry, "name" | "records">,
  deps: Pick<SourceDeps, "store">,
  lease: KeptLease,
  changes: NewChange[],
  state?: Json,
  writes?: PluginWrites,
): Promise<{ added: number }> {
  const checked: NewChange[] = [];
  for (const [i, change] of changes.entries()) {
    if (i % CHECKED_A_TURN === CHECKED_A_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    checked.push(checkChange(change));
  }
  return deps.store.write(async (tx: Tx) => {
    await tx.requireLease(lease);
    let added = 0;
    for (const change of checked) if ((await addChange(tx, entry.name, change)).added) added += 1;
    if (state !== undefined) {
      await tx.db
        .updateTable("change_sources")
        .set({ state: JSON.stringify(state), version: entry.records.version })
        .where("name", "=", entry.name)
        .execute();
    }
    if (writes) await entry.records.applyIn(tx, writes);
    return { added };
  });
}

/** An error as it is kept in the database and shown. */
export function describe(error: unknown): { message: string; code: string | null } {
  const code = (error as { code?: unknown } | null)?.code;
  return { message: messageOf(error), code: typeof code === "string" ? code : null };
}
