import type { Json } from "belfry";
import type { CallOptions } from "./client.ts";
import { Retry } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** Which log, and from which line on: as `logs.read` has it. */
export interface LogWish {
  build?: number;
  builder?: string;
  number?: number;
  step: number;
  log?: number | string;
  first?: number;
}

export interface LogLine {
  number: number;
  channel: "stdout" | "stderr" | "header";
  time: number;
  text: string;
}

interface LogPage {
  items: LogLine[];
  next: number;
  lines: number;
  finished: boolean;
}

const PAGE = 500;
const WAIT_SECONDS = 25;

export async function* readLog(
  transport: Transport,
  { first = 0, ...log }: LogWish,
  { signal }: CallOptions,
): AsyncGenerator<LogLine, void> {
  const retry = new Retry(signal);
  let line = first;
  for (;;) {
    signal?.throwIfAborted();
    const wish = { ...log, first: line } as Record<string, Json>;
    const pages = transport.subscribe ? told(transport, wish, signal) : asked(transport, wish, signal);
    try {
      for await (const page of pages) {
        retry.succeeded();
        for (const item of page.items) {
          signal?.throwIfAborted();
          yield item;
          line = item.number + 1;
        }
        line = page.next;
        if (page.finished && page.next >= page.lines) return;
      }
    } catch (error) {
      await retry.after(error);
    }
  }
}

async function* asked(
  transport: Transport,
  wish: Record<string, Json>,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogPage> {
  for (let { first } = wish; ; ) {
    const params = { ...wish, first, count: PAGE, waitSeconds: WAIT_SECONDS } as Json;
    const page = (await transport.call("logs.read", params, signal)) as unknown as LogPage;
    first = page.next;
    yield page;
  }
}

async function* told(
  transport: Transport,
  wish: Record<string, Json>,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogPage> {
  const messages = transport.subscribe?.("logs.follow", "logs.unfollow", wish, signal);
  for await (const message of messages ?? []) {
    const page = message as unknown as Partial<LogPage>;
    // The first message is the answer, which only has the number of the subscription.
    if (page.items !== undefined) yield page as LogPage;
  }
}
