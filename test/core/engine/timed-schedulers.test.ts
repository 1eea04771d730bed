import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nightly, periodic } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testClock, testMaster, until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("schedulers by the clock, over restarts");

const HOUR = 3_600_000;
const builders = [{ name: "b", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }];
const workers = [fakeWorker({ name: "w" })];

async function built(kit: TestMaster): Promise<{ reason: string; at: string }[]> {
  const rows = await kit.master.store.read
    .selectFrom("buildsets")
    .select(["reason", "submitted_at"])
    .orderBy("id")
    .execute();
  return rows.map((row) => ({ reason: row.reason, at: new Date(row.submitted_at).toISOString().slice(0, 16) }));
}

const times = async (kit: TestMaster) => (await built(kit)).map(({ at }) => at);

async function wakeAt(kit: TestMaster, name: string): Promise<number | null> {
  const { items } = await kit.call("schedulers.list");
  return items.find((item: { name: string }) => item.name === name).wakeAt;
}

for (const kind of DATABASES) {
  test(`${kind.name}: a nightly build comes at its time, once, and after a night without a master once for what was missed`, async () => {
    await using database = await kind.open();
    const clock = testClock(Date.UTC(2026, 0, 10, 22));
    const config = {
      database: database.entry,
      workers,
      builders,
      schedulers: [nightly({ name: "n", at: "30 2 * * *", timeZone: "UTC", builders: ["b"] })],
    };
    const folder = await mkdtemp(join(tmpdir(), "belfry-nightly-"));
    try {
      {
        await using kit = await testMaster({ config, clock, folder });
        await until(async () => (await wakeAt(kit, "n")) !== null, "its first look");
        await clock.advance(4 * HOUR);
        assert.equal(await times(kit), []);
        await clock.advance(HOUR / 2);
        await until(async () => (await built(kit)).length === 1, "the build");
        await clock.advance(20.5 * HOUR);
        assert.equal(await times(kit), ["2026-01-11T02:30"]);
      }
      {
        await using kit = await testMaster({ config, clock, folder });
        await until(async () => (await kit.call("status.now")).loops.every((loop: any) => loop.passes > 0), "a look");
        assert.equal(await times(kit), ["2026-01-11T02:30"], "a restart builds nothing");
        assert.is(await wakeAt(kit, "n"), Date.UTC(2026, 0, 12, 2, 30));
      }
      await clock.advance(3 * 24 * HOUR);
      await using kit = await testMaster({ config, clock, folder });
      await until(async () => (await built(kit)).length === 2, "the build for what was missed");
      assert.equal((await built(kit)).at(-1), {
        at: "2026-01-14T23:00",
        reason: "30 2 * * * (UTC) (and for 2 times more that passed while no master ran)",
      });
      await clock.advance(3.5 * HOUR);
      await until(async () => (await built(kit)).length === 3, "the next night");
      assert.is((await times(kit)).at(-1), "2026-01-15T02:30");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test(`${kind.name}: a time is built once though its commit fails, or is not heard of`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers,
        builders,
        schedulers: [periodic({ name: "p", every: "1h", builders: ["b"] })],
      },
      clock,
    });
    await until(async () => (await built(kit)).length === 1, "the first build, at once");
    const { store } = kit.master;
    const write = store.write.bind(store);
    for (const when of ["before", "after"] as const) {
      const count = (await built(kit)).length;
      let cut = false;
      store.write = async (work) => {
        if (cut || (await wakeAt(kit, "p")) === null || clock.now() < ((await wakeAt(kit, "p")) ?? 0))
          return write(work);
        cut = true;
        if (when === "after") await write(work);
        throw new Error(`cut off ${when} the commit`);
      };
      await clock.advance(HOUR);
      await until(() => cut, "the cut");
      await until(async () => {
        await clock.advance(1_000);
        return (await built(kit)).length > count;
      }, "the build");
      store.write = write;
      await clock.advance(60_000);
      assert.is((await built(kit)).length, count + 1, when);
    }
  });

  test(`${kind.name}: what passes while it is disabled is not built when it is enabled`, async () => {
    await using database = await kind.open();
    const clock = testClock(Date.UTC(2026, 0, 10));
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers,
        builders,
        schedulers: [nightly({ name: "n", at: "0 * * * *", timeZone: "UTC", builders: ["b"] })],
      },
      clock,
    });
    await until(async () => (await wakeAt(kit, "n")) !== null, "its first look");
    await kit.call("schedulers.disable", { scheduler: "n" });
    await clock.advance(5.5 * HOUR);
    await kit.call("schedulers.enable", { scheduler: "n" });
    await until(async () => (await wakeAt(kit, "n")) === Date.UTC(2026, 0, 10, 6), "its next time");
    assert.equal(await times(kit), []);
    await clock.advance(HOUR / 2);
    await until(async () => (await built(kit)).length === 1, "the build");
    assert.equal(await built(kit), [{ at: "2026-01-10T06:00", reason: "0 * * * * (UTC)" }]);
  });
}

test.run();
