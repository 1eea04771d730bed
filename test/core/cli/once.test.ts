// time limit: 400 s
import { writeFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry start --once");

const POLLED = {
  sources: 'gitPoller({ repository: ".", branches: ["main"], pollInterval: "10m" })',
  schedulers: 'anyBranch({ name: "changes", builders: ["all"] })',
  builders:
    '{ name: "all", workers: ["here"], steps: [gitCheckout(), shell({ name: "test", command: "sh test.sh", decodeRc: { 7: "warnings" } })] }',
};

test("leaves with 0 when the first buildset succeeded", async () => {
  await using world = await World.make(configText(POLLED));
  const sha = await world.commit("test.sh", "echo fine\n");
  const { code, out, err } = await world.run("start", "--once");
  assert.is(code, 0, out + err);
  assert.match(out, new RegExp(`all #1 started: main ${sha.slice(0, 10)}`));
  assert.match(out, /all #1 success/);
  assert.match(out, /The first buildset has ended: success\.\nThe master has stopped\.\n$/);
});

test("leaves with 1 when it failed, and with 0 when there were warnings", async () => {
  await using world = await World.make(configText(POLLED));
  await world.commit("test.sh", "exit 1\n");
  const failed = await world.run("start", "--once");
  assert.is(failed.code, 1);
  assert.match(failed.out, /The first buildset has ended: failure\./);
  await world.commit("test.sh", "exit 7\n");
  const warned = await world.run("start", "--once");
  assert.is(warned.code, 0);
  assert.match(warned.out, /The first buildset has ended: warnings\./);
});

test("what was built already is not built again; the last buildset's result is its answer", async () => {
  await using world = await World.make(configText(POLLED));
  await world.commit("test.sh", "exit 0\n");
  assert.is((await world.run("start", "--once")).code, 0);
  const again = await world.run("start", "--once");
  assert.is(again.code, 0);
  assert.match(again.out, /There is nothing new to build; the last buildset ended as success\./);
  assert.not.match(again.out, /all #2/);

  await world.commit("test.sh", "exit 1\n");
  assert.is((await world.run("start", "--once")).code, 1);
  const stillBad = await world.run("start", "--once");
  assert.is(stillBad.code, 1);
  assert.match(stillBad.out, /the last buildset ended as failure/);
});

test("a commit that came while no master ran is looked for at once, whatever the poll interval", async () => {
  await using world = await World.make(configText(POLLED));
  await world.commit("test.sh", "exit 0\n");
  assert.is((await world.run("start", "--once")).code, 0);
  const sha = await world.commit("test.sh", "exit 0 # again\n");
  const { code, out } = await world.run("start", "--once");
  assert.is(code, 0);
  assert.match(out, new RegExp(`all #2 started: main ${sha.slice(0, 10)}`));
});

test("with nothing to build and nothing ever built it leaves with 1 and says so", async () => {
  await using world = await World.make(configText());
  const { code, out } = await world.run("start", "--once");
  assert.is(code, 1);
  assert.match(out, /There is nothing to build: no source found a change/);
});

test("a source that cannot look makes it leave with 1, naming it", async () => {
  await using world = await World.make(
    configText({
      ...POLLED,
      sources: 'gitPoller({ name: "away", repository: "nowhere", branches: ["main"], pollInterval: "200ms" })',
    }),
  );
  const { code, out } = await world.run("start", "--once");
  assert.is(code, 1);
  assert.match(out, /warning: source away cannot look/);
  assert.match(out, /There is nothing to build: the source away cannot look: /);
});

test("all builders of the buildset are waited for, and the worst counts", async () => {
  await using world = await World.make(
    configText({
      ...POLLED,
      schedulers: 'anyBranch({ name: "changes", builders: ["quick", "late"] })',
      builders: `
        { name: "quick", workers: ["here"], steps: [shell({ command: "true" })] },
        { name: "late", workers: ["here"], steps: [shell({ command: "sleep 1; false" })] },`,
    }),
  );
  await world.commit("file", "");
  const { code, out } = await world.run("start", "--once");
  assert.is(code, 1);
  assert.match(out, /quick #1 success/);
  assert.match(out, /late #1 failure/);
});

test("a branch that has to become quiet first is waited for", async () => {
  await using world = await World.make(
    configText({ ...POLLED, schedulers: 'anyBranch({ name: "changes", builders: ["all"], treeStableTimer: "3s" })' }),
  );
  await world.commit("test.sh", "exit 0\n");
  const { code, out } = await world.run("start", "--once");
  assert.is(code, 0);
  assert.match(out, /all #1 success/);
});

test("Ctrl-C before the end gives 130, and the build is made up for by the next one", async () => {
  await using world = await World.make(configText(POLLED));
  await world.commit("test.sh", "test -e ../../../../go || sleep 300\n");
  const first = world.spawn(["start", "--once"]);
  await first.printed("step 1 git checkout: success");
  const { code, out } = await first.signal("SIGINT");
  assert.is(code, 130);
  assert.match(out, /1 running build ends as retry/);
  await writeFile(world.path("go"), "");
  const second = await world.run("start", "--once");
  assert.is(second.code, 0);
  assert.match(second.out, /all #2 success/);
});

test("--json says in its last line how it ended", async () => {
  await using world = await World.make(configText(POLLED));
  await world.commit("test.sh", "exit 1\n");
  const { code, out } = await world.run("start", "--once", "--json");
  assert.is(code, 1);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.at(-1), { type: "stopped", by: "once", code: 1 });
});

test.run();
