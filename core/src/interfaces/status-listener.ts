import type { Json, Millis } from "./values.ts";

/**
 * Something that happened, as it was committed. `type` is a noun and a verb: `build.finished`.
 * The payload's shape belongs to the type and is described in `core/src/status/events.ts`.
 */
export interface BelfryEvent {
  /** Where it stands in the log of all events. Opaque; give it back to go on behind it. */
  position: string;
  type: string;
  time: Millis;
  /** Whose visibility it has; `null` where it belongs to no builder or project. */
  builder: string | null;
  project: string | null;
  data: Record<string, Json>;
}

export interface ListenerContext {
  readonly signal: AbortSignal;
  /** 1 at the first try of this event. */
  readonly attempt: number;
}

/**
 * Is told what happens: every event at least once, in order, one at a time, across restarts. Core
 * keeps its place under its name. It runs on one master at a time, under a lease.
 *
 * One that falls further behind than events are kept (`retention.events.lag` of the configuration) is told of an
 * event of the type `gap` in place of those that were removed, whatever types it wants: `{ after, before }`, the
 * positions between which they were.
 */
export interface StatusListener {
  /** Types it wants, exact or by prefix such as `"build."`. Default: all. */
  readonly types?: readonly string[];
  /** Where a new listener begins: with what happens from now on (default), or with everything kept. */
  readonly from?: "now" | "start";
  /** Tries before an event is parked (visible, can be replayed) and the listener goes on. Default 10. */
  readonly attempts?: number;
  /**
   * Resolves when the event is dealt with. A throw means: again later, with growing delays. When
   * `ctx.signal` aborts it has three seconds to end; after that the event is told again at the next
   * start. That a listener parked a `listener.parked` is not told, since that would never end.
   */
  handle(event: BelfryEvent, ctx: ListenerContext): Promise<void>;
}
