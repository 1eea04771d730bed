// time limit: 400 s
import { writeFile } from "node:fs/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry's commands");

const OF_A_MASTER = [
  "builds",
  "builders",
  "changes",
  "requests",
  "workers",
  "sources",
  "sendchange --repository x",
  "force",
  "why",
  "locks",
  "plugins",
  "schedulers",
  "schedulers why x",
  "schedulers disable x",
  "watch",
  "stop",
  "log good 1",
  "why-failed good 1",
  "token list",
  "token add x",
  "token revoke x",
];

for (const line of OF_A_MASTER) {
  test(`\`belfry ${line}\` without a master ends with 3 and three lines`, async () => {
    await using world = await World.make(configText());
    const { code, out, err } = await world.run(...line.split(" "));
    assert.is(code, 3);
    assert.is(out, "");
    assert.match(
      err,
      /^error: No master is running here\.\n {2}why: Nobody answers at .*master\.sock\.\n {2}fix: Start it with `belfry start`.*\n$/,
    );
    const { code: again, value } = await world.json(...line.split(" "));
    assert.is(again, 3);
    assert.is(value.error.code, "BELFRY_MASTER_NOT_RUNNING");
    assert.ok(value.error.what && value.error.why && value.error.fix);
  });
}

test("a socket that a killed master left counts as no master", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await master.signal("SIGKILL");
  assert.is((await world.run("builds")).code, 3);
});

const WRONG: [string[], RegExp][] = [
  [["schedulers", "stop"], /knows list, why, enable, disable/],
  [["schedulers", "disable"], /`belfry schedulers disable` needs the scheduler's name/],
  [["nonsense"], /There is no command|unknown command 'nonsense'/i],
  [["buildz"], /Did you mean builds/],
  [["builds", "--limit", "many"], /--limit has to be a whole number from 1/],
  [["builds", "--limit", "0"], /--limit has to be/],
  [["builds", "--result", "great"], /--result has to be one of success, warnings/],
  [["builds", "--nonsense"], /Unknown option '--nonsense'/],
  [["builds", "a", "b"], /Too many arguments/],
  [["requests", "--limit", "0"], /--limit has to be/],
  [["changes", "--limit", "0"], /--limit has to be/],
  [["sendchange"], /This is no git work tree, so --repository is needed/],
  [["sendchange", "--repository", "x", "--property", "novalue"], /--property has to be NAME=VALUE/],
  [["start", "--log-level", "loud"], /Allowed choices are debug, info, warn, error/],
  [["log"], /Missing required argument 'build'/],
  [["log", "good", "seven"], /"seven" is no number of a build/],
  [["log", "1", "2", "3", "4"], /one word too many/],
  [["log", "good", "1", "-n", "-5"], /--lines|argument/],
  [["why", "x"], /The request has to be a whole number/],
  [["token"], /Missing required argument 'action'/],
  [["token", "steal"], /needs one of: add, list, revoke/],
  [["token", "add"], /needs the token's name/],
  [["token", "add", "x", "--scope", "everything"], /--scope has to be one of read, control, admin/],
  [["token", "add", "x", "--expires", "soon"], /--expires has to be a length of time/],
  [["db"], /Missing required argument/],
  [["db", "burn"], /needs one of: upgrade, check/],
  [["builds", "--config"], /Option '--config <file>' argument missing/],
];

test("wrong options end with 2 and say what is wrong", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "good", "--wait");
  for (const [args, reason] of WRONG) {
    const { code, out, err } = await world.run(...args);
    assert.is(code, 2, `${args.join(" ")}: ${out}${err}`);
    assert.is(out, "");
    assert.match(err, /^error: The command line cannot be used\.\n {2}why: .+\n {2}fix: `belfry help`.+\n$/);
    assert.match(err, reason);
  }
  assert.is((await world.run("force", "good", "--property", "novalue")).code, 2);
  const { code, value } = await world.json("builds", "--limit", "many");
  assert.is(code, 2);
  assert.is(value.error.code, "BELFRY_USAGE");
  await master.signal("SIGINT");
});

test("force builds, and with --wait tells how it went by its exit code", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const good = await world.run(
    "force",
    "good",
    "--wait",
    "--reason",
    "just so",
    "--property",
    "a=1=2",
    "--property",
    "b=",
  );
  assert.is(good.code, 0);
  assert.match(good.out, /good #1 started \(forced by administrator: just so\)/);
  assert.match(good.out, /good #1 step 1 hello: success/);
  assert.match(good.out, /Buildset 1 has ended: success\.\n$/);
  const bad = await world.run("force", "good", "bad", "--wait");
  assert.is(bad.code, 1);
  assert.match(bad.out, /\| line 30/);
  assert.match(bad.out, /Buildset 2 has ended: failure\./);
  const { code, value } = await world.json("force", "good", "--wait");
  assert.is(code, 0);
  assert.equal([value.buildset, value.result, value.requests.length], [3, "success", 1]);
  const properties = JSON.parse((await world.run("builds", "good", "--json")).out);
  assert.is(properties.items.length, 3);
  await master.signal("SIGINT");
});

test("force that cannot be done is refused with 4", async () => {
  await using world = await World.make(
    configText({ schedulers: 'force({ name: "one", builders: ["good"] }), force({ name: "two", builders: ["bad"] })' }),
  );
  const master = await world.start();
  const which = await world.run("force");
  assert.is(which.code, 4);
  assert.match(which.err, /"one", "two"/);
  assert.is((await world.run("force", "bad", "--scheduler", "one")).code, 4);
  assert.is((await world.run("force", "--scheduler", "three")).code, 4);
  assert.is((await world.run("force", "--scheduler", "two")).code, 0);
  await master.signal("SIGINT");
});

test("Ctrl-C while it waits ends the waiting with 130, not the build", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const waiting = world.spawn(["force", "slow", "--wait"]);
  await waiting.printed("slow #1 started");
  assert.is((await waiting.signal("SIGINT")).code, 130);
  assert.is((await world.json("builds")).value.items[0].state, "running");
  await master.signal("SIGINT");
});

test("builds are listed newest first, filtered, and with --json as they are", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  assert.is((await world.run("builds")).out, "There are no such builds.\n");
  for (const builder of ["good", "bad", "good"])
    await world.run("force", builder, "--wait", "--branch", builder === "bad" ? "other" : "main");
  const { out } = await world.run("builds");
  const lines = out.trim().split("\n");
  assert.match(lines[0] ?? "", /^ID +BUILD +RESULT +SOURCE +STARTED +TOOK +SUMMARY$/);
  assert.match(lines[1] ?? "", /^3 +good #2 +success +main +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ m?s$/);
  assert.match(lines[2] ?? "", /^2 +bad #1 +failure +other .*broken: exit code 3$/);
  assert.is(lines.length, 4);
  assert.equal(
    (await world.json("builds", "good")).value.items.map(({ number }: any) => number),
    [2, 1],
  );
  assert.equal(
    (await world.json("builds", "--branch", "other")).value.items.map(({ id }: any) => id),
    [2],
  );
  assert.equal(
    (await world.json("builds", "--result", "failure")).value.items.map(({ id }: any) => id),
    [2],
  );
  const { value } = await world.json("builds", "-n", "1");
  assert.equal(
    value.items.map(({ id }: any) => id),
    [3],
  );
  assert.type(value.next, "string");
  assert.is((await world.run("builds", "nobody")).code, 4);
  const builders = await world.run("builders");
  assert.match(builders.out, /^BUILDER +WORKERS.*\nbad +here\ngood +here\nslow +here\n$/);
  await master.signal("SIGINT");
});

test("log prints the log of a step, by number, by name, or the one to look at first", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  await world.run("force", "bad", "good", "--wait");
  const { items } = (await world.json("builds", "bad")).value;
  const whole = await world.run("log", "bad", "1");
  assert.is(whole.code, 0);
  assert.match(whole.out, /^\$ for i in .*\nline 1\nline 2\n/);
  assert.match(whole.out, /\nline 30\nexit code 3 after .*\n$/);
  for (const args of [
    ["bad", "1", "2"],
    ["bad", "1", "broken"],
    ["bad", "last"],
    ["bad"],
    ["bad", "#1"],
    [String(items[0].id)],
    ["bad", "1", "broken", "stdio"],
    ["bad", "1", "2", "1"],
  ]) {
    assert.is((await world.run("log", ...args)).out, whole.out, args.join(" "));
  }
  assert.match((await world.run("log", "bad", "1", "-n", "2")).out, /^line 30\nexit code 3[^\n]*\n$/);
  assert.match((await world.run("log", "good")).out, /Hello\nand good-bye\n/);
  assert.match((await world.run("log", "bad", "1", "fine")).out, /^\$ true\n/);
  const lines = (await world.run("log", "bad", "1", "2", "--json")).out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(
    [lines[1].number, lines[1].text, lines[1].channel, lines[1].step, lines[1].log],
    [1, "line 1", "stdout", 2, "stdio"],
  );
  for (const args of [["bad", "9"], ["nobody", "1"], ["999"], ["bad", "1", "9"], ["bad", "1", "2", "nothing"]]) {
    assert.is((await world.run("log", ...args)).code, 4, args.join(" "));
  }
  await master.signal("SIGINT");
});

test("a log of very many lines is printed whole, and a reader may leave early", async () => {
  await using world = await World.make(
    configText({
      builders: '{ name: "much", workers: ["here"], steps: [shell({ command: "seq 200000" })] }',
      schedulers: 'force({ name: "force", builders: ["much"] })',
    }),
  );
  const master = await world.start();
  await world.run("force", "--wait");
  const { out } = await world.run("log", "much");
  assert.is(out.split("\n").length, 200_003);
  assert.match(out, /\n199999\n200000\nexit code 0/);
  const early = world.spawn(["log", "much"]);
  await early.printed("1000\n");
  early.process.stdout?.destroy();
  assert.is((await early.end()).code, 0);
  await master.signal("SIGINT");
});

test("log -f goes on while the build runs, through all its steps", async () => {
  await using world = await World.make(
    configText({
      builders: `{ name: "long", workers: ["here"], steps: [
        shell({ name: "first", command: "echo one; while test ! -e ../../../../go; do sleep 0.05; done; echo two" }),
        shell({ name: "second", command: "echo three" })] }`,
      schedulers: 'force({ name: "force", builders: ["long"] })',
    }),
  );
  const master = await world.start();
  await world.run("force");
  await until(async () => (await world.json("builds")).value.items[0]?.state === "running", "the build's start");
  const all = world.spawn(["log", "long", "1", "-f"]);
  const one = world.spawn(["log", "long", "1", "first", "-f"]);
  await all.printed("one\n");
  await one.printed("one\n");
  assert.not.match(all.out, /\ntwo\n/);
  await writeFile(world.path("go"), "");
  const ended = await all.end();
  assert.is(ended.code, 0);
  assert.match(ended.out, /== step 1: first ==\n.*\none\ntwo\nexit code 0.*\n== step 2: second ==\n.*\nthree\n/);
  const oneEnded = await one.end();
  assert.is(oneEnded.code, 0);
  assert.not.match(oneEnded.out, /three/);
  await master.signal("SIGINT");
});

test("why tells in sentences what holds each request", async () => {
  await using world = await World.make(
    configText({
      builders: `
        { name: "slow", workers: ["here"], steps: [shell({ command: "sleep 300" })] },
        { name: "other", workers: ["here"], steps: [shell({ command: "true" })] },`,
      schedulers: 'force({ name: "force", builders: ["slow", "other"] })',
    }),
  );
  const master = await world.start();
  assert.is((await world.run("why")).out, "No request waits.\n");
  await world.run("force", "slow");
  await world.run("force", "slow");
  await until(async () => (await world.json("builds")).value.items.length === 2, "two builds");
  await world.run("force", "other");
  const { code, out } = await world.run("why");
  assert.is(code, 0);
  assert.is(out, "Request 3 for other waits:\n  - All its workers are busy: here (2 at a time; builds 1, 2).\n");
  assert.match((await world.run("why", "1")).out, /^Request 1 for slow is being built\.\n$/);
  const { value } = await world.json("why", "3");
  assert.is(value.items[0].reasons[0].reason, "workers-busy");
  assert.is((await world.run("why", "99")).code, 4);
  await master.signal("SIGINT");
});

test("watch shows what happens until Ctrl-C, of one builder if wanted", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const all = world.spawn(["watch"]);
  const json = world.spawn(["watch", "--json"]);
  const good = world.spawn(["watch", "good"]);
  // The first answer of the master is not shown, so wait for events that are.
  await until(async () => {
    await world.run("force", "good", "--wait");
    return [all, good, json].every(({ out }) => out.includes("good"));
  }, "all three watch");
  await world.run("force", "bad", "--wait");
  await all.printed(/bad #1 failure/);
  await world.run("force", "good", "--wait");
  const { code, out } = await good.signal("SIGINT");
  assert.is(code, 0);
  assert.match(out, /good #\d+ success/);
  assert.not.match(out, /bad/);
  assert.ok(
    (await json.signal("SIGTERM")).out
      .trim()
      .split("\n")
      .every((line) => typeof JSON.parse(line).type === "string"),
  );
  assert.is((await world.run("watch", "nobody")).code, 4);
  await master.signal("SIGINT");
  const left = await all.end();
  assert.is(left.code, 3);
  assert.match(left.err, /No master is running here|The master is stopping/);
});

test("plugins lists what is loaded", async () => {
  await using world = await World.make(configText());
  const master = await world.start();
  const { out } = await world.run("plugins");
  assert.match(out, /^PLUGIN +VERSION +OFFERS\n/);
  assert.match(out, /@belfry\/steps +0\.1\.0 +steps\.shell \(step\)/);
  assert.ok((await world.json("plugins")).value.items.some(({ name }: any) => name === "@belfry/sqlite"));
  await master.signal("SIGINT");
});

test("a token is shown once, does what its scope says, and nothing when it is revoked", async () => {
  await using world = await World.make(configText({ services: "http({ port: 0 }), jsonrpc()" }));
  const master = await world.start();
  const url = /(http:\S+\/rpc) answers/.exec(master.out)?.[1] ?? "";
  const added = await world.run("token", "add", "robot", "--scope", "control", "--expires", "1h");
  assert.is(added.code, 0);
  assert.match(added.out, /^belfry_\S+\n$/);
  assert.match(added.err, /Keep it/);
  const call = async (method: string) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${added.out.trim()}` };
    const answer = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: {} }),
    });
    return ((await answer.json()) as any).result !== undefined;
  };
  assert.ok(await call("schedulers.force"));
  assert.not(await call("tokens.list"));
  const list = await world.run("token", "list");
  assert.match(list.out, /robot +control +everything +\d{4}-.* +good until/);
  assert.not.match(list.out, new RegExp(added.out.trim()));
  assert.is((await world.run("token", "add", "robot")).code, 4);
  assert.is((await world.run("token", "revoke", "robot")).code, 0);
  assert.not(await call("builds.list"));
  assert.is((await world.run("token", "revoke", "nobody")).code, 4);
  assert.match((await world.run("token", "list")).out, /revoked/);
  const { value } = await world.json("token", "add", "other", "--builder", "good,bad");
  assert.match(value.token, /^belfry_/);
  assert.equal((await world.json("token", "list")).value.items.find(({ name }: any) => name === "other").builders, [
    "good",
    "bad",
  ]);
  await master.signal("SIGINT");
});

test("help names every command, with the configuration broken or missing too", async () => {
  await using world = await World.make();
  for (const args of [[], ["help"], ["--help"], ["-h"]]) {
    const { code, out, err } = await world.run(...args);
    assert.is(code, 0, args.join(" "));
    assert.is(err, "");
    for (const name of [
      "init",
      "start",
      "stop",
      "check",
      "force",
      "watch",
      "log",
      "why",
      "why-failed",
      "builds",
      "plugins",
      "token",
      "db",
    ])
      assert.match(out, new RegExp(`\n {2}${name} `));
  }
  assert.match((await world.run("help", "force")).out, /--scheduler <name>[\s\S]*--json/);
  assert.match((await world.run("log", "--help")).out, /--follow/);
  await world.config("throw new Error('broken');");
  const broken = await world.run("help");
  assert.is(broken.code, 0);
  assert.match(broken.out, /Commands of plugins are not known: the configuration cannot be used/);
  const unknown = await world.run("frobnicate");
  assert.is(unknown.code, 2);
  assert.match(unknown.err, /There is no command "frobnicate"\. Commands of plugins are not known/);
  const { code, out } = await world.run("--version");
  assert.is(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});

test("a plugin's command is in the help, gets its arguments, and speaks with the master", async () => {
  await using world = await World.make(
    configText({
      head: `import { BelfryError, definePlugin } from "belfry";
        const mine = definePlugin({ name: "mine", register: (host) => {
          host.commands.add({ name: "greet", summary: "greet a builder",
            arguments: [{ name: "<who>", summary: "whom" }, { name: "[more...]", summary: "others" }],
            options: [{ flags: "-l, --loud-voice", summary: "louder" }],
            async run(ctx) {
              if (ctx.args.who === "error") throw new BelfryError("MINE_BROKEN", { what: "What.", why: "Why.", fix: "Fix." });
              const { items } = await ctx.call("builders.list");
              if (ctx.json) ctx.printJson({ args: ctx.args, folder: ctx.folder });
              else ctx.print("Hello " + ctx.args.who + " and " + (ctx.args.more ?? []).join("+") + (ctx.args.loudVoice ? "!" : ".") + items.length);
              return 7;
            } });
        } });`,
      more: "plugins: [mine],",
    }),
  );
  assert.match((await world.run("help")).out, /\n {2}greet \[options\] <who> \[more\.\.\.\] +greet a builder/);
  assert.is((await world.run("greet", "x")).code, 3);
  const master = await world.start();
  const { code, out } = await world.run("greet", "you", "him", "her", "--loud-voice");
  assert.is(code, 7);
  assert.is(out, "Hello you and him+her!3\n");
  const { value } = await world.json("greet", "you");
  assert.is(value.folder, world.folder);
  const failed = await world.run("greet", "error");
  assert.is(failed.code, 4);
  assert.is(failed.err, "error: What.\n  why: Why.\n  fix: Fix.\n");
  assert.is((await world.run("greet")).code, 2);
  assert.is((await world.json("plugins")).value.items.find(({ name }: any) => name === "mine").commands[0], "greet");
  await master.signal("SIGINT");
});

test("`belfry schedulers` lists, tells why, disables and enables", async () => {
  await using world = await World.make(
    configText({
      schedulers:
        'force({ name: "force", builders: ["good"] }), anyBranch({ name: "each", builders: ["good"], treeStableTimer: "1h" })',
    }),
  );
  const master = await world.start();
  assert.match((await world.run("schedulers")).out, /SCHEDULER +KIND +BUILDERS +STATE\nforce +schedulers\.force +good/);
  assert.match((await world.run("schedulers", "why", "each")).out, /has nothing to build/);
  const off = await world.run("schedulers", "disable", "each", "--reason", "too \u001b[31mloud");
  assert.is(off.out, "The scheduler each is disabled.\n");
  assert.match((await world.run("schedulers", "list")).out, /each .*disabled by administrator: too .*loud/);
  assert.not.match((await world.run("schedulers", "list")).out, "\u001b[31m");
  assert.match((await world.run("schedulers", "why", "each")).out, /- administrator disabled it at \d{4}-.*loud/);
  assert.is((await world.json("schedulers")).value.items[1].disabled.by, "administrator");
  assert.is((await world.run("schedulers", "enable", "each")).out, "The scheduler each is enabled.\n");
  assert.is((await world.run("schedulers", "enable", "each")).out, "The scheduler each was already enabled.\n");
  assert.is((await world.run("schedulers", "enable", "nobody")).code, 4);
  await master.signal("SIGINT");
});

test("a command that is broken says so with 70, and where with BELFRY_DEBUG", async () => {
  await using world = await World.make(
    configText({
      head: 'import { definePlugin } from "belfry";\nconst mine = definePlugin({ name: "mine", register: (host) => host.commands.add({ name: "burst", summary: "b", run: async () => { throw new TypeError("oh no"); } }) });',
      more: "plugins: [mine],",
    }),
  );
  const { code, err } = await world.run("burst");
  assert.is(code, 70);
  assert.match(err, /^error: Something went wrong inside Belfry\.\n {2}why: oh no\n/);
  assert.match((await world.spawn(["burst"], { BELFRY_DEBUG: "1" }).end()).err, /belfry\.config\.ts/);
});

test.run();
