import { fakeWorker, rejects, scheduler, type TestMaster, testMaster, until } from "@belfry/testkit";
import { BelfryError, type Caller, type Config, type Json } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { type ApiWorld, apiWorld, tokenCaller } from "./world.ts";

const test = suite("invariant 8: who may see and control");

type Params = { [key: string]: Json };

const codeOf = async (kit: TestMaster, method: string, params: Json, caller: Caller): Promise<string> => {
  const error = await rejects(kit.call(method, params, caller), `${method} ${JSON.stringify(params)}`);
  assert.ok(BelfryError.is(error), String(error));
  return error.code;
};

/** Every way to ask for something that belongs to the builder "covert" or the project "hidden". */
const forHidden = ({ hidden }: ApiWorld): [string, Params][] => [
  ["builders.get", { builder: "covert" }],
  ["builders.get", { builder: "covert", include: ["lastBuild"] }],
  ["builds.get", { build: hidden.build }],
  ["builds.get", { builder: "covert", number: 1 }],
  ["builds.get", { builder: "covert", number: -1 }],
  ["builds.get", { build: hidden.build, include: ["steps", "logs", "changes"] }],
  ["builds.get", { build: hidden.build, include: ["triggeredBy", "triggered"] }],
  ["builds.steps", { build: hidden.build }],
  ["builds.data", { build: hidden.build }],
  ["builds.failure", { build: hidden.build }],
  ["logs.list", { build: hidden.build }],
  ["logs.read", { build: hidden.build, step: 1 }],
  ["requests.get", { request: hidden.request }],
  ["requests.why", { request: hidden.request }],
  ["buildsets.get", { buildset: hidden.buildset }],
  ["changes.get", { change: hidden.change }],
  ["buildsets.list", { change: hidden.change }],
  ["schedulers.why", { scheduler: "covert-force" }],
  ["schedulers.why", { scheduler: "failing" }],
];

const controlsHidden = ({ hidden }: ApiWorld): [string, Params][] => [
  ["builds.stop", { build: hidden.build }],
  ["builds.rebuild", { build: hidden.build }],
  ["buildsets.rebuild", { buildset: hidden.buildset }],
  ["requests.cancel", { request: hidden.request }],
  ["requests.prioritize", { request: hidden.request, priority: 1 }],
  ["builders.pause", { builder: "covert" }],
  ["builders.resume", { builder: "covert" }],
  ["workers.pause", { workers: ["w"] }],
  ["workers.resume", { workers: ["w2", "w"] }],
  ["schedulers.force", { scheduler: "covert-force" }],
  ["schedulers.force", { scheduler: "mixed-force", builders: ["covert"] }],
  ["schedulers.force", { scheduler: "mixed-force", builders: ["open", "covert"] }],
  ["schedulers.force", { scheduler: "open-force", builders: ["covert"] }],
  ["schedulers.force", { scheduler: "failing" }],
  ["schedulers.disable", { scheduler: "covert-force" }],
  ["schedulers.disable", { scheduler: "mixed-force" }],
  ["schedulers.enable", { scheduler: "mixed-force" }],
  ["changes.add", { repository: "r", project: "hidden" }],
];

/** Answers of everything that can be asked without naming anything, and of filters that name what is hidden. */
async function everything(world: ApiWorld, caller: Caller): Promise<string> {
  const { kit, hidden, running } = world;
  const asked: [string, Params][] = [
    ["builders.list", {}],
    ["builders.list", { project: "hidden" }],
    ["builders.list", { include: ["lastBuild", "running", "pending"], branch: "main" }],
    ["builders.list", { tag: "slow" }],
    ["builds.list", {}],
    ["builds.list", { include: ["reason", "sourceStamps", "properties", "steps", "logs", "changes", "usualMillis"] }],
    ["builds.list", { worker: "w", order: "-finishedAt" }],
    ["builds.list", { builder: "covert" }],
    ["builds.list", { builders: ["covert", "open"] }],
    ["builds.list", { builders: ["covert", "open"], order: "-finishedAt" }],
    ["builds.list", { branch: "main" }],
    ["builds.list", { revision: "hidden" }],
    ["builds.list", { request: hidden.request }],
    ["requests.list", {}],
    ["requests.list", { builder: "covert" }],
    ["requests.list", { buildset: hidden.buildset }],
    ["requests.list", { order: "queue" }],
    ["requests.list", { include: ["reason", "sourceStamps", "properties", "builds"] }],
    ["requests.why", { request: running.waiting }],
    ["buildsets.list", {}],
    ["buildsets.list", { scheduler: "covert-force" }],
    ["locks.list", {}],
    ["changes.list", {}],
    ["changes.list", { revision: "hidden" }],
    ["changes.list", { project: "hidden" }],
    ["changes.list", { source: "api" }],
    ["changes.list", { author: "administrator", addedSince: 0 }],
    ["events.since", { since: "0", limit: 500 }],
    ["events.since", { since: "0", builder: "covert" }],
    ["schedulers.list", {}],
    ["schedulers.why", { scheduler: "open-force" }],
    ["schedulers.why", { scheduler: "mixed-force" }],
    ["builds.list", { include: ["triggeredBy", "triggered"] }],
    ["workers.list", {}],
    ["workers.get", { worker: "w" }],
    ["status.now", {}],
    ["sources.list", {}],
    ["plugins.list", {}],
  ];
  const answers = [];
  for (const [method, params] of asked) {
    const answer = await kit.call(method, params, caller).catch((error: BelfryError) => error.message);
    // The field of this name says whether pages leave a step out.
    answers.push(`${method} ${JSON.stringify(answer).replaceAll('"hidden":false', "")}`);
  }
  return answers.join("\n");
}

for (const kind of DATABASES) {
  test(`${kind.name}: a caller who may see some builders learns of no other, in any answer`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const all = await everything(world, (await tokenCaller(kit, "sees all", { scopes: ["read"] })).caller);
    for (const word of ["covert", "hidden"]) assert.match(all, word, "or this test could not fail");
    const narrowings: Params[] = [
      { builders: ["open", "running"] },
      { projects: ["public"] },
      { tags: ["fast"], builders: ["running"] },
    ];
    for (const [i, narrowing] of narrowings.entries()) {
      for (const scope of ["read", "control"]) {
        const { caller } = await tokenCaller(kit, `narrow ${i} ${scope}`, { scopes: [scope], ...narrowing });
        const told = await everything(world, caller);
        for (const word of ["covert", "hidden", "failing"])
          assert.not.ok(
            told.includes(word),
            `${JSON.stringify(narrowing)} ${scope}: ${word} in ${told
              .split("\n")
              .find((line) => line.includes(word))
              ?.slice(0, 500)}`,
          );
        assert.match(told, "open");
        assert.equal((await kit.call("builds.list", { builder: "open" }, caller)).items.length, 1);
        for (const [method, params] of forHidden(world))
          assert.is(await codeOf(kit, method, params, caller), "BELFRY_NOT_FOUND", method);
        const { build, request, buildset } = world.seen;
        assert.is((await kit.call("builds.get", { build }, caller)).id, build);
        assert.is((await kit.call("logs.read", { build, step: 1 }, caller)).items.length > 0, true);
        assert.is((await kit.call("requests.get", { request }, caller)).id, request);
        assert.is((await kit.call("buildsets.get", { buildset }, caller)).requests.length, 1);
      }
    }
    const { caller } = await tokenCaller(kit, "sees nothing", { scopes: ["control"], builders: [] });
    const nothing = await everything(world, caller);
    for (const word of ["covert", "hidden", '"open"', "public"]) assert.not.ok(nothing.includes(word), word);
    assert.equal((await kit.call("builds.list", {}, caller)).items, []);
    for (const [method, params] of forHidden({ ...world, hidden: world.seen }))
      assert.is(await codeOf(kit, method, params, caller), "BELFRY_NOT_FOUND", method);
  });

  test(`${kind.name}: what a caller may not see he cannot control, and no refusal names it`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["control"], projects: ["public"] });
    const before = JSON.stringify([
      (await kit.call("requests.list", { limit: 500 })).items,
      (await kit.call("changes.list")).items,
    ]);
    for (const [method, params] of controlsHidden(world)) {
      const error = await rejects(kit.call(method, params, caller), method);
      assert.ok(BelfryError.is(error));
      assert.is(error.code, "BELFRY_NOT_FOUND", `${method} ${JSON.stringify(params)}`);
      const own = JSON.stringify(params);
      for (const word of ["covert", "hidden"])
        assert.ok(own.includes(word) || !error.message.includes(word), error.message);
    }
    assert.is(
      JSON.stringify([(await kit.call("requests.list", { limit: 500 })).items, (await kit.call("changes.list")).items]),
      before,
      "nothing was changed",
    );
    const forced = await kit.call("schedulers.force", { scheduler: "mixed-force" }, caller);
    assert.equal(
      forced.requests.map((request: { builder: string }) => request.builder),
      ["open"],
      "all that he may see",
    );
    await kit.buildsetEnd(forced.buildset);
    assert.ok((await kit.call("changes.add", { repository: "r", project: "public" }, caller)).added);
    await kit.call("builds.stop", { build: world.running.build }, caller);
    await kit.call("requests.cancel", { request: world.running.waiting }, caller);
  });

  test(`${kind.name}: each method needs its scope: nobody, reader, controller, administrator`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database, { access: { anonymous: "none" } });
    const { kit } = world;
    const { api } = kit.master;
    const nobody = api.anonymous();
    const { caller: reader } = await tokenCaller(kit, "reader", { scopes: ["read"] });
    const { caller: controller } = await tokenCaller(kit, "controller", { scopes: ["control"] });
    const { caller: admin } = await tokenCaller(kit, "admin", { scopes: ["admin"] });
    assert.equal([...nobody.scopes], []);
    assert.equal([...controller.scopes].sort(), ["control", "read"]);
    assert.equal([...admin.scopes].sort(), ["admin", "control", "read"]);
    const may = { read: [reader, controller, admin], control: [controller, admin], admin: [admin] };
    let refusals = 0;
    for (const { name, permission } of api.methods()) {
      for (const caller of [nobody, reader, controller, admin]) {
        // With a parameter that nobody knows, so that who may call it is refused for that instead.
        const code = await codeOf(kit, name, { surplus: true }, caller);
        const expected = may[permission].includes(caller) ? "BELFRY_PARAMS_INVALID" : "BELFRY_FORBIDDEN";
        assert.is(code, expected, `${name} by ${caller.name}`);
        if (code === "BELFRY_FORBIDDEN") refusals += 1;
      }
    }
    assert.ok(refusals > 40);
    const control = [
      "builds.stop",
      "builds.rebuild",
      "buildsets.rebuild",
      "requests.cancel",
      "requests.prioritize",
      "builders.pause",
      "builders.resume",
      "workers.pause",
      "workers.resume",
      "schedulers.force",
      "schedulers.disable",
      "schedulers.enable",
      "sources.poll",
      "changes.add",
    ];
    const administer = [
      "audit.list",
      "config.plan",
      "config.reload",
      "retention.status",
      "retention.sweep",
      "tokens.add",
      "tokens.list",
      "tokens.revoke",
      "master.restart",
      "master.stop",
    ];
    for (const { name, permission } of api.methods())
      assert.is(permission, control.includes(name) ? "control" : administer.includes(name) ? "admin" : "read", name);
    const text = JSON.stringify(await kit.call("events.since", { since: "0", limit: 500 }, controller));
    assert.not.match(text, "token.added", "whose tokens there are is the administrator's affair");
    assert.match(JSON.stringify(await kit.call("events.since", { since: "0", limit: 500 }, admin)), "token.added");
  });

  test(`${kind.name}: a token is kept as a hash only, and is of no use once it is revoked or expired`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { api, store } = kit.master;
    const { token, caller } = await tokenCaller(kit, "mine", { scopes: ["read"], builders: ["open"] });
    assert.match(token, /^belfry_[\w-]{43}$/);
    assert.equal([caller.name, caller.kind], ["mine", "token"]);
    const short = await kit.call("tokens.add", { name: "short", scopes: ["read"], expiresAt: Date.now() + 400 });
    assert.ok(await api.authenticate(short.token));
    const secret = token.slice("belfry_".length);
    const { ENTITIES } = await import("../../../core/src/store/entities.ts");
    for (const { meta } of ENTITIES) {
      const rows = JSON.stringify(
        await store.read
          .selectFrom(meta.tableName as "tokens")
          .selectAll()
          .execute(),
      );
      assert.not.ok(rows.includes(secret), `${meta.tableName} holds no token`);
    }
    const { items } = await kit.call("tokens.list");
    assert.not.match(JSON.stringify(items), /belfry_|[0-9a-f]{64}/, "a list shows neither text nor hash");
    const mine = items.find((item: { name: string }) => item.name === "mine");
    assert.equal([mine.scopes, mine.builders, mine.tags, mine.revokedAt], [["read"], ["open"], null, null]);
    assert.ok(mine.usedAt > 0);
    for (const wrong of [
      "",
      "belfry_",
      token.slice(0, -1),
      `${token}x`,
      token.toUpperCase(),
      secret,
      `belfry_${"x".repeat(10_000)}`,
      "belfry_\0",
    ])
      assert.is(await api.authenticate(wrong), undefined);
    await kit.call("tokens.revoke", { name: "mine" });
    assert.is(await api.authenticate(token), undefined);
    const revoked = async () =>
      (await kit.call("tokens.list")).items.find((item: { name: string }) => item.name === "mine").revokedAt;
    const at = await revoked();
    assert.ok(at > 0);
    await kit.call("tokens.revoke", { name: "mine" });
    assert.is(await revoked(), at, "it was revoked then, not now");
    assert.is((await kit.events()).filter((event) => event.type === "token.revoked").length, 1);
    assert.is(
      await codeOf(
        kit,
        "tokens.add",
        { name: "mine", scopes: ["read"] },
        (await tokenCaller(kit, "a", { scopes: ["admin"] })).caller,
      ),
      "BELFRY_TOKEN_TWICE",
    );
    assert.is(
      await codeOf(
        kit,
        "tokens.revoke",
        { name: "nobody" },
        (await tokenCaller(kit, "b", { scopes: ["admin"] })).caller,
      ),
      "BELFRY_NOT_FOUND",
    );
    await new Promise((resolve) => setTimeout(resolve, 450));
    assert.is(await api.authenticate(short.token), undefined, "its time is over");
  });

  test(`${kind.name}: a token that is narrowed cannot administer: it could give itself everything`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { caller: admin } = await tokenCaller(kit, "admin", { scopes: ["admin"] });
    for (const narrowing of [{ builders: ["open"] }, { projects: [] }, { tags: ["fast"] }] as Params[])
      assert.is(
        await codeOf(kit, "tokens.add", { name: "x", scopes: ["admin"], ...narrowing }, admin),
        "BELFRY_PARAMS_INVALID",
      );
    // One that is in the database all the same.
    const { token } = await kit.call("tokens.add", { name: "old", scopes: ["read"], builders: ["open"] });
    await kit.master.store.write((tx) =>
      tx.db.updateTable("tokens").set({ scopes: '["admin"]' }).where("name", "=", "old").execute(),
    );
    const caller = (await kit.master.api.authenticate(token)) as Caller;
    assert.is(await codeOf(kit, "tokens.add", { name: "y", scopes: ["admin"] }, caller), "BELFRY_FORBIDDEN");
    assert.equal(
      (await kit.call("builders.list", {}, caller)).items.map((item: { name: string }) => item.name),
      ["open"],
    );
  });

  test(`${kind.name}: who sees everything may control no more than what he controls`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, hidden, running } = world;
    const { api } = kit.master;
    const only = { builders: null, projects: ["public"], tags: null };
    const limited = api.callerOf({ name: "ann", kind: "session", scopes: ["admin"], sees: null, controls: only });
    assert.equal([...limited.scopes].sort(), ["control", "read"], "he could give himself everything");
    /** What of each method is refused. A new method belongs here, or among those that are about no builder. */
    const refused: Record<string, Params[]> = {
      "builds.stop": [{ build: hidden.build }],
      "builds.rebuild": [{ build: hidden.build }, { builder: "covert", number: -1 }],
      "buildsets.rebuild": [{ buildset: hidden.buildset }],
      "requests.cancel": [{ request: hidden.request }],
      "requests.prioritize": [{ request: hidden.request, priority: 1 }],
      "builders.pause": [{ builder: "covert" }],
      "builders.resume": [{ builder: "covert" }],
      "schedulers.force": [
        { scheduler: "covert-force" },
        { scheduler: "mixed-force", builders: ["covert"] },
        { scheduler: "mixed-force", builders: ["open", "covert"] },
      ],
      "schedulers.disable": [{ scheduler: "covert-force" }, { scheduler: "mixed-force" }],
      "schedulers.enable": [{ scheduler: "covert-force" }, { scheduler: "mixed-force" }],
      "changes.add": [{ repository: "r", project: "hidden" }],
      "workers.pause": [{ workers: ["w"] }, { workers: ["w2", "w"] }],
      "workers.resume": [{ workers: ["w"] }],
    };
    const aboutNoBuilder = ["sources.poll"];
    const all = api.methods().filter(({ permission }) => permission === "control");
    assert.equal(all.map(({ name }) => name).sort(), [...Object.keys(refused), ...aboutNoBuilder].sort());
    const facts = async () =>
      JSON.stringify([
        (await kit.call("requests.list", { limit: 500 })).items,
        (await kit.call("changes.list")).items,
        (await kit.call("builders.list")).items,
        (await kit.call("schedulers.list")).items.map((item: { disabled: unknown }) => item.disabled),
        (await kit.call("workers.list")).items.map((item: { paused: boolean }) => item.paused),
      ]);
    const before = await facts();
    for (const [method, calls] of Object.entries(refused))
      for (const params of calls) {
        const error = await rejects(kit.call(method, params, limited), `${method} ${JSON.stringify(params)}`);
        assert.is((error as BelfryError).code, "BELFRY_FORBIDDEN", `${method}: ${error}`);
        assert.match((error as BelfryError).message, "ann", "with words");
      }
    assert.is(await facts(), before, "nothing was changed");
    assert.is((await kit.call("builds.get", { build: hidden.build }, limited)).id, hidden.build, "he sees it");
    const forced = await kit.call("schedulers.force", { scheduler: "mixed-force" }, limited);
    assert.equal(
      forced.requests.map((request: { builder: string }) => request.builder),
      ["open"],
      "all that he may",
    );
    await kit.buildsetEnd(forced.buildset);
    assert.ok((await kit.call("changes.add", { repository: "r", project: "public" }, limited)).added);
    await kit.call("builds.stop", { build: running.build }, limited);
    await kit.call("requests.cancel", { request: running.waiting }, limited);
    await kit.call("builders.pause", { builder: "open" }, limited);
    await kit.call("workers.pause", { workers: ["w2"] }, limited);
  });

  test(`${kind.name}: callers of one name who may see different things are not given each other's answers`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const seen = async (...builders: string[]) => {
      const sees = { builders, projects: null, tags: null };
      const facts = { name: "ann", kind: "session", scopes: ["read"], sees, controls: null } as const;
      const { items } = await world.kit.call("builders.list", {}, world.kit.master.api.callerOf({ ...facts }));
      return items.map((item: { name: string }) => item.name);
    };
    assert.equal(await seen("open"), ["open"]);
    assert.equal(await seen("covert"), ["covert"]);
    assert.equal(await seen("open"), ["open"]);
  });

  test(`${kind.name}: nor are they where the configuration's rule goes by what they may do`, async () => {
    await using database = await kind.open();
    const visible: NonNullable<NonNullable<Config["access"]>["visible"]> = ({ builder }, { scopes }) =>
      builder === "open" || scopes.has("control");
    await using world = await apiWorld(database, { access: { visible } });
    const seen = async (scope: "read" | "control") => {
      const facts = { name: "ann", kind: "session", scopes: [scope], sees: null, controls: null } as const;
      const { items } = await world.kit.call("builders.list", {}, world.kit.master.api.callerOf({ ...facts }));
      return items.map((item: { name: string }) => item.name);
    };
    assert.equal(await seen("control"), ["covert", "open", "running"]);
    assert.equal(await seen("read"), ["open"]);
    assert.equal(await seen("control"), ["covert", "open", "running"]);
  });

  test(`${kind.name}: why a scheduler fails or rests is told to who sees all that it builds`, async () => {
    await using database = await kind.open();
    const process = async () => Promise.reject(new Error("covert is wrong"));
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [fakeWorker({ name: "w" })],
        schedulers: [scheduler({ name: "half", scheduler: { builders: ["open", "covert"], process } })],
        builders: ["open", "covert"].map((name) => ({ name, workers: ["w"], steps: [] })),
      },
    });
    await kit.addChange();
    const item = async (caller?: Caller) => (await kit.call("schedulers.list", {}, caller)).items[0];
    const told = async (caller?: Caller) => (await item(caller)).error;
    await until(async () => (await told()) !== null, "its failure");
    assert.match((await told()).message, "covert is wrong");
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], builders: ["open"] });
    assert.match((await told(caller)).message, /^It failed; why is told/);
    await kit.call("schedulers.disable", { scheduler: "half", reason: "covert is being moved" });
    assert.is((await item()).disabled.reason, "covert is being moved");
    assert.is((await item(caller)).disabled.reason, "(told to who may see all of its builders)");
  });

  test(`${kind.name}: a pattern of names is any text for each star, and a token's builder is a name`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const seen = async (patterns: string[]) => {
      const sees = { builders: null, projects: null, tags: null, patterns };
      const caller = kit.master.api.callerOf({ name: "ann", kind: "session", scopes: ["read"], sees, controls: null });
      const { items } = await kit.call("builders.list", {}, caller);
      return items.map((item: { name: string }) => item.name).join(" ");
    };
    assert.is(await seen(["o*n"]), "open");
    assert.is(await seen(["*n*n*"]), "running");
    assert.is(await seen(["open"]), "open");
    assert.is(await seen(["*open*", "cov*"]), "covert open");
    for (const none of ["OPEN*", "open*open", "*nn", ""]) assert.is(await seen([none]), "", none);
    const { caller } = await tokenCaller(kit, "star", { scopes: ["read"], builders: ["*"] });
    assert.equal((await kit.call("builders.list", {}, caller)).items, []);
  });
}

test.run();
