import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LAST_PLACE, LockBook, type LockEntry, type LockNeed, mergeNeeds } from "../../../core/src/store/lock-book.ts";

const test = suite("lock book");

const LIMITS: Record<string, number> = { a: 1, b: 2, c: 3 };
const limits = (lock: string) => LIMITS[lock];

const need = (lock: string, mode: "counting" | "exclusive" = "counting", count = 1): LockNeed => ({
  lock,
  worker: "",
  mode,
  count,
});

/** Claims of builds, steps and requests on one book, and what the book says of them. */
class World {
  readonly book = new LockBook([], limits);
  #place = 0;

  /** Takes, or stands in line. True if it has all. */
  claim(build: number, step: number, needs: readonly LockNeed[], urgency = 0, request = build): boolean {
    const isOwn = (entry: LockEntry) =>
      !entry.held && entry.build === build && entry.step === step && entry.request === request;
    const own = this.book.entries.find(isOwn);
    const at = { urgency, place: own?.place ?? LAST_PLACE };
    const held = this.book.blocked(needs, at, build).length === 0;
    this.book.remove(isOwn);
    if (!own) this.#place += 1;
    const place = own?.place ?? this.#place;
    const facts = { urgency, place, request, build, step, held, askedAt: 0, heldAt: null };
    this.book.add(...needs.map((one) => ({ ...one, ...facts })));
    return held;
  }

  release(build: number, step?: number): void {
    this.book.remove((entry) => entry.build === build && (step === undefined || entry.step === step));
  }

  /** Fails if anything is held by more than its limit. */
  check(): void {
    for (const [lock, most] of Object.entries(LIMITS)) {
      const held = this.book.entries.filter((entry) => entry.held && entry.lock === lock);
      if (held.some((entry) => entry.mode === "exclusive")) assert.is(held.length, 1, `${lock} is exclusive`);
      const sum = held.reduce((total, entry) => total + entry.count, 0);
      assert.ok(sum <= most, `${sum} of ${most} of ${lock}`);
    }
  }
}

const needs = fc
  .uniqueArray(
    fc.record({
      lock: fc.constantFrom("a", "b", "c"),
      mode: fc.constantFrom("counting" as const, "exclusive" as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 3, selector: ({ lock }) => lock },
  )
  .map((list) =>
    list.map(({ lock, mode, count }) =>
      need(lock, mode, mode === "exclusive" ? 1 : Math.min(count, LIMITS[lock] ?? 1)),
    ),
  );

/** The same rules told in another way: each lock has a list, in the order of the line, and what fits from its front on is granted. */
function modelGrants(
  held: readonly (readonly LockNeed[])[],
  waiting: readonly (readonly LockNeed[])[],
  index: number,
): boolean {
  return (waiting[index] ?? []).every((own) => {
    const before = [...held, ...waiting.slice(0, index)].flat().filter((other) => other.lock === own.lock);
    if (own.mode === "exclusive") return before.length === 0;
    if (before.some((other) => other.mode === "exclusive")) return false;
    return before.reduce((sum, other) => sum + other.count, own.count) <= (LIMITS[own.lock] ?? 0);
  });
}

test("property: who has and who waits is what a simple model says, however claims come and go", () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant("ask" as const), needs, urgency: fc.integer({ min: -1, max: 1 }) }),
    fc.record({ do: fc.constant("end" as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant("look" as const), which: fc.nat(20) }),
  );
  void fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const world = new World();
      let holders: { id: number; needs: readonly LockNeed[] }[] = [];
      let line: { id: number; urgency: number; place: number; needs: readonly LockNeed[] }[] = [];
      let next = 0;
      for (const act of actions) {
        line.sort((x, y) => x.urgency - y.urgency || x.place - y.place);
        if (act.do === "ask") {
          next += 1;
          const waiter = { id: next, urgency: act.urgency, place: next, needs: act.needs };
          const all = [...line, waiter].sort((x, y) => x.urgency - y.urgency || x.place - y.place);
          const expected = modelGrants(
            holders.map((holder) => holder.needs),
            all.map((one) => one.needs),
            all.indexOf(waiter),
          );
          assert.is(world.claim(next, 0, act.needs, act.urgency), expected);
          if (expected) holders.push(waiter);
          else line.push(waiter);
        } else if (act.do === "end" && holders.length > 0) {
          const gone = holders[act.which % holders.length];
          holders = holders.filter((holder) => holder !== gone);
          world.release(gone?.id ?? 0);
        } else if (act.do === "look" && line.length > 0) {
          const index = act.which % line.length;
          const waiter = line[index];
          if (!waiter) continue;
          const expected = modelGrants(
            holders.map((holder) => holder.needs),
            line.map((one) => one.needs),
            index,
          );
          assert.is(world.claim(waiter.id, 0, waiter.needs, waiter.urgency), expected);
          if (expected) {
            line = line.filter((one) => one !== waiter);
            holders.push(waiter);
          }
        }
        world.check();
      }
    }),
    { numRuns: 500 },
  );
});

test("property: builds with locks whose steps want more all come to their end, or are told of a deadlock", () => {
  const build = fc.record({
    locks: fc.option(needs, { nil: [] as LockNeed[] }),
    steps: fc.array(needs, { maxLength: 3 }),
    urgency: fc.integer({ min: -1, max: 1 }),
  });
  void fc.assert(
    fc.property(fc.array(build, { minLength: 1, maxLength: 8 }), fc.infiniteStream(fc.nat(1_000)), (builds, stream) => {
      const world = new World();
      const dice = (sides: number) => (stream.next().value ?? 0) % sides;
      const left = builds.map((spec, i) => {
        const own = new Set(spec.locks.map(({ lock }) => lock));
        const steps = spec.steps.map((step) => step.filter(({ lock }) => !own.has(lock)));
        return { id: i + 1, at: -1, running: false, ...spec, steps };
      });
      let idle = 0;
      let deadlocks = 0;
      while (left.length > 0) {
        const one = left[dice(left.length)];
        if (!one) continue;
        const wanted = one.at === -1 ? one.locks : (one.steps[one.at] ?? []);
        if (!one.running) {
          // A request waits as a request; what its build holds is the build's.
          const id = one.at === -1 ? one.id + 100 : one.id;
          const got = wanted.length === 0 || world.claim(id, one.at + 1, wanted, one.urgency);
          if (got && one.at === -1) {
            const entries = world.book.remove((entry) => entry.build === id);
            world.book.add(...entries.map((entry) => ({ ...entry, build: one.id })));
          }
          one.running = got;
          const place = world.book.entries.find((entry) => !entry.held && entry.build === id)?.place ?? LAST_PLACE;
          const blocked = got ? [] : world.book.blocked(wanted, { urgency: one.urgency, place }, one.id);
          if (!got && one.at >= 0 && world.book.isDeadlock(blocked, one.id)) {
            deadlocks += 1;
            world.release(one.id);
            left.splice(left.indexOf(one), 1);
          }
          idle = got ? 0 : idle + 1;
        } else {
          one.running = false;
          if (one.at >= 0) world.release(one.id, one.at + 1);
          one.at += 1;
          if (one.at >= one.steps.length) {
            world.release(one.id);
            left.splice(left.indexOf(one), 1);
          }
          idle = 0;
        }
        world.check();
        assert.ok(idle < 2_000, "nobody gets on");
      }
      // Without locks of builds there is nothing to hold while one waits.
      if (builds.every(({ locks }) => locks.length === 0)) assert.is(deadlocks, 0);
    }),
    { numRuns: 300 },
  );
});

test("a wish for all of it is not put off by many wishes for one", () => {
  const world = new World();
  assert.ok(world.claim(1, 0, [need("c")]));
  assert.not(world.claim(2, 0, [need("c", "exclusive")]));
  for (let build = 3; build < 10; build += 1) assert.not(world.claim(build, 0, [need("c")]));
  world.release(1);
  for (let build = 3; build < 10; build += 1) assert.not(world.claim(build, 0, [need("c")]));
  assert.ok(world.claim(2, 0, [need("c", "exclusive")]));
});

test("who comes later may have what those ahead leave over", () => {
  const world = new World();
  assert.ok(world.claim(1, 0, [need("a")]));
  assert.not(world.claim(2, 0, [need("a"), need("c")]), "it waits for a, and keeps one of c");
  assert.ok(world.claim(3, 0, [need("c", "counting", 2)]));
  assert.not(world.claim(4, 0, [need("c")]));
});

test("the more urgent stands ahead, also of who came first", () => {
  const world = new World();
  assert.ok(world.claim(1, 0, [need("a")]));
  assert.not(world.claim(2, 0, [need("a")], 0));
  assert.not(world.claim(3, 0, [need("a")], -5));
  world.release(1);
  assert.not(world.claim(2, 0, [need("a")], 0));
  assert.ok(world.claim(3, 0, [need("a")], -5));
});

test("who waits for a build does not hold back the steps of that build", () => {
  const world = new World();
  assert.ok(world.claim(1, 0, [need("a")]));
  assert.not(world.claim(2, 0, [need("a"), need("b", "exclusive")]));
  assert.not(world.claim(3, 0, [need("b")]), "for others its place counts");
  assert.ok(world.claim(1, 1, [need("b")]));
});

test("two builds that hold what the other one's step wants are a deadlock; waiting alone is none", () => {
  const world = new World();
  assert.ok(world.claim(1, 0, [need("a")]));
  assert.ok(world.claim(2, 0, [need("b", "exclusive")]));
  assert.not(world.claim(1, 1, [need("b")]));
  const first = world.book.blocked([need("b")], { urgency: 0, place: LAST_PLACE }, 1);
  assert.not(world.book.isDeadlock(first, 1));
  const second = world.book.blocked([need("a")], { urgency: 0, place: LAST_PLACE }, 2);
  assert.ok(world.book.isDeadlock(second, 2));
});

test("steps of one build wait for each other without a deadlock", () => {
  const world = new World();
  assert.ok(world.claim(1, 1, [need("a")]));
  assert.not(world.claim(1, 2, [need("a")]));
  assert.not(world.book.isDeadlock(world.book.blocked([need("a")], { urgency: 0, place: LAST_PLACE }, 1), 1));
  world.release(1, 1);
  assert.ok(world.claim(1, 2, [need("a")]));
});

test("needs of one lock are put together", () => {
  assert.equal(mergeNeeds([need("b"), need("b"), need("a")]), [need("b", "counting", 2), need("a")]);
  assert.equal(mergeNeeds([need("b"), need("b", "exclusive"), need("b")]), [need("b", "exclusive")]);
  const onWorker = { ...need("b"), worker: "w" };
  assert.equal(mergeNeeds([need("b"), onWorker]), [need("b"), onWorker]);
});

test.run();
