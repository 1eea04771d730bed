// time limit: 400 s
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@belfry/testkit";
import { type Json, SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";

const test = suite("chaos");
const KILLS = 20;
const fixture = fileURLToPath(new URL("./fixtures/chaos-master.ts", import.meta.url));

interface Life {
  child: ChildProcess;
  ended: Promise<void>;
  output(): string;
}

function startMaster(folder: string, url: string): Life {
  const child = spawn(process.execPath, ["--conditions=source", fixture, folder, url], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout?.on("data", (data) => {
    output += data;
  });
  child.stderr?.on("data", (data) => {
    output += data;
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return { child, ended, output: () => output };
}

async function ready(life: Life): Promise<void> {
  await until(() => life.output().includes("ready") || life.child.exitCode !== null, "the master's start", 30_000);
  if (life.child.exitCode !== null) throw new Error(`the master did not start: ${life.output()}`);
}

/** Processes that some master started for this folder and that still run. */
function leftBehind(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(folder) ||
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder)
        );
      } catch {
        return false;
      }
    });
}

async function all(client: SocketClient, method: string, params: { [key: string]: Json } = {}): Promise<any[]> {
  const items = [];
  for (let cursor: string | undefined; ; ) {
    const page = (await client.call(method, { limit: 500, order: "id", ...params, ...(cursor ? { cursor } : {}) })) as {
      items: Json[];
      next: string | null;
    };
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

async function chaos(url: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-chaos-"));
  const socket = join(folder, ".belfry", "master.sock");
  let life: Life | undefined;
  let client: SocketClient | undefined;
  let over = false;
  const acknowledged = new Map<string, number>();
  let wanted = 0;
  try {
    await writeFile(join(folder, "wanted"), "0");
    // Somebody who sends changes, and sends each again until it was acknowledged.
    const sender = (async () => {
      for (let i = 0; !over; i += 1) {
        const key = `sent${i}`;
        while (!acknowledged.has(key)) {
          try {
            client ??= await SocketClient.connect(socket);
            const { change } = (await client.call("changes.add", {
              key,
              revision: key,
              branch: "main",
              repository: "r",
            })) as { change: number };
            acknowledged.set(key, change);
          } catch {
            client?.close();
            client = undefined;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    for (let kill = 0; kill < KILLS; kill += 1) {
      life = startMaster(folder, url);
      wanted += 3;
      await writeFile(join(folder, "wanted"), String(wanted));
      // Some are killed while they start, most under way.
      if (kill % 5 !== 4) await ready(life);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
      life.child.kill("SIGKILL");
      await life.ended;
    }
    over = true;
    life = startMaster(folder, url);
    await ready(life);
    await sender;
    client?.close();
    client = await SocketClient.connect(socket);
    const last = client;

    const changes = async () => all(last, "changes.list", { fields: ["id", "source", "key", "revision"] });
    await until(async () => (await changes()).length >= wanted + acknowledged.size, "every change", 60_000);
    // The collecting scheduler waits for its tree to be stable; then everything has to come to its end.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await until(
      async () => {
        for (const state of ["pending", "claimed"]) {
          const { items } = (await last.call("requests.list", { state, limit: 1 })) as { items: Json[] };
          if (items.length > 0) return false;
        }
        const { builds } = (await last.call("status.now")) as { builds: Json[] };
        return builds.length === 0;
      },
      "the end of all builds",
      120_000,
    );

    const stored = await changes();
    const keys = stored.map((change) => `${change.source} ${change.key}`);
    assert.is(new Set(keys).size, keys.length, "no change is stored twice");
    assert.is(
      stored.filter((change) => change.source === "told").length,
      wanted,
      "no change of the source is lost or invented",
    );
    for (const [key, id] of acknowledged)
      assert.is(stored.find((change) => change.key === key)?.id, id, `${key} was acknowledged and is kept`);

    const requests = await all(last, "requests.list");
    const sets = new Map<number, { scheduler: string; changes: number[] }>();
    for (const { buildset } of requests) {
      if (!sets.has(buildset)) sets.set(buildset, (await last.call("buildsets.get", { buildset })) as never);
    }
    for (const scheduler of ["at-once", "collected"]) {
      const decided = [...sets.values()].filter((set) => set.scheduler === scheduler).flatMap((set) => set.changes);
      assert.equal(
        decided.sort((a, b) => a - b),
        stored.map((change) => change.id).sort((a, b) => a - b),
        `${scheduler} decided once on every change`,
      );
    }
    const builds = await all(last, "builds.list");
    for (const request of requests) {
      assert.is(request.state, "complete");
      const own = builds.filter((build) => build.request === request.id);
      assert.ok(own.length > 0, "every request was built");
      const ends = own.filter((build) => build.result !== "retry");
      assert.is(ends.length, 1, "every request has exactly one build that is no retry");
      assert.is(request.result, ends[0]?.result);
      assert.is(request.result, "success", `request ${request.id}`);
    }
    assert.ok(
      builds.some((build) => build.result === "retry"),
      "some builds were cut off, or this test tested nothing",
    );
    for (const builder of ["a", "b", "c"]) {
      const numbers = builds.filter((build) => build.builder === builder).map((build) => build.number);
      assert.equal(
        numbers,
        numbers.map((_, i) => i + 1),
        `the builds of ${builder} are numbered without gaps`,
      );
    }
    assert.not.ok(readdirSync(folder).includes("overlaps"), "no request was built twice at once");
    for (const build of builds.slice(-5)) {
      const { items } = (await last.call("logs.read", { build: build.id, step: 2 })) as { items: { text: string }[] };
      assert.ok(items.some((line) => line.text === "done"));
    }

    const events = [];
    for (let since = "0"; ; ) {
      const page = (await last.call("events.since", { since, limit: 500 })) as {
        items: { position: string; type: string }[];
        next: string;
      };
      if (page.items.length === 0) break;
      events.push(...page.items);
      since = page.next;
    }
    const lastTold = () =>
      Number(readFileSync(join(folder, "told.txt"), "utf8").trimEnd().split("\n").at(-1)?.split(" ")[0]);
    const newest = Number(events.at(-1)?.position);
    await until(() => lastTold() >= newest, "the listener's last event", 20_000);
    const heard = readFileSync(join(folder, "told.txt"), "utf8").trimEnd().split("\n");
    const heardOnce = new Set(heard);
    for (const event of events)
      assert.ok(heardOnce.has(`${event.position} ${event.type}`), `the listener was told of ${event.position}`);
    let highest = 0;
    let repeats = 0;
    for (const line of heard) {
      const at = Number(line.split(" ")[0]);
      // After a kill it is told again from its cursor on, never from further ahead.
      if (at <= highest) repeats += 1;
      highest = Math.max(highest, at);
    }
    assert.ok(repeats < heard.length / 2, "it is told again only what lies behind its cursor");

    client.close();
    life.child.kill("SIGTERM");
    await life.ended;
    assert.is(life.child.exitCode, 0, life.output());
    await until(() => leftBehind(folder).length === 0, "the end of every process", 10_000);
  } finally {
    over = true;
    client?.close();
    life?.child.kill("SIGKILL");
    await life?.ended;
    for (const pid of leftBehind(folder)) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    await rm(folder, { recursive: true, force: true });
  }
}

test(`a master that is killed ${KILLS} times loses and doubles nothing, on SQLite`, () => chaos(""));

test(`a master that is killed ${KILLS} times loses and doubles nothing, on PostgreSQL`, async () => {
  await using server = await postgres();
  await chaos(await server.createDatabase());
});

test.run();
