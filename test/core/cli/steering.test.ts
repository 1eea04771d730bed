// time limit: 300 s
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry pause, resume, cancel and priority");

for (const line of [
  "pause good",
  "resume good",
  "pause --worker here",
  "resume --worker here",
  "cancel 1",
  "cancel good 1",
  "priority 1 2",
]) {
  test(`\`belfry ${line}\` without a master ends with 3`, async () => {
    await using world = await World.make(configText());
    const { code, out, err } = await world.run(...line.split(" "));
    assert.equal([code, out], [3, ""]);
    assert.match(err, /^error: No master is running here\./);
  });
}

test("what nobody could mean is refused with 2", async () => {
  await using world = await World.make(configText());
  const wrong: [string[], RegExp][] = [
    [["pause"], /Missing required argument 'builder'/],
    [["resume"], /Missing required argument 'builder'/],
    [["cancel"], /Missing required argument 'what'/],
    [["cancel", "good"], /`belfry cancel` needs the number of a request/],
    [["cancel", "good", "seven"], /"seven" is no number of a build/],
    [["cancel", "good", "1", "2"], /needs a request's number, or a builder and the number of its build/],
    [["cancel", "1", "2"], /needs a request's number, or a builder and the number of its build/],
    [["priority", "1"], /Missing required argument 'priority'/],
    [["priority", "one", "2"], /`belfry priority` needs the number of a request/],
    [["priority", "1", "high"], /needs a whole number as the priority/],
  ];
  for (const [args, message] of wrong) {
    const { code, out, err } = await world.run(...args);
    assert.equal([code, out], [2, ""], args.join(" "));
    assert.match(err, message);
  }
});

test("a builder is paused and resumed, what waits gets a priority, and requests and builds are ended", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const paused = await world.run("pause", "slow", "--reason", "its disk \u001b[31mburns");
  assert.is(paused.out, "slow is paused; what is built goes on, and its requests wait.\n");
  assert.match((await world.run("builders")).out, /slow .*\(paused: its disk .*burns\)/);
  await world.run("force", "slow");
  await world.run("force", "slow");
  const ids = async () => (await world.json("requests", "--waiting")).value.items.map((item: any) => item.id);
  assert.equal(await ids(), [1, 2]);
  assert.is((await world.run("priority", "2", "5")).out, "The request 2 has the priority 5 now.\n");
  assert.equal(await ids(), [2, 1]);
  assert.is((await world.run("priority", "--", "2", "-5")).out, "The request 2 has the priority -5 now.\n");
  assert.equal(await ids(), [1, 2]);
  assert.is((await world.run("cancel", "1", "--reason", "a mistake")).out, "The request 1 is cancelled.\n");
  assert.is((await world.run("cancel", "1")).code, 4);
  assert.is((await world.run("resume", "slow")).out, "slow builds again.\n");
  await until(async () => (await world.json("builds")).value.items[0]?.state === "running", "the build");
  assert.is((await world.run("priority", "2", "1")).code, 4);
  const stopped = await world.run("cancel", "slow", "last", "--reason", "enough");
  assert.is(stopped.out, "The last build of slow is told to stop.\n");
  await until(async () => (await world.json("builds")).value.items[0]?.result === "cancelled", "the end");
  assert.match((await world.json("builds")).value.items[0].stopReason, /stopped by administrator: enough/);
  assert.is((await world.run("cancel", "slow", "1")).code, 4);
  assert.is((await world.run("pause", "nobody")).code, 4);
  assert.equal((await world.json("pause", "good")).value, { builder: "good", paused: true });
  await world.run("force", "slow");
  await until(async () => (await world.json("builds")).value.items[0]?.number === 2, "another build");
  const both = await world.run("cancel", "3");
  assert.is(both.out, "The request 3 is cancelled; its build is told to stop.\n");
  const words = (await world.run("completion", "bash")).out;
  for (const name of ["pause", "resume", "cancel", "priority"]) assert.match(words, new RegExp(`\\b${name}\\b`));
  await master.signal("SIGINT");
});

test("a worker is paused and resumed, and what waits for it says so", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const rests = await world.run("pause", "--worker", "here", "--reason", "its disk \u001b[31mburns");
  assert.is(rests.out, "Worker here is paused; what it builds goes on.\n");
  assert.match((await world.run("workers")).out, /here .*paused: its disk .*burns/);
  await world.run("force", "good");
  await until(async () => /Its workers are paused: here by administrator/.test((await world.run("why")).out), "why");
  await world.run("cancel", "1");
  assert.is((await world.run("resume", "--worker", "here")).out, "Worker here builds again.\n");
  assert.is((await world.run("pause", "--worker", "nobody")).code, 4);
  await master.signal("SIGINT");
});

test.run();
