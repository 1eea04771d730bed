// time limit: 400 s
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry start");

const running = (world: World) => async () =>
  (await world.json("builds")).value.items.some((build: any) => build.state === "running");

test("runs a master, says where it can be asked, and ends with 0 at Ctrl-C", async () => {
  await using world = await World.make(
    configText({ services: "http({ port: 0 }), jsonrpc()", more: 'access: { anonymous: "read" },' }),
  );
  const master = await world.start();
  assert.match(master.out, /^Belfry has started/);
  const url = /(http:\/\/127\.0\.0\.1:\d+\/rpc) answers JSON-RPC/.exec(master.out)?.[1] ?? "";
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"jsonrpc":"2.0","id":1,"method":"builders.list"}',
  });
  const body: any = await answer.json();
  assert.equal(
    body.result.items.map((item: any) => item.name),
    ["bad", "good", "slow"],
  );
  const { code, out, err } = await master.signal("SIGINT");
  assert.is(code, 0, out + err);
  assert.match(out, /Stopping/);
  assert.match(out, /The master has stopped\.\n$/);
  assert.is(err, "");
  assert.not(existsSync(world.path(".belfry/master.lock")));
  assert.not(existsSync(world.path(".belfry/master.sock")));
});

test("keeps a log in its folder, which git and other users do not see", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  assert.is((await stat(world.path(".belfry"))).mode & 0o777, 0o700);
  assert.is((await stat(world.path(".belfry/master.log"))).mode & 0o777, 0o600);
  assert.is((await stat(world.path(".belfry/master.sock"))).mode & 0o777, 0o600);
  assert.is(await readFile(world.path(".belfry/.gitignore"), "utf8"), "*\n");
  await master.signal("SIGTERM");
  const lines = (await readFile(world.path(".belfry/master.log"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.ok(lines.some(({ msg, level }) => msg === "the master has started" && level === "info"));
  assert.is(lines.at(-1).msg, "the master has stopped");
});

test("says what becomes of running builds, and goes on with them at the next start", async () => {
  await using world = await World.make(configText());
  const first = await world.start();
  await world.run("force", "slow");
  await until(running(world), "the build's start");
  const { code, out } = await first.signal("SIGINT");
  assert.is(code, 0);
  assert.match(out, /1 running build ends as retry and will be built again at the next start/);
  assert.match(out, /slow #1 retry/);
  await writeFile(world.path("go"), "");
  const second = await world.start();
  await second.printed(/slow #2 success/);
  const { value } = await world.json("builds");
  assert.equal(
    value.items.map(({ number, result, request }: any) => [number, result, request]),
    [
      [2, "success", 1],
      [1, "retry", 1],
    ],
  );
  assert.is((await second.signal("SIGTERM")).code, 0);
});

test("a Ctrl-C that arrives twice, as npm hands it on, still stops it in order", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "slow");
  await until(running(world), "the build's start");
  master.process.kill("SIGINT");
  await sleep(20);
  const { code, out } = await master.signal("SIGINT");
  assert.is(code, 0);
  assert.match(out, /slow #1 retry/);
  assert.match(out, /The master has stopped/);
});

test("a second signal while it stops ends it at once with 130", async () => {
  const stuck = `defineService({ kind: "stuck", options: z.object({}), create: () => ({ start: async () => {}, stop: () => new Promise(() => setInterval(() => {}, 1000)) }) })`;
  await using world = await World.make(
    configText({
      head: `import { definePlugin, defineService, z } from "belfry";\nconst stuck = ${stuck};\ndefinePlugin({ name: "stuck", parts: [stuck] });`,
      services: "stuck()",
    }),
  );
  const master = await world.start();
  master.process.kill("SIGINT");
  await master.printed("Stopping");
  await sleep(400);
  assert.is((await master.signal("SIGINT")).code, 130);
});

test("two masters cannot share a folder, and the second says who is there", async () => {
  await using world = await World.make(configText());
  const first = await world.start();
  const second = await world.run("start");
  assert.is(second.code, 5);
  assert.match(second.err, /error: A master named "main" is running already\./);
  assert.match(second.err, new RegExp(`why: It is process ${first.process.pid}, which uses`));
  assert.match(second.err, /fix: Stop it with `belfry stop`/);
  assert.is((await world.run("builds")).code, 0);
  assert.is((await first.signal("SIGINT")).code, 0);
});

test("of two that start at the same moment one runs and one gives way", async () => {
  await using world = await World.make(configText());
  const both = [world.spawn(["start"]), world.spawn(["start"])];
  const isUp = (master: (typeof both)[number]) => master.out.includes("Ctrl-C stops it.");
  await until(() => both.some(isUp) && both.some(({ err }) => err.includes("is running already")), "one of each");
  const [winner, loser] = isUp(both[0] as never) ? both : both.toReversed();
  assert.is((await loser?.end())?.code, 5);
  assert.is((await winner?.signal("SIGINT"))?.code, 0);
});

test("a killed master's folder is taken over, and what it was building is built again", async () => {
  await using world = await World.make(configText());
  const first = await world.start();
  await world.run("force", "slow");
  await until(running(world), "the build's start");
  await first.signal("SIGKILL");
  assert.ok(existsSync(world.path(".belfry/master.lock")));
  assert.is((await world.run("builds")).code, 3);
  await writeFile(world.path("go"), "");
  const second = await world.start();
  await second.printed(/slow #2 success/);
  const { value } = await world.json("builds");
  assert.equal(
    value.items.map(({ number, result }: any) => [number, result]),
    [
      [2, "success"],
      [1, "retry"],
    ],
  );
  assert.is((await second.signal("SIGINT")).code, 0);
});

test("a port in use is told in three lines, with 5, and nothing is left open", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as { port: number };
  await using world = await World.make(configText({ services: `http({ port: ${port} })` }));
  const { code, out, err } = await world.run("start");
  assert.is(code, 5);
  assert.is(out, "");
  assert.match(
    err,
    new RegExp(`^error: The HTTP server cannot listen at 127\\.0\\.0\\.1, port ${port}\\.\n  why: .+\n  fix: .+\n$`),
  );
  server.close();
  const master = await world.start();
  assert.is((await master.signal("SIGINT")).code, 0);
});

test("a state folder that cannot be made is told with 5", async () => {
  await using world = await World.make(configText());
  await writeFile(world.path("file"), "");
  const { code, err } = await world.run("start", "--state", "file/inside");
  assert.is(code, 5);
  assert.match(err, /cannot be used\.\n {2}why: The system refuses it: ENOTDIR\./);
});

test("a state folder too deep for a socket is told with 5", async () => {
  await using world = await World.make(configText());
  const { code, err } = await world.run("start", "--state", "x".repeat(120));
  assert.is(code, 5);
  assert.match(err, /socket cannot be made[\s\S]*fix: Put the state folder somewhere shorter/);
});

test("the stop that comes through the socket ends it with 0, also after its builds", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "slow");
  await until(running(world), "the build's start");
  const stop = world.spawn(["stop", "--after-builds"]);
  await master.printed("Stopping after 1 running build");
  await writeFile(world.path("go"), "");
  const stopped = await stop.end();
  assert.is(stopped.code, 0, stopped.err);
  assert.match(stopped.err, /Waiting for 1 running build/);
  assert.match(stopped.out, /The master has stopped\./);
  const { code, out } = await master.end();
  assert.is(code, 0);
  assert.match(out, /slow #1 success/);
  assert.is((await world.run("stop")).code, 3);
});

test("--json prints what happens as lines of JSON", async () => {
  await using world = await World.make(configText());
  const master = world.spawn(["start", "--json"]);
  await master.printed('"started"');
  await world.run("force", "good");
  await master.printed("buildset.finished");
  const { code, out } = await master.signal("SIGINT");
  assert.is(code, 0);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.is(lines[0].type, "started");
  assert.is(lines[0].pid, master.process.pid);
  const types = lines.map(({ type }) => type);
  for (const type of ["build.started", "step.finished", "build.finished"]) assert.ok(types.includes(type), type);
  assert.equal(lines.at(-1), { type: "stopped", by: "signal", code: 0 });
});

test("a failing build shows the end of the log of the step that failed", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "bad");
  await master.printed(/bad #1 failure/);
  await master.printed("| line 30");
  assert.match(master.out, /\d\d:\d\d:\d\d bad #1 step 1 fine: success \([\d.]+ m?s\)/);
  assert.match(master.out, /bad #1 step 2 broken: failure \([\d.]+ m?s\): exit code 3/);
  assert.match(master.out, /step 2 broken, log stdio, its last 20 of 32 lines:\n {2}\| line 12\n/);
  assert.not.match(master.out, /line 11\n/);
  assert.not.match(master.out, /\u001b/);
  await master.signal("SIGINT");
});

test("a reader who does not read never holds up the master", async () => {
  const long = "head -c 20000 /dev/zero | tr '\\\\0' x | fold -w 1000; exit 1";
  await using world = await World.make(
    configText({
      builders: `{ name: "long", workers: ["here"], steps: [shell({ command: "${long}" })] }`,
      schedulers: 'force({ name: "force", builders: ["long"] })',
    }),
  );
  const master = await world.start();
  master.process.stdout?.pause();
  // Each tells 20 kB; the pipe and its two ends hold about 200 kB.
  for (let i = 0; i < 25; i += 1) assert.is((await world.run("force", "long")).code, 0);
  await until(
    async () => (await world.json("builds", "--limit", "50", "--result", "failure")).value.items.length === 25,
    "all builds",
  );
  master.process.stdout?.resume();
  const { code, out } = await master.signal("SIGINT");
  assert.is(code, 0);
  assert.ok(out.length > 300_000, String(out.length));
});

const service = (act: string) => ({
  head: `import { definePlugin, defineService, z } from "belfry";
    const stray = defineService({ kind: "stray", options: z.object({}), create: () => ({ start: async () => { setTimeout(() => { ${act} }, 50); }, stop: async () => {} }) });
    definePlugin({ name: "stray", parts: [stray] });`,
  services: "stray()",
});

test("a promise that a plugin lets fall is written down, and the master goes on", async () => {
  await using world = await World.make(configText(service('void Promise.reject(new Error("nobody caught me"));')));
  const master = await world.start();
  await until(() => master.err.includes("nobody caught me"), "the warning");
  assert.is((await world.run("force", "good", "--wait")).code, 0);
  assert.is((await master.signal("SIGINT")).code, 0);
});

test("an error thrown where nobody can catch it stops the master in order, with 70", async () => {
  await using world = await World.make(configText(service('throw new Error("out of the blue");')));
  const { code, out, err } = await world.run("start");
  assert.is(code, 70);
  assert.match(err, /out of the blue/);
  assert.match(out, /The master has stopped/);
  assert.not(existsSync(world.path(".belfry/master.lock")));
});

test.run();
