import { BelfryError, type Json, SocketClient } from "belfry";
import type { Told } from "./event-history.ts";

export const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** Somebody who calls a master that comes and goes. */
export class Caller {
  readonly #socket: () => string;
  readonly #over: () => boolean;
  #client: SocketClient | undefined;

  /** `socket` is asked again after each loss. */
  constructor(socket: () => string, over: () => boolean) {
    this.#socket = socket;
    this.#over = over;
  }

  /** One attempt; undefined if the master went away meanwhile. What a master refuses is thrown. */
  async once(method: string, params: { [key: string]: Json }): Promise<any> {
    try {
      this.#client ??= await SocketClient.connect(this.#socket());
      return await this.#client.call(method, params);
    } catch (error) {
      if (BelfryError.is(error) && /^BELFRY_(REQUEST|NOT_FOUND)/.test(error.code)) throw error;
      this.close();
      return undefined;
    }
  }

  /** Until it was acknowledged, or it is over. */
  async surely(method: string, params: { [key: string]: Json }): Promise<any> {
    for (;;) {
      const answer = await this.once(method, params);
      if (answer !== undefined || this.#over()) return answer;
      await pause(20);
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}

export async function all(client: SocketClient, method: string, params: { [key: string]: Json } = {}): Promise<any[]> {
  const items = [];
  for (let cursor: string | undefined; ; ) {
    const page = (await client.call(method, { limit: 500, order: "id", ...params, ...(cursor ? { cursor } : {}) })) as {
      items: Json[];
      next: string | null;
    };
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

export async function everyEvent(client: SocketClient): Promise<Told[]> {
  const events: Told[] = [];
  for (let since = "0"; ; ) {
    const page = (await client.call("events.since", { since, limit: 500 })) as unknown as {
      items: Told[];
      next: string;
    };
    if (page.items.length === 0) return events;
    events.push(...page.items);
    since = page.next;
  }
}
