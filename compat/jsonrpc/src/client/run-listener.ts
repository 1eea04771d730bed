import type { BelfryEvent, StatusListener } from "belfry";
import type { Client } from "./client.ts";
import { CursorKeeper } from "./cursor-keeper.ts";
import { type CursorStore, cursorAtMaster, cursorInFile } from "./cursors.ts";
import { clientFaults } from "./errors.ts";
import { abortable, pause } from "./pause.ts";
import { growing, Retry } from "./retry.ts";

/** What whoever runs a listener may want to know. */
export type ListenerReport =
  | { kind: "started"; position: string }
  /** It threw; the same event comes again after `retryIn` milliseconds. */
  | { kind: "failed"; event: BelfryEvent; attempt: number; error: unknown; retryIn: number }
  /** It threw as often as it may; it goes on with the next event. */
  | { kind: "parked"; event: BelfryEvent; attempts: number; error: unknown }
  /** Events behind this position are missing, since they are no longer kept. */
  | { kind: "gap"; from: string }
  /** Its place could not be kept; that is tried again. After a restart some events will come again. */
  | { kind: "cursorFailed"; error: unknown };

export interface RunListenerOptions {
  client: Client;
  /** Keeps its place at the master, under this name. */
  name?: string | undefined;
  /** Keeps its place in this file. */
  cursorFile?: string | undefined;
  /** Keeps its place elsewhere. */
  cursor?: CursorStore | undefined;
  /** Where it begins if it has no place yet. Default: what the listener says, or "now". */
  from?: "now" | "start" | undefined;
  signal?: AbortSignal | undefined;
  report?: ((report: ListenerReport) => void) | undefined;
}

const ATTEMPTS = 10;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 60_000;
/** How long a listener gets to end what it does. */
const GRACE = 3_000;

/**
 * Runs a listener in this process, as a master runs it in its own: every event at least once, in
 * order, one at a time, over restarts of either side. Resolves when the signal aborts; rejects when
 * the master refuses for good, or when its place cannot be read.
 */
export async function runListener(listener: StatusListener, options: RunListenerOptions): Promise<void> {
  const { client, signal, report = () => undefined } = options;
  const store = storeOf(options);
  try {
    const position = await beginning(listener, options, store);
    const keeper = new CursorKeeper(store, position, (error) => report({ kind: "cursorFailed", error }));
    report({ kind: "started", position });
    try {
      const wish = { since: position, types: listener.types };
      const onGap = (from: string) => report({ kind: "gap", from });
      for await (const event of client.events(wish, { signal, onGap, onPosition: (next) => keeper.set(next) })) {
        await handle(listener, event, signal, report);
        keeper.set(event.position);
      }
    } finally {
      await keeper.close();
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

function storeOf({ client, name, cursorFile, cursor }: RunListenerOptions): CursorStore {
  if (cursor !== undefined) return cursor;
  if (cursorFile !== undefined) return cursorInFile(cursorFile);
  if (name !== undefined) return cursorAtMaster(client, name);
  throw clientFaults.noCursor();
}

/** Where it goes on, or begins; that is kept before the first event, so that none is missed by a restart. */
async function beginning(
  listener: StatusListener,
  { client, from, signal }: RunListenerOptions,
  store: CursorStore,
): Promise<string> {
  const retry = new Retry(signal);
  for (;;) {
    try {
      const kept = await store.load(signal);
      if (kept !== null) return kept;
      const answer = await client.call("events.since", { limit: 1 }, { signal });
      const position = (from ?? listener.from) === "start" ? answer.oldest : answer.next;
      await store.save(position);
      return position;
    } catch (error) {
      await retry.after(error);
    }
  }
}

/** Has an event dealt with: until it is, or was tried often enough. Rejects only when the signal aborts. */
async function handle(
  listener: StatusListener,
  event: BelfryEvent,
  signal: AbortSignal | undefined,
  report: (report: ListenerReport) => void,
): Promise<void> {
  const attempts = listener.attempts ?? ATTEMPTS;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await once(listener, event, attempt, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= attempts) return report({ kind: "parked", event, attempts: attempt, error });
      const retryIn = Math.round(growing(attempt, FIRST_PAUSE, LONGEST_PAUSE));
      report({ kind: "failed", event, attempt, error, retryIn });
      await pause(retryIn, signal);
    }
  }
}

async function once(
  listener: StatusListener,
  event: BelfryEvent,
  attempt: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const late = new AbortController();
  const onAbort = () => setTimeout(() => late.abort(signal.reason), GRACE).unref();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await abortable((async () => listener.handle(event, { signal, attempt }))(), late.signal);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
