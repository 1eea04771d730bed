import { type ListenerContractOptions, type ListeningWorld, listenerContract } from "@belfry/testkit";
import type { BelfryEvent, StatusListener } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";

const test = suite("listenerContract");

const event = (position: string, type = "build.finished"): BelfryEvent => ({
  position,
  type,
  time: 1,
  builder: "unit",
  project: null,
  data: { build: Number(position) },
});
const events: ListenerContractOptions["events"] = [event("1"), event("2")];

async function broken(
  handle: StatusListener["handle"],
  more: Partial<StatusListener> & Partial<ListeningWorld> = {},
  options: Partial<ListenerContractOptions> = {},
) {
  const { outcome, breakDown, ...rest } = more;
  const open = async (): Promise<ListeningWorld> => ({
    listener: { handle, ...rest },
    ...(outcome && { outcome }),
    ...(breakDown && { breakDown }),
    close: async () => {},
  });
  return brokenPromises(listenerContract("x", { open, events, limit: 1_000, ...options }));
}

test("a listener that keeps its promises passes", async () => {
  assert.equal(await broken(async () => {}, { types: ["build."], from: "start", attempts: 3 }), []);
});

test("finds wishes that core cannot use", async () => {
  const title = "says in a usable way what it wants to hear";
  assert.equal(await broken(async () => {}, { attempts: 0 }), [title]);
  assert.equal(await broken(async () => {}, { from: "yesterday" as never }), [title]);
  assert.ok((await broken(async () => {}, { types: [] })).includes(title));
});

test("finds a listener that would never hear the events", async () => {
  assert.equal(await broken(async () => {}, { types: ["change.", "build"] }), [
    "wants to hear the events of this contract",
  ]);
});

test("finds one that chokes on a second telling", async () => {
  const titles = await brokenPromises(
    listenerContract("x", {
      events,
      open: async () => {
        const seen = new Set<string>();
        const handle = async ({ position }: BelfryEvent) => {
          if (seen.has(position)) throw new Error("again?");
          seen.add(position);
        };
        return { listener: { handle }, close: async () => {} };
      },
    }),
  );
  assert.equal(titles, ["bears to be told again what it was told before"]);
});

test("finds one that does twice what it says it does once", async () => {
  const open = async (): Promise<ListeningWorld> => {
    const sent: string[] = [];
    return {
      listener: { handle: async ({ position }) => void sent.push(position) },
      outcome: async () => sent,
      close: async () => {},
    };
  };
  const of = (repeatable: boolean) => brokenPromises(listenerContract("x", { open, events, repeatable }));
  assert.equal(await of(true), ["bears to be told again what it was told before"]);
  assert.equal(await of(false), []);
});

test("finds one that chokes on new fields, or writes to an event", async () => {
  const strict = async ({ data }: BelfryEvent) => {
    if (Object.keys(data).length > 1) throw new Error("what is this?");
  };
  assert.equal(await broken(strict), ["bears fields that a later version adds to an event"]);
  const writing = async ({ data }: BelfryEvent) => {
    data.seen = true;
  };
  assert.equal(await broken(writing), ["leaves events as they are, since others hear them too"]);
});

test("finds one that waits for ever", async () => {
  const waiting: StatusListener["handle"] = (_, { signal }) =>
    signal.aborted ? new Promise(() => {}) : Promise.resolve();
  assert.equal(await broken(waiting), ["settles soon when it is told to stop"]);
});

test("finds one that hides its failures", async () => {
  assert.equal(await broken(async () => {}, { breakDown: async () => {} }), [
    "throws when it could not deal with an event, so that it is told again",
  ]);
});

test.run();
