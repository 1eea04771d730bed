import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import plugin, { localWorker } from "@belfry/worker";
import * as assert from "uvu/assert";
import { limitedSuite, processesWith, tag, until, World } from "./kit.ts";

const test = limitedSuite("the worker package");
const room = new URL("../../../plugins/worker/", import.meta.url);

interface Table {
  find(question: {
    root?: number;
    since?: number;
    marked(text: Buffer): boolean;
    skip: Set<number>;
    known: Set<number>;
  }): { pids: number[]; unsure: boolean } | Promise<{ pids: number[]; unsure: boolean }>;
  startOf(pid: number): string | undefined;
}

async function tables(): Promise<Record<string, Table>> {
  const proc = (await import(new URL("src/spawner/process-table.js", room).href)) as { ProcessTable: new () => Table };
  const ps = (await import(new URL("src/spawner/ps-table.js", room).href)) as { PsTable: new () => Table };
  return { "/proc": new proc.ProcessTable(), ps: new ps.PsTable() };
}

function start(command: string, env: Record<string, string> = {}): ChildProcess {
  return spawn("sh", ["-c", command], { detached: true, stdio: "ignore", env: { PATH: process.env.PATH, ...env } });
}

test("the plugin has its package's name and version, and offers the local worker", async () => {
  const { name, version } = JSON.parse(await readFile(new URL("package.json", room), "utf8"));
  assert.equal([plugin.name, plugin.version], [name, version]);
  assert.equal(plugin.parts, [localWorker]);
  assert.is(localWorker({ name: "fast", slots: 2 }).kind, "@belfry/worker/local");
});

test("every error is in the README, and the README has no other", async () => {
  const codes = (text: string) => [...new Set(text.match(/BELFRY_(COMMAND|WORKER)_[A-Z_]+/g))].sort();
  const catalogue = await readFile(new URL("src/errors.ts", room), "utf8");
  const readme = await readFile(new URL("README.md", room), "utf8");
  assert.equal(codes(readme), codes(catalogue));
});

test("every option is in the README", async () => {
  const readme = await readFile(new URL("README.md", room), "utf8");
  for (const name of Object.keys(localWorker.definition.options.shape))
    assert.ok(readme.includes(`| \`${name}\` |`), name);
});

const hasPs = spawnSync("ps", ["-V"]).error === undefined;
if (!hasPs) console.log("skipped: there is no ps here");

for (const kind of hasPs ? ["/proc", "ps"] : ["/proc"]) {
  test(`${kind} tells the processes of a command by mark, by group and by descent`, async () => {
    const table = (await tables())[kind] as Table;
    const word = tag();
    const since = performance.now();
    const main = start(
      `sleep ${word} & env -i sleep ${word} & setsid sleep ${word} & setsid sh -c 'env -i sleep ${word}; :' & wait`,
      { MARK: "its-mark" },
    );
    const stranger = start(`sleep ${word}; :`, { MARK: "another" });
    try {
      await until("all run", () => processesWith(word).length >= 8);
      const marked = (text: Buffer) => text.includes("its-mark");
      const expected = processesWith(word).filter((pid) => pid !== main.pid);
      const strangers = new Set([stranger.pid as number]);
      const question = { root: main.pid as number, since, marked, skip: new Set<number>(), known: new Set<number>() };
      const { pids } = await table.find(question);
      assert.not.ok(pids.some((pid) => strangers.has(pid)));
      // The stranger's sleep is the only one of the others that has no part in it.
      assert.is(expected.filter((pid) => !pids.includes(pid) && !strangers.has(pid)).length, 1);
      assert.is(pids.length, expected.length - 2);

      const byMark = await table.find({ marked, skip: new Set(), known: new Set() });
      assert.ok(byMark.pids.includes(main.pid as number));
      const nothing = await table.find({ marked: () => false, skip: new Set(), known: new Set() });
      assert.equal(nothing.pids, []);
    } finally {
      for (const pid of processesWith(word)) process.kill(pid, "SIGKILL");
    }
  });
}

test("/proc finds the same when the numbers may have wrapped", async () => {
  const table = (await tables())["/proc"] as Table;
  const word = tag();
  const main = start(`setsid sleep ${word} & wait`, { MARK: "its-mark" });
  try {
    await until("both run", () => processesWith(word).length >= 2);
    const marked = (text: Buffer) => text.includes("its-mark");
    // A command of yesterday is looked for among all processes.
    const question = {
      root: main.pid as number,
      since: performance.now() - 86_400_000,
      marked,
      skip: new Set<number>(),
      known: new Set<number>(),
    };
    const { pids } = await table.find(question);
    assert.equal(
      pids,
      processesWith(word).filter((pid) => pid !== main.pid),
    );
  } finally {
    for (const pid of processesWith(word)) process.kill(pid, "SIGKILL");
  }
});

test("a process that is gone has no start", async () => {
  for (const table of Object.values(await tables())) {
    assert.type(table.startOf(process.pid), "string");
    assert.is(table.startOf(2 ** 22 + 1), undefined);
  }
});

test("names and options that look like code stay data", async () => {
  await using world = await World.make();
  const worker = await world.worker({ env: { "PATH;touch x": "y" } }, "$(touch x)");
  assert.is(worker.connected, true);
});

test.run();
