import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addBuildset } from "../../../core/src/store/buildsets.ts";
import { addChange } from "../../../core/src/store/changes.ts";
import { copyStore } from "../../../core/src/store/copy.ts";
import { ENTITIES } from "../../../core/src/store/entities.ts";
import { recordGeneration } from "../../../core/src/store/generation.ts";
import { takeLease } from "../../../core/src/store/leases.ts";
import type { Store } from "../../../core/src/store/store.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "./open-store.ts";

const test = suite("copying a database");
const never = new AbortController().signal;

async function fill(store: Store): Promise<void> {
  const builder = { name: "b", project: "p", tags: ["x"], description: "ä \u{1f514}", maxWait: undefined };
  await recordGeneration(store, 1, { shown: "{}", code: undefined, builders: [builder] });
  for (let i = 0; i < 1_200; i += 1) {
    await store.write(async (tx) => {
      await addChange(tx, "s", change(i));
      await addBuildset(tx, { builders: ["b"], sourceStamps: [], reason: `number ${i}` }, {});
    });
  }
  // The newest rows are gone: their numbers are not given again.
  await store.write((tx) => tx.db.deleteFrom("changes").where("id", ">", 1_190).execute());
  await takeLease(store, "scheduler:one", "me", 60_000);
  await takeLease(store, "scheduler:one", "other", 60_000, true);
}

function change(i: number) {
  return { key: `k${i}`, author: "a", comments: "c", files: [], revision: `r${i}`, branch: null, repository: "r" };
}

async function content(store: Store): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {};
  for (const { meta } of ENTITIES) {
    const rows = await store.read
      .selectFrom(meta.tableName as "builds")
      .selectAll()
      .execute();
    found[meta.tableName] = rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
  }
  return found;
}

for (const source of DATABASES) {
  for (const target of DATABASES) {
    test(`${source.name} to ${target.name}: every row is there, and numbers go on`, async () => {
      await using one = await source.open();
      await using two = await target.open({ empty: true });
      await using from = await openStore(one);
      await using to = await openStore(two, { migrate: false });
      await fill(from.store);
      const tables = await copyStore(from.store, to.store, never);
      assert.is(tables.find(({ table }) => table === "changes")?.rows, 1_190);
      const [before, after] = [await content(from.store), await content(to.store)];
      const [leases] = [after["leases"], delete before["leases"], delete after["leases"]];
      assert.equal(after, before);
      assert.match(String(leases), /"fence",2\].*"owner",""\].*"until_at",0\]/);
      const id = await to.store.write((tx) => addChange(tx, "s", change(5_000)));
      assert.ok(JSON.stringify(id).includes("1201"), JSON.stringify(id));
      const again = await copyStore(from.store, to.store, never).catch((error) => error.code);
      assert.is(again, "BELFRY_COPY_TARGET_USED");
    });
  }

  test(`${source.name}: a database that a master uses, or that is older, is not copied`, async () => {
    await using one = await source.open();
    await using two = await source.open();
    await using old = await source.open({ empty: true });
    await using from = await openStore(one);
    await using to = await openStore(two);
    await using older = await openStore(old, { migrate: false });
    await takeLease(from.store, "master:main", "me", 60_000);
    const refused = (store: Store) => copyStore(store, to.store, never).catch((error) => error.code);
    assert.is(await refused(from.store), "BELFRY_COPY_SOURCE_USED");
    assert.is(await refused(older.store), "BELFRY_COPY_SOURCE_OLD");
  });
}

test.run();
