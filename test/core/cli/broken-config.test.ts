// time limit: 300 s
import { existsSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry check");

interface Fault {
  path: string;
  message: string;
}

async function faultsOf(world: World): Promise<Fault[]> {
  const { code, value } = await world.json("check");
  assert.is(code, 1);
  assert.is(value.ok, false);
  return value.faults;
}

test("says what a good configuration has, and starts and makes nothing", async () => {
  await using world = await World.make(configText({ services: "http({ port: 1 })" }));
  const { code, out } = await world.run("check");
  assert.is(code, 0);
  assert.match(out, /^The configuration is good: .+belfry\.config\.ts\n/);
  assert.match(out, /builders: good \(1 step\), bad \(2 steps\), slow \(1 step\)/);
  assert.match(out, /plugins: .*@belfry\/steps 0\.1\.0/);
  assert.not(existsSync(world.path(".belfry")));
  const { value } = await world.json("check");
  assert.is(value.ok, true);
  assert.equal(value.builders[1], { name: "bad", steps: ["fine", "broken"] });
});

test("tells all faults at once, each with its path", async () => {
  await using world = await World.make(
    configText({
      services: 'http({ port: "many" })',
      schedulers: 'force({ name: "force", builders: ["missing"] })',
      builders: `
        { name: "a", workers: ["nobody"], steps: [shell({ command: 7 }), { kind: "no.such" }] },
        { name: "a", workers: ["here"], steps: [shell({ command: "true", tiemout: 5 })] },`,
    }),
  );
  const faults = await faultsOf(world);
  const paths = faults.map(({ path }) => path);
  for (const path of [
    "services[0].options.port",
    "schedulers[0]",
    "builders[0].workers[0]",
    "builders[0].steps[0].options.command",
    "builders[0].steps[1].kind",
    "builders[1].name",
    "builders[1].steps[0].options.tiemout",
  ]) {
    assert.ok(paths.includes(path), `${path} among ${paths.join(", ")}`);
  }
  assert.match(
    faults.find(({ path }) => path.endsWith("kind"))?.message ?? "",
    /no step of kind "no\.such"; there are: .*steps\.shell/,
  );
  const { code, err } = await world.run("start");
  assert.is(code, 5);
  assert.match(err, /^error: The configuration has \d faults\.\n {2}why: \n {4}services\[0\]\.options\.port: /);
  assert.match(err, /\n {2}fix: Correct what is named; nothing was started\.\n$/);
  assert.not(existsSync(world.path(".belfry/belfry.sqlite")));
});

const SHAPES: [string, string, string][] = [
  ["no default export", "export const config = {};", "configuration"],
  [
    "a key that nobody knows",
    'import { sqlite } from "@belfry/sqlite";\nexport default { database: sqlite(), bilders: [] };',
    "bilders",
  ],
  ["a database that is missing", "export default {};", "database"],
  [
    "a step that is no entry",
    'import { sqlite } from "@belfry/sqlite";\nexport default { database: sqlite(), builders: [{ name: "b", workers: ["w"], steps: ["make"] }] };',
    "builders[0].steps[0]",
  ],
  [
    "a part in the wrong place",
    'import { sqlite } from "@belfry/sqlite";\nexport default { database: sqlite(), workers: [sqlite()] };',
    "workers[0]",
  ],
  [
    "a name with control characters",
    'import { sqlite } from "@belfry/sqlite";\nexport default { database: sqlite(), builders: [{ name: "a\\u001b[2J", workers: ["w"], steps: [] }] };',
    "builders[0].name",
  ],
];

for (const [what, text, path] of SHAPES) {
  test(`${what} is told with its path`, async () => {
    await using world = await World.make(text);
    const faults = await faultsOf(world);
    assert.ok(
      faults.some((fault) => (fault.path || "configuration") === path),
      JSON.stringify(faults),
    );
    assert.is((await world.run("start")).code, 5);
  });
}

test("two plugins of one name are refused", async () => {
  await using world = await World.make(
    configText({
      head: 'import { definePlugin } from "belfry";',
      more: 'plugins: [definePlugin({ name: "twin" }), definePlugin({ name: "twin" })],',
    }),
  );
  const faults = await faultsOf(world);
  assert.match(faults[0]?.message ?? "", /"twin" cannot be used.*two plugins of one name/);
});

test("a file that does not parse, or throws, is told with its reason", async () => {
  await using world = await World.make("export default {");
  const unfinished = await world.run("check");
  assert.is(unfinished.code, 1);
  assert.match(unfinished.out, /cannot be loaded\.\n {2}why: .+\n {2}fix: /);
  await world.config('throw new Error("my own trouble");');
  assert.match((await world.run("check")).out, /why: It stopped with: my own trouble/);
  await world.config('import "no-such-package";');
  assert.match((await world.run("check")).out, /no-such-package/);
  assert.is((await world.run("start")).code, 5);
});

test("a configuration that is not there is told with 5, wherever it is named", async () => {
  await using world = await World.make();
  for (const args of [["check"], ["start"], ["check", "--config", "other.ts"], ["builds", "--config", "other.ts"]]) {
    const { code, err } = await world.run(...args);
    assert.is(code, 5, args.join(" "));
    assert.match(err, /There is no configuration at .*(belfry\.config|other)\.ts\./);
    assert.match(err, /fix: Run `belfry init`/);
  }
});

test("--config names a file elsewhere, whose folder then counts", async () => {
  await using world = await World.make(configText());
  await using elsewhere = await World.make();
  const master = elsewhere.spawn(["start", "--config", world.path("belfry.config.ts")]);
  await master.printed("Ctrl-C stops it.");
  assert.ok(existsSync(world.path(".belfry/master.sock")));
  assert.is((await world.run("builds")).code, 0);
  assert.is((await elsewhere.run("builds", "--state", world.path(".belfry"))).code, 0);
  assert.is((await master.signal("SIGINT")).code, 0);
});

test("a password in a fault or in what is shown does not appear", async () => {
  await using world = await World.make(
    configText({
      sources:
        'gitPoller({ repository: "https://me:hunter2@example.org/a.git", branches: ["main"], pollInterval: "never" })',
    }),
  );
  const { out, err } = await world.run("check");
  assert.match(out, /sources\[0\]\.options\.pollInterval/);
  assert.not.match(out + err, /hunter2/);
});

test.run();
