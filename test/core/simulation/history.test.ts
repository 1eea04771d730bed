import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, rejects, step, testMaster } from "@belfry/testkit";
import { type Config, masterLock } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuildModel } from "../../../core/src/simulation/build-model.ts";
import { FarmHistory } from "../../../core/src/simulation/farm-history.ts";
import { DATABASES } from "../databases.ts";
import { play } from "./farm.ts";

const test = suite("what a simulation learns from a master's history");

const one = masterLock({ name: "one" });

for (const kind of DATABASES) {
  test(`${kind.name}: changes, lengths of builds and of steps that take locks, and how builds ended`, async () => {
    await using database = await kind.open();
    const config: Config = {
      database: database.entry,
      locks: [one],
      workers: [fakeWorker({ name: "w" })],
      schedulers: [anyBranch({ name: "each", builders: ["b"] }), force({ name: "force", builders: ["b"] })],
      builders: [
        {
          name: "b",
          workers: ["w"],
          steps: [
            step({
              title: "test",
              locks: [one.access("exclusive")],
              run: (ctx) => ({ result: ctx.build.sourceStamps[0]?.revision === "bad" ? "failure" : "success" }),
            }),
          ],
        },
      ],
    };
    await using kit = await testMaster({ config });
    const from = Date.now() - 1_000;
    for (const revision of ["good", "bad", "fine"]) {
      await kit.addChange({ revision, files: [`${revision}.c`], properties: { n: 1 } });
      await kit.event("build.finished", ({ number }) => number === ["good", "bad", "fine"].indexOf(revision) + 1);
    }
    const forced = await kit.call("schedulers.force", { scheduler: "force", branch: "main", revision: "bad" });
    await kit.buildsetEnd(forced.buildset);
    const { store, generation, stateFolder } = kit.master;
    // As long as it would have been with work to do: 100, 200, 900 and 400 ms.
    for (const [i, length] of [100, 200, 900, 400].entries()) {
      await store.write(async (tx) => {
        await tx.db
          .updateTable("builds")
          .set((eb) => ({ finished_at: eb("started_at", "+", length) }))
          .where("number", "=", i + 1)
          .execute();
        await tx.db
          .updateTable("steps")
          .set((eb) => ({ finished_at: eb("started_at", "+", length / 2) }))
          .where("build_id", "=", i + 1)
          .execute();
      });
    }
    const events = (await kit.events()).length;

    const until = Date.now() + 1_000;
    const open = () =>
      FarmHistory.open(generation.database.part, stateFolder, new AbortController().signal, () => undefined);
    {
      await using history = await open();
      const changes = await history.changes(from, until);
      assert.equal(
        changes.map(({ source, change }) => [source, change.revision, change.files]),
        [
          ["api", "good", ["good.c"]],
          ["api", "bad", ["bad.c"]],
          ["api", "fine", ["fine.c"]],
        ],
      );
      assert.equal(await history.changes(until, until + 1), []);
      assert.is(await history.forced(from, until), 1);
      const builders = await history.builders([generation], from, until);
      const known = builders.get("b");
      assert.equal([...(known?.steps ?? [])], [["test", 250]]);
      assert.equal(
        [...(known?.results ?? [])],
        [
          ["good", "success"],
          ["bad", "failure"],
          ["fine", "success"],
        ],
      );
      const model = new BuildModel(builders);
      assert.equal(model.duration("b", "w", "success"), { millis: 500, source: "builder" });
      assert.equal(model.duration("b", "w", "failure"), { millis: 300, source: "builder" });

      const outcome = await play(
        { ...config, plugins: [(await import("@belfry/sqlite")).default] },
        { from, until: from + 60_000, changes, model },
      );
      assert.equal(outcome.builders[0]?.results, { success: 2, failure: 1 });
      assert.equal(
        outcome.builds.map(({ startedAt, finishedAt }) => Number(finishedAt) - startedAt).sort(),
        [300, 500, 500],
      );
    }
    assert.is((await kit.events()).length, events, "nothing was written");
  });

  test(`${kind.name}: a database without Belfry's tables is refused`, async () => {
    await using database = await kind.open({ empty: true });
    const nothing = { workers: [fakeWorker({ name: "w" })] };
    const { Master } = await import("belfry");
    const { generation } = new Master({ database: database.entry, ...nothing }, { folder: "/nowhere" });
    const opening = FarmHistory.open(
      generation.database.part,
      "/nowhere",
      new AbortController().signal,
      () => undefined,
    );
    await rejects(opening, "BELFRY_SIMULATION_HISTORY");
  });
}

test.run();
