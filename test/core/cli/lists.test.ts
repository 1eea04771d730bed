// time limit: 300 s
import { mkdir } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry changes, requests, workers, sources and sendchange");

const config = () =>
  configText({
    sources: 'gitPoller({ name: "lost", repository: "nowhere", pollInterval: "1h" })',
    schedulers: 'anyBranch({ name: "any", builders: ["good"] }), force({ name: "force", builders: ["slow"] })',
  });

test("sendchange tells of the work tree's HEAD, and of the same commit only once", async () => {
  await using world = await World.make(config());
  const first = await world.commit("a file", "1\n", "first\n\nwith a body");
  const head = await world.commit("b", "2\n", "second");
  const master = await world.start();
  const sent = await world.run("sendchange");
  assert.equal([sent.code, sent.out], [0, `Change 1 is stored: ${head.slice(0, 10)} on main.\n`]);
  assert.match((await world.run("sendchange")).out, /^Change 1 was known: /);
  await mkdir(world.path("sub"));
  const state = ["--state", world.path(".belfry")];
  const below = world.spawn(["sendchange", "--revision", "HEAD~1", "--json", ...state], {}, world.path("sub"));
  assert.is(JSON.parse((await below.end()).out).added, true);
  const { value } = await world.json("changes");
  const [older, newer] = value.items;
  assert.equal(
    [newer.revision, newer.branch, newer.author, newer.comments, newer.files],
    [head, "main", "Tester <tester@example.org>", "second", ["b"]],
  );
  assert.equal([older.revision, older.comments, older.files], [first, "first\n\nwith a body", ["a file"]]);
  assert.is(newer.repository, world.folder);
  world.git("remote", "add", "origin", "https://ci:hunter2@example.org/app.git");
  const more = ["--branch", "side", "--comments", "mine", "--file", "x", "--file", "y/z", "--property", "a=1=2"];
  assert.is((await world.run("sendchange", ...more, "--category", "c")).code, 0);
  const [last] = (await world.json("changes", "--branch", "side")).value.items;
  assert.equal(
    [last.repository, last.comments, last.files, last.properties, last.category, last.revision],
    ["https://example.org/app.git", "mine", ["x", "y/z"], { a: "1=2" }, "c", head],
  );
  const wrong = await world.run("sendchange", "--revision", "none");
  assert.equal([wrong.code, wrong.out], [2, ""]);
  assert.match(wrong.err, /has no commit "none"/);
  await master.signal("SIGINT");
});

test("sendchange with a repository asks no work tree", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  const args = [
    "--repository",
    "https://example.org/x",
    "--branch",
    "main",
    "--revision",
    "5f6c835a",
    "--author",
    "Bea",
  ];
  assert.is((await world.run("sendchange", ...args)).out, "Change 1 is stored: 5f6c835a on main.\n");
  assert.match((await world.run("sendchange", ...args)).out, /was known/);
  const again = await world.run("sendchange", ...args, "--key", "another");
  assert.match(again.out, /^Change \d+ is stored: 5f6c835a on main\.\n$/);
  assert.match((await world.run("sendchange", "--repository", "svn://x")).out, /^Change \d+ is stored\.\n$/);
  const [change] = (await world.json("changes", "--revision", "5f6c835a", "--limit", "1")).value.items;
  assert.equal([change.author, change.files, change.comments], ["Bea", [], ""]);
  await master.signal("SIGINT");
});

test("changes, requests, workers and sources are tables for people and one object for programs", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  assert.is((await world.run("changes")).out, "There are no such changes.\n");
  assert.is((await world.run("requests")).out, "There are no such requests.\n");
  assert.is((await world.run("requests", "--waiting")).out, "No request waits.\n");
  const send = ["sendchange", "--repository", "r", "--branch", "main", "--author", "\u001b[31mEve\u001b[0m\u202e"];
  for (const revision of ["one", "two", "three"])
    await world.run(...send, "--revision", revision, "--comments", `the ${revision}\nand more`);
  await master.printed(/good #3 success/);
  for (let i = 0; i < 3; i++) await world.run("force", "slow");
  const { out: changes } = await world.run("changes", "--limit", "2");
  assert.match(
    changes,
    /^ID +STORED +SOURCE +BRANCH +REVISION +AUTHOR +COMMENTS\n3 .* api +main +three +Eve +the three\n2 /,
  );
  assert.is(changes.trim().split("\n").length, 3);
  assert.not.match(changes, /[\u001b\u202e]/);
  const { out: requests } = await world.run("requests", "good");
  assert.match(requests, /^ID +BUILDER +STATE +BUILDSET +PRIORITY +SUBMITTED +WAITED\n/);
  assert.is(requests.match(/ good +success /g)?.length, 3);
  const waiting = await world.json("requests", "--waiting");
  assert.equal(
    waiting.value.items.map(({ builder, state }: { builder: string; state: string }) => `${builder} ${state}`),
    ["slow pending"],
  );
  assert.is((await world.run("requests", "nobody")).code, 4);
  const { out: workers } = await world.run("workers");
  assert.match(
    workers,
    /^WORKER +STATE +BUSY +SEEN +BUILDS +BUILDERS +SYSTEM\nhere +connected +2 of 2 +.* good, bad, slow +/,
  );
  const sources = await world.run("sources");
  assert.is(sources.code, 1, "one is not well");
  assert.match(
    sources.out,
    /^SOURCE +KIND +HEALTH +LAST SUCCESS +NEXT +WHAT\nlost +git\.poller +sick +.*It failed once: There is no git repository at /,
  );
  const { code, value } = await world.json("sources");
  assert.equal([code, value.items[0].health, value.items[0].error.code], [1, "sick", "BELFRY_GIT_NOT_A_REPOSITORY"]);
  await master.signal("SIGINT");
});

test.run();
