import { force } from "@belfry/schedulers";
import { fakeWorker, step, until } from "@belfry/testkit";
import { masterLock } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { written } from "../../../plugins/web/src/html.ts";
import { whyText } from "../../../plugins/web/src/parts/why.ts";
import { unescaped, webWorld } from "./world.ts";

const test = suite("why something waits");

const link = (type: string, keys: object) => `[${type} ${Object.values(keys).join(" ")}]`;
const said = (reason: { reason: string; [field: string]: unknown }) =>
  unescaped(
    written(whyText({ link } as never, reason, new Map([[12, { builder: "app", number: 7 }]])))
      .replace(/<[^>]*>/g, "")
      .replace(/\s+/g, " "),
  );

test("each reason is told with the ways to what is in the way", () => {
  const busy = {
    reason: "workers-busy",
    workers: [
      { name: "big", slots: 2, builds: [12, 99] },
      { name: "w", builds: [] },
    ],
  };
  assert.is(said(busy), "its workers are busy: [worker big] ([build app 7]), [worker w]");
  const many = Array.from({ length: 11 }, (_, i) => `w${i}`);
  assert.match(said({ reason: "no-worker-connected", workers: many }), /\[worker w7\] and 3 more$/);
  const holders = [{ build: 12, builder: "app", number: 7, step: null, since: null }];
  const lock = { reason: "lock", lock: "disk", worker: null, mode: "counting", count: 1, holders, ahead: 2 };
  assert.is(said(lock), "the lock disk, held by [build app 7]; 2 others come first");
  assert.is(said({ ...lock, worker: "w", holders: [], ahead: 0 }), "the lock disk of [worker w]");
  assert.is(said({ reason: "collapsed", into: 4 }), "it is built with [request 4]");
  assert.is(said({ reason: "upstream", schedulers: ["a", "b"] }), "it builds after [scheduler a], [scheduler b]");
  assert.is(
    said({ reason: "no-important-change", changes: 1, branch: "main" }),
    "none of 1 change on main is important",
  );
  assert.is(said({ reason: "scheduler-disabled", at: 1, by: "ann", text: "freeze" }), "it is disabled by ann: freeze");
  assert.is(
    said({ reason: "scheduler-failing", error: "<b>", failures: 3 }),
    "it failed 3 times and is asked again: <b>",
  );
  assert.is(said({ reason: "of-a-plugin", moon: "full" }), 'of-a-plugin {"moon":"full"}');
});

test("what a disabled scheduler waits for is told in words", async () => {
  await using world = await webWorld();
  await world.kit.call("schedulers.disable", { scheduler: "by hand", reason: "freeze" });
  const { body } = await world.get("/schedulers/by%20hand");
  assert.match(body, /Builds nothing now<\/dt>.*it is disabled by .*freeze/s);
  assert.not.match(body, "scheduler-disabled");
});

test("the page of a request names who is before it, and who has the lock", async () => {
  const disk = masterLock({ name: "disk" });
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waits = step({ run: () => gate.then(() => ({ result: "success" as const })) });
  const builders = ["holds", "wants"].map((name) => ({
    name,
    workers: ["w"],
    locks: [disk.access("exclusive")],
    steps: [waits],
  }));
  await using world = await webWorld(
    {},
    {
      workers: [fakeWorker({ name: "w", slots: 4 })],
      locks: [disk],
      builders,
      schedulers: [force({ name: "by hand", builders: ["holds", "wants"] })],
    },
  );
  await world.kit.call("schedulers.force", { builders: ["holds"] });
  await world.kit.event("build.started");
  for (let i = 0; i < 7; i += 1) await world.kit.call("schedulers.force", { builders: ["wants"] });
  const holder = /the lock <bdi>disk<\/bdi>, held by <a href="\/builders\/holds\/builds\/1">/;
  await until(async () => holder.test((await world.get("/requests/2")).body), "the lock is waited for");
  const last = (await world.get("/requests/8")).body;
  const before = /Before it<\/dt><dd>(.*?)<\/dd>/s.exec(last)?.[1]?.replace(/<[^>]*>/g, "");
  assert.is(before, "#2, #3, #4, #5, #6 and 1 more of its builder");
  assert.match(
    (await world.get("/requests/3")).body,
    /Before it<\/dt><dd><a href="\/requests\/2">#2<\/a> of its builder/,
  );
  release();
});

test("a queue of a builder that is not there says so, and which were meant", async () => {
  await using world = await webWorld();
  const words = async (query: string) =>
    (/<p class="empty">(.*?)<\/p>/s.exec((await world.get(`/requests?builder=${query}`)).body)?.[1] ?? "")
      .replace(/<[^>]*>/g, "")
      .replace(/\s+/g, " ");
  assert.is(await words("plain"), "Nothing waits for plain. Show all that waits");
  const like = "No builder is called LA, and nothing waits for it. Did you mean plain? Show all that waits";
  assert.is(await words("LA"), like);
  assert.is(await words("nosuch"), "No builder is called nosuch, and nothing waits for it. Show all that waits");
});

test.run();
