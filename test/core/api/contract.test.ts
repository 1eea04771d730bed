import { rejects, type TestMaster, until } from "@belfry/testkit";
import { type ApiMethod, BelfryError, type Json, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EVENT_TYPES } from "../../../core/src/status/events.ts";
import { DATABASES } from "../databases.ts";
import { strict } from "./strict.ts";
import { type ApiWorld, apiWorld } from "./world.ts";

const test = suite("contract of the API");

type Params = { [key: string]: Json };

/** Calls of each method that work in this world, with those that change something last. */
const samples = (world: ApiWorld): Record<string, Params[]> => {
  const { seen, running } = world;
  return {
    "api.methods": [{}, { method: "builds.get" }],
    "audit.list": [{}, { caller: "nobody", method: "builds.stop", limit: 1, order: "id", fields: ["outcome"] }],
    "builders.get": [
      { builder: "open" },
      { builder: "open", include: ["lastBuild", "running", "pending"], branch: "x" },
    ],
    "builders.list": [
      { include: ["lastBuild", "running", "pending"] },
      { include: ["lastBuild", "running"], branch: "main", tag: "fast" },
      {},
      { configured: true, project: "public", order: "-name", limit: 1, fields: ["name"] },
    ],
    "builds.data": [{ build: seen.build }, { build: seen.build, name: "facts" }, { builder: "open", number: 1 }],
    "builds.failure": [{ build: seen.build }, { build: running.build }],
    "builds.get": [
      { build: seen.build, include: ["steps", "logs", "changes", "failure"] },
      { builder: "open", number: -1 },
      { build: running.build },
      { build: seen.build, include: ["triggeredBy", "triggered"] },
    ],
    "builds.list": [
      {},
      {
        builder: "open",
        state: "finished",
        result: "exception",
        branch: "main",
        revision: "public",
        request: seen.request,
      },
      { order: "id", limit: 1, fields: ["id", "result"] },
      { builders: ["open", "running"], revisionPrefix: "5f6c", order: "-finishedAt" },
      { order: "-finishedAt", worker: "w", finishedSince: 0, finishedUntil: 4_000_000_000_000 },
      { include: ["reason", "sourceStamps", "properties", "steps", "logs", "changes", "usualMillis"] },
      { include: ["triggeredBy", "triggered", "failure"] },
    ],
    "builds.steps": [{ build: seen.build }, { builder: "running", number: 1 }],
    "buildsets.get": [{ buildset: seen.buildset }],
    "buildsets.list": [
      {},
      { scheduler: "open-force", order: "id", limit: 1, fields: ["id", "result"] },
      { change: seen.change },
    ],
    "changes.get": [{ change: seen.change }],
    "changes.list": [
      {},
      { branch: "main", revision: "public", limit: 1, order: "id", fields: ["id", "files"] },
      {
        author: "a",
        project: "public",
        source: "api",
        addedSince: 0,
        addedUntil: 4_000_000_000_000,
        revisionPrefix: "5f6c",
      },
    ],
    "config.plan": [{}],
    "config.reload": [{}],
    "events.since": [
      { since: "0" },
      {},
      { since: "0", types: ["build.", "change.added"], builder: "open", limit: 2, waitSeconds: 0 },
    ],
    "listeners.acknowledge": [{ listener: "one", position: "1" }],
    "listeners.cursor": [{ listener: "one" }, { listener: "other" }],
    "locks.list": [{}, { lock: "no such lock" }],
    "logs.list": [{ build: seen.build }, { build: seen.build, step: 1 }],
    "logs.read": [
      { build: seen.build, step: 1 },
      { build: seen.build, step: 1, log: "stdio", first: -1, count: 1 },
      { build: running.build, step: 1, log: 1, waitSeconds: 0 },
    ],
    "logs.search": [
      { build: seen.build, step: 1, text: "o", ignoreCase: true },
      { build: seen.build, step: 1, log: "stdio", pattern: "^t", first: -2, limit: 1 },
      { build: running.build, step: 1, text: "first" },
      { build: seen.build, step: 1, errors: true },
    ],
    "master.ready": [{}],
    "plugins.list": [{}],
    "requests.get": [{ request: seen.request }, { request: running.waiting }],
    "requests.list": [
      {},
      { builder: "running", state: "pending", order: "queue", limit: 1 },
      { buildset: seen.buildset },
      { include: ["reason", "sourceStamps", "properties", "builds"] },
    ],
    "requests.why": [{ request: running.waiting }, { request: seen.request }],
    "retention.status": [{}],
    "retention.sweep": [{ dryRun: true }, {}],
    "schedulers.list": [{}],
    "schedulers.why": [{ scheduler: "open-force" }, { scheduler: "failing" }],
    "sources.list": [{}],
    "status.now": [{}],
    "workers.list": [{}],
    "workers.get": [{ worker: "w" }],
    "workers.pause": [{ workers: ["w", "w2"], reason: "because" }, { workers: ["w"] }],
    "workers.resume": [{ workers: ["w", "w2"] }],
    "tokens.add": [{ name: "t", scopes: ["read"], builders: ["open"], projects: [], tags: ["x"], expiresAt: 1 }],
    "tokens.list": [{}],
    "tokens.revoke": [{ name: "t" }],
    "sources.poll": [{ source: "poller" }],
    "changes.add": [
      { repository: "r" },
      {
        repository: "r",
        key: "k",
        author: "a",
        comments: "c",
        files: ["f"],
        revision: "r",
        branch: "b",
        codebase: "c",
        project: "p",
        category: "c",
        link: "l",
        when: 5,
        properties: { x: [1] },
      },
    ],
    "schedulers.force": [
      {
        scheduler: "open-force",
        builders: ["running"],
        reason: "r",
        branch: null,
        revision: null,
        repository: "x",
        properties: { y: null },
        priority: -3,
      },
      { scheduler: "open-force", builders: ["open"], codebases: { "": { branch: "c", revision: null } } },
    ],
    "schedulers.disable": [{ scheduler: "open-force", reason: "quiet" }, { scheduler: "open-force" }],
    "schedulers.enable": [{ scheduler: "open-force", reason: "loud" }],
    "builders.pause": [{ builder: "open", reason: "because" }, { builder: "open" }],
    "builders.resume": [{ builder: "open" }],
    "requests.prioritize": [{ request: running.waiting, priority: -7 }],
    "buildsets.rebuild": [{ buildset: seen.buildset, reason: "again" }],
    "builds.rebuild": [{ build: seen.build, reason: "again" }],
    "requests.cancel": [{ request: running.waiting, reason: "no" }],
    "builds.stop": [{ build: running.build, reason: "enough" }],
    "master.restart": [{ when: "now" }, {}],
    "master.stop": [{ when: "now" }, {}],
  };
};

async function refused(kit: TestMaster, method: string, params: Json): Promise<string> {
  const error = await rejects(kit.call(method, params), method);
  assert.ok(BelfryError.is(error), String(error));
  return error.code;
}

/** Every place in a method's parameters where a text or a number may stand, with the parameters around it. */
function* places(
  method: ApiMethod,
  base: Params,
): Generator<{ at: string; kind: "text" | "number"; put(value: Json): Params }> {
  const shape = (method.params as z.ZodObject).shape ?? {};
  for (const [key, schema] of Object.entries(shape)) {
    const json = z.toJSONSchema(schema as z.ZodType, { io: "input", unrepresentable: "any" }) as {
      type?: string;
      anyOf?: { type?: string }[];
      items?: { type?: string; enum?: unknown };
      enum?: unknown;
    };
    const types = [json, ...(json.anyOf ?? [])].filter((one) => !("enum" in one)).map((one) => one.type);
    if (types.includes("string")) yield { at: key, kind: "text", put: (value) => ({ ...base, [key]: value }) };
    if (types.includes("integer") || types.includes("number"))
      yield { at: key, kind: "number", put: (value) => ({ ...base, [key]: value }) };
    if (json.type === "array" && json.items?.type === "string" && !json.items.enum)
      yield { at: `${key}[0]`, kind: "text", put: (value) => ({ ...base, [key]: [value] }) };
    if (json.type === "object") {
      yield { at: `${key}.x`, kind: "text", put: (value) => ({ ...base, [key]: { x: value } }) };
      yield { at: `name in ${key}`, kind: "text", put: (value) => ({ ...base, [key]: { [String(value)]: 1 } }) };
      yield { at: `${key}.x`, kind: "number", put: (value) => ({ ...base, [key]: { x: value } }) };
    }
  }
}

const internal = (error: unknown) => !BelfryError.is(error) || error.code === "BELFRY_INTERNAL";

for (const kind of DATABASES) {
  test(`${kind.name}: every method answers in its own shape, to its example and to calls of every kind`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const calls = samples(world);
    const methods = kit.master.api.methods();
    assert.equal(
      Object.keys(calls).sort(),
      methods.map(({ name }) => name),
      "this test knows every method",
    );
    for (const [name, all] of Object.entries(calls)) {
      const method = methods.find((known) => known.name === name);
      assert.ok(method);
      for (const params of all) {
        const answer = await kit.call(name, params);
        const checked = strict(method.result).safeParse(answer);
        assert.ok(
          checked.success,
          `${name} ${JSON.stringify(params)}: ${checked.error?.message} in ${JSON.stringify(answer)}`,
        );
        assert.equal(JSON.parse(JSON.stringify(answer)), answer, `${name}: the answer is plain JSON`);
        if (typeof params === "object" && params !== null && "fields" in params)
          for (const item of answer.items)
            assert.equal(Object.keys(item).sort(), [...(params.fields as string[])].sort());
      }
    }
    const broken = strict(methods.find(({ name }) => name === "builders.get")?.result as z.ZodType).safeParse({
      ...(await kit.call("builders.get", { builder: "open" })),
      surplus: 1,
    });
    assert.not.ok(broken.success, "or this test could not fail");
  });

  test(`${kind.name}: every event fits its type, and every type is documented`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    for (const [name, all] of Object.entries(samples(world))) for (const params of all) await kit.call(name, params);
    await kit.event("listener.parked");
    world.release();
    await until(async () => (await kit.call("builds.list", { state: "running" })).items.length === 0, "the end");
    const seen = new Set<string>();
    for (const event of await kit.events()) {
      const schema = EVENT_TYPES[event.type as keyof typeof EVENT_TYPES];
      assert.ok(schema, `${event.type} is documented`);
      const checked = schema.safeParse(event.data);
      assert.ok(checked.success, `${event.type}: ${checked.error?.message} in ${JSON.stringify(event.data)}`);
      seen.add(event.type);
      if (/^(build|step|log|request)\./.test(event.type))
        assert.is(event.builder, event.data.builder, "it has the builder's visibility");
    }
    // A log grows, or not, by how long the machine takes for the calls above.
    const unseen = Object.keys(EVENT_TYPES).filter((type) => !seen.has(type) && type !== "log.grew");
    assert.equal(unseen.sort(), [
      "build.resumed",
      "config.refused",
      "job.parked",
      "request.collapsed",
      "request.retried",
      "retention.done",
      "scheduler.recovered",
      "source.recovered",
      "source.slow",
      "step.resumed",
      "step.retried",
      "step.waiting",
      "worker.disconnected",
    ]);
  });

  test(`${kind.name}: what a method does not know is refused, and lists are bounded`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    for (const method of kit.master.api.methods()) {
      const base = samples(world)[method.name]?.[0] ?? {};
      assert.is(await refused(kit, method.name, { ...base, surplus: 1 }), "BELFRY_PARAMS_INVALID", method.name);
      for (const params of [null, 7, "x", [], [1], true] as Json[]) {
        // Nothing at all is an empty object.
        if (params === null) continue;
        assert.is(await refused(kit, method.name, params), "BELFRY_PARAMS_INVALID", `${method.name} ${params}`);
      }
    }
    const lists = ["builders.list", "builds.list", "changes.list", "requests.list"];
    for (const list of lists) {
      for (const limit of [0, -1, 501, 1.5, "5", null] as Json[])
        assert.is(await refused(kit, list, { limit }), "BELFRY_PARAMS_INVALID", `${list} ${limit}`);
      assert.is((await kit.call(list, { limit: 500 })).next, null);
      assert.is(await refused(kit, list, { fields: ["nothing"] }), "BELFRY_PARAMS_INVALID");
      assert.is(await refused(kit, list, { fields: [] }), "BELFRY_PARAMS_INVALID");
      assert.is(await refused(kit, list, { order: "result" }), "BELFRY_PARAMS_INVALID");
    }
    for (const params of [{ limit: 501 }, { waitSeconds: 31 }, { waitSeconds: -1 }, { since: 5 }] as Json[])
      assert.is(await refused(kit, "events.since", params), "BELFRY_PARAMS_INVALID");
    assert.is(await refused(kit, "nothing.here", {}), "BELFRY_METHOD_UNKNOWN");
    assert.is(await refused(kit, "constructor", {}), "BELFRY_METHOD_UNKNOWN");
    assert.is(await refused(kit, "__proto__", {}), "BELFRY_METHOD_UNKNOWN");
  });

  test(`${kind.name}: pages walk everything exactly once, also while rows are added`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const walk = async (method: string, params: Params, between: () => Promise<unknown> = async () => undefined) => {
      const ids: number[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const page: { items: { id: number }[]; next: string | null } = await kit.call(method, {
          ...params,
          ...(cursor ? { cursor } : {}),
        });
        assert.ok(page.items.length <= Number(params.limit));
        ids.push(...page.items.map((item) => item.id));
        cursor = page.next;
        if (cursor !== null) await between();
      }
      return ids;
    };
    for (let i = 0; i < 12; i += 1) await kit.addChange();
    for (let i = 0; i < 9; i += 1)
      await kit.call("schedulers.force", { scheduler: "open-force", builders: ["running"], priority: i % 3 });
    let added = 0;
    const add = async () => {
      if (added > 5) return;
      added += 1;
      await kit.addChange();
      await kit.call("schedulers.force", { scheduler: "open-force", builders: ["running"] });
    };
    for (const method of ["changes.list", "requests.list", "builds.list"]) {
      const before = (await kit.call(method, { limit: 500, order: "id" })).items.map((item: { id: number }) => item.id);
      added = 0;
      const down = await walk(method, { limit: 2 }, add);
      assert.equal(down, [...before].reverse(), `${method} downwards: what was there, without what came since`);
      added = 0;
      const up = await walk(method, { limit: 2, order: "id" }, add);
      const after = (await kit.call(method, { limit: 500, order: "id" })).items.map((item: { id: number }) => item.id);
      assert.equal(up, after, `${method} upwards: with what came since`);
    }
    const queue = await walk("requests.list", { limit: 2, order: "queue" });
    const { items } = await kit.call("requests.list", { limit: 500, order: "queue" });
    assert.equal(
      queue,
      items.map((item: { id: number }) => item.id),
    );
    assert.is(new Set(queue).size, queue.length);
    const priorities = items.map((item: { priority: number }) => item.priority);
    assert.equal(
      priorities,
      [...priorities].sort((a, b) => b - a),
    );
    const names = await walk("builders.list", { limit: 1 });
    assert.is(new Set(names).size, 3);
    assert.equal(await walk("builders.list", { limit: 1, order: "-name" }), [...names].reverse());
  });

  test(`${kind.name}: cursors and positions of something else, or of nobody, are refused`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const next = async (method: string, params: Params = {}) =>
      (await kit.call(method, { limit: 1, ...params })).next as string;
    const cursors = {
      "changes.list": await next("changes.list"),
      "builds.list": await next("builds.list"),
      "requests.list": await next("requests.list"),
      "builders.list": await next("builders.list"),
    };
    for (const [method, own] of Object.entries(cursors)) {
      assert.ok((await kit.call(method, { cursor: own })).items.length > 0);
      for (const [other, cursor] of Object.entries(cursors)) {
        if (other !== method)
          assert.is(await refused(kit, method, { cursor }), "BELFRY_CURSOR_INVALID", `${other} in ${method}`);
      }
      const order = method === "builders.list" ? "-name" : "id";
      assert.is(
        await refused(kit, method, { cursor: own, order }),
        "BELFRY_CURSOR_INVALID",
        `${method} in another order`,
      );
      const query = JSON.parse(Buffer.from(own, "base64url").toString())[0];
      const forged = [-1, 2 ** 31, 2 ** 53, 1.5, "1", null, [], [1e300, 1], [1, 2 ** 40], {}].map((place) =>
        Buffer.from(JSON.stringify([query, place])).toString("base64url"),
      );
      for (const cursor of ["", "x", "e30", "bnVsbA", `${own}x`.slice(3), ...forged]) {
        const code = await kit.call(method, { cursor }).then(
          () => "fine",
          (error) => error.code,
        );
        assert.ok(
          code === "BELFRY_CURSOR_INVALID" || (method === "builders.list" && code === "fine"),
          `${method} ${cursor}: ${code}`,
        );
      }
    }
    const newest = Number((await kit.call("events.since", {})).next);
    assert.is(await refused(kit, "events.since", { since: String(newest + 1_000) }), "BELFRY_POSITION_AHEAD");
    for (const since of ["", "x", "-1", "1.5", "1e3", "9".repeat(16), "0x10", " 1"])
      assert.is(await refused(kit, "events.since", { since }), "BELFRY_CURSOR_INVALID", since);
    assert.is(await refused(kit, "events.since", { since: "9".repeat(15) }), "BELFRY_POSITION_AHEAD");
  });

  test(`${kind.name}: numbers that nothing has are not found, and no number is a fault of the master`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen } = world;
    const numbers = [0, -1, -2, -(2 ** 31), 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 53 - 1)];
    for (const id of numbers) {
      for (const [method, params] of [
        ["builds.get", { build: id }],
        ["builds.steps", { build: id }],
        ["builds.data", { build: id }],
        ["builds.failure", { build: id }],
        ["builds.stop", { build: id }],
        ["builds.rebuild", { build: id }],
        ["logs.list", { build: id }],
        ["logs.read", { build: id, step: 1 }],
        ["logs.read", { build: seen.build, step: id }],
        ["logs.read", { build: seen.build, step: 1, log: id }],
        ["buildsets.get", { buildset: id }],
        ["buildsets.rebuild", { buildset: id }],
        ["changes.get", { change: id }],
        ["requests.get", { request: id }],
        ["requests.why", { request: id }],
        ["requests.cancel", { request: id }],
      ] as [string, Params][])
        assert.is(await refused(kit, method, params), "BELFRY_NOT_FOUND", `${method} ${JSON.stringify(params)}`);
      if (id !== -1) assert.is(await refused(kit, "builds.get", { builder: "open", number: id }), "BELFRY_NOT_FOUND");
      assert.equal((await kit.call("builds.list", { request: id })).items, []);
      assert.equal((await kit.call("requests.list", { buildset: id })).items, []);
      assert.equal((await kit.call("logs.list", { build: seen.build, step: id })).items, []);
    }
    for (const id of [2 ** 53, 1.5, 1e300])
      assert.is(await refused(kit, "builds.get", { build: id }), "BELFRY_PARAMS_INVALID");
    for (const method of kit.master.api.methods()) {
      if (["master.stop", "master.restart", "builds.stop"].includes(method.name)) continue;
      for (const { at, kind: type, put } of places(method, samples(world)[method.name]?.[0] ?? {})) {
        if (type !== "number") continue;
        for (const number of [...numbers, 2 ** 53, 1e300, -0.5])
          await kit
            .call(method.name, at === "waitSeconds" ? put(Math.min(number, 0.001)) : put(number))
            .catch((error) => {
              assert.not.ok(internal(error), `${method.name} ${at} = ${number}: ${error.cause ?? error}`);
            });
      }
    }
  });

  test(`${kind.name}: text of any kind, anywhere, is no fault of the master`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const long = "x".repeat(1_000_000);
    let tried = 0;
    const texts = [
      "",
      "\0",
      "a\0b",
      "\ud800",
      "x\udfff",
      "\uffff",
      "'; drop table builds; --",
      "%",
      "\\",
      "\u{1f600}".repeat(125),
      long,
      "__proto__",
    ];
    for (const method of kit.master.api.methods()) {
      if (["master.stop", "master.restart", "builds.stop"].includes(method.name)) continue;
      for (const { at, kind: type, put } of places(method, samples(world)[method.name]?.[0] ?? {})) {
        if (type !== "text") continue;
        for (const text of texts) {
          tried += 1;
          const code = await kit.call(method.name, put(text)).then(
            () => "fine",
            (error) => {
              assert.not.ok(
                internal(error),
                `${method.name} ${at} = ${JSON.stringify(text).slice(0, 50)}: ${error.cause ?? error}`,
              );
              assert.ok(error.message.length < 5_000, `${method.name} ${at}: the message is short`);
              return error.code;
            },
          );
          if (text.includes("\0") || !text.isWellFormed())
            assert.is(code, "BELFRY_PARAMS_INVALID", `${method.name} ${at}`);
        }
      }
    }
    assert.ok(tried > 300, "it has tried something");
    let deep: Json = 1;
    for (let i = 0; i < 20_000; i += 1) deep = i % 2 === 0 ? [deep] : { x: deep };
    for (const [method, params] of [
      ["changes.add", { repository: "r", properties: { deep } }],
      ["schedulers.force", { scheduler: "open-force", properties: { deep } }],
      ["builds.get", { deep }],
      ["status.now", deep],
    ] as [string, Json][])
      assert.is(await refused(kit, method, params), "BELFRY_PARAMS_INVALID", method);
    assert.ok((await kit.call("builds.list")).items.length > 0, "everything is still there");
  });
}

test.run();
