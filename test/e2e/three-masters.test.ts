// time limit: 400 s
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@belfry/testkit";
import { SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";
import { all, Caller, everyEvent, pause } from "./farm/caller.ts";
import { type CommittedState, committedState } from "./farm/committed-state.ts";
import { type BuilderLock, oddEvents } from "./farm/event-history.ts";
import { Ledger, oddLines, readLedger } from "./farm/ledger.ts";
import { type Life, leftBehind, ready, startMaster } from "./farm/life.ts";
import { Meddler } from "./farm/meddler.ts";
import { checkResults, checkTriggers, setsOf } from "./farm/outcome.ts";
import { chooseSeed, seeded } from "./farm/random.ts";

const test = suite("three masters on one database");
const SUSPENSIONS = 4;
const KILLS = 30;
const MASTERS = ["m0", "m1", "m2"] as const;
const BUILDERS = ["a", "b", "merged", "child", "strict", "loose"];
const fixture = fileURLToPath(new URL("./fixtures/farm-master.ts", import.meta.url));

const LIMITS = [
  { lock: "pool", worker: "", most: 3 },
  { lock: "deploy", worker: "", most: 1 },
  ...MASTERS.map((name) => ({ lock: "disk", worker: `${name}-machine`, most: 2 })),
];
const BUILDER_LOCKS: BuilderLock[] = [
  { builder: "a", lock: "pool", mode: "counting", count: 1, perWorker: false },
  { builder: "b", lock: "disk", mode: "counting", count: 1, perWorker: true },
  { builder: "merged", lock: "pool", mode: "exclusive", count: 1, perWorker: false },
];

type Name = (typeof MASTERS)[number];

/** The masters' processes, of which each may be suspended or gone. */
class Farm implements AsyncDisposable {
  readonly #folder: string;
  readonly #url: string;
  readonly #lives = new Map<Name, Life>();
  readonly suspended = new Set<Name>();

  constructor(folder: string, url: string) {
    this.#folder = folder;
    this.#url = url;
  }

  /** Those that answer. */
  get answering(): Name[] {
    return [...this.#lives.keys()].filter((name) => !this.suspended.has(name));
  }

  life(name: Name): Life {
    return this.#lives.get(name) as Life;
  }

  socket(name: Name): string {
    return join(this.#folder, name, "master.sock");
  }

  async start(name: Name): Promise<void> {
    const life = startMaster(fixture, this.#folder, [name, this.#url, MASTERS.join(",")]);
    await ready(life);
    this.#lives.set(name, life);
  }

  async suspend(name: Name): Promise<void> {
    this.suspended.add(name);
    const { child } = this.life(name);
    child.kill("SIGSTOP");
    const state = async () => (await readFile(`/proc/${child.pid}/stat`, "utf8")).split(") ")[1]?.[0];
    await until(async () => (await state()) === "T", "its standstill");
    this.ledger(name).note({ what: "suspended" });
  }

  /** A standstill that is shorter than its lease. */
  async flicker(name: Name, millis: number): Promise<void> {
    const { child } = this.life(name);
    child.kill("SIGSTOP");
    await pause(millis);
    child.kill("SIGCONT");
  }

  resume(name: Name): void {
    this.ledger(name).note({ what: "continued" });
    this.life(name).child.kill("SIGCONT");
    this.suspended.delete(name);
  }

  async kill(name: Name): Promise<void> {
    const { child, ended, output } = this.life(name);
    assert.is(child.exitCode, null, output());
    this.#lives.delete(name);
    child.kill("SIGKILL");
    await ended;
    this.ledger(name).note({ what: "killed" });
  }

  ledger(name: Name): Ledger {
    return new Ledger(join(this.#folder, "ledger"), name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child, ended } of this.#lives.values()) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
      await ended;
    }
  }
}

/** All that is written of builds that were given up, which nobody may change any more. */
async function recordOf(state: CommittedState, builds: readonly number[]): Promise<unknown> {
  const ids = builds.join(", ") || "0";
  return {
    builds: await state.rows(`select * from builds where id in (${ids}) order by id`),
    steps: await state.rows(`select * from steps where build_id in (${ids}) order by build_id, step`),
    logs: await state.rows(`select * from logs where build_id in (${ids}) order by build_id, step, log`),
    calls: await state.rows(`select * from step_calls where build_id in (${ids}) order by build_id, step, call`),
    properties: await state.rows(`select * from properties where build_id in (${ids}) order by build_id, name`),
  };
}

interface GivenUp {
  builds: number[];
  record: unknown;
}

/** Suspends a master until others have taken over all that it had, and wakes it up while they build it. */
async function suspendPastLease(name: Name, farm: Farm, state: CommittedState, random: () => number): Promise<GivenUp> {
  const mine = `select b.id from builds b join masters m on m.id = b.master_id where m.name = '${name}' and b.state <> 'finished'`;
  const unfinished = async () => (await state.rows(`${mine} order by b.id`)).map((row) => Number(row.id));
  await until(async () => (await unfinished()).length > 0, `something that ${name} builds`, 60_000);
  await farm.suspend(name);
  const builds = await unfinished();
  const leases = `select name from leases where ${ownerOf(name)} and name <> 'master:${name}'`;
  await until(
    async () => (await unfinished()).length === 0 && (await state.rows(leases)).length === 0,
    `others to take over from ${name}`,
    60_000,
  );
  const record = await recordOf(state, builds);
  await pause(random() * 300);
  farm.resume(name);
  const lease = `select 1 from leases where name = 'master:${name}' and ${ownerOf(name)}`;
  await until(async () => (await state.rows(lease)).length === 1, `${name} to come back`, 60_000);
  return { builds, record };
}

const seconds = (millis: number) => `${Math.round(millis / 1_000)} s`;
const ownerOf = (name: Name) => `owner like '${name}#%' and owner not like '%/recovery'`;

test(`one suspended past its lease ${SUSPENSIONS} times, ${KILLS} killed: nothing is lost, doubled or written late`, async () => {
  const seed = chooseSeed();
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  await using server = await postgres();
  const url = await server.createDatabase();
  const folder = await mkdtemp(join(tmpdir(), "belfry-masters-"));
  // Logs are on shared storage when there are several masters.
  await mkdir(join(folder, "logs"));
  for (const name of MASTERS) {
    await mkdir(join(folder, name));
    await symlink(join(folder, "logs"), join(folder, name, "logs"));
  }
  let over = false;
  let load = true;
  try {
    await using state = await committedState(folder, url);
    await using watcher = await committedState(folder, url);
    await using farm = new Farm(folder, url);
    const callers = [0, 1].map(
      () =>
        new Caller(
          () => farm.socket(pick(farm.answering)),
          () => over,
        ),
    );
    const meddler = new Meddler(callers[1] as Caller, BUILDERS, random);
    for (const name of MASTERS) await farm.start(name);

    const acknowledged = new Map<string, number>();
    const sender = (async () => {
      for (let i = 0; load; i += 1) {
        const key = `sent${i}`;
        const answer = await callers[0]?.surely("changes.add", { key, revision: key, branch: "main", repository: "r" });
        if (answer) acknowledged.set(key, answer.change);
        await pause(220);
      }
    })();
    const meddling = (async () => {
      while (load) {
        await meddler.act();
        await pause(20 + random() * 80);
      }
    })();
    // What has to hold at each moment is looked at over and over, also while all of them write.
    const watching = (async () => {
      while (!over) {
        assert.equal(await watcher.broken(LIMITS), [], "at some moment");
        await pause(50);
      }
    })();
    const outside = Promise.all([sender, meddling, watching]);
    let fault: unknown;
    outside.catch((error) => {
      fault = error;
    });
    const check = () => {
      if (fault) throw fault;
    };

    const builders = async () =>
      (await state.rows("select count(distinct master_id) as n from builds where state = 'finished'"))[0]?.n;
    await until(async () => Number(await builders()) === 3, "builds on all three", 60_000);

    const begun = performance.now();
    const records: GivenUp[] = [];
    for (let i = 0; i < SUSPENSIONS; i += 1) {
      check();
      // Short standstills, at whatever it does, are nothing that anybody notices.
      for (let short = 0; short < 4; short += 1) {
        await pause(random() * 200);
        await farm.flicker(pick(MASTERS), random() * 300);
      }
      const names = new Set(random() < 0.3 ? [pick(MASTERS), pick(MASTERS)] : [pick(MASTERS)]);
      await Promise.all(
        [...names].map(async (name) => records.push(await suspendPastLease(name, farm, state, random))),
      );
    }
    for (const { builds, record } of records)
      assert.equal(await recordOf(state, builds), record, "what a suspended master wrote late does not count");

    const suspendedFor = performance.now() - begun;
    for (let kill = 0; kill < KILLS; kill += 1) {
      check();
      await pause(random() * 700);
      const names = random() < 0.2 ? [pick(MASTERS), pick(MASTERS)] : [pick(MASTERS)];
      // One always stays, so that there is somebody to be told of changes.
      for (const name of new Set(names)) await farm.kill(name);
      kill += new Set(names).size - 1;
      await pause(random() * 500);
      for (const name of new Set(names)) await farm.start(name);
    }
    load = false;
    await sender;
    await meddling;
    const killedFor = performance.now() - begun - suspendedFor;
    await meddler.resumeAll();
    const done = "select count(*) as n from build_requests where state <> 'complete'";
    await until(
      async () => {
        check();
        return Number((await state.rows(done))[0]?.n) === 0;
      },
      "the end of all requests",
      180_000,
    );
    over = true;
    await outside;

    const client = await SocketClient.connect(farm.socket("m1"));
    try {
      const changes = await all(client, "changes.list", { fields: ["id", "key"] });
      assert.is(changes.length, acknowledged.size, "every change is stored once");
      for (const [key, id] of acknowledged) assert.is(changes.find((change) => change.key === key)?.id, id);
      const requests = await all(client, "requests.list");
      const builds = await all(client, "builds.list");
      const sets = await setsOf(client, requests);
      assert.equal(
        [...sets.values()]
          .filter((set) => set.scheduler === "at-once")
          .flatMap((set) => set.changes)
          .sort((a, b) => a - b),
        changes.map((change) => change.id),
        "the scheduler decided once on every change",
      );
      checkResults(requests, builds, sets, meddler.cancelled);
      checkTriggers(builds, sets);
      const given = new Set<number>(builds.filter((build) => build.result === "retry").map((build) => build.id));
      const lines = await readLedger(join(folder, "ledger"));
      assert.equal(oddLines(lines, LIMITS, given), []);
      const events = await everyEvent(client);
      assert.equal(oddEvents(events, BUILDER_LOCKS, LIMITS), []);
      for (const { builds: given, record } of records) assert.equal(await recordOf(state, given), record, "at the end");

      const open = await state.rows(
        "select (select count(*) from steps where finished_at is null) as steps, (select count(*) from logs where finished = 0) as logs, (select count(*) from locks) as locks",
      );
      assert.equal(Object.values(open[0] as object).map(Number), [0, 0, 0], "nothing is left open");
      const built = builds.filter((build) => build.result === "success" && build.builder === "a");
      for (const build of built.slice(-5)) {
        const { items } = (await client.call("logs.read", { build: build.id, step: 1 })) as {
          items: { text: string }[];
        };
        assert.is(items.at(-1)?.text, "done");
      }
      const heard = () =>
        readLedger(join(folder, "ledger")).then((all) =>
          all.flatMap((line) => ("position" in line ? [String(line.position)] : [])),
        );
      const last = events.at(-1)?.position as string;
      await until(async () => (await heard()).includes(last), "the listener's last event", 30_000);
      const told = new Set(events.map((event) => event.position));
      assert.equal(
        [...new Set(await heard())].filter((position) => told.has(position)),
        events.map((event) => event.position),
        "the listener heard of every event, the first time in order",
      );
      console.log(
        `${changes.length} changes, ${requests.length} requests, ${builds.length} builds (${given.size} retried), ${requests.filter((request) => request.collapsedInto !== null).length} collapsed, ${meddler.cancelled.size} cancelled, ${events.length} events; ${seconds(suspendedFor)} of suspensions, ${seconds(killedFor)} of kills, ${seconds(performance.now() - begun)} in all`,
      );
    } finally {
      client.close();
    }
    for (const name of MASTERS) {
      const { child, ended, output } = farm.life(name);
      assert.not.match(output(), "unhandled");
      child.kill("SIGTERM");
      await ended;
      assert.is(child.exitCode, 0, output());
    }
    assert.equal(await state.broken(LIMITS), [], "at the end");
    await until(() => leftBehind(folder).length === 0, "the end of every process", 10_000);
  } catch (error) {
    console.error(`BELFRY_CHAOS_SEED=${seed}`);
    throw error;
  } finally {
    over = true;
    load = false;
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
