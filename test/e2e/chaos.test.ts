// time limit: 600 s
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "@belfry/testkit";
import { BelfryError, type Json, SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { postgres } from "../tools/postgres.ts";
import { committedState } from "./farm/committed-state.ts";
import { type BuilderLock, oddEvents, type Told } from "./farm/event-history.ts";
import { Ledger, oddLines, readLedger } from "./farm/ledger.ts";
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

interface Life {
  child: ChildProcess;
  ended: Promise<void>;
  output(): string;
}

function startMaster(folder: string, url: string): Life {
  const child = spawn(process.execPath, ["--conditions=source", fixture, folder, url], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") },
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

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** Somebody who calls a master that comes and goes. */
class Caller {
  readonly #socket: string;
  readonly #over: () => boolean;
  #client: SocketClient | undefined;

  constructor(socket: string, over: () => boolean) {
    this.#socket = socket;
    this.#over = over;
  }

  /** One attempt; undefined if the master went away meanwhile. What a master refuses is thrown. */
  async once(method: string, params: { [key: string]: Json }): Promise<any> {
    try {
      this.#client ??= await SocketClient.connect(this.#socket);
      return await this.#client.call(method, params);
    } catch (error) {
      if (BelfryError.is(error) && /^BELFRY_(REQUEST|NOT_FOUND)/.test(error.code)) throw error;
      this.close();
      return undefined;
    }
  }

  /** Until it was acknowledged, or it is over. */
  async surely(method: string, params: { [key: string]: Json }): Promise<any> {
    for (;;) {
      const answer = await this.once(method, params);
      if (answer !== undefined || this.#over()) return answer;
      await pause(20);
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
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

async function everyEvent(client: SocketClient): Promise<Told[]> {
  const events: Told[] = [];
  for (let since = "0"; ; ) {
    const page = (await client.call("events.since", { since, limit: 500 })) as unknown as {
      items: Told[];
      next: string;
    };
    if (page.items.length === 0) return events;
    events.push(...page.items);
    since = page.next;
  }
}

/** Whoever meddles: cancels requests, changes priorities, pauses and resumes builders. */
class Meddler {
  /** Requests that somebody tried to cancel; true if it was acknowledged before any build of it was to be stopped. */
  readonly cancelled = new Map<number, boolean>();
  readonly #caller: Caller;
  readonly #random: () => number;
  readonly #paused = new Set<string>();

  constructor(caller: Caller, random: () => number) {
    this.#caller = caller;
    this.#random = random;
  }

  async act(): Promise<void> {
    const dice = this.#random();
    try {
      if (dice < 0.25) await this.#pauseOrResume();
      else {
        const state = this.#random() < 0.6 ? "pending" : "claimed";
        const page = await this.#caller.once("requests.list", { state, limit: 50 });
        const request = page?.items[Math.floor(this.#random() * page.items.length)]?.id;
        if (request === undefined) return;
        if (dice < 0.45) await this.#cancel(request);
        else {
          const priority = Math.floor(this.#random() * 5) - 2;
          await this.#caller.once("requests.prioritize", { request, priority });
        }
      }
    } catch (error) {
      if (!BelfryError.is(error)) throw error;
    }
  }

  async resumeAll(): Promise<void> {
    for (const builder of BUILDERS) await this.#caller.surely("builders.resume", { builder });
  }

  async #pauseOrResume(): Promise<void> {
    const builder = BUILDERS[Math.floor(this.#random() * BUILDERS.length)] as string;
    // Never many at once, so that there is always something to be killed.
    const resumed = this.#paused.has(builder) ? builder : this.#paused.size > 1 ? [...this.#paused][0] : undefined;
    if (resumed !== undefined) {
      if ((await this.#caller.once("builders.resume", { builder: resumed })) !== undefined)
        this.#paused.delete(resumed);
      return;
    }
    this.#paused.add(builder);
    await this.#caller.once("builders.pause", { builder, reason: "chaos" });
  }

  async #cancel(request: number): Promise<void> {
    this.cancelled.set(request, false);
    const answer = await this.#caller.once("requests.cancel", { request, reason: "chaos" });
    if (answer?.stopping.length === 0) this.cancelled.set(request, true);
  }
}

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
  const callers = [0, 1].map(() => new Caller(socket, () => over));
  const meddler = new Meddler(callers[1] as Caller, random);
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
      life = startMaster(folder, url);
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
    life = startMaster(folder, url);
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

interface Buildset {
  id: number;
  scheduler: string;
  changes: number[];
  externalId: string | null;
  parent: { build: number; step: number } | null;
  result: string | null;
  requests: { id: number; result: string }[];
}

async function setsOf(client: SocketClient, requests: { buildset: number }[]): Promise<Map<number, Buildset>> {
  const sets = new Map<number, Buildset>();
  for (const { buildset } of requests)
    if (!sets.has(buildset)) sets.set(buildset, (await client.call("buildsets.get", { buildset })) as never);
  return sets;
}

/** Each request has exactly one result, and one that it may have. */
function checkResults(
  requests: any[],
  builds: any[],
  sets: ReadonlyMap<number, Buildset>,
  cancelled: ReadonlyMap<number, boolean>,
): void {
  const byId = new Map(requests.map((request) => [request.id, request]));
  const buildById = new Map(builds.map((build) => [build.id, build]));
  for (const request of requests) {
    const about = `request ${request.id} of ${request.builder}, ${request.result}`;
    assert.is(request.state, "complete", about);
    const own = builds.filter((build) => build.request === request.id);
    const ends = own.filter((build) => build.result !== "retry");
    assert.ok(ends.length <= 1, `${about}: one build at most that is no retry`);
    const [end] = ends;
    if (end) {
      assert.is(end, own.at(-1), `${about}: no build follows the one that is no retry`);
      assert.is(request.result, end.result, about);
      assert.is(request.collapsedInto, null, about);
    }
    if (request.result === "skipped") {
      assert.ok(["merged", "loose"].includes(request.builder), `${about}: only some are collapsed`);
      const target = byId.get(request.collapsedInto);
      assert.ok(target, about);
      assert.is(target.builder, request.builder, about);
      assert.ok(target.id > request.id, `${about}: the newest is built`);
    } else if (request.result === "cancelled") {
      const parent = buildById.get(sets.get(request.buildset)?.parent?.build);
      const byParent = parent?.builder === "strict" && parent.result !== "success";
      const byChild = own.some((build) => isParentOfCancelled(build, sets));
      assert.ok(cancelled.has(request.id) || byParent || byChild, `${about}: somebody cancelled it`);
    } else assert.is(request.result, "success", about);
    if (request.result === "success") assert.ok(end, `${about}: it was built`);
    if (cancelled.get(request.id)) assert.is(request.result, "cancelled", `${about}: its end was acknowledged`);
  }
  assert.ok(
    builds.some((build) => build.result === "retry"),
    "some builds were cut off, or this test tested nothing",
  );
  for (const [what, found] of Object.entries({
    collapsed: requests.some((request) => request.collapsedInto !== null),
    cancelled: requests.some((request) => request.result === "cancelled"),
    "of another priority": requests.some((request) => request.priority !== 0),
  }))
    assert.ok(found, `some requests were ${what}, or this test tested nothing`);
}

function isParentOfCancelled(build: { id: number }, sets: ReadonlyMap<number, Buildset>): boolean {
  return [...sets.values()].some((set) => set.parent?.build === build.id && set.result === "cancelled");
}

/** Every run of a step that triggers has one buildset, and its result is the step's. */
function checkTriggers(builds: any[], sets: ReadonlyMap<number, Buildset>): void {
  const children = [...sets.values()].filter((set) => set.scheduler === "below");
  const parents = new Set<number>();
  for (const set of children) {
    assert.ok(set.parent, `buildset ${set.id} has a parent`);
    assert.not.ok(parents.has(set.parent.build), `build ${set.parent.build} triggered once`);
    parents.add(set.parent.build);
    assert.is(set.requests.length, 1);
    const parent = builds.find((build) => build.id === set.parent?.build);
    if (parent.result === "success") assert.is(set.result, "success", `what build ${parent.id} waited for`);
  }
  const waited = builds.filter((build) => build.result === "success" && ["strict", "loose"].includes(build.builder));
  assert.ok(waited.length > 0);
  for (const build of waited) assert.ok(parents.has(build.id), `build ${build.id} triggered`);
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
