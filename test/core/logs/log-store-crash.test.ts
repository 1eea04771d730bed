import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CAP, codeOfRejection, eventually, filesBelow, followAll, logWorld, readAll, texts } from "./log-world.ts";

const crash = suite("log store, when things break");
const run = promisify(execFile);
const KEY = "b/7/1-stdio";
const writerFile = fileURLToPath(new URL("./log-writer.ts", import.meta.url));

/** The lines of log-writer.ts: every `begun` is a line of its own, since its line feed comes later. */
function requireWritten(lines: readonly string[]): void {
  let number = 0;
  for (const [index, line] of lines.entries()) {
    if (line === "begun") continue;
    if (line !== `line ${number} ${"x".repeat((number + 1) % 60)}`) throw new Error(`line ${index} is ${line}`);
    number += 1;
  }
}

for (const pace of ["fast", "slow"]) {
  crash(
    `a ${pace} writer is killed: what was readable stays, nothing is missing, sealing changes no line`,
    async () => {
      for (let round = 0; round < 4; round += 1) {
        await using world = await logWorld();
        const child = spawn(process.execPath, ["--conditions=source", writerFile, world.folder, KEY, "1", pace], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        const ended = once(child, "exit");
        try {
          let promised = 0;
          child.stdout.on("data", (data: Buffer) => {
            promised = Number(data.toString().trim().split("\n").at(-1));
          });
          await using live = await eventually(() => world.store.open(KEY).catch(() => undefined));
          await eventually(async () => promised > 0 && (await live.info()).lines > 0);
          await sleep(20 + round * 37);
          child.kill("SIGKILL");
          await ended;
          await sleep(10);
          const seen = await live.lines(0, 1e9);
          assert.ok(seen.length >= promised, `${promised} lines were promised, ${seen.length} are there`);
          requireWritten(texts(seen));

          const next = world.other();
          const totals = await next.seal(KEY, { fence: 2 });
          const sealed = await readAll(next, KEY);
          assert.is(sealed.length, totals.lines);
          assert.equal(texts(sealed), texts(seen));
          assert.ok(sealed.every((line, index) => line.time === seen[index]?.time));
          assert.equal(await live.info(), { ...totals, finished: true });

          const log = next.create(KEY, { fence: 2, capBytes: CAP });
          log.append("header", Buffer.from("going on\n"), 1);
          await log.finish();
          assert.is((await followAll(live, totals.lines - 1)).at(-1)?.number, totals.lines);
        } finally {
          child.kill("SIGKILL");
        }
      }
    },
  );
}

const mount = await smallDisk();
if (!mount) console.log("SKIPPED: the test of a full disk needs root and mount(8)");
const whenDisk = mount ? crash : crash.skip;

whenDisk("a full disk ends the log with one clear error; what was readable stays, also sealed elsewhere", async () => {
  await using disk = mount as SmallDisk;
  const world = await logWorld({ folder: join(disk.folder, "logs") });
  const log = world.store.create(KEY, { fence: 1, capBytes: CAP });
  log.append("stdout", Buffer.from("the first line\n"), 1);
  await log.flush();
  await using reader = await world.store.open(KEY);
  const following = followAll(reader);
  let refused = "";
  let number = 0;
  for (let round = 0; round < 200 && !refused; round += 1) {
    const lines = Array.from({ length: 3_000 }, () => `line ${number++}\n`).join("");
    const code = await codeOfRejection(log.append("stdout", Buffer.from(lines), round));
    if (code !== "nothing was thrown") refused = code;
  }
  assert.is(refused, "BELFRY_LOG_DISK_FULL");
  assert.is(log.append("stdout", Buffer.from("ignored\n"), 1), undefined, "later calls are ignored");
  await log.flush();
  const totals = await log.finish();
  assert.is(totals.truncated, true);
  const seen = texts(await following);
  assert.ok(seen.length > 1_000);
  assert.equal(seen.slice(0, 3), ["the first line", "line 0", "line 1"]);
  assert.is(seen.at(-1), `line ${seen.length - 2}`);
  assert.equal(await reader.info(), { ...totals, finished: true });
  await using late = await world.store.open(KEY);
  assert.equal(texts(await late.lines(0, 1e9)), seen);
  assert.is((await followAll(late)).length, seen.length, "a late follower is told the end too");
  assert.equal(texts(await readAll(world.other(), KEY)), seen);

  // No room for the packed file or for small logs either: an error each, and nothing else is harmed.
  await run("dd", ["if=/dev/zero", `of=${join(disk.folder, "filler")}`, "bs=4k"]).catch(() => {});
  const small = world.store.create("b/8/log", { fence: 1, capBytes: CAP });
  small.append("stdout", Buffer.from("small\n"), 1);
  assert.is(await codeOfRejection(small.finish()), "BELFRY_LOG_DISK_FULL");
  assert.is(small.append("stdout", Buffer.from("small\n"), 1), undefined);
  const flushed = world.store.create("b/9/log", { fence: 1, capBytes: CAP });
  flushed.append("stdout", Buffer.from("small\n"), 1);
  assert.is(await codeOfRejection(flushed.flush()), "BELFRY_LOG_DISK_FULL");
  assert.equal(await flushed.finish(), { lines: 0, bytes: 0, truncated: true });
  const waiting = world.store.create("b/10/log", { fence: 1, capBytes: CAP });
  waiting.append("stdout", Buffer.from("small\n"), 1);
  await sleep(100);
  assert.is(await codeOfRejection(waiting.append("stdout", Buffer.from("more\n"), 1)), "BELFRY_LOG_DISK_FULL");
  assert.equal(texts(await late.lines(0, 1e9)), seen);

  await rm(join(disk.folder, "filler"));
  const other = world.other();
  await other.seal(KEY, { fence: 2 });
  await using sealed = await other.open(KEY);
  assert.equal(texts(await sealed.lines(0, 1e9)), seen);
  assert.is((await sealed.info()).finished, true);
  await world.store.stop?.();
  await other.stop?.();
  assert.ok((await filesBelow(world.folder)).every((file) => !file.includes("tmp-")));
  await sealed[Symbol.asyncDispose]();
  await late[Symbol.asyncDispose]();
  await reader[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

interface SmallDisk extends AsyncDisposable {
  folder: string;
}

/** A disk of one megabyte, or undefined where none can be mounted. */
async function smallDisk(): Promise<SmallDisk | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "belfry-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await run("umount", ["-l", folder]);
      await rm(folder, { recursive: true });
    },
  };
}

crash("a folder that cannot be written is told once, and the appender can be finished", async () => {
  await using world = await logWorld();
  const store = (await import("../../../core/src/logs/file-log-store.ts")).createFileLogStore({
    folder: join(world.folder, "file", "logs"),
  });
  await import("node:fs/promises").then((fs) => fs.writeFile(join(world.folder, "file"), "in the way"));
  const log = store.create(KEY, { fence: 1, capBytes: CAP });
  log.append("stdout", Buffer.from("a\n"), 1);
  assert.is(await codeOfRejection(log.flush()), "BELFRY_LOG_WRITE_FAILED");
  assert.is(log.append("stdout", Buffer.from("a\n"), 1), undefined);
  assert.equal(await log.finish(), { lines: 0, bytes: 0, truncated: true });
  assert.is(await codeOfRejection(store.open(KEY)), "BELFRY_LOG_NOT_FOUND");
  await store.stop?.();
});

crash.run();
