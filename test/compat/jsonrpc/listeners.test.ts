import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connect,
  cursorInFile,
  type ListenerReport,
  type RunListenerOptions,
  runListener,
} from "@belfry/jsonrpc/client";
import { rejects, until, within } from "@belfry/testkit";
import type { BelfryError, BelfryEvent, StatusListener } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MasterWorld, masterWorld } from "./master-world.ts";

const test = suite("listeners in other processes");

/** A listener that runs until it is stopped, with what was reported. */
class Run implements AsyncDisposable {
  readonly reports: ListenerReport[] = [];
  readonly #stop = new AbortController();
  readonly #end: Promise<void>;

  constructor(listener: StatusListener, options: Omit<RunListenerOptions, "signal" | "report">) {
    this.#end = runListener(listener, {
      ...options,
      signal: this.#stop.signal,
      report: (report) => this.reports.push(report),
    });
    this.#end.catch(() => undefined);
  }

  async started(): Promise<this> {
    await until(() => this.reports.some(({ kind }) => kind === "started"), "the start");
    return this;
  }

  kinds(): string[] {
    return this.reports.map(({ kind }) => kind);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the test stops it"));
    await within(10_000, "the listener's end", this.#end);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function folder() {
  const path = await mkdtemp(join(tmpdir(), "belfry-listen-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Notes the revisions of changes. */
function noting(seen: string[], more: Partial<StatusListener> = {}): StatusListener {
  return {
    types: ["change."],
    from: "start",
    async handle({ data }) {
      seen.push(String(data["revision"]));
    },
    ...more,
  };
}

const add = async (world: MasterWorld, ...revisions: string[]) => {
  for (const revision of revisions) await world.kit.addChange({ revision });
};

for (const kept of ["at the master, by name", "in a file"] as const) {
  test(`a place ${kept}: it goes on where it left off, and none is missed`, async () => {
    await using home = await folder();
    await using world = await masterWorld();
    const token = await world.token("robot");
    await using client = connect(world.url, { token });
    const place = kept === "in a file" ? { cursorFile: join(home.path, "place") } : { name: "tell-me" };
    const seen: string[] = [];
    await add(world, "r0", "r1");
    await using first = new Run(noting(seen), { client, ...place });
    await until(() => seen.length === 2, "the first two");
    await add(world, "r2");
    await until(() => seen.length === 3, "the third");
    await first.stop();
    await add(world, "r3", "r4");
    await using _second = new Run(noting(seen), { client, ...place });
    await add(world, "r5");
    await until(() => seen.length === 6, "the rest");
    assert.equal(seen, ["r0", "r1", "r2", "r3", "r4", "r5"]);
  });
}

test("one that never ran begins with what happens from now on, unless it or its options say otherwise", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.wsUrl);
  await add(world, "old");
  const run = async (name: string, own: StatusListener["from"], from?: "now" | "start") => {
    const seen: string[] = [];
    const options = { client, cursorFile: join(home.path, name), from };
    const listener = noting(seen, { from: own });
    const started = await new Run(listener, options).started();
    return { seen, started };
  };
  const all = [
    await run("a", undefined),
    await run("b", "now"),
    await run("c", "start"),
    await run("d", "now", "start"),
  ];
  await add(world, "new");
  await until(() => all.every(({ seen }) => seen.includes("new")), "the new one");
  assert.equal(
    all.map(({ seen }) => seen),
    [["new"], ["new"], ["old", "new"], ["old", "new"]],
  );
  for (const { started } of all) await started.stop();
});

test("one that is stopped before its first event misses nothing the next time", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.url);
  const cursorFile = join(home.path, "place");
  const seen: string[] = [];
  await (await new Run(noting(seen, { from: "now" }), { client, cursorFile }).started()).stop();
  await add(world, "meanwhile");
  await using _run = new Run(noting(seen, { from: "now" }), { client, cursorFile });
  await until(() => seen.length === 1, "the event");
  assert.equal(seen, ["meanwhile"]);
});

test("an event that fails comes again, in order, with its attempt; its place does not move meanwhile", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.url);
  const cursorFile = join(home.path, "place");
  const tries: string[] = [];
  const listener = noting([], {
    async handle({ data }, { attempt }) {
      tries.push(`${data["revision"]} ${attempt}`);
      if (data["revision"] === "r1" && attempt < 3) throw new Error("not yet");
    },
  });
  await add(world, "r0", "r1", "r2");
  await using run = new Run(listener, { client, cursorFile });
  await until(() => tries.includes("r2 1"), "the last event");
  assert.equal(tries, ["r0 1", "r1 1", "r1 2", "r1 3", "r2 1"]);
  assert.equal(run.kinds(), ["started", "failed", "failed"]);
});

test("an event that fails too often is left out aloud, and it goes on", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.wsUrl);
  const seen: string[] = [];
  const listener = noting(seen, {
    attempts: 2,
    async handle({ data }) {
      if (data["revision"] === "bad") throw new Error("never");
      seen.push(String(data["revision"]));
    },
  });
  await add(world, "a", "bad", "b");
  await using run = new Run(listener, { client, cursorFile: join(home.path, "place") });
  await until(() => seen.length === 2, "the others");
  assert.equal(seen, ["a", "b"]);
  const parked = run.reports.find(({ kind }) => kind === "parked") as { event: BelfryEvent; attempts: number };
  assert.equal([parked.event.data["revision"], parked.attempts], ["bad", 2]);
});

test("over restarts of the master and of the listener every event comes at least once, in order", async () => {
  await using home = await folder();
  let world = await masterWorld({ folder: home.path });
  const { port, url } = world;
  const token = await world.token("robot");
  const seen: string[] = [];
  let crash = false;
  const listener = noting(seen, {
    async handle({ data }) {
      seen.push(String(data["revision"]));
      if (crash) await new Promise(() => undefined);
    },
  });
  const expected: string[] = [];
  try {
    for (let life = 0; life < 4; life++) {
      await using client = connect(life % 2 === 0 ? url : url.replace("http", "ws"), { token });
      const run = new Run(listener, { client, name: "robot" });
      for (let i = 0; i < 5; i++) {
        expected.push(`${life}.${i}`);
        await add(world, `${life}.${i}`);
      }
      await until(() => seen.includes(`${life}.4`), "the events of this life");
      await world.kit.close();
      world = await masterWorld({ folder: home.path, port });
      crash = true;
      expected.push(`${life}.crash`);
      await add(world, `${life}.crash`);
      await until(() => seen.includes(`${life}.crash`), "the event after the restart");
      await run.stop();
      crash = false;
    }
    await using client = connect(url, { token });
    await using _run = new Run(listener, { client, name: "robot" });
    await until(() => seen.filter((revision) => revision === "3.crash").length === 2, "the one that was not finished");
    const firsts = seen.filter((revision, i) => seen.indexOf(revision) === i);
    assert.equal(firsts, expected);
  } finally {
    await world.kit.close();
  }
});

test("a gap is reported, and it goes on with what is still kept", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.url);
  await add(world, "r0", "r1", "r2");
  const { position } = (await world.kit.events()).at(-1);
  await world.kit.master.store.write((tx) => tx.db.deleteFrom("events").where("seq", "<", Number(position)).execute());
  const cursorFile = join(home.path, "place");
  await cursorInFile(cursorFile).save("1");
  const seen: string[] = [];
  await using run = new Run(noting(seen), { client, cursorFile });
  await until(() => seen.includes("r2"), "what is kept");
  assert.equal(run.reports[1], { kind: "gap", from: "1" });
});

test("its place moves on where nothing fits, so that a rare event makes no gap", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.url);
  const cursorFile = join(home.path, "place");
  await using _run = await new Run(noting([], { types: ["worker."], from: "start" }), { client, cursorFile }).started();
  await until(async () => Number(JSON.parse(await readFile(cursorFile, "utf8")).position) > 0, "the place");
});

test("what cannot be helped by waiting ends it: a token that is revoked, a place that cannot be read", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  const token = await world.token("gone");
  await using client = connect(world.url, { token });
  const revoked = runListener(noting([]), { client, name: "gone" });
  await until(async () => (await client.call("listeners.cursor", { listener: "gone" })).position !== null, "its place");
  await world.kit.call("tokens.revoke", { name: "gone" });
  await world.kit.addChange();
  assert.is(((await rejects(within(10_000, "the end", revoked))) as BelfryError).code, "BELFRY_HTTP_TOKEN_REFUSED");
  await using nobody = connect(world.url);
  assert.is(
    ((await rejects(runListener(noting([]), { client: nobody, name: "x" }))) as BelfryError).code,
    "BELFRY_FORBIDDEN",
  );
  const file = join(home.path, "place");
  for (const text of ["", "{", '{"version":2,"position":"1"}', '{"version":1,"position":1}', "null"]) {
    await writeFile(file, text);
    const refused = (await rejects(runListener(noting([]), { client: nobody, cursorFile: file }))) as BelfryError;
    assert.is(refused.code, "BELFRY_JSONRPC_CURSOR_FILE_BROKEN", text);
  }
  const nowhere = runListener(noting([]), { client: nobody, cursorFile: join(home.path, "no", "folder", "place") });
  assert.is(((await rejects(nowhere)) as BelfryError).code, "BELFRY_JSONRPC_CURSOR_FILE");
  assert.is(
    ((await rejects(runListener(noting([]), { client: nobody }))) as BelfryError).code,
    "BELFRY_JSONRPC_NO_CURSOR",
  );
});

test("the file is replaced as a whole and leaves nothing else behind", async () => {
  await using home = await folder();
  const store = cursorInFile(join(home.path, "place"));
  assert.is(await store.load(), null);
  for (let i = 1; i <= 20; i++) await store.save(String(i));
  assert.is(await store.load(), "20");
  assert.equal(await readdir(home.path), ["place"]);
});

test("a place that cannot be kept for a while is reported and kept later; the listener goes on", async () => {
  await using world = await masterWorld();
  await using client = connect(world.url);
  let broken = true;
  let kept = "0";
  const cursor = {
    load: async () => "0",
    save: async (position: string) => {
      if (broken) throw new Error("the disk is full");
      kept = position;
    },
  };
  const seen: string[] = [];
  await using run = new Run(noting(seen), { client, cursor });
  await add(world, "r0", "r1");
  await until(() => seen.length === 2 && run.kinds().includes("cursorFailed"), "both events");
  broken = false;
  await until(() => kept !== "0", "its place");
});

test("when it is told to stop, a listener may end what it does within three seconds", async () => {
  await using home = await folder();
  await using world = await masterWorld();
  await using client = connect(world.url);
  await add(world, "r0");
  let ended = false;
  let told: AbortSignal | undefined;
  const listener = noting([], {
    async handle(_event, { signal }) {
      told = signal;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await new Promise((resolve) => setTimeout(resolve, 100));
      ended = true;
    },
  });
  const cursorFile = join(home.path, "place");
  const run = new Run(listener, { client, cursorFile });
  await until(() => told !== undefined, "the event");
  await run.stop();
  assert.is(ended, true);
  const seen: string[] = [];
  await add(world, "r1");
  await using _next = new Run(noting(seen), { client, cursorFile });
  await until(() => seen.length > 0, "the next event");
  assert.equal(seen, ["r1"]);
});

test.run();
