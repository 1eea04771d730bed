import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  freeSlot,
  freeWorkers,
  type KnownWorker,
  type Pause,
  reasonsToWait,
  type WaitingRequest,
  type World,
} from "../../../core/src/engine/waiting.ts";

const test = suite("waiting");

const worker = (name: string, more: Partial<KnownWorker> = {}): KnownWorker => ({
  name,
  connected: true,
  paused: null,
  slots: 1,
  builds: [],
  masterId: 1,
  masterFence: 1,
  ...more,
});
const world = (workers: KnownWorker[], builder: { workers?: string[]; paused?: Pause } = {}): World => ({
  now: 1_000,
  builders: new Map([
    ["b", { workers: builder.workers ?? workers.map((w) => w.name), paused: builder.paused ?? null }],
  ]),
  workers: new Map(workers.map((w) => [w.name, w])),
});
const request: WaitingRequest = { id: 1, builder: "b", priority: 0, notBefore: 0, retries: 0 };
const paused = { why: "release", by: "me", since: 7 };
const busy = [{ id: 7, builder: "b", slot: 0 }];

test("nothing keeps a request when a worker has a free slot", () => {
  assert.equal(reasonsToWait(request, world([worker("w")])), []);
});

test("each cause of waiting is named with what is behind it", () => {
  const reasons = (over: Partial<WaitingRequest>, where: World) => reasonsToWait({ ...request, ...over }, where);
  assert.equal(reasons({ builder: "x" }, world([worker("w")])), [{ reason: "builder-not-configured", builder: "x" }]);
  assert.equal(reasons({}, world([worker("w")], { paused })), [{ reason: "builder-paused", builder: "b", ...paused }]);
  assert.equal(reasons({ notBefore: 1_500, retries: 3 }, world([worker("w")])), [
    { reason: "retry-delay", until: 1_500, retries: 3 },
  ]);
  assert.equal(reasons({}, world([], { workers: ["gone"] })), [{ reason: "no-worker-configured", workers: ["gone"] }]);
  assert.equal(reasons({}, world([worker("w", { connected: false })])), [
    { reason: "no-worker-connected", workers: ["w"] },
  ]);
  assert.equal(reasons({}, world([worker("w", { paused }), worker("x", { connected: false })])), [
    { reason: "workers-paused", workers: [{ name: "w", ...paused }] },
  ]);
  assert.equal(reasons({}, world([worker("w", { paused }), worker("x", { builds: busy })])), [
    { reason: "workers-busy", workers: [{ name: "x", slots: 1, builds: [7] }] },
  ]);
  assert.equal(reasons({}, world([worker("w", { builds: busy })])), [
    { reason: "workers-busy", workers: [{ name: "w", slots: 1, builds: [7] }] },
  ]);
});

test("all causes are told together", () => {
  const reasons = reasonsToWait(
    { ...request, notBefore: 2_000 },
    world([worker("w", { connected: false })], { paused }),
  );
  assert.equal(
    reasons.map((r) => r.reason),
    ["builder-paused", "retry-delay", "no-worker-connected"],
  );
});

test("a worker is found exactly if nothing keeps the request", () => {
  const workers = fc.array(
    fc.record({
      connected: fc.boolean(),
      rests: fc.boolean(),
      slots: fc.integer({ min: 1, max: 3 }),
      taken: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 5 },
  );
  void fc.assert(
    fc.property(workers, (specs) => {
      const all = specs.map((spec, i) =>
        worker(`w${i}`, {
          connected: spec.connected,
          paused: spec.rests ? paused : null,
          slots: spec.slots,
          builds: Array.from({ length: Math.min(spec.taken, spec.slots) }, (_, slot) => ({
            id: slot,
            builder: "b",
            slot,
          })),
        }),
      );
      const where = world(all);
      assert.is(freeWorkers("b", where).length > 0, reasonsToWait(request, where).length === 0);
    }),
  );
});

test("the least loaded worker is chosen, in the builder's order among equals", () => {
  const a = worker("a", { slots: 2, builds: busy });
  assert.is(freeWorkers("b", world([a, worker("b")]))[0]?.name, "b");
  assert.is(freeWorkers("b", world([worker("x"), worker("y")]))[0]?.name, "x");
});

test("a build gets the lowest slot that no other build of its builder uses", () => {
  const builds = [
    { id: 1, builder: "b", slot: 0 },
    { id: 2, builder: "b", slot: 2 },
    { id: 3, builder: "c", slot: 1 },
  ];
  assert.is(freeSlot(worker("w", { builds }), "b"), 1);
  assert.is(freeSlot(worker("w", { builds }), "c"), 0);
});

test.run();
