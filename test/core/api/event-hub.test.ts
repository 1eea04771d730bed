import { rejects, until } from "@belfry/testkit";
import {
  type Api,
  BelfryError,
  type BelfryEvent,
  type Caller,
  CallerWatch,
  type EventBatch,
  EventHub,
  type EventReader,
  type EventSubscription,
  internal,
  type Json,
} from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { callerOf } from "../../../core/src/api/callers.ts";

const test = suite("the hub of events");

const fault = (code: string) => new BelfryError(code, { what: "w", why: "y", fix: "f" });

/** An API whose only method is `events.since`, over events that the test adds. */
class Events {
  readonly calls: { since: string | undefined; waits: boolean; caller: string }[] = [];
  readonly all: BelfryEvent[] = [];
  failure: BelfryError | undefined;
  #ring = Promise.withResolvers<void>();

  add(count: number, type = "change.added"): void {
    for (let i = 0; i < count; i++) {
      const position = String(this.all.length + 1);
      this.all.push({ position, type, time: 0, builder: null, project: null, data: {} });
    }
    this.ring();
  }

  ring(): void {
    this.#ring.resolve();
    this.#ring = Promise.withResolvers();
  }

  get api(): Api {
    return {
      call: (_name: string, params: unknown, caller: Caller, signal?: AbortSignal) =>
        this.#since(params, caller, signal),
    } as Api;
  }

  async #since(params: unknown, caller: Caller, signal?: AbortSignal): Promise<Json> {
    const { since, types, limit, waitSeconds } = params as {
      since?: string;
      types?: string[];
      limit: number;
      waitSeconds: number;
    };
    this.calls.push({ since, waits: waitSeconds > 0, caller: caller.name });
    for (let at = Number(since ?? this.all.length); ; ) {
      if (this.failure) throw this.failure;
      const items: BelfryEvent[] = [];
      for (const event of this.all.slice(at)) {
        if (items.length === limit) break;
        at = Number(event.position);
        if (types === undefined || types.includes(event.type)) items.push(event);
      }
      if (items.length > 0 || waitSeconds === 0) return { items, next: String(at), gap: false } as unknown as Json;
      await Promise.race([
        this.#ring.promise,
        new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true })),
      ]);
      signal?.throwIfAborted();
    }
  }
}

/** A reader that takes as much as the test lets it. */
class Reader implements EventReader {
  readonly seen: string[] = [];
  readonly batches: EventBatch[] = [];
  error: BelfryError | undefined;
  /** How many batches it takes before it can take no more. */
  room = Number.POSITIVE_INFINITY;
  subscription!: EventSubscription;

  take(batch: EventBatch): boolean {
    this.batches.push(batch);
    for (const { position } of batch.events) this.seen.push(position);
    this.room -= 1;
    return this.room > 0;
  }

  failed(error: BelfryError): void {
    this.error = error;
  }

  async join(hub: EventHub, since?: string, who = "all", types?: string[]): Promise<this> {
    this.subscription = await hub.subscribe(internal, who, { since, types }, this);
    this.subscription.start();
    return this;
  }

  makeRoom(room = Number.POSITIVE_INFINITY): void {
    this.room = room;
    this.subscription.ready();
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

test("readers that are up to date share one call that waits, and what a batch is turned into", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  const readers = await Promise.all(Array.from({ length: 50 }, () => new Reader().join(hub)));
  await until(() => events.calls.some(({ waits }) => waits), "a call that waits");
  events.add(3);
  await until(() => readers.every(({ seen }) => seen.length === 3), "the events");
  assert.ok(events.calls.filter(({ waits }) => waits).length <= 3, "there is more than one call for all");
  let made = 0;
  for (const { batches } of readers) batches.at(-1)?.once("text", () => made++);
  assert.is(made, 1);
  hub.close();
});

test("readers who may see something else, or want something else, do not share", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  const one = await new Reader().join(hub, undefined, "one");
  const other = await new Reader().join(hub, undefined, "other");
  const picky = await new Reader().join(hub, undefined, "one", ["build.finished"]);
  await until(() => events.calls.filter(({ waits }) => waits).length === 3, "three calls that wait");
  events.add(1, "build.finished");
  events.add(1);
  await until(() => one.seen.length === 2 && other.seen.length === 2, "the events");
  assert.equal(picky.seen, ["1"]);
  assert.not.ok(one.batches[0] === other.batches[0]);
  hub.close();
});

test("events of one moment are gathered into one batch", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 50 });
  const reader = await new Reader().join(hub);
  await until(() => events.calls.some(({ waits }) => waits), "a call that waits");
  events.add(1);
  await until(() => reader.seen.length === 1, "the first");
  for (let i = 0; i < 20; i++) {
    events.add(1);
    await Promise.resolve();
  }
  await until(() => reader.seen.length === 21, "the rest");
  assert.is(reader.batches.length, 2);
  hub.close();
});

test("who is behind is brought up to date, in order and once, and then shares", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  events.add(1_234);
  const live = await new Reader().join(hub);
  const behind = await new Reader().join(hub, "0");
  const halfway = await new Reader().join(hub, "700");
  await until(() => behind.seen.length === 1_234 && halfway.seen.length === 534, "the past");
  events.add(2);
  await until(() => [live, behind, halfway].every(({ seen }) => seen.at(-1) === "1236"), "what came then");
  assert.equal(behind.seen, numbers(1, 1_236));
  assert.equal(halfway.seen, numbers(701, 1_236));
  assert.equal(live.seen, ["1235", "1236"]);
  hub.close();
});

test("nothing is read, nor kept, for who can take no more; later he goes on from where he was", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  const quick = await new Reader().join(hub);
  const slow = new Reader();
  slow.room = 1;
  await slow.join(hub);
  await until(() => events.calls.some(({ waits }) => waits), "a call that waits");
  events.add(5);
  await until(() => quick.seen.length === 5, "the quick one's events");
  assert.equal(slow.seen, numbers(1, 5));
  for (let i = 0; i < 40; i++) {
    events.add(50);
    await until(() => quick.seen.length === 55 + i * 50, "the quick one's events");
  }
  assert.equal([slow.batches.length, slow.subscription.position], [1, "5"]);
  const calls = events.calls.length;
  slow.makeRoom(1);
  await until(() => slow.batches.length === 2, "one more batch");
  await pause(20);
  assert.equal([slow.batches.length, events.calls.length - calls], [2, 1]);
  slow.makeRoom();
  await until(() => slow.seen.length === 2_005, "the rest");
  assert.equal(slow.seen, numbers(1, 2_005));
  hub.close();
});

test("who was away only a moment is given what is still at hand, without a call", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  const quick = await new Reader().join(hub);
  const slow = new Reader();
  slow.room = 1;
  await slow.join(hub);
  await until(() => events.calls.some(({ waits }) => waits), "a call that waits");
  for (let i = 1; i <= 5; i++) {
    events.add(2);
    await until(() => quick.seen.length === i * 2, "the quick one's events");
  }
  await until(() => events.calls.at(-1)?.since === "10", "the next call that waits");
  const calls = events.calls.length;
  slow.makeRoom();
  assert.equal(slow.seen, numbers(1, 10));
  assert.is(events.calls.length, calls);
  assert.ok(slow.batches.slice(1).every((batch) => quick.batches.includes(batch)));
  hub.close();
});

test("nothing is told before the start, nor after the end; with the last reader the call that waits ends", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  events.add(2);
  const reader = new Reader();
  reader.subscription = await hub.subscribe(internal, "all", { since: "0" }, reader);
  events.add(1);
  await pause(20);
  reader.subscription.ready();
  assert.equal([reader.seen, reader.subscription.position], [[], "0"]);
  reader.subscription.start();
  await until(() => reader.seen.length === 3, "the events");
  reader.subscription.end();
  reader.subscription.end();
  const calls = events.calls.length;
  events.add(1);
  await pause(20);
  assert.equal([reader.seen, events.calls.length], [numbers(1, 3), calls]);
});

test("one that begins without a position is told everything from that moment on", async () => {
  const events = new Events();
  events.add(3);
  const hub = new EventHub(events.api, { gather: 1 });
  const reader = new Reader();
  reader.subscription = await hub.subscribe(internal, "all", {}, reader);
  events.add(3);
  reader.subscription.start();
  await until(() => reader.seen.length === 3, "the events");
  assert.equal(reader.seen, numbers(4, 6));
  hub.close();
});

test("a wish that is refused rejects, and a failure later ends all that share in it, but a database that is away does not", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 1 });
  events.failure = fault("BELFRY_FORBIDDEN");
  assert.is(await rejects(new Reader().join(hub)), events.failure);
  events.failure = undefined;
  const readers = await Promise.all([new Reader().join(hub), new Reader().join(hub)]);
  await until(() => events.calls.some(({ waits }) => waits), "a call that waits");
  events.failure = fault("BELFRY_DATABASE_AWAY");
  events.ring();
  await pause(20);
  events.failure = undefined;
  events.add(1);
  await until(() => readers.every(({ seen }) => seen.length === 1), "the event after all");
  const stopping = fault("BELFRY_MASTER_STOPPING");
  await until(() => events.calls.at(-1)?.since === "1", "the next call that waits");
  events.failure = stopping;
  events.ring();
  await until(() => readers.every(({ error }) => error === stopping), "the failure");
});

test("any mixture of readers that come, tire and go sees everything once and in order", async () => {
  const events = new Events();
  const hub = new EventHub(events.api, { gather: 0 });
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const readers: { reader: Reader; from: number }[] = [];
  for (let round = 0; round < 300; round++) {
    events.add(random(4));
    if (random(5) === 0) {
      const from = random(events.all.length + 1);
      const reader = new Reader();
      reader.room = 1 + random(4);
      readers.push({ reader: await reader.join(hub, String(from)), from });
    }
    const chosen = readers[random(readers.length || 1)];
    if (chosen && chosen.reader.room <= 0) chosen.reader.makeRoom(1 + random(4));
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const last = events.all.length;
  for (const { reader } of readers) {
    const waits = reader.room <= 0;
    reader.room = Number.POSITIVE_INFINITY;
    if (waits) reader.subscription.ready();
  }
  await until(() => readers.every(({ reader }) => Number(reader.subscription.position) >= last), "all to the end");
  for (const { reader, from } of readers) assert.equal(reader.seen, numbers(from + 1, last));
  assert.ok(readers.length > 20);
  hub.close();
});

test("credentials are asked about once for all connections that showed them, and only those that are no longer good end", async () => {
  const watch = new CallerWatch(10);
  const asked: string[] = [];
  const lapsed: string[] = [];
  let [good, scopes] = [true, internal.scopes];
  const add = (credentials: string, name: string) => {
    const whoIs = async () => {
      asked.push(credentials);
      if (credentials === "a" && !good) throw fault("BELFRY_HTTP_TOKEN_REFUSED");
      if (credentials === "c") throw fault("BELFRY_DATABASE_AWAY");
      return credentials === "b" ? { ...internal, scopes } : internal;
    };
    return watch.add(internal, credentials, whoIs, () => lapsed.push(name));
  };
  const leave = add("a", "a0");
  for (const name of ["a1", "a2", "b1", "c1"]) add(name.charAt(0), name);
  leave();
  await until(() => asked.filter((one) => one === "c").length === 2, "two rounds");
  assert.ok(asked.filter((one) => one === "a").length <= 3);
  assert.equal(lapsed, []);
  good = false;
  await until(() => lapsed.length >= 2, "the lapse");
  assert.equal(lapsed.slice(0, 2), ["a1", "a2"]);
  scopes = new Set(["read"]);
  await until(() => lapsed.includes("b1"), "other rights");
  assert.not.ok(lapsed.includes("c1") || lapsed.includes("a0"));
  watch.close();
});

test("a connection ends when its caller sees or controls something else than before", async () => {
  const watch = new CallerWatch(10);
  const lapsed: string[] = [];
  let project = "app";
  const who = (part: "sees" | "controls" | "neither") => {
    const narrowed = { builders: null, projects: [project], tags: null };
    const facts = { name: "ann", kind: "session" as const, scopes: ["control" as const] };
    const sees = part === "sees" ? narrowed : null;
    return callerOf({ ...facts, sees, controls: part === "controls" ? narrowed : null });
  };
  let rounds = 0;
  for (const part of ["sees", "controls", "neither"] as const) {
    const whoIs = async () => {
      rounds += part === "neither" ? 1 : 0;
      return who(part);
    };
    watch.add(who(part), part, whoIs, () => lapsed.push(part));
  }
  await until(() => rounds === 2, "two rounds");
  assert.equal(lapsed, []);
  project = "site";
  await until(() => rounds === 4, "two more");
  assert.equal([...new Set(lapsed)].sort(), ["controls", "sees"]);
  watch.close();
});

test.run();
