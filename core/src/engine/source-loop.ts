import { z } from "zod";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ChangeSource, NewChange, SourceContext } from "../interfaces/change-source.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { PluginWrites } from "../interfaces/plugin-store.ts";
import type { Json, Millis } from "../interfaces/values.ts";
import { createSecretSet, type SecretSet } from "../logs/masker.ts";
import { addChange } from "../store/changes.ts";
import type { PluginRecords } from "../store/plugin-records.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import { withGrace } from "./grace.ts";
import type { KeptLease, LeaseKeeper } from "./lease-keeper.ts";
import { backOff } from "./loop.ts";
import { lastSuccess, type RunningPoll, type SourceActivity, type SourceRecord, slowAfter } from "./source-health.ts";

const CHECKED_A_TURN = 200;
const LONGEST_PROGRESS = 200;

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
  /** Where it says what it is doing. */
  activity: SourceActivity;
  note(source: string, message: string): void;
  secret(name: string, signal: AbortSignal): Promise<string>;
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
  const secrets = createSecretSet();
  const running = deps.activity.begin(entry.name, begun);
  let error: unknown;
  try {
    await pollOnce(entry, deps, { lease, secrets, running }, entry.records.read(row), signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    error = thrown ?? new Error("the poll failed");
  } finally {
    deps.activity.end(running);
  }
  const before = { ...row, slow: running.slow };
  await recordOutcome(entry, deps, { lease, secrets }, before, error, { begun, wish });
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
  const secrets = createSecretSet();
  const tools = { lease, secrets };
  const ctx = sourceContext(entry, deps, tools, entry.records.read(row), signal, async () => {
    if (!failing) return;
    failing = false;
    await recordOutcome(entry, deps, tools, row, undefined);
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
  const before = { ...row, error: failing ? row.error : null, failures };
  await recordOutcome(entry, deps, tools, before, error);
  return { wakeAt: clock.now() + backOff(failures + 1, 1_000) };
}

/** What one poll or watch has besides its context. */
interface Tools {
  lease: KeptLease;
  /** Those that it asked for. */
  secrets: SecretSet;
  running?: RunningPoll;
}

async function pollOnce(
  entry: SourceEntry,
  deps: SourceDeps,
  tools: Tools & { running: RunningPoll },
  state: Json | undefined,
  loopSignal: AbortSignal,
) {
  const limit = entry.source.pollTimeout ?? 600_000;
  const timedOut = new AbortController();
  const timer = deps.clock.setTimer(limit, () =>
    timedOut.abort(new Error(`the poll took longer than ${Math.round(limit / 1_000)} seconds`)),
  );
  const slow = deps.clock.setTimer(slowAfter(entry.source), () => tellSlow(entry, deps, tools));
  const signal = AbortSignal.any([loopSignal, tools.lease.signal, timedOut.signal]);
  const ctx = sourceContext(entry, deps, tools, state, signal);
  try {
    signal.throwIfAborted();
    await withGrace(Promise.resolve(entry.source.poll?.(ctx.context)), signal);
    signal.throwIfAborted();
  } finally {
    ctx.end();
    timer.cancel();
    slow.cancel();
  }
}

/** Tells once that a poll takes long, while it still runs. */
function tellSlow(entry: SourceEntry, deps: SourceDeps, { lease, running }: Tools & { running: RunningPoll }): void {
  running.slow = true;
  const { since, doing } = running;
  const seconds = Math.round((deps.clock.now() - since) / 1_000);
  deps.note(entry.name, `has been looking for ${seconds} seconds${doing === null ? "" : `: ${doing}`}`);
  deps.store
    .write(async (tx) => {
      await tx.requireLease(lease);
      tx.event("source.slow", { source: entry.name, since, doing });
    })
    .catch((error) => deps.note(entry.name, `that it is slow could not be told: ${messageOf(error)}`));
}

/** What a source works with, of no more use after `end`. */
function sourceContext(
  entry: SourceEntry,
  deps: SourceDeps,
  { lease, secrets, running }: Tools,
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
      const stored = await report(entry, deps, lease, changes, next, writes, secrets);
      await reported?.();
      return stored;
    },
    note: (message) => deps.note(entry.name, secrets.text(message)),
    progress(summary) {
      if (running && !over) running.doing = secrets.text(summary).slice(0, LONGEST_PROGRESS);
    },
    async secret(name) {
      const value = await deps.secret(name, signal);
      secrets.add(value);
      return value;
    },
  };
  return {
    context,
    end: () => {
      over = true;
    },
  };
}

/** How a source was before the poll or watch that ended. */
type SourceBefore = SourceRecord & { failures: number; slow?: boolean };

/** Keeps how a poll or a watch went, and tells when that turned. */
async function recordOutcome(
  entry: SourceEntry,
  deps: SourceDeps,
  { lease, secrets }: Tools,
  before: SourceBefore,
  error: unknown,
  poll?: { begun: Millis; wish: Millis | null },
): Promise<void> {
  const failed = error !== undefined;
  const message = secrets.text(messageOf(error));
  const failure = { ...describe(error), message, lastSuccessAt: lastSuccess(before) };
  await deps.store.write(async (tx) => {
    await tx.requireLease(lease);
    await tx.db
      .updateTable("change_sources")
      .set({ error: failed ? JSON.stringify(failure) : null, failures: failed ? before.failures + 1 : 0 })
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
    if (failed && before.error === null) tx.event("source.failing", { source: entry.name, error: message });
    if (!failed && (before.error !== null || before.slow)) tx.event("source.recovered", { source: entry.name });
  });
  if (failed) deps.note(entry.name, message);
}

/** Stores what a source found, with its state, in one transaction. */
export async function report(
  entry: Pick<SourceEntry, "name" | "records">,
  deps: Pick<SourceDeps, "store">,
  lease: KeptLease,
  changes: NewChange[],
  state?: Json,
  writes?: PluginWrites,
  secrets?: SecretSet,
): Promise<{ added: number }> {
  const checked: NewChange[] = [];
  for (const [i, change] of changes.entries()) {
    if (i % CHECKED_A_TURN === CHECKED_A_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    checked.push(checkChange(secrets ? secrets.json(change) : change));
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
