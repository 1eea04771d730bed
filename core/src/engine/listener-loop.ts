import type { Clock } from "../interfaces/clock.ts";
import type { StatusListener } from "../interfaces/status-listener.ts";
import type { Millis } from "../interfaces/values.ts";
import type { EventFeed } from "../status/event-feed.ts";
import { oldestPosition, type StoredEvent } from "../store/events.ts";
import type { Store } from "../store/store.ts";
import { withGrace } from "./grace.ts";
import type { KeptLease, LeaseKeeper } from "./lease-keeper.ts";
import { backOff } from "./loop.ts";
import { describe } from "./source-loop.ts";

const EVENTS_A_PASS = 200;
const CURSOR_EVERY = 50;

export interface ListenerEntry {
  name: string;
  kind: string;
  listener: StatusListener;
}

export interface ListenerDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  feed: EventFeed;
}

/** One pass of a durable listener: the next events, one after the other, and then its cursor. */
export async function listenerPass(
  entry: ListenerEntry,
  deps: ListenerDeps,
  signal: AbortSignal,
): Promise<{ wakeAt?: Millis; again?: boolean }> {
  const { store, clock, leases, feed } = deps;
  const lease = await leases.hold(`listener:${entry.name}`);
  if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
  const row = await store.read.selectFrom("listeners").selectAll().where("name", "=", entry.name).executeTakeFirst();
  if (!row) return {};
  if (row.retry_at !== null && row.retry_at > clock.now()) return { wakeAt: row.retry_at };

  const events = await feed.after(row.cursor, EVENTS_A_PASS);
  // What it was too slow for has been removed meanwhile; it is told so, where the first of it would have come.
  const oldest = row.cursor > 0 ? await oldestPosition(store) : 0;
  if (oldest > row.cursor + 1 && events[0]) events.unshift(gapBefore(oldest, row.cursor, events[0]));
  let cursor = row.cursor;
  let attempts = row.attempts;
  let written = row.cursor;
  for (const event of events) {
    if (signal.aborted) break;
    if (event.type === "gap" || wants(entry.listener, event.type)) {
      try {
        const { seq: _seq, ...told } = event;
        const either = AbortSignal.any([signal, lease.signal]);
        await withGrace(entry.listener.handle(told, { signal: either, attempt: attempts + 1 }), either);
      } catch (error) {
        if (signal.aborted || lease.signal.aborted) break;
        attempts += 1;
        const parks = attempts >= (entry.listener.attempts ?? 10);
        const retryAt = clock.now() + backOff(attempts, 200);
        await fail(entry, deps, lease, {
          cursor: parks ? event.seq : cursor,
          attempts: parks ? 0 : attempts,
          event,
          tries: attempts,
          parks,
          error,
          retryAt,
        });
        return parks ? { again: true } : { wakeAt: retryAt };
      }
    }
    cursor = event.seq;
    if (attempts > 0 || cursor - written >= CURSOR_EVERY) {
      await moveCursor(entry, deps, lease, cursor);
      written = cursor;
      attempts = 0;
    }
  }
  if (
    cursor !== written &&
    (cursor - written >= CURSOR_EVERY ||
      events.some((event) => event.seq > written && wants(entry.listener, event.type)))
  ) {
    await moveCursor(entry, deps, lease, cursor);
  }
  return { again: events.length === EVENTS_A_PASS };
}

function gapBefore(oldest: number, cursor: number, { time }: StoredEvent): StoredEvent {
  const seq = oldest - 1;
  const data = { after: String(cursor), before: String(oldest) };
  return { seq, position: String(seq), type: "gap", time, builder: null, project: null, data };
}

function wants(listener: StatusListener, type: string): boolean {
  return (
    listener.types === undefined ||
    listener.types.some((wanted) => wanted === type || (wanted.endsWith(".") && type.startsWith(wanted)))
  );
}

async function moveCursor(
  entry: ListenerEntry,
  { store }: ListenerDeps,
  lease: KeptLease,
  cursor: number,
): Promise<void> {
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    await tx.db
      .updateTable("listeners")
      .set({ cursor, attempts: 0, error: null, retry_at: null })
      .where("name", "=", entry.name)
      .execute();
  });
}

async function fail(
  entry: ListenerEntry,
  { store }: ListenerDeps,
  lease: KeptLease,
  failure: {
    cursor: number;
    attempts: number;
    event: StoredEvent;
    tries: number;
    parks: boolean;
    error: unknown;
    retryAt: Millis;
  },
): Promise<void> {
  const error = JSON.stringify(describe(failure.error));
  await store.write(async (tx) => {
    await tx.requireLease(lease);
    await tx.db
      .updateTable("listeners")
      .set({
        cursor: failure.cursor,
        attempts: failure.attempts,
        error,
        retry_at: failure.parks ? null : failure.retryAt,
      })
      .where("name", "=", entry.name)
      .execute();
    if (!failure.parks) return;
    const parked = { parked_at: tx.now, attempts: failure.tries, error };
    await tx.db
      .insertInto("parked_events")
      .values({ listener: entry.name, seq: failure.event.seq, ...parked })
      .onConflict((conflict) => conflict.columns(["listener", "seq"]).doUpdateSet(parked))
      .execute();
    // A listener that fails at everything fails at this as well; telling of that would never end.
    if (failure.event.type === "listener.parked") return;
    tx.event("listener.parked", { listener: entry.name, position: failure.event.position, attempts: failure.tries });
  });
}
