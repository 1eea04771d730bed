import { chmod, lchown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gitPoller } from "@belfry/git";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { create, git, gitInput, makeWorld, rejects, Sink, type World } from "./world.ts";

const test = suite("git poller");

function makePoller(world: World, options: Record<string, unknown> = {}, cache = "cache") {
  const source = create(gitPoller, { repository: world.path("repo"), ...options }, world.folder);
  const sink = new Sink(world.path(cache));
  const poll = async () => {
    await source.poll?.(sink.context());
    return sink.changes.map((change) => change.comments);
  };
  const next = async () => {
    sink.take();
    return poll();
  };
  return { source, sink, poll, next };
}

test("the first poll takes the head of each matching branch and nothing of the history", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const head = await repo.commit("two\n\nand a body", { "dir/b": "2" });
  await repo.git("branch", "release/1");
  await repo.git("branch", "wip/x");
  const { sink, poll } = makePoller(world, {
    branches: ["main", "release/*"],
    project: "p",
    codebase: "c",
    category: "k",
  });
  await poll();
  const { when, ...change } = sink.changes[0] ?? { when: 0 };
  assert.equal(change, {
    key: `main:${head}`,
    author: "Ada <ada@example.org>",
    comments: "two\n\nand a body",
    files: ["dir/b"],
    revision: head,
    branch: "main",
    repository: world.path("repo"),
    project: "p",
    codebase: "c",
    category: "k",
  });
  assert.ok(Math.abs((when ?? 0) - Date.now()) < 60_000);
  assert.equal(
    sink.changes.map((each) => each.branch),
    ["main", "release/1"],
  );
});

test("later polls report each new commit once, oldest first, with its own files", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const { sink, poll, next } = makePoller(world);
  await poll();
  for (const name of ["two", "three", "four"]) await repo.commit(name, { [name]: name });
  assert.equal(await next(), ["two", "three", "four"]);
  assert.equal(
    sink.changes.map((change) => change.files),
    [["two"], ["three"], ["four"]],
  );
  assert.equal(await next(), []);
});

test("a poll with nothing new asks for the list of branches and does nothing more", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const { sink, poll, next } = makePoller(world);
  await poll();
  using _ = await gitInFront(world, `echo "$@" >> "${world.path("calls")}"`);
  const reports = sink.reports.length;
  assert.equal(await next(), []);
  const calls = (await readFile(world.path("calls"), "utf8")).trim().split("\n");
  assert.is(calls.length, 1);
  assert.match(calls[0] ?? "", /ls-remote --heads --end-of-options /);
  assert.is(sink.reports.length, reports, "nothing was written");
});

test("only the branches that moved are fetched", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  for (const name of ["a", "b", "c"]) await repo.git("branch", name);
  const { poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.commit("moved");
  using _ = await gitInFront(
    world,
    `case "$*" in *--stdin*) tee -a "${world.path("input")}" | REAL "$@"; exit $?;; esac`,
  );
  assert.equal(await next(), ["moved"]);
  const refspecs = (await readFile(world.path("input"), "utf8")).split("\n").filter((line) => line.startsWith("+"));
  assert.is(refspecs.length, 1);
  assert.match(refspecs[0] ?? "", /^\+refs\/heads\/main:/);
});

test("a branch that is deleted between the list and the fetch does not disturb the others", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.commit("moved");
  await repo.git("branch", "brief");
  using _ = await gitInFront(
    world,
    `case "$*" in *" fetch "*) env -u GIT_DIR REAL -C "${repo.folder}" update-ref -d refs/heads/brief;; esac`,
  );
  assert.equal(await next(), ["moved"]);
  assert.equal(sink.changes[0]?.branch, "main");
});

test("a merge brings the commits of the other branch, and its own files against the first parent", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base", { a: "1" });
  const { sink, poll, next } = makePoller(world);
  await poll();
  await repo.git("checkout", "-q", "-b", "side");
  await repo.commit("side", { "side.txt": "s" });
  await repo.git("checkout", "-q", "main");
  await repo.commit("main", { "main.txt": "m" });
  await repo.git("merge", "-q", "--no-ff", "-m", "merge", "side");
  assert.equal((await next()).sort(), ["main", "merge", "side"]);
  assert.is(sink.changes.at(-1)?.comments, "merge");
  assert.equal(sink.changes.at(-1)?.files, ["side.txt"]);
});

test("a new branch brings the commits that no known branch has", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await repo.commit("two");
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.git("checkout", "-q", "-b", "feature/ü");
  await repo.commit("three");
  await repo.commit("four");
  assert.equal(await next(), ["three", "four"]);
  assert.is(sink.changes[0]?.branch, "feature/ü");
});

test("a new branch without new commits brings its head, once", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await repo.commit("two");
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.git("branch", "same", "HEAD~1");
  assert.equal(await next(), ["one"]);
  assert.is(sink.changes[0]?.branch, "same");
  assert.equal(await next(), []);
});

test("two new branches that share commits bring them once", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.git("checkout", "-q", "-b", "a");
  await repo.commit("shared");
  await repo.git("checkout", "-q", "-b", "b");
  await repo.commit("only b");
  assert.equal((await next()).sort(), ["only b", "shared"]);
  assert.equal(
    sink.changes.map((change) => change.branch),
    ["a", "b"],
  );
});

test("after a force push only what the branch did not hold before is new, and it is noted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await repo.commit("kept");
  const { sink, poll, next } = makePoller(world);
  await poll();
  await repo.commit("lost");
  await next();
  await repo.git("reset", "-q", "--hard", "HEAD~1");
  await repo.commit("new one");
  await repo.commit("new two");
  assert.equal(await next(), ["new one", "new two"]);
  assert.match(sink.notes.join("\n"), /main was rewritten .* 1 commits left it, 2 came/);
});

test("a branch that goes back to an older commit brings nothing and is noted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await repo.commit("two");
  const { sink, poll, next } = makePoller(world);
  await poll();
  await repo.git("reset", "-q", "--hard", "HEAD~1");
  assert.equal(await next(), []);
  assert.match(sink.notes.join("\n"), /rewritten/);
  await repo.commit("three");
  assert.equal(await next(), ["three"]);
});

test("a history replaced by an unrelated one is reported whole", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("old");
  const { poll, next } = makePoller(world);
  await poll();
  await repo.git("checkout", "-q", "--orphan", "other");
  await repo.commit("fresh one");
  await repo.commit("fresh two");
  await repo.git("branch", "-f", "main", "other");
  assert.equal(await next(), ["fresh one", "fresh two"]);
});

test("a deleted branch is forgotten with a note; made again, only its new commits count", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await repo.git("checkout", "-q", "-b", "topic");
  await repo.commit("topic zero, in no change");
  await repo.commit("topic one");
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  const old = await repo.head();
  await repo.git("checkout", "-q", "main");
  await repo.git("branch", "-q", "-D", "topic");
  assert.equal(await next(), []);
  assert.match(sink.notes.join("\n"), /branch topic is gone/);
  assert.equal((sink.state as { heads: unknown[] }).heads.length, 1);
  await repo.git("checkout", "-q", "-b", "topic", old);
  await repo.commit("topic two");
  assert.equal(await next(), ["topic two"]);
});

test("a branch may become a folder of branches and back", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await repo.git("branch", "x");
  const { poll, next } = makePoller(world, { branches: true });
  await poll();
  await repo.git("branch", "-q", "-D", "x");
  await repo.git("checkout", "-q", "-b", "x/y");
  await repo.commit("below x");
  assert.equal(await next(), ["below x"]);
  await repo.git("checkout", "-q", "main");
  await repo.git("branch", "-q", "-D", "x/y");
  await repo.git("checkout", "-q", "-b", "x");
  await repo.commit("x again");
  assert.equal(await next(), ["x again"]);
});

test("an empty repository is no error, and its first push brings every commit", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const { sink, poll, next } = makePoller(world);
  assert.equal(await poll(), []);
  assert.ok(sink.state !== undefined);
  await repo.commit("one");
  await repo.commit("two");
  assert.equal(await next(), ["one", "two"]);
});

test("other patterns take the heads of the branches they add, not their history", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await repo.git("checkout", "-q", "-b", "old");
  for (const name of ["a", "b", "c"]) await repo.commit(name);
  await repo.git("checkout", "-q", "main");
  const first = makePoller(world);
  await first.poll();
  const second = makePoller(world, { branches: ["main", "old"] });
  second.sink.state = first.sink.state;
  assert.equal(await second.poll(), ["c"]);
  await repo.git("checkout", "-q", "-b", "new");
  assert.equal(await second.next(), []);
});

test("500 commits arrive in pieces, in order, and the state moves with the last piece", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll } = makePoller(world);
  await poll();
  const before = JSON.stringify(sink.state);
  sink.take();
  sink.reports.length = 0;
  await importCommits(repo.folder, 500);
  await poll();
  assert.equal(
    sink.changes.map((change) => change.comments),
    Array.from({ length: 500 }, (_, i) => `commit ${i}`),
  );
  assert.ok(sink.reports.length >= 5);
  assert.ok(sink.reports.every((report) => report.changes.length <= 100));
  assert.ok(sink.reports.slice(0, -1).every((report) => JSON.stringify(report.state) === before));
  assert.is.not(JSON.stringify(sink.state), before);
});

test("a report that fails in the middle loses nothing: the next poll goes on", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll } = makePoller(world);
  await poll();
  await importCommits(repo.folder, 250);
  sink.reports.length = 0;
  sink.failAt = 2;
  let failed: unknown;
  await poll().catch((error: unknown) => (failed = error));
  assert.match(String(failed), /the database is gone/);
  sink.failAt = 0;
  await poll();
  const told = sink.changes.map((change) => change.comments).slice(1);
  assert.equal(
    told,
    Array.from({ length: 250 }, (_, i) => `commit ${i}`),
  );
});

test("a first poll that died half-way still takes nothing but heads", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  let stream = "";
  for (let i = 0; i < 300; i++) {
    const message = `${i % 2 === 0 ? "below" : "head"} ${i >> 1}`;
    stream += `commit refs/heads/b${i >> 1}\ncommitter A <a@x> 1700000000 +0000\ndata ${message.length}\n${message}\n`;
  }
  await gitInput(repo.folder, stream, "fast-import", "--quiet");
  const { sink, poll } = makePoller(world, { branches: true });
  sink.failAt = 2;
  await poll().catch(() => {});
  assert.is(sink.changes.length, 100);
  sink.failAt = 0;
  await poll();
  assert.is(sink.changes.length, 150);
  assert.ok(sink.changes.every((change) => change.comments.startsWith("head")));
});

test("more commits than changeLimit: the newest are taken, and the rest is noted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world, { changeLimit: 3 });
  await poll();
  await importCommits(repo.folder, 10);
  assert.equal(await next(), ["commit 7", "commit 8", "commit 9"]);
  assert.match(sink.notes.join("\n"), /10 new commits: the newest 3/);
  assert.equal(await next(), []);
});

test("more files than fileLimit: the first are kept, and it is noted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world, { fileLimit: 5 });
  await poll();
  await repo.commit("many", Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, "x"])));
  await next();
  assert.is(sink.changes[0]?.files.length, 5);
  assert.match(sink.notes.join("\n"), /20 files: 5/);
});

test("file names with line feeds, quotes, spaces, colons and umlauts arrive as they are", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base", { "moved from": "text that moves\n" });
  const { sink, poll, next } = makePoller(world);
  await poll();
  const names = ["line\nfeed", '"quoted"', " spaces ", ":colon", "ünï", "\ttab", "-dash", "a\\b", "\n:x"];
  await repo.git("mv", "moved from", "moved to");
  await repo.commit("odd", Object.fromEntries(names.map((name) => [name, "x"])));
  await repo.commit("after");
  assert.equal(await next(), ["odd", "after"]);
  assert.equal([...(sink.changes[0]?.files ?? [])].sort(), [...names, "moved from", "moved to"].sort());
  assert.equal(sink.changes[1]?.files, []);
});

test("authors and messages of any bytes become clean text", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world);
  await poll();
  await rawCommit(
    repo.folder,
    "\u001b[31mEve\u0007 <e@x> 1700000000 +0000",
    Buffer.from("esc \u001b]0;x\u0007 and cr\r\ncr\tx\n"),
  );
  await rawCommit(repo.folder, "L <l@x> 1700000001 +0000", Buffer.from("caf\xe9\n", "latin1"), "ISO-8859-1");
  await rawCommit(repo.folder, "B <b@x> 1700000002 +0000", Buffer.from([0x62, 0xff, 0xfe, 0x0a]));
  await rawCommit(repo.folder, "D <d@x> 99999999999999 +0000", Buffer.from(""));
  await rawCommit(
    repo.folder,
    "N <n@x> 1700000003 +0000",
    Buffer.from("1111111111111111111111111111111111111111\n:100644 x\n"),
  );
  await next();
  const [eve, latin, broken, dated, tricky] = sink.changes;
  assert.is(sink.changes.length, 5);
  assert.is(eve?.author, "[31mEve <e@x>");
  assert.is(eve?.comments, "esc \ufffd]0;x\ufffd and cr\ncr\tx");
  assert.is(eve?.when, 1_700_000_000_000);
  assert.is(latin?.comments, "café");
  assert.is(broken?.comments, "b\ufffd\ufffd");
  assert.is(dated?.comments, "");
  assert.ok(dated?.when === undefined || Math.abs(dated.when) <= 8.64e15);
  assert.is(tricky?.comments, "1111111111111111111111111111111111111111\n:100644 x");
});

test("a message of 10 MB is cut at 64 KiB, between two characters, and it is noted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world);
  await poll();
  await rawCommit(repo.folder, "L <l@x> 1700000000 +0000", Buffer.from(`a${"ü".repeat(5_000_000)}`));
  await repo.git("reset", "-q", "--hard");
  await repo.commit("after", { file: "x" });
  await next();
  assert.is(sink.changes[0]?.comments, `a${"ü".repeat(32_767)}`);
  assert.match(sink.notes.join("\n"), /is cut/);
  assert.equal(sink.changes[1]?.files, ["file"]);
});

test("branches named to hurt are only names", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("base");
  const names = [
    "--upload-pack=touch",
    "$(touch$IFS'x')",
    "__proto__",
    "constructor",
    "a'b\"c",
    "x;y|z&",
    "{a,b}",
    "HEAD",
  ];
  for (const name of names) await repo.git("update-ref", `refs/heads/${name}`, head);
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  assert.equal(sink.changes.map((change) => change.branch).sort(), [...names, "main"].sort());
  const moved = await repo.commit("moved");
  for (const name of names) await repo.git("update-ref", `refs/heads/${name}`, moved);
  await next();
  assert.is(sink.changes.length, names.length + 1);
  assert.equal(
    (await readdir(world.folder)).filter((name) => name === "x"),
    [],
  );
});

test("a branch whose name is no UTF-8, or whose head is no commit, is left out and hurts no other", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("base", { a: "1" });
  const packed = Buffer.concat([Buffer.from(`${head} refs/heads/b`), Buffer.from([0xff]), Buffer.from("d\n")]);
  await writeFile(join(repo.folder, ".git/packed-refs"), packed);
  await writeFile(join(repo.folder, ".git/refs/heads/blob"), `${await repo.head("HEAD:a")}\n`);
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  assert.equal(
    sink.changes.map((change) => change.branch),
    ["main"],
  );
  await repo.commit("two");
  assert.equal(await next(), ["two"]);
  assert.equal(
    sink.notes.filter((note) => note.includes("blob")),
    [],
    "told once",
  );
});

test("the user's hooks, pagers and log settings have no say", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base", { a: "1" });
  await writeFile(
    world.path(".gitconfig"),
    `[core]\n hooksPath = ${world.path("hooks")}\n pager = touch ${world.path("paged")}\n[log]\n showSignature = true\n showRoot = false\n[diff]\n orderFile = /nowhere\n renames = copies\n[color]\n ui = always\n[fetch]\n prune = true\n[i18n]\n logOutputEncoding = UTF-16\n[init]\n templateDir = ${world.path("template")}\n[format]\n pretty = oneline\n`,
  );
  await mkdir(world.path("hooks"));
  await writeFile(world.path("hooks/reference-transaction"), `#!/bin/sh\ntouch "${world.path("hooked")}"\n`);
  await chmod(world.path("hooks/reference-transaction"), 0o755);
  await mkdir(world.path("template/hooks"), { recursive: true });
  process.env.GIT_DIR = world.path("nowhere");
  process.env.GIT_OBJECT_DIRECTORY = world.path("nowhere");
  const { sink, poll } = makePoller(world);
  try {
    assert.equal(await poll(), ["base"]);
  } finally {
    delete process.env.GIT_DIR;
    delete process.env.GIT_OBJECT_DIRECTORY;
  }
  assert.equal(sink.changes[0]?.files, ["a"]);
  const names = await readdir(world.folder);
  assert.not.ok(names.includes("nowhere"));
  assert.not.ok(names.includes("hooked") || names.includes("paged"));
});

test("a repository of another folder, relative or linked, is found from the configuration's folder", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await mkdir(join(repo.folder, "below"));
  await symlink(repo.folder, world.path("link"));
  for (const [repository, folder] of [
    [".", repo.folder],
    ["repo", world.folder],
    ["link", world.folder],
    [`file://${repo.folder}`, "/"],
    ["..", join(repo.folder, ".git")],
  ] as const) {
    const source = create(gitPoller, { repository }, folder);
    const sink = new Sink(world.path(`cache-${sinks++}`));
    await source.poll?.(sink.context());
    assert.equal(
      sink.changes.map((change) => change.comments),
      ["base"],
      repository,
    );
  }
});
let sinks = 0;

test("a cache inside another repository's folder leaves that one alone", async () => {
  await using world = await makeWorld();
  const outer = await world.repository("outer");
  await outer.commit("outer");
  const repo = await world.repository();
  await repo.commit("base");
  const { poll, next } = makePoller(world, {}, "outer/.belfry/cache");
  await poll();
  await repo.commit("two");
  assert.equal(await next(), ["two"]);
  assert.is(await outer.git("for-each-ref", "--format=%(refname)"), "refs/heads/main");
});

test("a cache that was damaged, emptied or deleted is made anew, and nothing is lost", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base", { a: "1" });
  const { sink, poll, next } = makePoller(world, { branches: true });
  await poll();
  const cache = world.path("cache/cache.git");
  const damages: [string, () => Promise<void>][] = [
    ["deleted", () => rm(world.path("cache"), { recursive: true })],
    ["without HEAD", () => rm(join(cache, "HEAD"))],
    [
      "without objects",
      async () => {
        await rm(join(cache, "objects"), { recursive: true });
        await mkdir(join(cache, "objects"));
      },
    ],
    ["config of nonsense", () => writeFile(join(cache, "config"), "[[[")],
    ["HEAD of nonsense", () => writeFile(join(cache, "HEAD"), "nonsense")],
    [
      "refs of nonsense",
      async () => {
        const [ref = ""] = await readdir(join(cache, "refs/belfry/heads"));
        await writeFile(join(cache, "refs/belfry/heads", ref), "nonsense\n");
      },
    ],
    [
      "locks left",
      async () => {
        const [ref = ""] = await readdir(join(cache, "refs/belfry/heads"));
        await writeFile(join(cache, "refs/belfry/heads", `${ref}.lock`), "");
        await writeFile(join(cache, "packed-refs.lock"), "");
        await writeFile(join(cache, "objects/pack/tmp_pack_x"), "junk");
        await writeFile(join(cache, "mark"), "");
      },
    ],
    [
      "objects cut",
      async () => {
        for (const folder of await readdir(join(cache, "objects"))) {
          for (const file of folder.length === 2 ? await readdir(join(cache, "objects", folder)) : []) {
            await chmod(join(cache, "objects", folder, file), 0o644);
            await writeFile(join(cache, "objects", folder, file), "x");
          }
        }
      },
    ],
    [
      "a file instead of the folder",
      async () => {
        await rm(cache, { recursive: true });
        await writeFile(cache, "file");
      },
    ],
  ];
  for (const [name, damage] of damages) {
    await damage();
    await repo.commit(`${name} one`);
    await repo.commit(`${name} two`);
    assert.equal(await next(), [`${name} one`, `${name} two`], name);
    if (name !== "locks left") continue;
    assert.ok((await readdir(cache)).includes("mark"), "the same cache is used");
    assert.equal(await readdir(join(cache, "objects/pack")), []);
  }
  assert.ok(sink.state);
});

test("a new branch after the cache was lost brings only its own commits", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  for (const name of ["one", "two", "three", "four"]) await repo.commit(name);
  const { poll, next } = makePoller(world, { branches: true });
  await poll();
  await rm(world.path("cache"), { recursive: true });
  await repo.git("checkout", "-q", "-b", "topic", "HEAD~2");
  await repo.commit("topic");
  assert.equal(await next(), ["topic"]);
});

test("a repository that goes away is an error that changes nothing; when it is back the poller goes on", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll, next } = makePoller(world);
  await poll();
  const state = JSON.stringify(sink.state);
  await rename(repo.folder, world.path("away"));
  const error = await rejects(next(), "BELFRY_GIT_NOT_A_REPOSITORY");
  assert.match(error.what, world.path("repo"));
  assert.is(JSON.stringify(sink.state), state);
  await rename(world.path("away"), repo.folder);
  await repo.commit("two");
  assert.equal(await next(), ["two"]);
});

test("another repository under the same name keeps what both have and takes the heads of the rest", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const first = makePoller(world);
  await first.poll();
  await git(world.folder, "clone", "-q", repo.folder, "moved");
  await git(world.path("moved"), "commit", "-q", "--allow-empty", "-m", "two");
  const moved = makePoller(world, { repository: world.path("moved") });
  moved.sink.state = first.sink.state;
  assert.equal(await moved.poll(), ["two"], "the same history at another address");
  const other = await world.repository("other");
  await other.commit("x");
  await other.commit("y");
  await rm(world.path("cache"), { recursive: true });
  const replaced = makePoller(world, { repository: other.folder });
  replaced.sink.state = moved.sink.state;
  assert.equal(await replaced.poll(), ["y"], "another history: its head");
  assert.match(replaced.sink.notes.join("\n"), /only its head/);
});

test("a shallow repository can be polled", async () => {
  await using world = await makeWorld();
  const origin = await world.repository("origin");
  for (const name of ["one", "two", "three"]) await origin.commit(name);
  await git(world.folder, "clone", "-q", "--depth=1", `file://${origin.folder}`, "repo");
  const { poll, next } = makePoller(world);
  assert.equal(await poll(), ["three"]);
  await git(world.path("repo"), "commit", "-q", "--allow-empty", "-m", "four");
  assert.equal(await next(), ["four"]);
});

test("a repository of SHA-256 can be polled", async () => {
  await using world = await makeWorld();
  const repo = await world.repository("repo", "--object-format=sha256");
  await repo.commit("one");
  const { sink, poll, next } = makePoller(world);
  await poll();
  assert.is(sink.changes[0]?.revision?.length, 64);
  await repo.commit("two");
  assert.equal(await next(), ["two"]);
});

test("two pollers of one repository do not disturb each other", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const a = makePoller(world, {}, "a");
  const b = makePoller(world, {}, "b");
  await Promise.all([a.poll(), b.poll()]);
  await repo.commit("two");
  assert.equal(await Promise.all([a.next(), b.next()]), [["two"], ["two"]]);
});

test("commits while it polls are reported once, whenever the poll saw them", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  const { sink, poll } = makePoller(world);
  await poll();
  let done = false;
  const committing = (async () => {
    for (let i = 0; i < 30; i++) await repo.commit(`c${i}`);
    done = true;
  })();
  while (!done) await poll();
  await committing;
  await poll();
  assert.equal(
    sink.changes.map((change) => change.comments),
    ["base", ...Array.from({ length: 30 }, (_, i) => `c${i}`)],
  );
});

// Only root can make such a repository.
const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot("a local repository of another user is refused with the way out, and read when it is trusted", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("base");
  await chownAll(repo.folder, 12_345);
  await rejects(makePoller(world).poll(), "BELFRY_GIT_OWNER");
  const { poll } = makePoller(world, { trusted: true });
  assert.equal(await poll(), ["base"]);
});

test("a state of another make is refused, not guessed", async () => {
  await using world = await makeWorld();
  await (await world.repository()).commit("base");
  for (const state of [null, 1, {}, { filter: null, heads: [["main", "--output=x"]], gone: [] }]) {
    const { sink, poll } = makePoller(world);
    sink.state = state as never;
    await rejects(poll(), "BELFRY_GIT_STATE_UNREADABLE");
  }
});

test("without git there is a clear error", async () => {
  await using world = await makeWorld();
  await (await world.repository()).commit("base");
  const path = process.env.PATH;
  process.env.PATH = world.path("nowhere");
  try {
    await rejects(makePoller(world).poll(), "BELFRY_GIT_MISSING");
  } finally {
    process.env.PATH = path;
  }
});

/** Runs a line of shell before each git that a poller starts; `REAL` in it is git itself. */
async function gitInFront(world: World, line: string): Promise<Disposable> {
  const real = `${await git(world.folder, "--exec-path")}/git`;
  await mkdir(world.path("bin"));
  await writeFile(world.path("bin/git"), `#!/bin/sh\n${line.replaceAll("REAL", real)}\nexec ${real} "$@"\n`);
  await chmod(world.path("bin/git"), 0o755);
  const path = process.env.PATH;
  process.env.PATH = `${world.path("bin")}:${path}`;
  return {
    [Symbol.dispose]() {
      process.env.PATH = path;
    },
  };
}

async function chownAll(folder: string, owner: number): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) await lchown(join(folder, name), owner, owner);
  await lchown(folder, owner, owner);
}

/** Commits straight into the repository, by `git fast-import`. */
async function importCommits(folder: string, count: number): Promise<void> {
  let stream = "";
  for (let i = 0; i < count; i++) {
    const message = `commit ${i}\n`;
    stream += `commit refs/heads/main\ncommitter Ada <ada@example.org> ${1_700_000_000 + i} +0000\ndata ${message.length}\n${message}`;
    if (i === 0) stream += "from refs/heads/main^0\n";
    stream += `M 100644 inline file${i}\ndata 1\nx\n`;
  }
  await gitInput(folder, stream, "fast-import", "--quiet");
}

/** A commit on main with any bytes in it. */
async function rawCommit(folder: string, author: string, message: Buffer, encoding?: string): Promise<void> {
  const parent = await git(folder, "rev-parse", "main");
  const tree = await git(folder, "rev-parse", "main^{tree}");
  const head = `tree ${tree}\nparent ${parent}\nauthor ${author}\ncommitter ${author}\n${encoding ? `encoding ${encoding}\n` : ""}\n`;
  const sha = await gitInput(
    folder,
    Buffer.concat([Buffer.from(head), message]),
    "hash-object",
    "-t",
    "commit",
    "-w",
    "--literally",
    "--stdin",
  );
  await git(folder, "update-ref", "refs/heads/main", sha);
}

test("hooks, monitors and programs that a repository names do not run on the master", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const script = `#!/bin/sh\ntouch "${world.path("ran")}"\n`;
  await mkdir(join(repo.folder, ".git/hooks"), { recursive: true });
  for (const name of [
    "reference-transaction",
    "post-checkout",
    "post-index-change",
    "fsmonitor-watchman",
    "pre-auto-gc",
  ]) {
    await writeFile(join(repo.folder, ".git/hooks", name), script);
    await chmod(join(repo.folder, ".git/hooks", name), 0o755);
  }
  const program = join(repo.folder, ".git/hooks/fsmonitor-watchman");
  const config = [
    "core.fsmonitor",
    "uploadpack.packObjectsHook",
    "core.sshCommand",
    "core.alternateRefsCommand",
    "core.pager",
  ];
  for (const name of config) await repo.git("config", name, program);
  await rm(world.path("ran"), { force: true });
  const { poll, next } = makePoller(world);
  assert.equal(await poll(), ["one"]);
  await repo.git(
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "commit",
    "-q",
    "--allow-empty",
    "-m",
    "two",
  );
  await rm(world.path("ran"), { force: true });
  assert.equal(await next(), ["two"]);
  assert.not.ok((await readdir(world.folder)).includes("ran"));
});

test.run();
