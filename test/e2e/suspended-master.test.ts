// time limit: 180 s
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@belfry/testkit";
import { type Json, SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";

const test = suite("a master that is suspended");
const fixture = fileURLToPath(new URL("./fixtures/suspended-master.ts", import.meta.url));

interface Life extends AsyncDisposable {
  child: ChildProcess;
  output(): string;
  call(method: string, params?: Json): Promise<any>;
}

async function start(folder: string, name: string, url: string): Promise<Life> {
  const child = spawn(process.execPath, ["--conditions=source", fixture, folder, name, url], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      output += data;
    });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await until(() => output.includes("ready") || child.exitCode !== null, "the master's start", 40_000);
  assert.is(child.exitCode, null, output);
  const client = await SocketClient.connect(join(folder, name, "master.sock"));
  return {
    child,
    output: () => output,
    call: (method, params = {}) => client.call(method, params),
    async [Symbol.asyncDispose]() {
      client.close();
      child.kill("SIGCONT");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

test("invariants 3 and 4: its builds are built by another one, and nothing that it writes when it goes on counts", async () => {
  await using server = await postgres();
  const url = await server.createDatabase();
  const folder = await mkdtemp(join(tmpdir(), "belfry-suspended-"));
  const notes = async () => (await readFile(join(folder, "notes"), "utf8").catch(() => "")).split("\n");
  try {
    // Logs are on shared storage when there are several masters.
    await mkdir(join(folder, "logs"));
    for (const name of ["a", "b"]) {
      await mkdir(join(folder, name));
      await symlink(join(folder, "logs"), join(folder, name, "logs"));
    }

    await using a = await start(folder, "a", url);
    const { buildset, requests } = await a.call("schedulers.force", {});
    const request = requests[0].id;
    await until(async () => (await notes()).some((line) => line.startsWith("a began")), "the build on a");
    await using b = await start(folder, "b", url);
    assert.equal((await b.call("requests.get", { request })).builds.length, 1, "a is alive: nothing is taken from it");

    a.child.kill("SIGSTOP");
    await until(async () => (await notes()).some((line) => line.startsWith("b began")), "the build on b", 30_000);
    const [first, second] = (await b.call("builds.list", { order: "id" })).items;
    assert.equal([first.state, first.result, second.state], ["finished", "retry", "running"]);
    const steps = await b.call("builds.steps", { build: first.id });
    assert.equal(
      steps.items.map((step: { result: string; summary: string }) => [step.result, step.summary]),
      [["retry", "interrupted: the master was lost"]],
    );
    // The source goes on at b, from the state that a stored last.
    const newest = async () => (await b.call("changes.list", { limit: 1 })).items[0];
    await until(async () => (await newest()).author === "b", "a change by b", 30_000);

    // How long its builder usually takes changes with other builds.
    const facts = async () => ({ ...(await b.call("builds.get", { build: first.id })), usualMillis: null });
    const before = await facts();
    const logs = await b.call("logs.list", { build: first.id });
    assert.equal(
      logs.items.map((log: { name: string; finished: boolean }) => [log.name, log.finished]),
      [["stdio", true]],
      "its log was sealed",
    );
    const sealed = (await b.call("events.since", { since: "0", types: ["log.finished"] })).items;
    assert.is(sealed[0]?.data.build, first.id, "and that was told");
    await writeFile(join(folder, "finish"), "");
    a.child.kill("SIGCONT");
    assert.ok(a.child.exitCode === null);
    await until(async () => (await b.call("buildsets.get", { buildset })).result !== null, "the end on b", 30_000);
    await until(
      async () =>
        (await notes()).some((line) => line.startsWith("a ended") || line.startsWith("a warn this master was cut off")),
      "a's own end of it",
      30_000,
    );
    // Time for whatever it still has to write.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal(await facts(), before, "what a wrote of the build does not count");
    assert.equal(await b.call("builds.steps", { build: first.id }), steps);
    assert.equal(await b.call("logs.list", { build: first.id }), logs);
    const done = await b.call("requests.get", { request });
    assert.equal([done.state, done.result, done.builds], ["complete", "success", [first.id, second.id]]);
    assert.is((await b.call("builds.get", { build: second.id })).properties.by.value, "b");
    const { items: events } = await b.call("events.since", {
      since: "0",
      types: ["request.finished", "build.finished"],
    });
    assert.equal(
      events.map((event: { type: string; data: { build?: number; result: string } }) => [
        event.type,
        event.data.build ?? 0,
        event.data.result,
      ]),
      [
        ["build.finished", first.id, "retry"],
        ["build.finished", second.id, "success"],
        ["request.finished", 0, "success"],
      ],
    );

    // Both go on as masters, and each change is there once.
    await until(
      async () => (await notes()).some((line) => line.startsWith("a warn this master was cut off")),
      "a's notice",
    );
    for (const master of [a, b]) {
      const forced = await master.call("schedulers.force", {});
      await until(
        async () => (await master.call("buildsets.get", { buildset: forced.buildset })).result === "success",
        "another build",
        30_000,
      );
    }
    const keys: string[] = [];
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await b.call("changes.list", {
        order: "id",
        limit: 500,
        fields: ["key"],
        ...(cursor && { cursor }),
      });
      keys.push(...page.items.map((change: { key: string }) => change.key));
      cursor = page.next;
    }
    assert.ok(keys.length > 0);
    assert.equal(
      keys,
      keys.map((_, i) => `c${i + 1}`),
    );
    for (const master of [a, b]) {
      master.child.kill("SIGTERM");
      await until(() => master.child.exitCode !== null, "its end");
      assert.is(master.child.exitCode, 0, master.output());
    }
    assert.equal(
      (await notes()).filter((line) => line.includes("unhandled")),
      [],
    );
  } catch (error) {
    console.error((await notes()).join("\n"));
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
