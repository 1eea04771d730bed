import * as assert from "node:assert/strict";
import type { BelfryEvent, StatusListener } from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { rejects, within } from "../waiting.ts";

/** A listener, and where it tells what it heard. */
export interface ListeningWorld {
  listener: StatusListener;
  /** What the listener has done so far, such as the messages that arrived; compared deeply. */
  outcome?(): Promise<unknown>;
  /** Makes what the listener writes to fail from now on, where that is possible. */
  breakDown?(): Promise<void>;
  close(): Promise<void>;
}

export interface ListenerContractOptions {
  /** Makes a world of its own for each check. */
  open(): Promise<ListeningWorld>;
  /** Events that the listener wants, in their order. */
  events: readonly [BelfryEvent, ...BelfryEvent[]];
  /** True where an event that comes twice has to leave the same outcome as one that comes once. */
  repeatable?: boolean;
  /** How long an event may take, in milliseconds. Default 30,000. */
  limit?: number;
}

/** What the interface `StatusListener` promises, as checks of one kind of listener. */
export function listenerContract(name: string, options: ListenerContractOptions): Check[] {
  const list = new CheckList(name);
  const limit = options.limit ?? 30_000;

  const check = (title: string, work: (world: ListeningWorld) => Promise<void>) =>
    list.add(title, async () => {
      const world = await options.open();
      try {
        await work(world);
      } finally {
        await world.close();
      }
    });

  const tell = ({ listener }: ListeningWorld, event: BelfryEvent, attempt = 1, signal = new AbortController().signal) =>
    within(limit, `event ${event.type}`, listener.handle(event, { signal, attempt }));

  const tellAll = async (world: ListeningWorld) => {
    for (const event of options.events) await tell(world, event);
  };

  check("says in a usable way what it wants to hear", async ({ listener }) => {
    assert.equal(typeof listener.handle, "function");
    for (const type of listener.types ?? []) assert.match(type, /^[a-z][\w.-]*$/i, `"${type}" is no type of event`);
    assert.ok(listener.types === undefined || listener.types.length > 0, "it wants to hear nothing");
    assert.ok(listener.from === undefined || ["now", "start"].includes(listener.from), "it begins nowhere");
    const { attempts } = listener;
    assert.ok(attempts === undefined || (Number.isSafeInteger(attempts) && attempts >= 1), "it makes no attempt");
  });

  check("wants to hear the events of this contract", async ({ listener }) => {
    for (const { type } of options.events) {
      const wanted =
        listener.types === undefined ||
        listener.types.some((item) => item === type || (item.endsWith(".") && type.startsWith(item)));
      assert.ok(wanted, `core would not tell it of ${type}`);
    }
  });

  check("deals with each event in turn", async (world) => {
    await tellAll(world);
  });

  check("bears to be told again what it was told before", async (world) => {
    for (const event of options.events) {
      await tell(world, event);
      await tell(world, event, 2);
    }
    if (options.repeatable !== true) return;
    assert.ok(world.outcome !== undefined, "a listener that is repeatable needs an outcome to compare");
    const twice = await world.outcome();
    const other = await options.open();
    try {
      await tellAll(other);
      assert.deepEqual(twice, await other.outcome?.());
    } finally {
      await other.close();
    }
  });

  check("bears fields that a later version adds to an event", async (world) => {
    for (const event of options.events) {
      await tell(world, { ...event, data: { ...event.data, fieldOfALaterVersion: { new: [1, null, "x"] } } });
    }
  });

  check("leaves events as they are, since others hear them too", async (world) => {
    for (const event of options.events) {
      const shared = freeze(structuredClone(event));
      await tell(world, shared);
    }
  });

  check("settles soon when it is told to stop", async (world) => {
    const stop = new AbortController();
    stop.abort(new Error("the master shuts down"));
    await tell(world, options.events[0], 1, stop.signal).catch((error: unknown) => {
      if (error instanceof assert.AssertionError) throw error;
    });
  });

  check("throws when it could not deal with an event, so that it is told again", async (world) => {
    if (world.breakDown === undefined) return;
    await world.breakDown();
    await rejects(tell(world, options.events[0]), "an event that could not be dealt with");
  });

  return list.checks;
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) freeze(item);
    Object.freeze(value);
  }
  return value;
}
