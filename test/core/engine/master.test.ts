import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, scheduler, step, testMaster } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("master");

test("a change becomes a build that anybody can look up", async () => {
  await using kit = await testMaster({
    config: {
      workers: [fakeWorker({ name: "w" })],
      schedulers: [anyBranch({ name: "all", builders: ["b"] })],
      builders: [
        {
          name: "b",
          workers: ["w"],
          steps: [
            step({
              title: "one",
              run: async (ctx) => {
                await ctx.log("stdio").write("hello\n");
                ctx.properties.set("x", 1);
                await ctx.worker.run({ command: ["true"] });
                return { result: "success", summary: "fine" };
              },
            }),
            step({ title: "two", run: () => ({ result: "warnings" }) }),
          ],
        },
      ],
    },
  });
  await kit.addChange({ author: "me", revision: "abc" });
  const finished = await kit.event("build.finished");
  const build = await kit.call("builds.get", { build: finished.data.build });
  assert.is(build.result, "warnings");
  assert.is(build.revision, "abc");
  assert.equal(build.properties.x, { value: 1, source: "one" });
  const { items: steps } = await kit.call("builds.steps", { builder: "b", number: 1 });
  assert.equal(
    steps.map((s: { name: string; result: string; summary: string }) => [s.name, s.result, s.summary]),
    [
      ["one", "success", "fine"],
      ["two", "warnings", ""],
    ],
  );
  assert.match(await kit.logText(build.id, 1), "hello\n");
  const set = await kit.buildsetEnd(build.buildset);
  assert.is(set.result, "warnings");
});

test.run();
void scheduler;
void force;
