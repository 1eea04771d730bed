// time limit: 300 s
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { World } from "./program.ts";

const Sqlite = createRequire(import.meta.url)("better-sqlite3");
const test = suite("belfry restart");

const config = (more = "") => `
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { localWorker } from "@belfry/worker";
import { defineConfig, definePlugin, defineService, defineStep, z } from "belfry";

const patient = defineStep({
  kind: "patient",
  options: z.object({}),
  create: () => ({
    name: "patient",
    resumable: true,
    async run(ctx) {
      await ctx.worker.run({ command: "echo once >> ../../../../once.txt; echo first" });
      while (!(await import("node:fs")).existsSync("thinking-is-over")) await new Promise((next) => setTimeout(next, 50));
      await ctx.worker.run({ command: "echo second" });
      return { result: "success" };
    },
  }),
});

const stays = defineStep({
  kind: "stays",
  options: z.object({}),
  create: () => ({
    name: "stays",
    async run(ctx) {
      (await import("node:fs")).writeFileSync("stays.txt", "");
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
      throw ctx.signal.reason;
    },
  }),
});

const grumpy = defineService({
  kind: "grumpy",
  options: z.object({}),
  create: () => ({
    start: async () => undefined,
    stop: async () => {
      throw new Error("leave me alone");
    },
  }),
});
definePlugin({ name: "patience", parts: [patient, stays, grumpy] });

export default defineConfig({
  database: sqlite(),
  workers: [localWorker({ name: "w", slots: 3 })],
  schedulers: [force({ name: "force", builders: ["counts", "thinks", "stays"] })],
  builders: [
    {
      name: "counts",
      workers: ["w"],
      steps: [shell({ command: "echo begun >> $TALLY; i=0; while [ ! -e $GATE ] || [ $i -lt 50 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; exit 0", name: "count" }), shell({ command: "echo after" })],
      env: { TALLY: process.cwd() + "/tally.txt", GATE: process.cwd() + "/gate" },
    },
    { name: "thinks", workers: ["w"], steps: [patient()] },
    { name: "stays", workers: ["w"], steps: [stays()] },
  ],
  ${more}
});
`;

const number = async (world: World, builder: string) => {
  const { value } = await world.json("builds");
  return value.items
    .filter((build: any) => build.builder === builder)
    .map((build: any) => [build.number, build.state, build.result]);
};

test("a command goes on while its master starts again, and its log has every line once", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  const pid = master.process.pid;
  await world.run("force", "counts");
  await until(() => existsSync(world.path("tally.txt")), "the command");
  const { code, out, err } = await world.run("restart");
  assert.is(code, 0, err);
  assert.match(err, /Of 1 running builds 1 can go on/);
  assert.match(out, /has started again/);
  await master.printed(/Starting again …[\s\S]*Belfry has started/);
  await master.printed("counts #1 goes on");
  assert.is(master.process.pid, pid);
  assert.is(master.process.exitCode, null);
  await writeFile(world.path("gate"), "");
  await master.printed(/counts #1 success/);
  assert.equal(await number(world, "counts"), [[1, "finished", "success"]]);
  assert.is(await readFile(world.path("tally.txt"), "utf8"), "begun\n");
  const log = (await world.run("log", "counts", "1", "count")).out;
  const lines = [...log.matchAll(/^line (\d+)$/gm)].map(([, line]) => Number(line));
  assert.equal(
    lines,
    lines.map((_, i) => i + 1),
  );
  assert.ok(lines.length >= 50);
  assert.is((await master.signal("SIGTERM")).code, 0);
});

test("a build that was between two commands goes on after a kill, and does nothing twice", async () => {
  await using world = await World.make(config());
  const first = await world.start();
  await world.run("force", "thinks");
  const calls = async () => (await world.run("log", "thinks", "1")).out;
  await until(async () => /exit code 0/.test(await calls()), "the end of its first command");
  // Until that is noted, too, a kill would have it built again.
  const database = new Sqlite(world.path(".belfry/belfry.sqlite"), { readonly: true });
  const noted = database.prepare("select 1 from step_calls where finished_at is not null");
  await until(() => noted.get() !== undefined, "the note of its end");
  database.close();
  await first.signal("SIGKILL");
  const second = await world.start();
  await writeFile(world.path("thinking-is-over"), "");
  await second.printed(/thinks #1 success/);
  assert.equal(await number(world, "thinks"), [[1, "finished", "success"]]);
  assert.match(await calls(), /first\nexit code 0[\s\S]*second\nexit code 0/);
  assert.is((await calls()).match(/^first$/gm)?.length, 1);
  assert.is((await second.signal("SIGTERM")).code, 0);
});

test("whoever stops a master that waits for builds before a restart gets its end", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  await world.run("force", "stays");
  await until(() => existsSync(world.path("stays.txt")), "the build");
  void world.run("restart", "--after-builds").catch(() => undefined);
  await master.printed("Starting again");
  const { code, out } = await master.signal("SIGTERM");
  assert.is(code, 0);
  assert.match(out, /The master has stopped/);
});

test("a restart at once while one waits for builds lets go of those that can go on", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  await world.run("force", "stays");
  await until(() => existsSync(world.path("stays.txt")), "the build");
  await world.run("force", "thinks");
  await until(async () => /exit code 0/.test((await world.run("log", "thinks", "1")).out), "its first command");
  void world.run("restart", "--after-builds").catch(() => undefined);
  await master.printed("Starting again");
  assert.is((await world.run("restart")).code, 0);
  await writeFile(world.path("thinking-is-over"), "");
  await master.printed(/thinks #1 success/);
  assert.equal(await number(world, "thinks"), [[1, "finished", "success"]]);
  assert.is((await master.signal("SIGTERM")).code, 0);
});

test("a part that does not end well does not keep the master from starting again", async () => {
  await using world = await World.make(config("services: [grumpy()],"));
  const master = await world.start();
  const { code, err } = await world.run("restart");
  assert.is(code, 0, err);
  assert.is(master.process.exitCode, null);
});

test("a configuration that is broken is refused, and the master goes on", async () => {
  await using world = await World.make(config());
  const master = await world.start();
  await world.config(config("nonsense: 1,"));
  const { code, err } = await world.run("restart");
  assert.is(code, 5, err);
  assert.match(err, /nonsense/);
  assert.is(master.process.exitCode, null);
  assert.is((await world.run("builders")).code, 0);
  assert.is((await master.signal("SIGTERM")).code, 0);
});

test.run();
