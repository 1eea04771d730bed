import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RequestLine } from "../../../core/src/engine/request-line.ts";
import { LockBook, type LockEntry, type LockNeed } from "../../../core/src/store/lock-book.ts";
import type { QueueRow } from "../../../core/src/store/queue.ts";

const test = suite("the line of requests");

const needs = (...locks: string[]): LockNeed[] =>
  locks.map((lock) => ({ lock, worker: "", mode: "exclusive", count: 1 }));
const row = (id: number) => ({ id, urgency: 0 }) as QueueRow;
const entry = (lock: string, place: number, more: Partial<LockEntry>): LockEntry => ({
  ...(needs(lock)[0] as LockNeed),
  urgency: 0,
  place,
  held: false,
  request: 0,
  build: 0,
  step: 0,
  askedAt: 0,
  heldAt: null,
  ...more,
});

/** A line over these entries, and the requests in their order. */
function lineOf(...entries: LockEntry[]) {
  const line = new RequestLine(new LockBook(entries, () => 1), 0);
  const inOrder = () => line.requests.sort((a, b) => (line.place(a) ?? 0) - (line.place(b) ?? 0));
  return { line, inOrder };
}

test("who stands for other locks than before keeps his place, and who comes anew is last", () => {
  const { line, inOrder } = lineOf(entry("a", 1, { request: 1 }), entry("a", 2, { request: 2 }));
  line.stand(row(3), needs("a"));
  line.stand(row(1), needs("b", "c"));
  line.stand(row(4), needs("a"));
  assert.equal(inOrder(), [1, 2, 3, 4]);
  assert.ok(line.isIn(1, needs("c", "b")));
  assert.not.ok(line.isIn(1, needs("a", "b")), "not for what he stood for before");
  assert.not.ok(line.isIn(1, needs("b")), "nor for a part of it");
});

test("who yields stands for the same behind all who wait, and before all who come later", () => {
  const { line, inOrder } = lineOf(entry("a", 1, { request: 1 }), entry("a", 2, { request: 2 }));
  assert.equal(line.yield(1), needs("a"));
  line.stand(row(3), needs("a"));
  assert.equal(inOrder(), [2, 1, 3]);
});

test("builds and steps are not in the line, whether they hold or wait, and a step may stand behind a request", () => {
  const { line } = lineOf(
    entry("a", 1, { request: 1, build: 7, held: true }),
    entry("b", 5, { request: 1, build: 7, step: 2 }),
    entry("b", 4, { request: 2 }),
    entry("b", 6, { request: 3 }),
    entry("a", 2, { request: 4 }),
  );
  assert.equal(line.requests, [2, 3, 4]);
  assert.is(line.place(1), undefined);
  assert.equal(
    [2, 3, 4].map((request) => line.isBeforeStep(request)),
    [true, false, false],
  );
  assert.equal(
    line.leave((request) => request < 4).map(({ request }) => request),
    [2, 3],
  );
  assert.equal(line.requests, [4]);
});

test.run();
