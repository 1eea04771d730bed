import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildFolderName, Executor, folderName, folderPrefix, localWorker, workerPrefix } from "@belfry/worker";
import type { Worker } from "belfry";
import * as assert from "uvu/assert";
import { clock, limitedSuite, processesWith, rejects, run, spawnerPids, tag, until, World } from "./kit.ts";

const test = limitedSuite("a worker's life");
const MASTER = fileURLToPath(new URL("./master.ts", import.meta.url));

/** Another process with a worker of its own that runs a line; resolves when the line runs. */
async function master(world: World, line: string, word: string): Promise<ChildProcess> {
  const args = ["--conditions=source", MASTER, world.folder, line];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  await until("the other master runs its command", () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    return processesWith(`sleep`).length > 0 && sleepers(word).length >= 2;
  });
  return child;
}

/** Only the sleeping programs, not the shells and masters that were given the same word. */
function sleepers(word: string): number[] {
  return processesWith(word).filter(
    (pid) => !processesWith("master.ts").includes(pid) && !processesWith("-c").includes(pid),
  );
}

/** A process as a build would have left it. */
function leave(mark: string, word: string): number {
  const env = { ...process.env, BELFRY_SESSION: mark };
  const child = spawn("sleep", [word], { detached: true, stdio: "ignore", env });
  child.unref();
  return child.pid as number;
}

const foldersOf = (world: World) => join(world.folder, "state", "workers", "local");

test("when its master is killed, everything that runs is ended", async () => {
  await using world = await World.make();
  const word = tag();
  const child = await master(world, `setsid sleep ${word} & sleep ${word}`, word);
  const spawners = spawnerPids(child.pid);
  assert.is(spawners.length, 1);
  child.kill("SIGKILL");
  await until("all processes have ended", () => processesWith(word).length === 0);
  await until("the spawner has ended", () => !existsSync(`/proc/${spawners[0]}`));
  assert.equal(await readdir(join(foldersOf(world), ".pipes")), []);
});

test("when its master is killed, processes that ignore SIGTERM are killed", async () => {
  await using world = await World.make();
  const word = tag();
  const child = await master(world, `trap '' TERM; setsid sleep ${word} & while :; do sleep ${word}; done`, word);
  child.kill("SIGKILL");
  await until("all processes have ended", () => processesWith(word).length === 0);
});

test("when master and spawner are killed together, the next start ends what they left", async () => {
  await using world = await World.make();
  const word = tag();
  const child = await master(world, `setsid sleep ${word} & sleep ${word}`, word);
  const [spawner] = spawnerPids(child.pid);
  process.kill(spawner as number, "SIGKILL");
  child.kill("SIGKILL");
  await until("both are gone", () => !existsSync(`/proc/${spawner}`) && child.signalCode !== null);
  assert.is(sleepers(word).length, 2);
  await world.worker();
  assert.equal(processesWith(word), []);
  assert.ok(world.notes.some((note) => note.includes("earlier master")));
  assert.is((await readdir(join(foldersOf(world), ".pipes"))).length, 1);
});

test("when its spawner is killed, calls reject with a wish to retry, and the worker comes back", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await world.session(worker);
  const word = tag();
  const running = [run(session, `echo; setsid sleep ${word} & sleep ${word}`), run(session, ["sleep", word])];
  await until("all run", () => sleepers(word).length >= 3);
  const changes = world.changes;
  const [spawner] = spawnerPids();
  process.kill(spawner as number, "SIGKILL");
  for (const call of running) {
    const error = await rejects(call);
    assert.equal([error.code, error.result], ["BELFRY_WORKER_LOST", "retry"]);
  }
  assert.is(worker.connected, false);
  assert.is((await rejects(run(session, ["true"]))).code, "BELFRY_WORKER_LOST");
  assert.is((await rejects(world.session(worker))).result, "retry");
  await session.close();
  await until("it is connected again", () => worker.connected);
  assert.equal(processesWith(word), []);
  assert.ok(world.changes >= changes + 2);
  assert.is((await run(await world.session(worker), "echo again")).stdout.toString(), "again\n");
});

test("a spawner that is killed again and again is started again and again", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  for (let i = 0; i < 3; i++) {
    await until("it is connected", () => worker.connected);
    for (const pid of spawnerPids()) process.kill(pid, "SIGKILL");
    await until("that is noticed", () => !worker.connected);
  }
  await until("it is connected", () => worker.connected);
  assert.is((await run(await world.session(worker), ["true"])).code, 0);
  assert.is(spawnerPids().length, 1);
});

test("a worker that is stopped while its spawner is away stays stopped", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  for (const pid of spawnerPids()) process.kill(pid, "SIGKILL");
  await until("that is noticed", () => !worker.connected);
  await worker.stop();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(spawnerPids(), []);
  assert.is(worker.connected, false);
});

test("a worker that is stopped just after its spawner was killed leaves nothing behind", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const word = tag();
  const running = run(await world.session(worker), `setsid sleep ${word} & sleep ${word}`);
  await until("it runs", () => sleepers(word).length >= 2);
  for (const pid of spawnerPids()) process.kill(pid, "SIGKILL");
  await rejects(running);
  await worker.stop();
  assert.equal(processesWith(word), []);
  assert.equal(spawnerPids(), []);
});

test("signals for the whole terminal do not reach the spawner, and asking it to end does nothing", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const [spawner] = spawnerPids();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(spawner as number, name);
  assert.is((await run(await world.session(worker), ["true"])).code, 0);
  assert.equal(spawnerPids(), [spawner]);
});

test("opening a build's folder ends what an earlier build left there, and nothing else", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const folders = foldersOf(world);
  const word = tag();
  const mine = leave(`outer ${folderPrefix(folders, join(folders, "mine"))}1-1.1;`, word);
  const stubborn = spawn("sh", ["-c", `trap '' TERM; while :; do sleep ${word}; done`], {
    detached: true,
    stdio: "ignore",
    env: { ...process.env, BELFRY_SESSION: `${folderPrefix(folders, join(folders, "mine"))}1-1.2;` },
  });
  const other = leave(`${folderPrefix(folders, join(folders, "other"))}1-1.1;`, word);
  const elsewhere = leave(`${folderPrefix("/else", "/else/mine")}1-1.1;`, word);
  try {
    await world.session(worker, "mine");
    assert.equal(
      processesWith(word).sort((a, b) => a - b),
      [other, elsewhere].sort((a, b) => a - b),
    );
    assert.not.ok(processesWith(word).includes(mine) || processesWith(word).includes(stubborn.pid as number));
  } finally {
    for (const pid of [other, elsewhere]) process.kill(pid, "SIGKILL");
  }
});

test("starting a worker leaves the commands of a living master alone, even of the same folder", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const word = tag();
  const abort = new AbortController();
  const running = run(await world.session(worker), ["sleep", word], abort.signal);
  await until("it runs", () => processesWith(word).length === 1);
  const again = await world.worker();
  assert.is(processesWith(word).length, 1);
  await again.stop();
  assert.is(processesWith(word).length, 1);
  abort.abort();
  await running;
});

test("a folder is used again, with what the last build left in it", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const first = await world.session(worker, "again");
  await first.writeFile("kept", Buffer.from("x"));
  await first.close();
  const second = await world.session(worker, "again");
  assert.is(second.folder, first.folder);
  assert.equal(
    (await second.list(".")).map(({ name }) => name),
    ["kept"],
  );
});

test("stopping ends everything, and a worker can be started again", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const session = await world.session(worker);
  const word = tag();
  const running = run(session, `setsid sleep ${word} & sleep ${word}`);
  await until("it runs", () => sleepers(word).length >= 2);
  await Promise.all([worker.stop(), worker.stop()]);
  assert.is((await running).killed, "cancelled");
  assert.equal(processesWith(word), []);
  assert.equal(spawnerPids(), []);
  assert.is(worker.connected, false);
  assert.is((await rejects(run(session, ["true"]))).code, "BELFRY_WORKER_SESSION_CLOSED");
  assert.is((await rejects(world.session(worker))).code, "BELFRY_WORKER_LOST");
  assert.equal(await readdir(join(foldersOf(world), ".pipes")), []);
  await worker.start({ signal: new AbortController().signal, folder: "", changed() {}, note() {} });
  assert.is((await run(await world.session(worker), ["true"])).code, 0);
});

test("stop is harmless before start", async () => {
  await using world = await World.make();
  const ctx = { name: "x", clock: {}, folder: world.folder, stateFolder: world.folder } as never;
  const worker = localWorker.definition.create({}, ctx);
  await worker.stop();
  assert.is(worker.connected, false);
});

test("a folder that cannot be made keeps the worker from starting, and nothing stays open", async () => {
  await using world = await World.make();
  await writeFile(join(world.folder, "file"), "");
  const error = await rejects(world.worker({ folder: "file" }));
  assert.is(error.code, "BELFRY_WORKER_START_FAILED");
  assert.equal(spawnerPids(), []);
});

test("pipes are made elsewhere if the worker's folder cannot have any", async () => {
  await using world = await World.make();
  await writeFile(join(world.folder, "file"), "");
  const options = {
    name: "x",
    pipes: join(world.folder, "file", "pipes"),
    env: { PATH: process.env.PATH ?? "" },
    clock,
  };
  const executor = await Executor.start({ ...options, lost() {} });
  const elsewhere = (await readdir(tmpdir())).filter((name) => name.startsWith("belfry-pipes-"));
  try {
    let text = "";
    const call = { folder: world.folder, mark: "x.", callId: "c", signal: new AbortController().signal };
    await executor.run({
      ...call,
      spec: { command: "echo works" },
      sink: (_channel, data) => void (text += Buffer.from(data)),
    });
    assert.is(text, "works\n");
  } finally {
    await executor.close();
  }
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith("belfry-pipes-"));
  assert.is(left.length, elsewhere.length - 1);
});

test("a worker whose machine has no mkfifo cannot start, and says so", async () => {
  await using world = await World.make();
  const path = process.env.PATH;
  process.env.PATH = world.folder;
  try {
    const error = await rejects(world.worker());
    assert.is(error.code, "BELFRY_WORKER_START_FAILED");
    assert.match(error.message, "mkfifo");
  } finally {
    process.env.PATH = path;
  }
  assert.equal(spawnerPids(), []);
});

test("commands may have a PATH in which nothing is, and the worker goes on", async () => {
  await using world = await World.make();
  const worker = await world.worker({ env: { PATH: "/nowhere" } });
  const session = await world.session(worker);
  const results = await Promise.all(Array.from({ length: 20 }, () => run(session, "echo $PATH; exec /bin/sleep 0.1")));
  for (const { code, stdout } of results) assert.equal([code, stdout.toString()], [0, "/nowhere\n"]);
});

test("a master that runs inside a command is ended with everything it runs", async () => {
  await using world = await World.make();
  await using inner = await World.make();
  const session = await world.session();
  const word = tag();
  const abort = new AbortController();
  const line = `setsid sleep ${word} & sleep ${word}`;
  const command = [process.execPath, "--conditions=source", MASTER, inner.folder, line];
  const running = run(session, { command, killGrace: 500 }, abort.signal);
  await until("the inner command runs", () => sleepers(word).length >= 2);
  abort.abort();
  assert.is((await running).killed, "cancelled");
  assert.equal(processesWith(word), []);
  assert.equal(processesWith(inner.folder), []);
});

test("a builder may have any name: its folder stays inside, and is its own", async () => {
  await using world = await World.make();
  const worker = await world.worker();
  const names = [
    "plain",
    "Plain",
    "PLAIN",
    "../x",
    "..",
    ".",
    "",
    "/",
    "/etc",
    "a/b",
    "a\\b",
    "a b",
    "a-b",
    "a_b",
    "🦇",
    "🦇🦇",
    "ü",
    "u",
    "ö\0\n",
    "x".repeat(300),
    "x".repeat(301),
    "x".repeat(60),
    "-rf",
    ".pipes",
    ".hidden",
    "con",
    "a.",
    "a..",
    "a-slot1",
    "$(id)",
    "'",
    "%2e%2e",
    "~",
    folderName("a/b"),
    folderName("🦇"),
  ];
  const seen = new Set<string>();
  for (const [id, builder] of names.entries()) {
    for (const slot of [0, 1, 12]) {
      const session = await worker.open({ id, builder, slot, fence: 1 });
      assert.is(join(session.folder, ".."), foldersOf(world));
      assert.match(session.folder.slice(foldersOf(world).length + 1), /^[a-z0-9][a-z0-9._-]*$/);
      assert.ok(session.folder.length - foldersOf(world).length < 80);
      assert.not.ok(seen.has(session.folder.toLowerCase()), `${builder} ${slot} has the folder of another`);
      seen.add(session.folder.toLowerCase());
      await session.close();
    }
  }
  assert.is(
    (await run(await world.session(worker, "../x"), "pwd -P")).stdout.toString().startsWith(foldersOf(world)),
    true,
  );
});

test("a builder with a plain name has a folder of that name", () => {
  assert.is(buildFolderName("linux-x64", 0), "linux-x64");
  assert.is(buildFolderName("linux-x64", 3), "linux-x64-slot3");
  return Promise.resolve();
});

test("workers have their own folders, by name or as the configuration says", async () => {
  await using world = await World.make();
  const one = await world.session(await world.worker({}, "one"));
  const two = await world.session(await world.worker({}, "Two/2"));
  const three = await world.session(await world.worker({ folder: "builds" }, "three"));
  assert.is(one.folder, join(world.folder, "state/workers/one/builder"));
  assert.match(two.folder, /\/state\/workers\/two-2-[0-9a-f]{10}\/builder$/);
  assert.is(three.folder, join(world.folder, "builds/builder"));
  assert.is.not(workerPrefix("/a"), workerPrefix("/b"));
});

test("a worker has as many slots as it is given, or as there are cores", async () => {
  await using world = await World.make();
  const worker: Worker = await world.worker({ slots: 7 });
  assert.is(worker.slots, 7);
  assert.ok((await world.worker()).slots >= 1);
  assert.is(worker.connected, true);
  assert.ok(worker.info.system);
});

test("wrong options are refused", () => {
  const { options } = localWorker.definition;
  for (const wrong of [
    { slots: 0 },
    { slots: 1.5 },
    { slots: "2" },
    { folder: "" },
    { env: { "A=B": "x" } },
    { env: { A: 1 } },
    { slot: 1 },
  ])
    assert.not.ok(options.safeParse(wrong).success, JSON.stringify(wrong));
  assert.ok(options.safeParse({ slots: 2, folder: "x", env: { A: "1", B: null } }).success);
  return Promise.resolve();
});

test.run();
