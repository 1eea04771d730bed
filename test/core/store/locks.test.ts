import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  assignBuild,
  type BuildKey,
  endLostBuilds,
  finishBuild,
  finishStep,
  startBuild,
  startStep,
} from "../../../core/src/store/builds.ts";
import { addBuildset } from "../../../core/src/store/buildsets.ts";
import { recordGeneration } from "../../../core/src/store/generation.ts";
import { takeLease } from "../../../core/src/store/leases.ts";
import type { LockNeed } from "../../../core/src/store/lock-book.ts";
import { claimForStep, readLocks } from "../../../core/src/store/locks.ts";
import type { Store } from "../../../core/src/store/store.ts";
import type { HeldLease } from "../../../core/src/store/tx.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("locks in the store");

const LIMITS: Record<string, number> = { a: 1, b: 2, c: 3 };
const limits = (lock: string) => LIMITS[lock];
const BUILDER = { name: "b", project: "", tags: [], description: "", maxWait: undefined };

async function newBuild(store: Store, masterId = 1, masterFence = 1): Promise<BuildKey> {
  return store.write(async (tx) => {
    const { id: buildsetId, requests } = await addBuildset(tx, { builders: ["b"], sourceStamps: [], reason: "" }, {});
    const requestId = requests[0]?.id ?? 0;
    const facts = { requestId, builderId: 1, builder: "b", project: "", buildsetId, worker: "w", slot: 0 };
    const rest = { masterId, masterFence, generation: null, branch: null, revision: null };
    const id = (await assignBuild(tx, { ...facts, ...rest })) ?? 0;
    const { number } = await tx.db.selectFrom("builds").select("number").where("id", "=", id).executeTakeFirstOrThrow();
    const key = { id, number, builder: "b", project: "", requestId, buildsetId };
    await startBuild(tx, key, "w", { generation: 1, plan: null });
    await startStep(tx, key, { step: 1, name: "s", kind: "k", parent: null, hidden: false });
    return key;
  });
}

const claim = (store: Store, build: BuildKey, needs: readonly LockNeed[], urgency = 0) =>
  store.write((tx) => claimForStep(tx, { build, step: 1, name: "s", urgency, needs }, limits));
const need = (lock: string, mode: "counting" | "exclusive" = "counting", count = 1): LockNeed => ({
  lock,
  worker: "",
  mode,
  count,
});
const endStep = (store: Store, build: BuildKey) =>
  store.write((tx) =>
    finishStep(tx, build, { step: 1, name: "s", result: "success", summary: "", error: null, hidden: false }),
  );
const left = async (store: Store) => (await readLocks(store.read, limits)).entries.length;

for (const kind of DATABASES) {
  test(`${kind.name}: a step waits once, in its place, and gets the lock when it was given back`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const { store } = open;
    await recordGeneration(store, 1, { shown: "{}", code: undefined, builders: [BUILDER] });
    const [one, two, three] = [await newBuild(store), await newBuild(store), await newBuild(store)];
    assert.is((await claim(store, one, [need("a")])).state, "held");
    const waiting = await claim(store, two, [need("a")]);
    assert.ok(waiting.state === "waiting");
    assert.equal(
      waiting.blocked.map(({ need, holders }) => [need.lock, holders.map((holder) => holder.build)]),
      [["a", [one.id]]],
    );
    assert.is((await claim(store, three, [need("a")])).state, "waiting");
    assert.is((await claim(store, two, [need("a")])).state, "waiting");
    await endStep(store, one);
    assert.is((await claim(store, three, [need("a")])).state, "waiting", "it came later");
    assert.is((await claim(store, two, [need("a")])).state, "held");
    assert.is((await claim(store, two, [need("a")])).state, "held", "asking twice is harmless");
    await store.write((tx) => finishBuild(tx, two, "failure", ""));
    assert.is((await claim(store, three, [need("a")])).state, "held");
    const events = await store.read.selectFrom("events").select("type").where("type", "like", "step.%ing").execute();
    assert.is(events.length, 2, "a step tells once that it waits");
  });

  test(`${kind.name}: invariant 5: a build that has ended holds nothing and waits for nothing, however it ended`, async () => {
    await using database = await kind.open();
    await using open = await openStore(database);
    const { store } = open;
    await recordGeneration(store, 1, { shown: "{}", code: undefined, builders: [BUILDER] });
    for (const result of ["success", "exception", "retry", "cancelled"] as const) {
      const [one, two] = [await newBuild(store), await newBuild(store)];
      await claim(store, one, [need("a"), need("c", "counting", 2)]);
      await claim(store, two, [need("a")]);
      assert.is(await left(store), 3);
      await store.write((tx) => finishBuild(tx, two, result, ""));
      assert.is(await left(store), 2);
      await store.write((tx) => finishBuild(tx, one, result, ""));
      assert.is(await left(store), 0);
    }
    const lease = await takeLease(store, "master:m", "me", 60_000);
    assert.ok(lease);
    const lost = [await newBuild(store), await newBuild(store)];
    for (const build of lost) await claim(store, build, [need("b", "exclusive")]);
    assert.is(await left(store), 2);
    await endLostBuilds(store, lost, lease);
    assert.is(await left(store), 0);
  });

  test(`${kind.name}: invariant 5: several masters and recovery at once never give more than there is`, async () => {
    await using database = await kind.open();
    await using first = await openStore(database);
    await using second = await openStore(database);
    const stores = [first.store, second.store];
    await recordGeneration(first.store, 1, { shown: "{}", code: undefined, builders: [BUILDER] });
    const lease = (await takeLease(first.store, "master:m", "me", 600_000)) as HeldLease;
    const using: Record<string, { sum: number; exclusive: number; holders: number }> = {};
    for (const lock of Object.keys(LIMITS)) using[lock] = { sum: 0, exclusive: 0, holders: 0 };
    const count = ({ lock, mode, count }: LockNeed, by: 1 | -1) => {
      const use = using[lock];
      if (!use) return;
      use.sum += by * count;
      use.holders += by;
      if (mode === "exclusive") use.exclusive += by;
      assert.ok(use.sum <= (LIMITS[lock] ?? 0), `${use.sum} of ${lock}`);
      assert.ok(use.exclusive === 0 || use.holders === 1, `${lock} is exclusive`);
    };
    let waits = 0;
    const run = async (i: number) => {
      const store = stores[i % 2] as Store;
      const names = Object.keys(LIMITS).filter(() => Math.random() < 0.6);
      const needs = (names.length > 0 ? names : ["a"]).map((lock) =>
        Math.random() < 0.4
          ? need(lock, "exclusive")
          : need(lock, "counting", 1 + Math.floor(Math.random() * (LIMITS[lock] ?? 1))),
      );
      const build = await newBuild(store);
      await until(
        async () => {
          const { state } = await claim(store, build, needs);
          assert.is.not(state, "deadlock");
          if (state === "waiting") waits += 1;
          return state === "held";
        },
        "the locks",
        60_000,
      );
      for (const one of needs) count(one, 1);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      // Counted as given back before it is: whoever has it then has it rightly.
      for (const one of needs) count(one, -1);
      const dice = Math.random();
      if (dice < 0.4) await endStep(store, build);
      else if (dice < 0.7) await store.write((tx) => finishBuild(tx, build, "failure", ""));
      else await endLostBuilds(stores[(i + 1) % 2] as Store, [build], lease);
    };
    await Promise.all(
      Array.from({ length: 6 }, async (_, worker) => {
        for (let i = 0; i < 8; i += 1) await run(worker + i);
      }),
    );
    assert.ok(waits > 0, "or nothing was tried");
    assert.is(await left(first.store), 0);
  });
}

test.run();
