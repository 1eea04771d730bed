import { rejects, until, within } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LeaseKeeper } from "../../../core/src/engine/lease-keeper.ts";
import { leaseState, releaseLeases, renewLeases, takeLease } from "../../../core/src/store/leases.ts";
import type { Store } from "../../../core/src/store/store.ts";
import type { HeldLease } from "../../../core/src/store/tx.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("leases");
const LONG = 60_000;

const note = (store: Store, lease: HeldLease, text: string, before?: () => Promise<unknown>) =>
  store.write(async (tx) => {
    await tx.requireLease(lease);
    if (before) await sql`select pg_sleep(0.4)`.execute(tx.db);
    tx.event("master.started", { master: text });
  });
const noted = async (store: Store) =>
  (await store.read.selectFrom("events").select("data").orderBy("seq").execute()).map(
    (row) => JSON.parse(row.data).master,
  );

async function lost(promise: Promise<unknown>): Promise<void> {
  const error = await rejects(promise);
  assert.ok(BelfryError.is(error), String(error));
  assert.is(error.code, "BELFRY_LEASE_LOST");
}

for (const kind of DATABASES) {
  test(`${kind.name}: the fence grows each time a lease is taken, by whomever`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const { store } = open;
    const fences = [];
    for (const owner of ["a", "a", "b", "a", "c"]) {
      fences.push((await takeLease(store, "x", owner, LONG))?.fence);
      await releaseLeases(store, owner);
    }
    assert.equal(fences, [1, 2, 3, 4, 5]);
    assert.is((await takeLease(store, "x", "d", LONG))?.fence, 6);
    assert.is((await takeLease(store, "x", "d", LONG))?.fence, 7, "also while it is held, by its owner");
    assert.is(await takeLease(store, "x", "e", LONG), undefined);
    assert.is((await takeLease(store, "x", "e", LONG, true))?.fence, 8, "also by force");
    assert.is((await takeLease(store, "y", "e", LONG))?.fence, 1, "each lease has a fence of its own");
    assert.is(await leaseState(store, "z"), undefined);
  });

  test(`${kind.name}: of many who take a free lease at once exactly one gets it`, async () => {
    await using database = await kind.open();
    await using one = await openStore(database);
    await using other = await openStore(database);
    for (let round = 0; round < 5; round += 1) {
      const name = `x${round}`;
      const taken = await Promise.all(
        Array.from({ length: 8 }, (_, i) => takeLease(i % 2 === 0 ? one.store : other.store, name, `owner ${i}`, LONG)),
      );
      const held = taken.filter((lease) => lease !== undefined);
      assert.is(held.length, 1);
      assert.is((await leaseState(one.store, name))?.owner, held[0]?.owner);
    }
  });

  test(`${kind.name}: a lease is over when the database's clock says so, whatever this machine's says`, async () => {
    await using database = await kind.open();
    const wrong = { now: () => 0, monotonic: () => 0, setTimer: () => ({ cancel: () => undefined }) };
    await using open = await openStore(database, { clock: wrong });
    const { store } = open;
    assert.ok(await takeLease(store, "x", "a", 150));
    const { left = 0 } = (await leaseState(store, "x")) ?? {};
    assert.ok(left > 0 && left <= 150);
    assert.is(await takeLease(store, "x", "b", LONG), undefined);
    await until(async () => ((await leaseState(store, "x"))?.left ?? 0) <= 0, "the lease's end");
    assert.is((await takeLease(store, "x", "b", LONG))?.fence, 2);
    assert.ok(((await leaseState(store, "x"))?.left ?? 0) > LONG / 2);
  });

  test(`${kind.name}: an owner prolongs what it holds and is told what it lost`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const { store } = open;
    for (const name of ["x", "y", "z"]) await takeLease(store, name, "a", 50);
    await takeLease(store, "y", "b", LONG, true);
    assert.equal([...(await renewLeases(store, "a", LONG))].sort(), ["x", "z"]);
    assert.ok(((await leaseState(store, "x"))?.left ?? 0) > LONG / 2);
    await releaseLeases(store, "a", "x");
    assert.is((await takeLease(store, "x", "c", LONG))?.fence, 2, "what is let go of is free at once");
    assert.is(await takeLease(store, "z", "c", LONG), undefined);
  });

  test(`${kind.name}: invariant 3: what is written under an old fence is not written at all`, async () => {
    await using database = await kind.open();
    await using one = await openStore(database);
    await using other = await openStore(database);
    const old = await takeLease(one.store, "x", "a", 60);
    assert.ok(old);
    await note(one.store, old, "before");
    await until(async () => ((await leaseState(one.store, "x"))?.left ?? 0) <= 0, "the lease's end");
    await note(one.store, old, "over, but nobody has taken it");
    const fresh = await takeLease(other.store, "x", "b", LONG);
    assert.ok(fresh);
    await lost(note(one.store, old, "late"));
    await note(other.store, fresh, "new owner");
    await releaseLeases(other.store, "b");
    await lost(note(other.store, fresh, "let go"));
    const again = await takeLease(one.store, "x", "a", LONG);
    assert.ok(again);
    await lost(note(one.store, old, "the same owner, an earlier life"));
    await note(one.store, again, "back");
    assert.equal(await noted(one.store), ["before", "over, but nobody has taken it", "new owner", "back"]);
  });

  test(`${kind.name}: a process that was stopped for a while learns that its leases are gone, and its writes count for nothing`, async () => {
    await using database = await kind.open();
    await using one = await openStore(database);
    await using other = await openStore(database);
    // Not started: a process that stands still prolongs nothing.
    const asleep = new LeaseKeeper(one.store, "a", 80, () => undefined);
    const awake = new LeaseKeeper(other.store, "b", 500, () => undefined);
    awake.start();
    const held = await asleep.hold("x");
    const kept = await asleep.hold("y");
    assert.ok(held && kept);
    assert.is(await asleep.hold("x"), held, "a lease that is held is not taken anew");
    assert.is(await awake.hold("x"), undefined);
    await until(async () => (await awake.hold("x")) !== undefined, "the taking over");
    assert.ok(!held.signal.aborted, "it does not know yet");
    await lost(note(one.store, held, "late"));
    await asleep.renew();
    assert.ok(held.signal.aborted);
    assert.is(asleep.get("x"), undefined);
    assert.ok(!kept.signal.aborted, "what nobody took goes on, although its time was over");
    await note(one.store, kept, "y");
    assert.is(await asleep.hold("x"), undefined);
    // More than two of its lifetimes: only who prolongs it still has it.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.is(await asleep.hold("x"), undefined);
    await awake.stop();
    assert.is((await asleep.hold("x"))?.fence, 3);
    await asleep.stop();
    assert.ok(kept.signal.aborted);
    assert.equal(await noted(one.store), ["y"]);
  });

  test(`${kind.name}: two keepers who fight for a lease never both write under it`, async () => {
    await using database = await kind.open();
    await using one = await openStore(database);
    await using other = await openStore(database);
    await one.store.write((tx) => tx.db.insertInto("counters").values({ name: "turns", value: 0 }).execute());
    const written: number[] = [];
    let over = false;
    const fight = async (store: Store, owner: string) => {
      let last = 0;
      while (!over) {
        const lease = await takeLease(store, "x", owner, 15);
        if (!lease) continue;
        assert.ok(lease.fence > last);
        last = lease.fence;
        for (let i = 0; i < 4 && !over; i += 1) {
          const fence = await store
            .write(async (tx) => {
              await tx.requireLease(lease);
              const state = await tx.db.selectFrom("leases").select("fence").where("name", "=", "x").executeTakeFirst();
              return { own: lease.fence, stored: state?.fence };
            })
            .catch((error) => {
              if ((error as BelfryError).code !== "BELFRY_LEASE_LOST") throw error;
              return undefined;
            });
          if (!fence) break;
          assert.is(fence.stored, fence.own);
          written.push(fence.own);
        }
      }
    };
    const fights = [fight(one.store, "a"), fight(other.store, "b"), fight(one.store, "c")];
    await until(() => new Set(written).size > 25, "many changes of owner", 30_000);
    over = true;
    await Promise.all(fights);
  });
}

test("PostgreSQL: whoever takes a lease over waits for what is being written under it", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  await using one = await openStore(database);
  await using other = await openStore(database);
  const lease = await takeLease(one.store, "x", "a", 1);
  assert.ok(lease);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const order: string[] = [];
  const writing = note(one.store, lease, "old", async () => undefined).then(() => order.push("written"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const taken = takeLease(other.store, "x", "b", LONG).then((fresh) => {
    order.push("taken");
    return fresh;
  });
  const fresh = await within(20_000, "the taking over", taken);
  await writing;
  assert.equal(order, ["written", "taken"]);
  assert.is(fresh?.fence, 2);
  assert.equal(await noted(one.store), ["old"]);
});

test("PostgreSQL: a lease is prolonged in time although writes under it never pause", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  await using open = await openStore(database);
  const lease = await takeLease(open.store, "x", "a", LONG);
  assert.ok(lease);
  let over = false;
  let writes = 0;
  const busy = Array.from({ length: 6 }, async () => {
    while (!over) {
      await open.store.write(async (tx) => {
        await tx.requireLease(lease);
        await sql`select pg_sleep(0.004)`.execute(tx.db);
      });
      writes += 1;
    }
  });
  try {
    await until(() => writes > 20, "load", 30_000);
    for (let i = 0; i < 10; i += 1) {
      const still = await within(15_000, "prolonging", renewLeases(open.store, "a", LONG));
      assert.ok(still.has("x"));
    }
  } finally {
    over = true;
    await Promise.all(busy);
  }
});

test.run();
