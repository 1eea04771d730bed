import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CommandSpec } from "belfry";
import * as assert from "uvu/assert";
import { limitedSuite, processesWith, rejects, residentBytes, run, spawnerPids, tag, until, World } from "./kit.ts";

const test = limitedSuite("running commands");
const signal = new AbortController().signal;

test("a command's exit code is its result", async () => {
  await using world = await World.make();
  const session = await world.session();
  const { code, signal, killed, elapsed } = await run(session, "exit 42");
  assert.equal({ code, signal, killed }, { code: 42, signal: null, killed: null });
  assert.type(elapsed, "number");
  assert.is((await run(session, ["true"])).code, 0);
});

test("a command that ends by a signal names it and has no code", async () => {
  await using world = await World.make();
  const { code, signal, killed } = await run(await world.session(), "kill -USR1 $$");
  assert.equal({ code, signal, killed }, { code: null, signal: "SIGUSR1", killed: null });
});

test("words of a command reach the program as they are, and no shell reads them", async () => {
  await using world = await World.make();
  const words = ["$HOME", "a b", "*", "'\"`", "ü漢🦇", "-n", "", "line\nbreak"];
  const { stdout } = await run(await world.session(), ["printf", "%s|", ...words]);
  assert.is(stdout.toString(), `${words.join("|")}|`);
});

test("the environment is the master's, the worker's and the command's, the later ones first; null takes a variable away", async () => {
  process.env.WORKER_TEST_ONE = "master";
  process.env.WORKER_TEST_TWO = "master";
  process.env.WORKER_TEST_THREE = "master";
  try {
    await using world = await World.make();
    const worker = await world.worker({
      env: { WORKER_TEST_TWO: "worker", WORKER_TEST_THREE: null, WORKER_TEST_FOUR: "worker" },
    });
    const { stdout } = await run(await world.session(worker), {
      command:
        "echo $WORKER_TEST_ONE,$WORKER_TEST_TWO,${WORKER_TEST_THREE-none},${WORKER_TEST_FOUR-none},$WORKER_TEST_FIVE",
      env: { WORKER_TEST_FOUR: null, WORKER_TEST_FIVE: "command" },
    });
    assert.is(stdout.toString(), "master,worker,none,none,command\n");
  } finally {
    for (const name of ["ONE", "TWO", "THREE"]) delete process.env[`WORKER_TEST_${name}`];
  }
});

test("a command knows its call, and cannot be made to lose its marker", async () => {
  await using world = await World.make();
  const session = await world.session();
  let text = "";
  const spec = { command: "echo $BELFRY_CALL $BELFRY_SESSION", env: { BELFRY_SESSION: null, BELFRY_CALL: "other" } };
  await session.run(spec, (_channel, data) => void (text += Buffer.from(data)), { signal, callId: "the-call" });
  assert.match(text, /^the-call .*\w{16}\.\w{16}\.\d+-\d+\.\d+;\n$/);
});

test("cwd is relative to the build's folder, or absolute; the default is the folder itself", async () => {
  await using world = await World.make();
  const session = await world.session();
  await mkdir(join(session.folder, "sub dir"));
  assert.is((await run(session, "pwd -P")).stdout.toString(), `${session.folder}\n`);
  assert.is(
    (await run(session, { command: "pwd -P", cwd: "sub dir" })).stdout.toString(),
    `${session.folder}/sub dir\n`,
  );
  assert.is((await run(session, { command: "pwd -P", cwd: "/" })).stdout.toString(), "/\n");
});

test("input arrives complete and is closed; without input there is none", async () => {
  await using world = await World.make();
  const session = await world.session();
  const input = Buffer.alloc(3_000_000, "0123456789\xff", "latin1");
  assert.ok((await run(session, { command: ["cat"], input })).stdout.equals(input));
  assert.is((await run(session, { command: ["cat"], input: "täxt" })).stdout.toString(), "täxt");
  assert.is((await run(session, ["cat"])).stdout.length, 0);
  assert.is((await run(session, { command: "cat /dev/stdin", input: "by name" })).stdout.toString(), "by name");
});

test("a command may end without reading its input, or close it early", async () => {
  await using world = await World.make();
  const session = await world.session();
  const input = Buffer.alloc(1_000_000, "x");
  assert.is((await run(session, { command: "exit 5", input })).code, 5);
  assert.is((await run(session, { command: "exec <&-; sleep 0.1; exit 6", input })).code, 6);
  assert.is((await run(session, { command: "head -c 3", input })).stdout.toString(), "xxx");
});

test("each channel keeps its order, and both arrive", async () => {
  await using world = await World.make();
  const { stdout, stderr } = await run(
    await world.session(),
    "i=0; while [ $i -lt 3000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done",
  );
  const lines = (word: string) => Array.from({ length: 3_000 }, (_, i) => `${word} ${i}\n`).join("");
  assert.is(stdout.toString(), lines("out"));
  assert.is(stderr.toString(), lines("err"));
});

test("bytes that are not UTF-8 arrive as they are", async () => {
  await using world = await World.make();
  const session = await world.session();
  const all = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 7 + (i >> 8)) & 255));
  await writeFile(join(session.folder, "bytes"), all);
  assert.ok((await run(session, ["cat", "bytes"])).stdout.equals(all));
});

test("output has names in /dev, as it has in a terminal", async () => {
  await using world = await World.make();
  const { code, stdout, stderr } = await run(await world.session(), "echo one > /dev/stdout; echo two > /dev/stderr");
  assert.equal([code, stdout.toString(), stderr.toString()], [0, "one\n", "two\n"]);
});

test("a command gets no file of the worker besides its input and output", async () => {
  await using world = await World.make();
  const { stdout } = await run(await world.session(), "ls -l /proc/self/fd");
  assert.not.match(stdout.toString(), "socket:");
  assert.not.match(stdout.toString(), "anon_inode:");
});

test("what the sink gets stays as it is", async () => {
  await using world = await World.make();
  const session = await world.session();
  const { stdout } = await run(session, "seq 200000");
  const expected = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");
  assert.ok(stdout.equals(Buffer.from(expected)));
});

test("100 MB arrive complete at a slow sink, one piece at a time, and neither process keeps them", async () => {
  await using world = await World.make();
  const session = await world.session();
  const line = Buffer.from(`${"0123456789".repeat(10)}\n`);
  const block = Buffer.concat(Array.from({ length: 10_000 }, () => line));
  const wanted = createHash("sha256");
  for (let i = 0; i < 100; i++) wanted.update(block);
  await writeFile(join(session.folder, "block"), block);
  const [spawner] = spawnerPids();
  const before = { master: residentBytes(process.pid), spawner: residentBytes(spawner as number) };
  const got = createHash("sha256");
  let [bytes, open, most, pieces, peak] = [0, 0, 0, 0, 0];
  const command = "i=0; while [ $i -lt 100 ]; do cat block; i=$((i+1)); done";
  const sink = async (_channel: string, data: Uint8Array) => {
    most = Math.max(most, ++open);
    bytes += data.length;
    got.update(data);
    if (++pieces % 20 === 0) {
      peak = Math.max(peak, residentBytes(process.pid));
      await new Promise((resolve) => setTimeout(resolve, 2));
    } else await Promise.resolve();
    open--;
  };
  const { code } = await session.run({ command }, sink, { signal, callId: "big" });
  assert.is(code, 0);
  assert.is(bytes, 100 * block.length);
  assert.is(got.digest("hex"), wanted.digest("hex"));
  assert.is(most, 1);
  assert.ok(peak - before.master < 64_000_000, `the master grew by ${peak - before.master}`);
  const spawnerGrowth = residentBytes(spawner as number) - before.spawner;
  assert.ok(spawnerGrowth < 16_000_000, `the spawner grew by ${spawnerGrowth}`);
});

test("a sink that takes its time holds the command, not the memory", async () => {
  await using world = await World.make();
  const session = await world.session();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let received = 0;
  const command = "head -c 5000000 /dev/zero; echo done > finished";
  const running = session.run(
    { command },
    (_channel, data) => {
      received += data.length;
      return held;
    },
    { signal, callId: "held" },
  );
  await until("something arrived", () => received > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(received <= 65_536, `${received} bytes arrived while the sink was busy`);
  assert.is((await rejects(session.stat("finished"))).code, "ENOENT");
  release();
  assert.is((await running).code, 0);
  assert.is(received, 5_000_000);
});

for (const [how, fail] of [
  [
    "throws",
    () => {
      throw new Error("disk full");
    },
  ],
  ["rejects", () => Promise.reject(new Error("disk full"))],
] as const) {
  test(`a sink that ${how} ends the command, and the call rejects with its error`, async () => {
    await using world = await World.make();
    const session = await world.session();
    const word = tag();
    const command = `echo begin; sleep ${word}`;
    const error = await rejects(session.run({ command }, fail as () => Promise<void>, { signal, callId: "sink" }));
    assert.is(error.message, "disk full");
    assert.equal(processesWith(word), []);
  });
}

test("50 commands at once each get their own output", async () => {
  await using world = await World.make();
  const session = await world.session();
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      run(session, { command: `cat; echo err ${i} >&2; sleep 0.2; exit ${i}`, input: `in ${i}` }),
    ),
  );
  for (const [i, { code, stdout, stderr }] of results.entries())
    assert.equal([code, stdout.toString(), stderr.toString()], [i, `in ${i}`, `err ${i}\n`]);
});

test("hundreds of short commands, some of which cannot start, do not disturb each other", async () => {
  await using world = await World.make();
  const session = await world.session();
  const one = async (i: number) => {
    if (i % 5 === 0)
      return assert.is((await rejects(run(session, ["belfry-no-such-program"]))).code, "BELFRY_COMMAND_NOT_FOUND");
    const { stdout } = await run(session, i % 2 ? `echo ${i}` : `echo ${i}; sleep 0.01`);
    return assert.is(stdout.toString(), `${i}\n`);
  };
  let next = 0;
  const lane = async () => {
    while (next < 400) await one(next++);
  };
  await Promise.all(Array.from({ length: 12 }, lane));
});

test("a program that does not exist is a failure that says so", async () => {
  await using world = await World.make();
  const session = await world.session();
  for (const command of [
    ["belfry-no-such-program", "secret-argument"],
    ["./missing"],
    ["/no/such/program"],
    ["/etc/passwd/x"],
  ]) {
    const error = await rejects(run(session, { command }));
    assert.is(error.code, "BELFRY_COMMAND_NOT_FOUND");
    assert.is(error.result, "failure");
    assert.ok(error.message.includes(command[0] as string));
    assert.not.match(error.message, "secret-argument");
  }
});

test("a script whose interpreter is missing is not found", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("script", Buffer.from("#!/no/such/interpreter\n"), { executable: true });
  assert.is((await rejects(run(session, ["./script"]))).code, "BELFRY_COMMAND_NOT_FOUND");
});

test("a program is looked for in the PATH of the command", async () => {
  await using world = await World.make();
  const session = await world.session();
  await session.writeFile("bin/belfry-own-program", Buffer.from("#!/bin/sh\necho own\n"), { executable: true });
  const env = { PATH: `${session.folder}/bin:${process.env.PATH}` };
  assert.is((await run(session, { command: ["belfry-own-program"], env })).stdout.toString(), "own\n");
});

test("a file that is not executable is denied", async () => {
  await using world = await World.make();
  const session = await world.session();
  await writeFile(join(session.folder, "plain"), "#!/bin/sh\n");
  await chmod(join(session.folder, "plain"), 0o644);
  for (const program of ["./plain", session.folder]) {
    const error = await rejects(run(session, [program]));
    assert.is(error.code, "BELFRY_COMMAND_DENIED");
    assert.is(error.result, "failure");
  }
});

test("a folder that does not exist is named, whatever the program", async () => {
  await using world = await World.make();
  const session = await world.session();
  await writeFile(join(session.folder, "file"), "");
  for (const cwd of ["missing", "file", "file/below", "/no/such/folder"]) {
    const error = await rejects(run(session, { command: ["true"], cwd }));
    assert.is(error.code, "BELFRY_COMMAND_CWD_MISSING");
    assert.is(error.result, "failure");
    assert.ok(error.message.includes(cwd));
  }
});

test("arguments or an environment too large for the system are a failure that says so", async () => {
  await using world = await World.make();
  const session = await world.session();
  const huge = "x".repeat(300_000);
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`V${i}`, "x".repeat(100_000)]));
  for (const spec of [
    { command: ["true", huge] },
    { command: `true ${huge}` },
    { command: ["true"], env: { V: huge } },
    { command: ["true"], env: many },
  ]) {
    const error = await rejects(run(session, spec));
    assert.is(error.code, "BELFRY_COMMAND_TOO_LONG");
    assert.ok(error.message.length < 1_000);
  }
  assert.is((await run(session, ["true"])).code, 0);
});

test("input of one command does not vanish with another's", async () => {
  await using world = await World.make();
  const session = await world.session();
  let next = 0;
  const lane = async () => {
    while (next < 300) {
      const input = `in ${next++}`;
      assert.is((await run(session, { command: ["cat"], input })).stdout.toString(), input);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const pipes = join(session.folder, "..", ".pipes");
  const [own] = await readdir(pipes);
  assert.equal(
    (await readdir(join(pipes, own as string))).filter((name) => name.includes("-")),
    [],
  );
});

test("if the folder of its pipes is removed, a command is to be tried again, and that works", async () => {
  await using world = await World.make();
  const session = await world.session();
  const pipes = join(session.folder, "..", ".pipes");
  for (const input of ["", "input"]) {
    for (const name of await readdir(pipes)) await rm(join(pipes, name), { recursive: true });
    const error = await rejects(run(session, { command: ["cat"], input }));
    assert.equal([error.code, error.result], ["BELFRY_COMMAND_NOT_STARTED", "retry"]);
    assert.is((await run(session, { command: ["cat"], input: "again" })).stdout.toString(), "again");
  }
});

test("a command that cannot be written for the system is refused before it starts", async () => {
  await using world = await World.make();
  const session = await world.session();
  const wrong: CommandSpec[] = [
    { command: [] },
    { command: [""] },
    { command: ["a\0b"] },
    { command: "echo \0" },
    { command: ["true", 7 as unknown as string] },
    { command: ["true"], cwd: "a\0" },
    { command: ["true"], env: { "A=B": "x" } },
    { command: ["true"], env: { "": "x" } },
    { command: ["true"], env: { A: "\0" } },
    { command: ["true"], env: { A: 5 as unknown as string } },
  ];
  for (const spec of wrong) assert.is((await rejects(run(session, spec))).code, "BELFRY_COMMAND_INVALID");
});

test.run();
