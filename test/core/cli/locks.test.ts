import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry locks");

test("locks lists who holds them and who waits, and why says so in sentences", async () => {
  await using world = await World.make(
    configText({
      head: 'import { masterLock } from "belfry";\nconst disk = masterLock({ name: "disk" });',
      more: 'locks: [disk, masterLock({ name: "idle", maxCount: 3 })],',
      builders: `
        { name: "slow", workers: ["here"], steps: [shell({ command: "sleep 300" })], locks: [disk.access("exclusive")] },
        { name: "step", workers: ["here"], steps: [shell({ command: "true", locks: [disk.access("counting")] })] },`,
      schedulers: 'force({ name: "force", builders: ["slow", "step"] })',
    }),
  );
  const master = await world.start();
  assert.is((await world.run("locks")).out, "disk (1 at a time): free\nidle (3 at a time): free\n");
  await world.run("force", "slow");
  await until(async () => (await world.json("builds")).value.items.length === 1, "a build");
  await world.run("force", "slow");
  await until(async () => (await world.json("locks", "disk")).value.items[0].queue.length === 1, "the line");
  const waits = `Request 2 for slow waits:\n  - The lock disk is held by slow #1 for [\\d.]+ (?:ms|s)\\.\n`;
  assert.match((await world.run("why", "2")).out, new RegExp(`^${waits}$`));
  await world.run("force", "step");
  await until(async () => (await world.json("locks", "disk")).value.items[0].queue.length === 2, "the line");
  const { code, out } = await world.run("locks", "disk");
  assert.is(code, 0);
  const time = "[\\d.]+ (?:ms|s)";
  const lines = [
    "disk \\(1 at a time\\)",
    `  held by slow #1, exclusive, for ${time}`,
    `  wanted by request 2 for slow, exclusive, for ${time}`,
    `  wanted by step #1 step 1, counting, for ${time}`,
  ];
  assert.match(out, new RegExp(`^${lines.join("\n")}\n$`));
  const step = `  - Step 1: the lock disk is held by slow #1 for ${time}; ahead of it: 1 other\\.\n`;
  assert.match(
    (await world.run("why", "3")).out,
    new RegExp(`^Request 3 for step is being built; a step waits:\n${step}$`),
  );
  await master.signal("SIGINT");
});

test.run();
