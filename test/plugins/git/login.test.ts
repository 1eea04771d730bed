import { execFileSync } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { gitCheckout, gitPoller } from "@belfry/git";
import { anyBranch } from "@belfry/schedulers";
import { secrets, testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import { interpolate, secret } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { curiousSsh, httpServer, processesWith, silentServer } from "./servers.ts";
import { create, git, makeStep, makeWorld, rejects, Sink, stamp, type World } from "./world.ts";

const test = suite("git logins");
const PASSWORD = "s3cr%t:p@ss w/rd'\"$x\\";
const KEY = `-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2g\n-----END OPENSSH PRIVATE KEY-----\n`;
const HOSTS = "host.invalid ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnownHost";

/** Every form in which a secret could be read. */
function forms(text: string): string[] {
  const base64 = (value: string) => Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -1);
  return [text, base64(text), base64(`ci:${text}`), encodeURIComponent(text), JSON.stringify(text).slice(1, -1)];
}

/** Files below `folder` with one of these texts in them. */
function filesWith(folder: string, texts: readonly string[]): string[] {
  try {
    const args = [
      "-rlaF",
      ...texts.flatMap((text) => text.split("\n").filter(Boolean)).flatMap((text) => ["-e", text]),
    ];
    return execFileSync("grep", [...args, "--", folder], { encoding: "utf8" })
      .trim()
      .split("\n");
  } catch (error) {
    if ((error as { status?: number }).status === 1) return [];
    throw error;
  }
}

async function below(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).map(String);
}

test("a master that polls and checks out with a password keeps no trace of it, anywhere", async () => {
  await using world = await makeWorld();
  const repo = await world.repository("served/repo");
  const head = await repo.commit("one", { a: "1" });
  await using server = await httpServer(world.path("served"), { user: "ci", password: PASSWORD });
  const repository = `http://127.0.0.1:${server.port}/repo/.git`;
  const login = { username: "ci", password: secret("token") };
  const lines: string[] = [];
  const keep = (fields: object, message: string) => void lines.push(JSON.stringify([fields, message]));
  const logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  await using kit = await testMaster({
    folder: world.path("state"),
    logger,
    config: {
      secrets: [secrets({ values: { token: PASSWORD } })],
      sources: [gitPoller({ name: "repo", repository, ...login, pollInterval: "1h" })],
      schedulers: [anyBranch({ name: "any", builders: ["b"] })],
      workers: [localWorker({ name: "here" })],
      builders: [
        {
          name: "b",
          workers: ["here"],
          steps: [
            gitCheckout({ repository, ...login, depth: 1 }),
            gitCheckout({
              path: "again",
              repository: interpolate`http://ci:${(ctx) => ctx.secret("token").then(encodeURIComponent)}@127.0.0.1:${server.port}/repo/.git`,
            }),
          ],
        },
      ],
    },
  });
  const { data } = await kit.event("build.finished");
  assert.equal([data.result, data.summary], ["success", data.summary]);
  const { items } = await kit.call("changes.list");
  assert.is(items[0].revision, head);
  assert.ok(server.refused > 0, "git asked without a login first");
  assert.equal(server.seen, [], "no process showed it");
  assert.match(await kit.logText(data.build, 1), "belfry-login.sh");
  const calls = await kit.master.store.read.selectFrom("step_calls").selectAll().execute();
  assert.ok(calls.length > 5);
  const texts = forms(PASSWORD);
  const shown = JSON.stringify([calls, items, await kit.events(), lines, await kit.logText(data.build, 1)]);
  for (const text of texts) assert.not.ok(shown.includes(JSON.stringify(text).slice(1, -1)), text);
  assert.equal(filesWith(world.path("state"), texts), []);
  const left = (await below(world.path("state"))).filter((name) => /login\/|login$|credential|known_hosts/.test(name));
  assert.equal(left, []);
});

test("a build that is stopped while git runs takes the files of its login with it", async () => {
  await using world = await makeWorld();
  await using server = await silentServer();
  const repository = `http://127.0.0.1:${server.port}/silent-${process.pid}`;
  await using kit = await testMaster({
    folder: world.path("state"),
    config: {
      secrets: [secrets({ values: { token: PASSWORD } })],
      schedulers: [anyBranch({ name: "any", builders: ["b"] })],
      workers: [localWorker({ name: "here", folder: world.path("work") })],
      builders: [{ name: "b", workers: ["here"], steps: [gitCheckout({ repository, password: secret("token") })] }],
    },
  });
  await kit.addChange({ repository });
  await server.connected;
  const names = (await below(world.path("work"))).filter((name) => /belfry-login\//.test(name)).sort();
  assert.equal(
    names.map((name) => name.replace(/.*\.git\//, "")),
    ["belfry-login/config", "belfry-login/credential"],
  );
  for (const name of names) assert.is((await stat(join(world.path("work"), name))).mode & 0o777, 0o600);
  const folder = join(world.path("work"), (names[0] ?? "").replace(/\/[^/]*$/, ""));
  assert.is((await stat(folder)).mode & 0o777, 0o700);
  await kit.call("builds.stop", { build: 1, reason: "enough" });
  const { data } = await kit.event("build.finished");
  assert.is(data.result, "cancelled");
  assert.equal(
    (await below(world.path("work"))).filter((name) => /belfry-login\b(?!\.sh)/.test(name)),
    [],
  );
  assert.equal(filesWith(world.path("work"), forms(PASSWORD)), []);
  assert.equal(await processesWith(`silent-${process.pid}`), []);
});

test("files that a killed git left behind are gone after the next login, on the worker and on the master", async () => {
  await using world = await makeWorld();
  const repo = await world.repository("served/repo");
  await repo.commit("one", { a: "1" });
  await using server = await httpServer(world.path("served"), { user: "git", password: PASSWORD });
  const repository = `http://127.0.0.1:${server.port}/repo/.git`;
  const step = create(gitCheckout, { repository, password: PASSWORD }, world.folder);
  const run = async () => step.run((await makeStep(world.path("build"))).ctx);
  await run();
  await git(world.folder, "init", "-q", "build/.git/belfry-login");
  await repo.commit("two");
  await run();
  assert.not.ok((await readdir(world.path("build/.git"))).includes("belfry-login"));

  const poller = create(gitPoller, { repository, password: PASSWORD }, world.folder);
  await git(world.folder, "init", "-q", "cache/login");
  const sink = new Sink(world.path("cache"));
  await poller.poll?.(sink.context());
  assert.is(sink.changes.length, 1);
  assert.equal(await readdir(world.path("cache")), ["cache.git"]);
});

function sshOptions(world: World) {
  return { repository: `user@host.invalid:${world.path("repo")}`, sshPrivateKey: secret("key"), sshKnownHosts: HOSTS };
}

async function checkSsh(world: World): Promise<void> {
  assert.is(await readFile(world.path("seen-key"), "utf8"), KEY);
  assert.is(await readFile(world.path("seen-hosts"), "utf8"), `${HOSTS}\n`);
  assert.equal(new Set((await readFile(world.path("seen-modes"), "utf8")).trim().split("\n")), new Set(["600", "700"]));
  assert.is(await readFile(world.path("seen-leaks"), "utf8"), "");
  const calls = (await readFile(world.path("ssh-calls"), "utf8")).trim().split("\n");
  for (const call of calls) {
    for (const option of [
      "BatchMode=yes",
      "IdentitiesOnly=yes",
      "StrictHostKeyChecking=yes",
      "GlobalKnownHostsFile=/dev/null",
    ])
      assert.match(call, `-o${option}`);
  }
}

test("an ssh key and known hosts are in files of this user alone while git runs, for a checkout", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  const head = await repo.commit("one", { a: "1" });
  // With what a shell and ssh would take apart, if they were let.
  const folder = world.path("it's 100% a $folder");
  const env = { GIT_SSH_COMMAND: await curiousSsh(world) };
  const options = { ...sshOptions(world), env, sshPrivateKey: KEY.replaceAll("\n", "\r\n").trimEnd() };
  const kit = await makeStep(folder);
  await create(gitCheckout, options, world.folder).run(kit.ctx);
  assert.is(kit.properties.get("gotRevision"), head);
  await checkSsh(world);
  const [line = ""] = KEY.split("\n").slice(1);
  assert.not.ok(JSON.stringify([kit.calls, kit.text()]).includes(line));
  assert.equal(filesWith(folder, [line]), []);
});

test("… and for a poller", async () => {
  await using world = await makeWorld();
  const repo = await world.repository();
  await repo.commit("one", { a: "1" });
  await repo.git("config", "--global", "core.sshCommand", await curiousSsh(world));
  const sink = new Sink(world.path("cache"));
  sink.secrets.set("key", KEY);
  await create(gitPoller, sshOptions(world), world.folder).poll?.(sink.context());
  assert.is(sink.changes.length, 1);
  await checkSsh(world);
  assert.equal(await readdir(world.path("cache")), ["cache.git"]);
  assert.not.ok(
    JSON.stringify(sink)
      .replace(/"secrets":.*/, "")
      .includes("b3BlbnNza"),
  );
});

test("a password goes to the hosts that were named, and to no other", async () => {
  await using world = await makeWorld();
  const repo = await world.repository("served/repo");
  await repo.commit("one");
  await using server = await httpServer(world.path("served"), { user: "git", password: PASSWORD });
  const url = `http://127.0.0.1:${server.port}/repo/.git`;
  const password = PASSWORD;
  assert.throws(() => create(gitCheckout, { password }, world.folder), /BELFRY_GIT_LOGIN_INVALID|hosts/);
  const run = async (options: Record<string, unknown>) => {
    const { ctx } = await makeStep(world.path("build"), { sourceStamps: [stamp(url)] });
    return create(gitCheckout, { password, mode: "full", ...options }, world.folder).run(ctx);
  };
  for (const hosts of [["example.org"], [`127.0.0.1:${server.port}`], []])
    await rejects(run({ hosts }), "BELFRY_GIT_LOGIN_INVALID");
  assert.is((await run({ hosts: [`http://127.0.0.1:${server.port}`] })).result, "success");
  assert.is((await run({ repository: url })).result, "success");
});

test("logins that cannot be used are refused with a sentence that does not repeat them", async () => {
  await using world = await makeWorld();
  const cases = [
    { repository: "https://example.org/x", password: "line\nfeed" },
    { repository: "https://example.org/x", sshPrivateKey: "no key at all" },
    { repository: "git@example.org:x", password: "nowhere to go" },
  ];
  for (const options of cases) {
    const { ctx, calls } = await makeStep(world.path("build"));
    const error = await rejects(create(gitCheckout, options, world.folder).run(ctx), "BELFRY_GIT_LOGIN_INVALID");
    assert.not.match(error.message, /line\nfeed|at all|nowhere to go/);
    assert.equal(calls, []);
    const sink = new Sink(world.path("cache"));
    await rejects(
      (async () => create(gitPoller, options, world.folder).poll?.(sink.context()))(),
      "BELFRY_GIT_LOGIN_INVALID",
    );
  }
  const built = {
    repository: "https://example.org/x",
    password: (ctx: { build: { number: number } }) => `${ctx.build.number}`,
  };
  await rejects(
    (async () => create(gitPoller, built, world.folder).poll?.(new Sink(world.path("cache")).context()))(),
    "BELFRY_GIT_LOGIN_INVALID",
  );
});

test("settings that an earlier build left in the clone choose no program for ssh and no helper for the password", async () => {
  await using world = await makeWorld();
  const repo = await world.repository("served/repo");
  await repo.commit("one");
  await using server = await httpServer(world.path("served"), { user: "git", password: PASSWORD });
  const repository = `http://127.0.0.1:${server.port}/repo/.git`;
  const run = async () =>
    create(gitCheckout, { repository, password: PASSWORD }, world.folder).run(
      (await makeStep(world.path("build"))).ctx,
    );
  await run();
  const evil = `!cat >> "${world.path("caught")}"; :`;
  await git(world.path("build"), "config", "credential.helper", evil);
  await git(world.path("build"), "config", `credential.http://127.0.0.1:${server.port}.helper`, evil);
  await git(world.path("build"), "config", "core.sshCommand", `touch "${world.path("caught")}";`);
  await repo.commit("two");
  assert.is((await run()).result, "success");
  assert.not.ok((await readdir(world.folder)).includes("caught"));
});

test.run();
