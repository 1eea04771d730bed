import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CommandResult } from "belfry";
import * as assert from "uvu/assert";
import { limitedSuite, processesWith, tag, until, World } from "./kit.ts";
import type { Plan } from "./restarted-master.ts";

const test = limitedSuite("commands of a master that is restarted");
const MASTER = fileURLToPath(new URL("./restarted-master.ts", import.meta.url));

interface Told {
  result?: CommandResult;
  again?: CommandResult;
  files: { name: string }[];
  took: number;
  late: number;
  notes: string[];
}

/** Runs a process of the master to its end. */
async function master(plan: Plan): Promise<Told> {
  const args = ["--conditions=source", MASTER, JSON.stringify(plan)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
  });
  // The spawner has the output open, too, so that it does not close.
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (plan.kill) return { files: [], took: 0, late: 0, notes: [] };
  await until("it has told", () => text.includes("\n"));
  assert.is(code, 0);
  return JSON.parse(text) as Told;
}

const workerFolder = (world: World) => join(world.folder, "state", "workers", "local");
const waitingFile = (world: World) => join(workerFolder(world), ".waiting.json");
const waiting = (world: World) =>
  JSON.parse(readFileSync(waitingFile(world), "utf8")) as { pid: number; socket: string; versions: string };

async function nothingIsLeft(world: World, word: string, socket?: string): Promise<void> {
  await until("all has ended", () => processesWith(word).filter((pid) => pid !== process.pid).length === 0);
  await until("the spawner has ended", async () => (await readdir(join(workerFolder(world), ".pipes"))).length === 0);
  const names = await readdir(workerFolder(world));
  assert.equal(
    names.filter((name) => name.startsWith(".")),
    [".pipes"],
  );
  if (socket) await until("the socket's folder is removed", () => !existsSync(dirname(socket)));
}

const LINES = 60_000;
const numbered = (name: string) => Array.from({ length: LINES }, (_, i) => `${name} line ${i}\n`).join("");

for (const last of ["taken", "refused"] as const) {
  test(`every line is given once and in order over a restart (what is outstanding then is ${last})`, async () => {
    await using world = await World.make();
    const script = `BEGIN { for (i = 0; i < ${LINES}; i++) { print "out line " i; print "err line " i > "/dev/stderr" } exit 3 }`;
    const plan = { folder: world.folder, spec: { command: ["awk", script] }, bytes: 200_000, last };
    const first = await master({ ...plan, part: "begin" });
    assert.is(first.late, 0);
    const { socket } = waiting(world);
    const { result, again, notes } = await master({ ...plan, part: "resume" });
    assert.equal([result?.code, result?.signal, result?.killed], [3, null, null]);
    assert.is(again, undefined);
    assert.ok((await readFile(join(world.folder, "stdout"), "utf8")) === numbered("out"), "stdout is whole");
    assert.ok((await readFile(join(world.folder, "stderr"), "utf8")) === numbered("err"), "stderr is whole");
    assert.equal(notes, ["commands that were kept over the restart: 1"]);
    await nothingIsLeft(world, world.folder, socket);
  });
}

test("a command that ended in between keeps its code, its last output and its files", async () => {
  await using world = await World.make();
  const command = "echo first; while [ ! -e go ]; do sleep 0.02; done; echo second; echo x > made; exit 5";
  const plan = { folder: world.folder, spec: { command }, bytes: 6 };
  await master({ ...plan, part: "begin" });
  await writeFile(join(workerFolder(world), "builder", "go"), "");
  const { pid } = waiting(world);
  await until("it has ended", () => childrenOf(pid).length === 0);
  const { result, files } = await master({ ...plan, part: "resume" });
  assert.equal([result?.code, result?.killed], [5, null]);
  assert.is(await readFile(join(world.folder, "stdout"), "utf8"), "first\nsecond\n");
  assert.equal(files.map(({ name }) => name).sort(), ["go", "made"]);
});

test("a command that prints more than a pipe holds waits for the next process", async () => {
  await using world = await World.make();
  const word = tag();
  const big = `awk 'BEGIN { for (i = 0; i < 100000; i++) print "${word} " i }'`;
  const command = `echo first; while [ ! -e go ]; do sleep 0.02; done; ${big}; echo over > over; exit 4`;
  const plan = { folder: world.folder, spec: { command }, bytes: 6 };
  await master({ ...plan, part: "begin" });
  await writeFile(join(workerFolder(world), "builder", "go"), "");
  await until("it prints", () => processesWith("BEGIN").some((pid) => processesWith(word).includes(pid)));
  await sleep(300);
  assert.not.ok(existsSync(join(workerFolder(world), "builder", "over")));
  const { result } = await master({ ...plan, part: "resume" });
  assert.is(result?.code, 4);
  const lines = Array.from({ length: 100_000 }, (_, i) => `${word} ${i}\n`).join("");
  assert.ok((await readFile(join(world.folder, "stdout"), "utf8")) === `first\n${lines}`);
});

test("when nobody comes back everything is ended, and no file is left", async () => {
  await using world = await World.make();
  const word = tag();
  const spec = { command: `echo; setsid sleep ${word} & sleep ${word}` };
  await master({ folder: world.folder, spec, bytes: 1, part: "begin", keepFor: 1_500 });
  assert.ok(processesWith(word).length >= 2);
  const { socket } = waiting(world);
  assert.is(statSync(waitingFile(world)).mode & 0o777, 0o600);
  assert.is(statSync(socket).mode & 0o777, 0o600);
  assert.is(statSync(dirname(socket)).mode & 0o777, 0o700);
  assert.ok(socket.length < 100);
  await nothingIsLeft(world, word, socket);
});

test("when the spawner is killed in between nothing is resumed, and the next start ends what it left", async () => {
  await using world = await World.make();
  const word = tag();
  const plan = { folder: world.folder, spec: { command: `echo; setsid sleep ${word} & sleep ${word}` }, bytes: 1 };
  await master({ ...plan, part: "begin" });
  const { pid, socket } = waiting(world);
  process.kill(pid, "SIGKILL");
  await until("it has gone", () => !existsSync(`/proc/${pid}/exe`) || state(pid) === "Z");
  assert.ok(processesWith(word).length >= 2);
  const { result, notes } = await master({ ...plan, part: "resume" });
  assert.is(result, undefined);
  assert.match(notes.join(), /earlier master left/);
  await nothingIsLeft(world, word, socket);
});

for (const kill of ["running", "detached"] as const) {
  test(`a master that is killed while its commands are ${kill} leaves nothing behind`, async () => {
    await using world = await World.make();
    const word = tag();
    const plan = { folder: world.folder, spec: { command: `echo; setsid sleep ${word} & sleep ${word}` }, bytes: 1 };
    await master({ ...plan, part: "begin", kill });
    await nothingIsLeft(world, word);
    assert.is((await master({ ...plan, part: "resume" })).result, undefined);
  });
}

test("maxTime counts on from the start of the command", async () => {
  await using world = await World.make();
  const word = tag();
  const plan = { folder: world.folder, spec: { command: `echo; sleep ${word}`, maxTime: 8_000 }, bytes: 1 };
  await master({ ...plan, part: "begin" });
  await sleep(1_000);
  const { result, took } = await master({ ...plan, part: "resume" });
  assert.is(result?.killed, "max-time");
  assert.ok((result?.elapsed ?? 0) >= took + 1_000, `${result?.elapsed} ms, ${took} of them after the restart`);
  await nothingIsLeft(world, word);
});

test("a command that is cancelled after the restart is ended with all that it started", async () => {
  await using world = await World.make();
  const word = tag();
  const plan = { folder: world.folder, spec: { command: `echo; setsid sleep ${word} & sleep ${word}` }, bytes: 1 };
  await master({ ...plan, part: "begin" });
  const cancel = join(world.folder, "cancel");
  const resuming = master({ ...plan, part: "resume", cancel });
  await until("it is taken over", () => !existsSync(waitingFile(world)));
  assert.ok(processesWith(word).length >= 2);
  await writeFile(cancel, "");
  assert.is((await resuming).result?.killed, "cancelled");
  await nothingIsLeft(world, word);
});

test("nothing is taken over from another version: it is told to end everything", async () => {
  await using world = await World.make();
  const word = tag();
  const plan = { folder: world.folder, spec: { command: `echo; setsid sleep ${word} & sleep ${word}` }, bytes: 1 };
  await master({ ...plan, part: "begin" });
  const { socket } = waiting(world);
  await writeFile(waitingFile(world), JSON.stringify({ ...waiting(world), versions: "another" }));
  const { result, notes } = await master({ ...plan, part: "resume" });
  assert.is(result, undefined);
  assert.match(notes.join(), /started by another/);
  await nothingIsLeft(world, word, socket);
});

function childrenOf(parent: number): number[] {
  return processesWith("").filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
    } catch {
      return false;
    }
  });
}

function state(pid: number): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
}

test.run();
