// time limit: 600 s
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@belfry/testkit";
import { type Json, SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";
import { all, Caller, everyEvent, pause } from "./farm/caller.ts";
import { committedState } from "./farm/committed-state.ts";
import { type BuilderLock, oddEvents, type Told } from "./farm/event-history.ts";
import { Ledger, oddLines, readLedger } from "./farm/ledger.ts";
import { type Life, leftBehind, ready, startMaster } from "./farm/life.ts";
import { Meddler } from "./farm/meddler.ts";
import { checkResults, checkTriggers, openWork, setsOf } from "./farm/outcome.ts";
import { chooseSeed, seeded } from "./farm/random.ts";

const test = suite("chaos");
const KILLS = Number(process.env.BELFRY_CHAOS_KILLS ?? 100);
const BUILDERS = ["a", "b", "merged", "child", "strict", "loose"];
const fixture = fileURLToPath(new URL("./fixtures/chaos-master.ts", import.meta.url));

const LIMITS = [
  { lock: "pool", worker: "", most: 3 },
  { lock: "deploy", worker: "", most: 1 },
  { lock: "disk", worker: "one", most: 2 },
  { lock: "disk", worker: "two", most: 1 },
];
const BUILDER_LOCKS: BuilderLock[] = [
  { builder: "a", lock: "pool", mode: "counting", count: 1, perWorker: false },
  { builder: "b", lock: "disk", mode: "counting", count: 1, perWorker: true },
  { builder: "merged", lock: "pool", mode: "exclusive", count: 1, perWorker: false },
];

async function chaos(url: string): Promise<void> {
  const seed = chooseSeed();
  const random = seeded(seed);
  const folder = await mkdtemp(join(tmpdir(), "belfry-chaos-"));
  const socket = join(folder, ".belfry", "master.sock");
  const ledger = new Ledger(join(folder, "ledger"), "main");
  let life: Life | undefined;
  let client: SocketClient | undefined;
  let over = false;
  const acknowledged = new Map<string, number>();
  let wanted = 0;
  let kills = 0;
  await mkdir(join(folder, "requests"));
  await writeFile(join(folder, "wanted"), "0");
  await using state = await committedState(folder, url);
  const callers = [0, 1].map(
    () =>
      new Caller(
        () => socket,
        () => over,
      ),
  );
  const meddler = new Meddler(callers[1] as Caller, BUILDERS, random);
  try {
    // Somebody who sends changes, and sends each again until it was acknowledged.
    const sender = (async () => {
      for (let i = 0; !over; i += 1) {
        const key = `sent${i}`;
        const params = { key, revision: key, branch: "main", repository: "r" };
        const answer = await callers[0]?.surely("changes.add", params);
        if (answer) acknowledged.set(key, answer.change);
        await pause(150);
      }
    })();
    const meddling = (async () => {
      while (!over) {
        await meddler.act();
        await pause(15 + random() * 60);
      }
    })();
    const outside = Promise.all([sender, meddling]);
    let fault: unknown;
    outside.catch((error) => {
      fault = error;
    });
    for (; kills < KILLS; kills += 1) {
      if (fault) throw fault;
      life = startMaster(fixture, folder, [url]);
      wanted += Math.floor(random() * 4);
      await writeFile(join(folder, "wanted"), String(wanted));
      // Some are killed while they start, most under way.
      if (random() < 0.8) await ready(life);
      await pause(random() * 500);
      assert.is(life.child.exitCode, null, life.output());
      life.child.kill("SIGKILL");
      await life.ended;
      ledger.note({ what: "killed" });
      assert.equal(await state.broken(LIMITS), [], `after kill ${kills + 1}`);
    }
    over = true;
    await outside;
    life = startMaster(fixture, folder, [url]);
    await ready(life);
    over = false;
    await meddler.resumeAll();
    over = true;
    client = await SocketClient.connect(socket);
    const last = client;

    const changes = async () => all(last, "changes.list", { fields: ["id", "source", "key", "revision"] });
    const fromSource = async () => (await changes()).filter((change) => change.source === "told").length;
    await until(async () => (await fromSource()) >= wanted, "every change", 60_000);
    // The collecting scheduler waits for its tree to be stable; then everything has to come to its end.
    await pause(400);
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
      180_000,
    );

    const stored = await changes();
    const keys = stored.map((change) => `${change.source} ${change.key}`);
    assert.is(new Set(keys).size, keys.length, "no change is stored twice");
    assert.is(await fromSource(), wanted, "no change of the source is lost or invented");
    for (const [key, id] of acknowledged)
      assert.is(stored.find((change) => change.key === key)?.id, id, `${key} was acknowledged and is kept`);

    const requests = await all(last, "requests.list");
    const builds = await all(last, "builds.list");
    const sets = await setsOf(last, requests);
    for (const scheduler of ["at-once", "collected"]) {
      const decided = [...sets.values()].filter((set) => set.scheduler === scheduler).flatMap((set) => set.changes);
      assert.equal(
        decided.sort((a, b) => a - b),
        stored.map((change) => change.id).sort((a, b) => a - b),
        `${scheduler} decided once on every change`,
      );
    }
    checkResults(requests, builds, sets, meddler.cancelled);
    checkTriggers(builds, sets);
    for (const builder of BUILDERS) {
      const numbers = builds.filter((build) => build.builder === builder).map((build) => build.number);
      assert.ok(numbers.length > 0, `${builder} was built`);
      assert.equal(
        numbers,
        numbers.map((_, i) => i + 1),
        `the builds of ${builder} are numbered without gaps`,
      );
    }
    const commands = builds.filter((build) => build.result === "success" && ["a", "b"].includes(build.builder));
    for (const build of commands.slice(-5)) {
      const { items } = (await last.call("logs.read", { build: build.id, step: 1 })) as { items: { text: string }[] };
      assert.ok(items.some((line) => line.text === "done"));
    }
    const { items: locks } = (await last.call("locks.list")) as { items: { holders: Json[]; queue: Json[] }[] };
    assert.equal(
      locks.flatMap(({ holders, queue }) => [...holders, ...queue]),
      [],
      "nobody holds or wants a lock any more",
    );
    assert.equal(oddLines(await readLedger(join(folder, "ledger")), LIMITS), []);
    const events = await everyEvent(last);
    assert.equal(oddEvents(events, BUILDER_LOCKS, LIMITS), []);
    await checkHeard(folder, events);
    console.log(
      `${kills} kills, ${stored.length} changes, ${requests.length} requests, ${builds.length} builds (${builds.filter((build) => build.result === "retry").length} retried), ${requests.filter((request) => request.collapsedInto !== null).length} collapsed, ${meddler.cancelled.size} cancelled, ${events.length} events`,
    );

    client.close();
    life.child.kill("SIGTERM");
    await life.ended;
    assert.is(life.child.exitCode, 0, life.output());
    assert.equal(await state.broken(LIMITS), [], "at the end");
    await until(() => leftBehind(folder).length === 0, "the end of every process", 10_000);
  } catch (error) {
    console.error(`BELFRY_CHAOS_SEED=${seed} after ${kills} kills\n${life?.output() ?? ""}`);
    if (client) console.error(await openWork(client).catch(String));
    throw error;
  } finally {
    over = true;
    client?.close();
    for (const caller of callers) caller.close();
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

/** The listener was told of every event, in order, at least once. */
async function checkHeard(folder: string, events: Told[]): Promise<void> {
  const read = () => readFileSync(join(folder, "told.txt"), "utf8").trimEnd().split("\n");
  const newest = Number(events.at(-1)?.position);
  await until(() => Number(read().at(-1)?.split(" ")[0]) >= newest, "the listener's last event", 20_000);
  const heard = read();
  const told = new Set(events.map((event) => event.position));
  assert.equal(
    [...new Set(heard)].filter((line) => told.has(line.split(" ")[0] as string)),
    events.map((event) => `${event.position} ${event.type}`),
    "the listener heard of every event, the first time in order",
  );
  let highest = 0;
  let repeats = 0;
  for (const line of heard) {
    const at = Number(line.split(" ")[0]);
    // After a kill it is told again from its cursor on, never from further ahead.
    if (at <= highest) repeats += 1;
    highest = Math.max(highest, at);
  }
  assert.ok(repeats < heard.length / 2, "it is told again only what lies behind its cursor");
}

test(`a master that is killed ${KILLS} times loses and doubles nothing, on SQLite`, () => chaos(""));

test(`a master that is killed ${KILLS} times loses and doubles nothing, on PostgreSQL`, async () => {
  await using server = await postgres();
  await chaos(await server.createDatabase());
});

test.run();
