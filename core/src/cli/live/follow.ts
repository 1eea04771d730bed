import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Json } from "../../interfaces/values.ts";
import type { EventsAnswer } from "../answers.ts";

/** Calls a method of the API: of the master in this process, or of another one through its socket. */
export type Ask = <T = Json>(method: string, params?: Json, signal?: AbortSignal) => Promise<T>;

export interface FollowOptions {
  /** Where to begin; default: what happens from now on. */
  since?: string;
  types?: string[];
  builder?: string;
}

/** Gives events as they happen, in order, until the signal aborts. */
export async function* follow(ask: Ask, options: FollowOptions, signal: AbortSignal): AsyncGenerator<BelfryEvent[]> {
  const { since, ...filter } = options;
  let at = since;
  while (!signal.aborted) {
    const page: EventsAnswer = await ask(
      "events.since",
      { ...filter, ...(at === undefined ? {} : { since: at }), limit: 200, waitSeconds: at === undefined ? 0 : 20 },
      signal,
    );
    at = page.next;
    if (page.items.length > 0) yield page.items;
  }
}

/** The position of what happens next. */
export async function newest(ask: Ask): Promise<string> {
  return (await ask<EventsAnswer>("events.since", { limit: 1 })).next;
}
