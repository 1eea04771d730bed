import { readdir, readFile } from "node:fs/promises";
import { gitPoller } from "@belfry/git";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closedPort, fakeSsh, gitDaemon, httpServer, processesWith, silentServer } from "./servers.ts";
import { create, git, makeWorld, rejects, Sink, type World } from "./world.ts";

const test = suite("git poller over the network");

function makePoller(world: World, repository: string) {
  const source = create(gitPoller, { repository }, world.folder);
  const sink = new Sink(world.path("cache"));
  return { sink, poll: async () => source.poll?.(sink.context()) };
}

test("a repository behind git daemon is polled; stopped, it is unreachable; back, the poll goes on", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  let sink: Sink;
  let port: number;
  {
    await using daemon = await gitDaemon(world.folder);
    port = daemon.port;
    const poller = makePoller(world, `git://127.0.0.1:${port}/repo`);
    sink = poller.sink;
    await poller.poll();
    assert.is(sink.changes[0]?.repository, `git://127.0.0.1:${port}/repo`);
    await repo.commit("two");
    await poller.poll();
    await rejects(makePoller(world, `git://127.0.0.1:${port}/other`).poll(), "BELFRY_GIT_NOT_A_REPOSITORY");
  }
  await rejects(makePoller(world, `git://127.0.0.1:${port}/repo`).poll(), "BELFRY_GIT_UNREACHABLE");
  await repo.commit("three");
  await using daemon = await gitDaemon(world.folder);
  const again = makePoller(world, `git://127.0.0.1:${daemon.port}/repo`);
  again.sink.state = sink.state;
  await again.poll();
  assert.equal(
    [...sink.changes, ...again.sink.changes].map((change) => change.comments),
    ["one", "two", "three"],
  );
});

test("a port where nobody listens, and a host that does not exist, are unreachable", async () => {
  await using world = await makeWorld();
  const port = await closedPort();
  for (const url of [
    `git://127.0.0.1:${port}/x`,
    `http://127.0.0.1:${port}/x`,
    `ssh://127.0.0.1:${port}/x`,
    "https://nowhere.invalid/x",
  ]) {
    const error = await rejects(makePoller(world, url).poll(), "BELFRY_GIT_UNREACHABLE");
    assert.match(error.what, url);
  }
});

for (const scheme of ["git", "http", "ssh"]) {
  test(`a ${scheme} server that never answers holds the poll until it is aborted, and no process is left`, async () => {
    await using world = await makeWorld();
    await using server = await silentServer();
    const { sink, poll } = makePoller(world, `${scheme}://127.0.0.1:${server.port}/silent-${process.pid}`);
    const controller = new AbortController();
    sink.signal = controller.signal;
    const polling = poll().then(
      () => undefined,
      (error: unknown) => error,
    );
    await server.connected;
    const reason = new Error("shut down");
    controller.abort(reason);
    assert.is(await polling, reason);
    assert.equal(await processesWith(`silent-${process.pid}`), []);
  });
}

test("a poll whose signal was aborted before starts nothing", async () => {
  await using world = await makeWorld();
  const { sink, poll } = makePoller(world, world.path("repo"));
  const reason = new Error("too late");
  sink.signal = AbortSignal.abort(reason);
  assert.is(await poll().catch((error: unknown) => error), reason);
});

test("user and password of an address log in, and are in no argument, change, error or note", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  const password = "s3cr%t:p@ss=w/rd'\"$x";
  await using server = await httpServer(world.folder, { user: "ci", password });
  await git(world.folder, "config", "--global", "credential.helper", `!cat >> "${world.path("kept")}"; :`);
  const { sink, poll } = makePoller(
    world,
    `http://ci:${encodeURIComponent(password)}@127.0.0.1:${server.port}/repo/.git`,
  );
  await poll();
  assert.equal(
    sink.changes.map((change) => change.comments),
    ["one"],
  );
  assert.is(sink.changes[0]?.repository, `http://127.0.0.1:${server.port}/repo/.git`);
  assert.equal(server.seen, []);
  assert.not.match(JSON.stringify(sink), "s3cr");
  // A helper of the user's own, such as "store", would have been handed the password to keep.
  assert.not.ok((await readdir(world.folder)).includes("kept"));

  const wrong = makePoller(world, `http://ci:wr0ng@127.0.0.1:${server.port}/repo/.git`);
  const error = await rejects(wrong.poll(), "BELFRY_GIT_AUTH");
  assert.not.match(error.message, "wr0ng");
  await rejects(makePoller(world, `http://127.0.0.1:${server.port}/repo/.git`).poll(), "BELFRY_GIT_AUTH");
  await rejects(makePoller(world, `http://ci@127.0.0.1:${server.port}/repo/.git`).poll(), "BELFRY_GIT_AUTH");
  await rejects(
    makePoller(world, `http://ci:${encodeURIComponent(password)}@127.0.0.1:${server.port}/none`).poll(),
    "BELFRY_GIT_NOT_A_REPOSITORY",
  );
  server.status = 503;
  await rejects(poll(), "BELFRY_GIT_UNREACHABLE");
});

test("a user alone is given to the credential helper that the user of the machine has set up", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one");
  await using server = await httpServer(world.folder, { user: "ci", password: "helped" });
  const helper = `!f() { while read line; do test "$line" = username=ci && echo password=helped; done; }; f`;
  await repo.git("config", "--global", "credential.helper", helper);
  const { sink, poll } = makePoller(world, `http://ci@127.0.0.1:${server.port}/repo/.git`);
  await poll();
  assert.is(sink.changes.length, 1);
});

test("ssh runs as the user has set it up, and may not ask", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  const ssh = await fakeSsh(world);
  await git(world.folder, "config", "--global", "core.sshCommand", ssh);
  const { sink, poll } = makePoller(world, `user@host.invalid:${repo.folder}`);
  await poll();
  assert.equal(
    sink.changes.map((change) => change.comments),
    ["one"],
  );
  const calls = (await readFile(world.path("ssh-calls"), "utf8")).trim().split("\n");
  assert.ok(
    calls.length > 0 && calls.every((call) => /^-oBatchMode=yes .*user@host\.invalid/.test(call)),
    calls.join("\n"),
  );
});

test.run();
