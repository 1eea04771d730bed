import { until } from "@belfry/testkit";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { carryOut, type Plan } from "../../../core/src/store/assigning.ts";
import { addBuildset } from "../../../core/src/store/buildsets.ts";
import { recordGeneration } from "../../../core/src/store/generation.ts";
import { takeLease } from "../../../core/src/store/leases.ts";
import { nextInQueue } from "../../../core/src/store/queue.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("what a pass decided, written");

test("PostgreSQL: a builder that is paused at the same moment gets no build after that", async () => {
  const kind = DATABASES.find(({ name }) => name === "PostgreSQL");
  assert.ok(kind);
  await using database = await kind.open();
  await using here = await openStore(database);
  await using there = await openStore(database);
  const { store } = here;
  await recordGeneration(store, 1, {
    shown: "{}",
    code: undefined,
    builders: [{ name: "b", project: "", tags: [], description: "", maxWait: undefined }],
  });
  const lease = await takeLease(store, "distributor", "me", 60_000);
  assert.ok(lease);
  await store.write(async (tx) => {
    const facts = { master_id: 1, connected: 1, slots: 1, info: "{}", seen_at: 0 };
    await tx.db
      .insertInto("workers")
      .values({ name: "w", ...facts })
      .execute();
    await addBuildset(tx, { builders: ["b"], sourceStamps: [], reason: "" }, {});
  });
  const [row] = await nextInQueue(store.read, { only: [1] }, Date.now(), undefined, 1);
  assert.ok(row);
  const start = { row, slot: 0, needs: [], turn: row.id, together: [] };
  const plan: Plan = {
    ...{ waiters: [], dropped: [], held: new Map(), wakeAt: undefined, again: false },
    starts: [{ ...start, worker: { name: "w", masterId: 1, masterFence: 1 } }],
  };
  const write = () => carryOut(store, lease, plan, { limits: () => 1, generation: null, troubles: new Map() });

  let commit = () => {};
  const paused = new Promise<void>((told) => {
    void there.store.write(async (tx) => {
      await tx.db.updateTable("builders").set({ paused: 1 }).execute();
      told();
      await new Promise<void>((resolve) => {
        commit = resolve;
      });
    });
  });
  await paused;
  const written = write();
  const waiting = async () =>
    (
      await sql`select 1 from pg_locks where not granted and database =
        (select oid from pg_database where datname = current_database())
        union all select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
        store.read,
      )
    ).rows.length > 0;
  await until(waiting, "the one to wait for the other");
  commit();
  assert.is(await written, true, "it is to be decided anew");
  assert.equal(await store.read.selectFrom("builds").select("id").execute(), []);
  await store.write((tx) => tx.db.updateTable("builders").set({ paused: 0 }).execute());
  assert.is(await write(), false);
  assert.is((await store.read.selectFrom("builds").select("id").execute()).length, 1);
});

test.run();
