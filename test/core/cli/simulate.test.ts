// time limit: 300 s
import { readdir, readFile, writeFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry simulate");

const farm = (slots: number, more = "") =>
  configText({
    head: "const each = anyBranch({ name: 'each', builders: ['app'] });",
    schedulers: "each",
    builders: `{ name: "app", workers: ["here"], steps: [shell({ command: "false" })] }`,
    more,
  }).replace("slots: 2", `slots: ${slots}`);

const CHANGES = `
{ "at": "2026-03-02T09:00:00Z", "branch": "main", "revision": "a1", "repository": "r" }

{ "at": 1772442060000, "branch": "topic", "files": ["x.c"], "properties": { "n": 1 } }
`;

test("tells what would be built, where and when, and touches nothing", async () => {
  await using world = await World.make(farm(1));
  await writeFile(world.path("changes.jsonl"), CHANGES);
  await writeFile(world.path("durations.json"), '{ "app": { "here": "10m" } }');
  const before = await readdir(world.folder);
  const args = ["simulate", "--changes", "changes.jsonl", "--durations", "durations.json"];
  const { code, out, err } = await world.run(...args);
  assert.is(code, 0, err);
  assert.match(out, /: 2 changes, 2 buildsets, 2 requests, 2 builds\./);
  assert.match(out, /^app +2 +0 +0 ms +9 min 00 s +9 min 00 s +20 min 00 s/m);
  assert.match(out, /^here +1 +2 +20 min 00 s +1\.4 %/m);
  assert.match(out, /9 min 00 s: request 2 for app, from .*\n +at .*: All its workers are busy: here/);
  assert.match(out, /^app +1 +here .* success$/m);
  assert.match(out, /There is no history/);
  assert.match(out, /All builds end as success/);
  assert.equal(await readdir(world.folder), before, "no folder of a master, no database");

  const { value } = await world.json(...args, "--builds", "--until", "2026-03-02T09:05Z");
  assert.equal(value.differences, null);
  const [run] = value.runs;
  assert.equal([run.changes, run.waiting, run.running, run.builds.length], [2, 1, 1, 1]);
  assert.equal(run.longestWaits[0].why.reasons[0].reason, "workers-busy");
  assert.is(run.config, world.path("belfry.config.ts"));
});

test("compares a configuration with the present one", async () => {
  await using world = await World.make(farm(1));
  await writeFile(world.path("changes.jsonl"), CHANGES);
  await writeFile(world.path("next.config.ts"), farm(2));
  const args = ["simulate", "--changes", "changes.jsonl", "--config", "next.config.ts"];
  const { code, out, err } = await world.run(...args);
  assert.is(code, 0, err);
  assert.match(out, /^before: .*belfry\.config\.ts\nafter: {2}.*next\.config\.ts$/m);
  assert.match(out, /^here +1 → 2 /m);
  assert.match(out, /4 min 00 s → 0 ms/);
  const { value } = await world.json(...args);
  assert.equal(
    value.runs.map((run: any) => run.waited.max),
    [240_000, 0],
  );
  assert.is(value.differences.builders[0].name, "app");
  assert.equal((await world.json(...args, "--alone")).value.runs.length, 1);
  assert.equal((await world.json("simulate", "--changes", "changes.jsonl")).value.runs.length, 1);
});

test("simulates what a running master has recorded, as long as it took and as it ended", async () => {
  await using world = await World.make(farm(1));
  const master = await world.start();
  for (const revision of ["a", "b"])
    await world.run("sendchange", "--repository", "r", "--branch", "main", "--revision", revision);
  for (let built = 0; built < 2; )
    built = (await world.json("builds")).value.items.filter((build: any) => build.state === "finished").length;
  const { value } = await world.json("simulate", "--since", "1h", "--builds");
  const [run] = value.runs;
  assert.is(run.changes, 2);
  assert.equal(run.builders[0].results, { failure: 2 });
  assert.equal(run.builders[0].durations, { builder: 2 });
  assert.ok(run.builds.every((build: any) => build.finishedAt - build.startedAt < 30_000));
  assert.match(value.assumptions.join("\n"), /as those did that were recorded/);
  assert.equal((await world.json("builds")).value.items.length, 2, "the master has learned nothing of it");
  assert.is((await master.signal("SIGINT")).code, 0);
  const after = await world.json("simulate", "--since", "1h");
  assert.is(after.value.runs[0].changes, 2, "also while no master runs");
});

test("refuses command lines that cannot be understood", async () => {
  await using world = await World.make(farm(1));
  await writeFile(world.path("changes.jsonl"), CHANGES);
  await writeFile(world.path("none.jsonl"), "\n");
  const refusals: [string[], RegExp][] = [
    [[], /needs --changes FILE or --since TIME/],
    [["--since", "yesterday"], /--since has to be a time/],
    [["--since", "2026-13-45"], /--since has to be a time/],
    [["--since", "99999999999d"], /--since has to be a time/],
    [["--changes", "changes.jsonl", "--until", "2020-01-01"], /--until lies before/],
    [["--changes", "none.jsonl"], /holds no change/],
    [["--changes", "changes.jsonl", "--alone", "--present", "x"], /exclude each other/],
    [["--changes"], /argument missing/],
    [["extra", "--changes", "changes.jsonl"], /arguments/],
  ];
  for (const [args, why] of refusals) {
    const { code, err } = await world.run("simulate", ...args);
    assert.is(code, 2, `${args}: ${err}`);
    assert.match(err, why);
  }
  const missing = await world.run("simulate", "--since", "1d");
  assert.is(missing.code, 5, missing.err);
  assert.match(missing.err, /What the master has recorded cannot be read/);
  const other = await world.run("simulate", "--changes", "changes.jsonl", "--present", "nowhere.ts");
  assert.is(other.code, 5);
});

test("names every fault of a file with its line, and nothing that a terminal would obey", async () => {
  await using world = await World.make(farm(1));
  const file = world.path("changes.jsonl");
  const lines = [
    '{ "at": "2026-03-02", "branch": "main" }',
    "\u001b]0;owned\u0007{",
    '{ "at": "soon" }',
    '{ "at": "2026-03-02", "nonsense\u001b[2J": 1 }',
    '{ "at": 5, "files": "x" }',
    "[]",
    "null",
    '{ "at": "2026-03-02", "key": "k" }',
    '{ "at": "2026-03-03", "key": "k" }',
    '{ "at": "2026-02-30T99:99" }',
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  const { code, err } = await world.run("simulate", "--changes", "changes.jsonl");
  assert.is(code, 5);
  for (const line of [2, 3, 4, 5, 6, 7, 9, 10]) assert.match(err, new RegExp(`line ${line}:`));
  assert.not.match(err, /line (1|8):/);
  assert.not.ok(err.includes("\u001b[2J") || err.includes("\u001b]"));
  const { value } = await world.json("simulate", "--changes", "changes.jsonl");
  assert.is(value.error.code, "BELFRY_SIMULATION_INPUT");
  assert.is(value.error.details[0].path, "line 2");

  await writeFile(file, Buffer.alloc(100_000, 0xff));
  assert.is((await world.run("simulate", "--changes", "changes.jsonl")).code, 5);
  assert.is((await world.run("simulate", "--changes", ".")).code, 5);
  assert.is((await world.run("simulate", "--changes", "nowhere.jsonl")).code, 5);
  await writeFile(file, `${"{}\n".repeat(10_000)}`);
  const many = await world.run("simulate", "--changes", "changes.jsonl");
  assert.ok(many.err.length < 5_000, "not all of ten thousand");

  await writeFile(file, CHANGES);
  const durations = async (text: string) => {
    await writeFile(world.path("d.json"), text);
    return world.run("simulate", "--changes", "changes.jsonl", "--durations", "d.json");
  };
  for (const text of [
    "",
    "[]",
    '{ "app": "long" }',
    '{ "app": -1 }',
    '{ "app": { "here": null } }',
    '{ "app": 1e300 }',
  ])
    assert.is((await durations(text)).code, 5, text);
  assert.match((await durations('{ "app": { "here": "long" } }')).err, /app\.here/);
  assert.is((await durations('{ "__proto__": "5m" }')).code, 0);
});

test("a configuration with faults is told of as `belfry check` does", async () => {
  await using world = await World.make(farm(1).replace('workers: ["here"]', 'workers: ["there"]'));
  await writeFile(world.path("changes.jsonl"), CHANGES);
  const { code, err } = await world.run("simulate", "--changes", "changes.jsonl");
  assert.is(code, 5);
  assert.match(err, /there is no worker named "there"/);
});

test("Ctrl-C ends it", async () => {
  await using world = await World.make(
    farm(1)
      .replace("schedulers: [each]", 'schedulers: [each, periodic({ name: "p", every: "1s", builders: ["app"] })]')
      .replace("anyBranch, force", "anyBranch, force, periodic"),
  );
  await writeFile(world.path("changes.jsonl"), CHANGES);
  const running = world.spawn(["simulate", "--changes", "changes.jsonl", "--until", "2036-01-01"]);
  const started = Date.now();
  while (Date.now() - started < 4_000) await readFile(world.path("changes.jsonl"));
  assert.is((await running.signal("SIGINT")).code, 130);
});

test.run();
