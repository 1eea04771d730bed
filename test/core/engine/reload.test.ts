import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { force } from "@belfry/schedulers";
import {
  fakeWorker,
  listener,
  rejects,
  scheduler,
  service,
  source,
  step,
  testClock,
  testMaster,
  until,
} from "@belfry/testkit";
import { BelfryError, type Caller, type Config, definePlugin, defineService, masterLock, property, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { scriptedWorker } from "./worker-scripted.ts";

const test = suite("reloading");

type Parts = Omit<Config, "database">;

/** Resolves with what was refused. */
async function refusal(work: Promise<unknown>): Promise<BelfryError> {
  const error = await rejects(work, "the reload");
  assert.ok(BelfryError.is(error), String(error));
  return error;
}

/** A master whose configuration is the last one that was `put`. */
async function reloadable(database: Config["database"], first: Parts) {
  let config: Parts = first;
  const kit = await testMaster({ config: { database, ...first }, load: () => ({ database, ...config }) });
  return {
    kit,
    put: (next: Parts) => {
      config = next;
    },
    async reload(next: Parts) {
      config = next;
      return kit.call("config.reload");
    },
    [Symbol.asyncDispose]: () => kit.close(),
  };
}

/** A step that waits until it is let go, and says which one it is. */
function gated(title: string) {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const entry = step({
    title,
    run: async ({ signal }) => {
      const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      await Promise.race([gate, aborted]);
      return { result: "success" as const, summary: title };
    },
  });
  return { entry, open: () => open() };
}

const quick = (title: string) => step({ title, run: () => ({ result: "success", summary: title }) });

for (const kind of DATABASES) {
  test(`${kind.name}: parts that are the same go on untouched; others are started, stopped or restarted, and it is told which`, async () => {
    await using database = await kind.open();
    const calls: string[] = [];
    const called = (name: string) =>
      service({
        service: {
          start: async () => void calls.push(`start ${name}`),
          stop: async () => void calls.push(`stop ${name}`),
        },
      });
    const kept = called("kept");
    const watching = (name: string) =>
      source({
        name,
        source: {
          watch: async ({ signal }) => {
            calls.push(`watch ${name}`);
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
            calls.push(`leave ${name}`);
          },
        },
      });
    const [stays, goes, comes] = [watching("stays"), watching("goes"), watching("comes")];
    const by = force({ name: "by hand", builders: ["a"] });
    const hears = listener({ name: "hears", listener: { handle: async () => undefined } });
    const worker = fakeWorker({ name: "w" });
    const base: Parts = {
      services: [kept, called("old")],
      sources: [stays, goes],
      schedulers: [by],
      listeners: [hears],
      workers: [worker],
      builders: [{ name: "a", workers: ["w"], steps: [quick("one")] }],
    };
    await using world = await reloadable(database.entry, base);
    const { kit } = world;
    await until(() => calls.includes("watch goes") && calls.includes("watch stays"), "both sources");
    const passes = () => kit.master.status.loops().find(({ name }) => name === "scheduler:by hand")?.passes;
    const before = passes();
    const { items, generation } = await world.reload({
      ...base,
      title: "Other",
      services: [kept, called("new")],
      sources: [stays, comes],
      builders: [...(base.builders ?? []), { name: "b", workers: ["w"], steps: [quick("one")] }],
    });
    await until(() => calls.includes("watch comes"), "the new source");
    assert.equal(
      items.map(({ change, list, name, effect }: Record<string, string>) => `${change} ${list} ${name} ${effect}`),
      [
        "changed settings title at-once",
        "changed services service restarted",
        "added sources comes started",
        "removed sources goes stopped",
        "added builders b next-builds",
      ],
    );
    assert.equal(
      calls.filter((call) => !call.startsWith("watch") && call !== "start kept" && call !== "start old").sort(),
      ["leave goes", "start new", "stop old"],
    );
    assert.is(calls.filter((call) => call === "watch stays").length, 1);
    assert.ok((passes() ?? 0) >= (before ?? 0), "its loop is still the same one");
    const names = kit.master.status.loops().map(({ name }) => name);
    assert.ok(names.includes("watch:comes") && !names.includes("source:goes"), names.join());
    assert.is((await kit.call("status.now")).title, "Other");
    const loaded = await kit.event("config.loaded", (data) => data.generation === generation);
    assert.ok(loaded);
    const again = await world.kit.call("config.reload");
    assert.equal(again.items, [], "nothing has changed since");
    assert.is(again.generation, generation);
  });

  test(`${kind.name}: a running build ends on the generation it began with, also when its builder is changed or gone`, async () => {
    await using database = await kind.open();
    const [first, gone] = [gated("first"), gated("gone")];
    const by = force({ name: "by hand", builders: ["changes", "goes"] });
    await using world = await reloadable(database.entry, {
      schedulers: [by],
      workers: [fakeWorker({ name: "w", slots: 5 })],
      builders: [
        { name: "changes", workers: ["w"], steps: [first.entry, quick("last of the old")] },
        { name: "goes", workers: ["w"], steps: [gone.entry, quick("last of all")] },
      ],
    });
    const { kit } = world;
    const one = await kit.call("schedulers.force", { scheduler: "by hand" });
    await kit.event("build.started", (data) => data.builder === "changes");
    await kit.event("build.started", (data) => data.builder === "goes");
    const workers = [fakeWorker({ name: "w", slots: 5 })];
    const other = force({ name: "by hand", builders: ["changes"] });
    const { generation } = await world.reload({
      schedulers: [other],
      workers,
      builders: [{ name: "changes", workers: ["w"], steps: [quick("new")] }],
    });
    assert.is((await kit.call("status.now")).builds.length, 2, "both still run");
    const two = await kit.call("schedulers.force", { scheduler: "by hand" });
    await kit.buildsetEnd(two.buildset);
    first.open();
    gone.open();
    assert.is((await kit.buildsetEnd(one.buildset)).result, "success");
    const { items } = await kit.call("builds.list", { order: "id", include: ["steps"] });
    const steps = items.map(
      (build: any) => `${build.builder}: ${build.steps.map((each: any) => each.name).join(", ")}`,
    );
    assert.equal(steps.sort(), ["changes: first, last of the old", "changes: new", "goes: gone, last of all"]);
    const rows = await kit.master.store.read.selectFrom("builds").select(["id", "generation"]).orderBy("id").execute();
    assert.equal(
      rows.map((row) => row.generation === generation),
      [false, false, true],
    );
  });

  test(`${kind.name}: requests of a builder that is gone wait, are told why, and are built when it is back`, async () => {
    await using database = await kind.open();
    const worker = scriptedWorker("w");
    worker.connect(false);
    const parts = (builders: string[]): Parts => ({
      schedulers: [force({ name: "by hand", builders })],
      workers: [worker.entry],
      builders: builders.map((name) => ({ name, workers: ["w"], steps: [quick(name)] })),
    });
    await using world = await reloadable(database.entry, parts(["a", "b"]));
    const { kit } = world;
    const { buildset, requests } = await kit.call("schedulers.force", { scheduler: "by hand", builders: ["b"] });
    await world.reload(parts(["a"]));
    worker.connect(true);
    const why = await kit.call("requests.why", { request: requests[0].id });
    assert.equal(why.reasons, [{ reason: "builder-not-configured", builder: "b" }]);
    await world.reload(parts(["a", "b"]));
    assert.is((await kit.buildsetEnd(buildset)).result, "success");
  });

  test(`${kind.name}: rules of builders and limits of locks count at once, also for what waits already`, async () => {
    await using database = await kind.open();
    const clock = testClock();
    const holds = gated("holds");
    const locked = gated("waits in its step");
    const [hasIt, may] = [quick("has it"), quick("may")];
    const parts = (maxCount: number, canStart: () => boolean): Parts => {
      const lock = masterLock({ name: "licence", maxCount });
      const use = [lock.access("counting")];
      const inStep = { ...locked.entry, options: { ...locked.entry.options, locks: use } };
      return {
        locks: [lock],
        schedulers: [force({ name: "by hand", builders: ["holds", "waits", "steps", "hook"] })],
        workers: [fakeWorker({ name: "w", slots: 9 })],
        builders: [
          { name: "holds", workers: ["w"], locks: use, steps: [holds.entry] },
          { name: "waits", workers: ["w"], locks: use, steps: [hasIt] },
          { name: "steps", workers: ["w"], steps: [inStep] },
          { name: "hook", workers: ["w"], canStart, steps: [may] },
        ],
      };
    };
    const broken = () => {
      throw new Error("a typing mistake");
    };
    let config = parts(1, broken);
    await using kit = await testMaster({
      clock,
      config: { database: database.entry, ...config },
      load: () => ({ database: database.entry, ...config }),
    });
    const forced = async (name: string) =>
      (await kit.call("schedulers.force", { scheduler: "by hand", builders: [name] })).buildset;
    const held = await forced("holds");
    await kit.event("build.started", (data) => data.builder === "holds");
    const steps = await forced("steps");
    await kit.event("step.waiting");
    const waits = await forced("waits");
    const hook = await forced("hook");
    await until(async () => {
      const { items } = await kit.call("requests.list", { state: "pending" });
      const causes = await Promise.all(items.map(({ id }: any) => kit.call("requests.why", { request: id })));
      return ["lock", "hook"].every((cause) => JSON.stringify(causes).includes(cause));
    }, "both wait");
    config = parts(3, () => true);
    const { items } = await kit.call("config.reload");
    assert.equal(
      items.map((item: any) => `${item.list} ${item.name}: ${item.paths}`),
      ["locks licence: maxCount", "builders hook: canStart"],
    );
    assert.is((await kit.buildsetEnd(waits)).result, "success");
    assert.is((await kit.buildsetEnd(hook)).result, "success");
    await kit.event("step.resumed");
    locked.open();
    assert.is((await kit.buildsetEnd(steps)).result, "success");
    holds.open();
    assert.is((await kit.buildsetEnd(held)).result, "success");
  });

  test(`${kind.name}: a worker that is gone or changed takes no more builds, ends with its last one, and is then replaced`, async () => {
    await using database = await kind.open();
    const [old, other] = [scriptedWorker("w"), scriptedWorker("w")];
    const last = scriptedWorker("last");
    const gate = gated("waits");
    const by = force({ name: "by hand", builders: ["a"] });
    const parts = (workers: NonNullable<Parts["workers"]>, names: string[]): Parts => ({
      schedulers: [by],
      workers,
      builders: [{ name: "a", workers: names, steps: [gate.entry] }],
    });
    await using world = await reloadable(database.entry, parts([old.entry, last.entry], ["w", "last"]));
    const { kit } = world;
    last.connect(false);
    const one = await kit.call("schedulers.force", { scheduler: "by hand" });
    await kit.event("build.started");
    const answer = await world.reload(parts([other.entry], ["w"]));
    assert.equal(
      answer.items.map((item: any) => `${item.change} ${item.list} ${item.name} ${item.effect}`).slice(0, 2),
      ["changed workers w drained", "removed workers last drained"],
    );
    assert.ok(answer.draining.includes("w"), "it still builds");
    await until(
      async () => (await kit.call("workers.list")).items.every((item: any) => item.name !== "last"),
      "no last",
    );
    await until(async () => !(await kit.call("workers.list")).items[0].connected, "its withdrawal");
    const two = await kit.call("schedulers.force", { scheduler: "by hand" });
    assert.equal((await kit.call("requests.why", { request: two.requests[0].id })).reasons, [
      { reason: "no-worker-connected", workers: ["w"] },
    ]);
    assert.is(old.stopped, 0, "it may not end before its build");
    assert.is(last.stopped, 1);
    gate.open();
    assert.is((await kit.buildsetEnd(one.buildset)).result, "success");
    assert.is((await kit.buildsetEnd(two.buildset)).result, "success");
    assert.is(old.stopped, 1);
    assert.is(old.opened.length, 1);
    assert.is(other.opened.length, 1, "the second build ran on the one that took its place");
  });

  test(`${kind.name}: a broken configuration is refused with all its faults, and everything goes on`, async () => {
    await using database = await kind.open();
    const good: Parts = {
      schedulers: [force({ name: "by hand", builders: ["a"] })],
      workers: [fakeWorker({ name: "w" })],
      builders: [{ name: "a", workers: ["w"], steps: [quick("a")] }],
    };
    await using world = await reloadable(database.entry, good);
    const { kit } = world;
    const error = await refusal(
      world.reload({
        ...good,
        workers: [fakeWorker({ name: "w", slots: 0 })],
        builders: [{ name: "a", workers: ["absent"], steps: [] }],
        schedulers: [force({ name: "by hand", builders: ["b"] })],
      }),
    );
    assert.is(error.code, "BELFRY_CONFIG_INVALID");
    assert.equal(error.details.map(({ path }) => path).sort(), [
      "builders[0].workers[0]",
      "schedulers[0]",
      "workers[0].options.slots",
    ]);
    const { data } = await kit.event("config.refused");
    assert.is(data.faults, 3);
    const { buildset } = await kit.call("schedulers.force", { scheduler: "by hand" });
    assert.is((await kit.buildsetEnd(buildset)).result, "success");
    assert.equal((await world.reload(good)).items, []);
  });

  test(`${kind.name}: the name, the database and the log store are not changed while a master runs`, async () => {
    await using database = await kind.open();
    await using world = await reloadable(database.entry, { name: "one" });
    const error = await refusal(world.reload({ name: "two" }));
    assert.is(error.code, "BELFRY_RELOAD_RESTART");
    assert.match(error.what, /name/);
    assert.equal((await world.kit.call("config.plan")).items, [
      { change: "changed", list: "settings", name: "name", paths: ["value"], effect: "needs-restart" },
    ]);
  });

  test(`${kind.name}: a service that cannot start makes the reload fail, and what was stopped for it runs again`, async () => {
    await using database = await kind.open();
    const calls: string[] = [];
    const called = (name: string, fails = false) =>
      service({
        service: {
          start: async () => {
            calls.push(`start ${name}`);
            if (fails) throw new Error("the port is taken");
          },
          stop: async () => void calls.push(`stop ${name}`),
        },
      });
    const old = called("old");
    await using world = await reloadable(database.entry, { services: [old] });
    const before = world.kit.master.generation;
    const next = { services: [called("first"), called("second", true)], workers: [fakeWorker({ name: "w" })] };
    const error = await refusal(world.reload(next));
    assert.is(error.code, "BELFRY_RELOAD_FAILED");
    assert.match(error.why, /the port is taken/);
    assert.equal(calls, ["start old", "stop old", "start first", "start second", "stop first", "start old"]);
    assert.is(world.kit.master.generation, before);
    assert.equal((await world.kit.call("workers.list")).items, []);
  });

  test(`${kind.name}: a new worker that cannot start makes the reload fail, with nothing left of it`, async () => {
    await using database = await kind.open();
    const bad = scriptedWorker("bad");
    const broken = {
      ...(bad.entry.options["worker"] as object),
      start: async () => Promise.reject(new Error("no machine")),
    };
    const other = scriptedWorker("other");
    await using world = await reloadable(database.entry, {});
    const entry = { kind: "test-scripted/scripted", options: { name: "bad", worker: broken } };
    const error = await rejects(world.reload({ workers: [other.entry, entry] }), "the reload");
    assert.match(String(error), /no machine/);
    assert.is(other.stopped, 1);
    assert.is((await world.kit.call("workers.list")).items.filter((item: any) => item.connected).length, 0);
    assert.equal((await world.reload({})).items, []);
  });
}

test("a plan tells what a reload would change, with the paths, and changes nothing", async () => {
  await using database = await (DATABASES[0] as (typeof DATABASES)[number]).open();
  const worker = fakeWorker({ name: "w" });
  const act = async () => undefined;
  const parts = (command: string, fallback: string, slots: number): Parts => ({
    workers: [worker, fakeWorker({ name: "x", slots })],
    listeners: [listener({ name: "l", listener: { handle: act } })],
    builders: [
      {
        name: "a",
        workers: ["w"],
        properties: { command },
        env: { BRANCH: property("branch", fallback) as never, KEEP: property("branch", "x") as never },
        steps: [],
      },
      { name: "b", workers: ["w"], env: { KEEP: property("branch", "x") as never }, steps: [] },
    ],
  });
  await using world = await reloadable(database.entry, parts("make", "main", 1));
  world.put(parts("make -j", "trunk", 2));
  const { items } = await world.kit.call("config.plan");
  assert.equal(items, [
    { change: "changed", list: "workers", name: "x", paths: ["options.slots"], effect: "drained" },
    {
      change: "changed",
      list: "builders",
      name: "a",
      paths: ["env.BRANCH", "properties.command"],
      effect: "next-builds",
    },
  ]);
  assert.is(world.kit.master.generation.builders.get("a")?.properties["command"], "make");
});

test("functions count as changed when the code they come from is another one, and only then", async () => {
  let code = "one";
  const parts = (): Parts => ({
    listeners: [listener({ name: "l", listener: { handle: async () => undefined } })],
    workers: [fakeWorker({ name: "w" })],
    builders: [{ name: "a", workers: ["w"], steps: [quick("a")] }],
  });
  await using kit = await testMaster({ config: parts(), load: parts, code: () => code });
  assert.equal((await kit.call("config.reload")).items, []);
  code = "two";
  const { items } = await kit.call("config.reload");
  assert.equal(
    items.map((item: any) => `${item.list} ${item.name} ${item.paths}`),
    [
      "listeners l options.listener.handle (the code it was loaded with)",
      "builders a steps[0].options.run (the code it was loaded with)",
    ],
  );
});

for (const kind of DATABASES) {
  test(`${kind.name}: who may see what is asked of the rule in force, also for who came before and waits`, async () => {
    await using database = await kind.open();
    const parts = (names: string[], seen: string[]): Parts => ({
      access: { anonymous: "read", visible: ({ builder }) => seen.includes(builder) },
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "by hand", builders: names })],
      builders: names.map((name) => ({ name, workers: ["w"], steps: [quick(name)] })),
    });
    await using world = await reloadable(database.entry, parts(["a", "b"], ["a"]));
    const { kit } = world;
    const early = kit.master.api.anonymous();
    const copy = { ...early, origin: "192.0.2.7" };
    const builders = async (caller: Caller) =>
      (await kit.call("builders.list", {}, caller)).items.map((item: any) => item.name);
    assert.equal(await builders(copy), ["a"]);
    const ask = { types: ["build.started"], waitSeconds: 30 };
    const told = kit.call("events.since", ask, copy);
    await world.reload(parts(["a", "b", "c"], ["b", "c"]));
    for (const caller of [early, copy, kit.master.api.anonymous()]) assert.equal(await builders(caller), ["b", "c"]);
    for (const name of ["a", "c"]) {
      const { buildset } = await kit.call("schedulers.force", { scheduler: "by hand", builders: [name] });
      await kit.buildsetEnd(buildset);
    }
    assert.equal(
      (await told).items.map((event: any) => event.builder),
      ["c"],
    );
    await world.reload({ ...parts(["a", "b", "c"], []), access: { anonymous: "read" } });
    assert.equal(await builders(copy), ["a", "b", "c"]);
    await world.reload(parts(["a", "b", "c"], ["b"]));
    for (const caller of [early, copy]) assert.equal(await builders(caller), ["b"]);
  });
}

test("an HTTP server moves to another port, and what is mounted on it moves along untouched", async () => {
  const free = async () => {
    const { createServer } = await import("node:net");
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
  };
  const [one, two] = [await free(), await free()];
  let port = one;
  const load = () => ({ access: { anonymous: "read" as const }, services: [http({ port }), jsonrpc()] });
  await using kit = await testMaster({ config: load(), load });
  const ask = async (at: number) => {
    const response = await fetch(`http://127.0.0.1:${at}/rpc`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "builders.list" }),
    });
    return (await response.json()) as { result: unknown };
  };
  assert.ok((await ask(one)).result);
  port = two;
  const { items } = await kit.call("config.reload");
  assert.equal(items, [
    { change: "changed", list: "services", name: "server", paths: ["options.port"], effect: "restarted" },
  ]);
  assert.ok((await ask(two)).result);
  await rejects(ask(one), "the old port");
});

test("methods, shared things and queues of plugins come and go with the configuration", async () => {
  const done: string[] = [];
  const plugin = (answer: string) => {
    const part = defineService({
      kind: "s",
      options: z.strictObject({}),
      create: (_options, ctx) => {
        ctx.store.work("q", async (job) => void done.push(`${answer} ${job.payload}`));
        return {
          start: async () => ctx.store.apply({ enqueue: [{ queue: "q", payload: "job" }] }),
          stop: async () => undefined,
        };
      },
    });
    definePlugin({
      name: "test-coming",
      parts: [part],
      register: (host) =>
        host.methods.add({
          name: "test.answer",
          permission: "read",
          summary: "x",
          params: z.strictObject({}),
          result: z.string(),
          example: {},
          call: async () => answer,
        }),
    });
    return part();
  };
  let services: Parts["services"] = [];
  await using kit = await testMaster({ config: {}, load: () => ({ services: services ?? [] }) });
  assert.match(String(await rejects(kit.call("test.answer"), "the method")), /no method/);
  services = [plugin("first")];
  await kit.call("config.reload");
  assert.is(await kit.call("test.answer"), "first");
  await until(() => done.includes("first job"), "the job");
  services = [plugin("second")];
  await kit.call("config.reload");
  assert.is(await kit.call("test.answer"), "second");
  await until(() => done.includes("second job"), "the job of the second");
  assert.is(kit.master.status.loops().filter(({ name }) => name === "jobs:test-coming/q").length, 1);
  services = [];
  await kit.call("config.reload");
  assert.match(String(await rejects(kit.call("test.answer"), "the method")), /no method/);
  assert.is(kit.master.status.loops().filter(({ name }) => name === "jobs:test-coming/q").length, 0);
});

test("reloads that are asked for at once are carried out one after the other", async () => {
  let n = 0;
  let loading = 0;
  const load = async () => {
    assert.is(loading++, 0, "two at once");
    await new Promise((resolve) => setImmediate(resolve));
    loading -= 1;
    n += 1;
    return { title: `T${n}` };
  };
  await using kit = await testMaster({ config: {}, load });
  const answers = await Promise.all([1, 2, 3].map(() => kit.call("config.reload")));
  assert.is(new Set(answers.map((answer) => answer.generation)).size, 3);
  assert.is(kit.master.generation.title, "T3");
});

test("a master that stops lets a reload that has begun come to its end, and begins none", async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const calls: string[] = [];
  const late = service({
    service: { start: async () => void calls.push("start"), stop: async () => void calls.push("stop") },
  });
  const kit = await testMaster({ config: {}, load: async () => (await gate, { services: [late] }) });
  const reloading = kit.call("config.reload").catch((error) => error);
  const stopped = kit.close();
  open();
  await stopped;
  assert.is((await reloading).code, "BELFRY_MASTER_STOPPING");
  assert.equal(calls, []);
});

test("a scheduler that is reloaded goes on with what it has not seen yet", async () => {
  await using database = await (DATABASES[0] as (typeof DATABASES)[number]).open();
  const seen: number[] = [];
  const seeing = () =>
    scheduler({
      name: "s",
      scheduler: {
        builders: [],
        process: async ({ changes }) => {
          seen.push(...changes.map(({ id }) => id));
          return { buildsets: [] };
        },
      },
    });
  await using world = await reloadable(database.entry, { schedulers: [seeing()] });
  const ids = [];
  for (let i = 0; i < 10; i += 1) {
    ids.push(await world.kit.addChange({ key: `k${i}` }));
    await world.reload({ schedulers: [seeing()] });
  }
  await until(() => new Set(seen).size === 10, "all changes");
  assert.equal(
    [...seen].sort((a, b) => a - b),
    ids,
  );
});

test.run();
