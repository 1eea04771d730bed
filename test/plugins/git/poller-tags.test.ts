import { gitPoller } from "@belfry/git";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { create, makeWorld, rejects, Sink, type World } from "./world.ts";

const test = suite("git poller: tags and pushes");

function makePoller(world: World, options: Record<string, unknown> = {}) {
  const make = (more: Record<string, unknown>) =>
    create(gitPoller, { repository: world.path("repo"), ...options, ...more }, world.folder);
  const sink = new Sink(world.path("cache"));
  return {
    sink,
    async poll(more: Record<string, unknown> = {}) {
      sink.take();
      await make(more).poll?.(sink.context());
      return sink.changes.map((change) => `${change.branch} ${change.comments}`);
    },
  };
}

test("tags are no changes unless asked for", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { poll } = makePoller(world);
  await poll();
  await repo.git("tag", "v1");
  assert.equal(await poll(), []);
});

test("a tag that comes or moves is a change; those that were there before are not", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  await repo.git("tag", "v0");
  const { sink, poll } = makePoller(world, { tags: ["v*"], project: "p" });
  assert.equal(await poll(), ["main one"]);
  assert.equal(await poll(), []);
  const head = await repo.commit("two", { b: "2" });
  await repo.git("tag", "v1");
  await repo.git("tag", "other");
  await repo.git("tag", "-a", "-m", "annotated", "v1.1", "HEAD~1");
  await repo.git("tag", "-a", "-m", "a tag of a tag", "v1.2", "v1.1");
  assert.equal((await poll()).sort(), ["main two", "refs/tags/v1 two", "refs/tags/v1.1 one", "refs/tags/v1.2 one"]);
  const { when: _, ...change } = sink.changes.find(({ branch }) => branch === "refs/tags/v1") ?? { when: 0 };
  assert.equal(change, {
    key: `refs/tags/v1:${head}`,
    author: "Ada <ada@example.org>",
    comments: "two",
    files: ["b"],
    revision: head,
    branch: "refs/tags/v1",
    repository: world.path("repo"),
    project: "p",
    properties: { tag: "v1" },
  });
  await repo.git("tag", "-f", "v0", "HEAD");
  assert.equal(await poll(), ["refs/tags/v0 two"], "moved");
  await repo.git("tag", "-d", "v0");
  assert.equal(await poll(), []);
  await repo.git("tag", "v0");
  assert.equal(await poll(), [], "made again at the same commit, which was told");
});

test("a tag whose commit no watched branch has is fetched, and told with that commit", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { poll } = makePoller(world, { tags: true });
  await poll();
  await repo.git("checkout", "-q", "-b", "side");
  await repo.commit("aside");
  await repo.commit("further aside");
  await repo.git("tag", "v1");
  await repo.git("checkout", "-q", "main");
  await repo.git("branch", "-D", "side");
  assert.equal(await poll(), ["refs/tags/v1 further aside"]);
  await repo.git("merge", "-q", "--no-ff", "-m", "merge", "v1");
  assert.equal(
    await poll(),
    ["main aside", "main further aside", "main merge"],
    "a tag takes no branch's commits away",
  );
});

test("onlyTags watches no branches", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await repo.git("tag", "old");
  const { sink, poll } = makePoller(world, { onlyTags: true });
  assert.equal(await poll(), []);
  await repo.commit("two");
  assert.equal(await poll(), []);
  for (const name of ["v1", "v2"]) {
    await repo.commit(name);
    await repo.git("tag", name);
    assert.equal(await poll(), [`refs/tags/${name} ${name}`]);
  }
  assert.equal((sink.state as { heads: unknown }).heads, []);
  const wrong = { repository: world.path("repo"), onlyTags: true };
  assert.throws(() => create(gitPoller, { ...wrong, branches: ["main"] }, world.folder), /onlyTags/);
  assert.throws(() => create(gitPoller, { ...wrong, tags: false }, world.folder), /onlyTags/);
});

test("other patterns of tags take in what is there without a word; without tags they are forgotten", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { sink, poll } = makePoller(world, { tags: ["a*"] });
  await poll();
  for (const name of ["a1", "b1"]) await repo.git("tag", name);
  assert.equal(await poll({ tags: true }), [], "the first poll with them");
  await repo.git("tag", "b2");
  assert.equal(await poll({ tags: true }), ["refs/tags/b2 one"]);
  await poll({ tags: false });
  assert.is((sink.state as { tags?: unknown }).tags, undefined);
  await repo.git("tag", "b3");
  assert.equal(await poll({ tags: false }), []);
});

test("a tag that is no commit is noted and skipped, and too many tags at once are cut", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const { sink, poll } = makePoller(world, { tags: true, changeLimit: 2 });
  await poll();
  await repo.git("tag", "blob", "HEAD:a");
  assert.equal(await poll(), []);
  assert.match(sink.notes.join(), "tag blob is skipped: it is no commit");
  assert.equal(await poll(), []);
  assert.equal(sink.notes, []);
  for (let i = 0; i < 5; i++) await repo.git("tag", `v${i}`);
  assert.is((await poll()).length, 2);
  assert.match(sink.notes.join(), "5 tags are new: 2 are taken");
  assert.equal(await poll(), []);
});

test("a report that fails loses no tag, and tells none twice", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { sink, poll } = makePoller(world, { tags: true });
  await poll();
  for (let i = 0; i < 150; i++) await repo.git("tag", `v${i}`);
  sink.failAt = sink.reports.length + 2;
  await poll().catch(() => {});
  const first = sink.changes.length;
  assert.ok(first > 0 && first < 150);
  sink.failAt = 0;
  await poll();
  assert.is(first + sink.changes.length, 150);
});

test("a branch whose name starts like a whole ref is told by its whole ref", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one");
  await repo.git("update-ref", "refs/heads/refs/tags/v1", head);
  const { poll } = makePoller(world, { branches: true, tags: true });
  assert.equal(await poll(), ["main one", "refs/heads/refs/tags/v1 one"]);
});

test("a push that brings no commits is a change where asked for", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { poll } = makePoller(world, { branches: true });
  const every = { buildPushesWithoutCommits: true };
  await poll(every);
  await repo.commit("two");
  assert.equal(await poll(every), ["main two"]);
  for (let round = 0; round < 2; round++) {
    await repo.git("reset", "-q", "--hard", "HEAD~1");
    assert.equal(await poll(every), ["main one"], "back");
    await repo.git("reset", "-q", "--hard", "ORIG_HEAD");
    assert.equal(await poll(every), ["main two"], "and forth");
  }
  assert.equal(await poll(every), [], "but not what was not pushed");
  await repo.git("branch", "side");
  assert.equal(await poll(every), ["side two"]);
  await repo.git("branch", "-D", "side");
  await poll(every);
  await repo.git("branch", "side");
  assert.equal(await poll(every), ["side two"]);
  await repo.git("reset", "-q", "--hard", "HEAD~1");
  assert.equal(await poll(), [], "not asked for");
});

test("what a poll does is told while it runs", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { sink, poll } = makePoller(world);
  await poll();
  await repo.commit("two");
  await poll();
  assert.match(
    sink.doing.join("\n"),
    /asking .*repo for its branches.*fetching what is new of 1 branches.*reading 1 commits of main/s,
  );
});

test("a state of before tags were watched is read", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one");
  const { sink, poll } = makePoller(world);
  sink.state = { filter: '["main","master"]', heads: [["main", head]], gone: [] };
  assert.equal(await poll(), []);
  sink.state = { filter: null, heads: [], gone: [], tags: [["v1", "nonsense"]] };
  await rejects(poll(), "BELFRY_GIT_STATE_UNREADABLE");
});

test.run();
