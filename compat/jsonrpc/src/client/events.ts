import type { BelfryEvent, Json } from "belfry";
import type { CallOptions } from "./client.ts";
import { clientFaults } from "./errors.ts";
import { Retry } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** Which events, as `events.since` has it. */
export interface EventWish {
  /** The position to begin behind; default: now. */
  since?: string | undefined;
  /** Exact, or by prefix such as `"build."`. */
  types?: readonly string[] | undefined;
  builder?: string | undefined;
}

export interface EventOptions extends CallOptions {
  /** Told when events behind a position are missing, since they are no longer kept; without it that is an error. */
  onGap?: ((from: string) => void) | undefined;
  /** Told of positions up to which everything was read, also where no event fits. */
  onPosition?: ((position: string) => void) | undefined;
}

interface EventPage {
  events: BelfryEvent[];
  next: string;
  gap: boolean;
}

const PAGE = 200;
const WAIT_SECONDS = 25;

export async function* readEvents(
  transport: Transport,
  { since, ...filter }: EventWish,
  { signal, onGap, onPosition }: EventOptions,
): AsyncGenerator<BelfryEvent, never> {
  const retry = new Retry(signal);
  let position = since;
  for (;;) {
    signal?.throwIfAborted();
    const wish = { ...filter, ...(position === undefined ? {} : { since: position }) } as Record<string, Json>;
    const pages = transport.subscribe ? told(transport, wish, signal) : asked(transport, wish, signal);
    try {
      for (;;) {
        const page = await nextOf(pages);
        if (page === undefined) break;
        retry.succeeded();
        if (page.gap) {
          const from = position ?? "";
          if (onGap === undefined) throw clientFaults.gap(from);
          onGap(from);
        }
        for (const event of page.events) {
          signal?.throwIfAborted();
          yield event;
          position = event.position;
        }
        position = page.next;
        onPosition?.(position);
      }
    } catch (error) {
      await retry.after(error);
    } finally {
      await pages.return(undefined);
    }
  }
}

async function nextOf<T>(generator: AsyncGenerator<T>): Promise<T | undefined> {
  const { value, done } = await generator.next();
  return done ? undefined : value;
}

/** Pages that are asked for, one after the other; each call waits for something to happen. */
async function* asked(
  transport: Transport,
  wish: Record<string, Json>,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventPage> {
  let { since } = wish;
  for (;;) {
    // Without a position the first answer says where now is.
    const from = since === undefined ? { limit: 1 } : { since, limit: PAGE, waitSeconds: WAIT_SECONDS };
    const answer = await transport.call("events.since", { ...wish, ...from } as Json, signal);
    const { items, next, gap } = answer as unknown as { items: BelfryEvent[]; next: string; gap: boolean };
    since = next;
    yield { events: items, next, gap };
  }
}

/** Pages that the master tells by itself. */
async function* told(
  transport: Transport,
  wish: Record<string, Json>,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventPage> {
  const messages = transport.subscribe?.("events.subscribe", "events.unsubscribe", wish, signal);
  for await (const message of messages ?? []) {
    const { since, ...page } = message as unknown as EventPage & { since?: string };
    yield since === undefined ? page : { events: [], next: since, gap: false };
  }
}
