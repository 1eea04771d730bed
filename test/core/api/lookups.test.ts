import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { apiWorld, tokenCaller } from "./world.ts";

const test = suite("looking up changes and builds");

const REVISION = "5f6c835a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e";

for (const kind of DATABASES) {
  test(`${kind.name}: changes are found by a part of their author, by project, time and the beginning of their revision`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const add = (author: string, project: string, revision: string) => kit.addChange({ author, project, revision });
    const ada = await add("Ada Lovelace <ada@example.org>", "app", REVISION);
    const other = await add("Grace Hopper <grace@example.org>", "app", "5f6c835b");
    const odd = await add("100% _Ada_ \u05d0", "100%", "5f6c");
    const found = async (params: object) =>
      (await kit.call("changes.list", params as never)).items.map(({ id }: { id: number }) => id);
    assert.equal(await found({ author: "LOVELACE" }), [ada]);
    assert.equal(await found({ author: "ada" }), [odd, ada]);
    assert.equal(await found({ author: "%" }), [odd]);
    assert.equal(await found({ author: "nobody" }), []);
    assert.equal(await found({ project: "app" }), [other, ada]);
    assert.equal(await found({ project: "app", author: "grace" }), [other]);
    assert.equal(await found({ project: "app", source: "api" }), [other, ada]);
    assert.equal(await found({ source: "nobody" }), []);
    assert.equal(await found({ revisionPrefix: "5F6C835" }), [other, ada]);
    assert.equal(await found({ revisionPrefix: REVISION }), [ada]);
    assert.equal(await found({ revisionPrefix: "5f6c8350" }), []);
    const { added } = await kit.call("changes.get", { change: ada });
    assert.ok((await found({ addedSince: added })).includes(ada));
    assert.not.ok((await found({ addedUntil: added - 1 })).includes(ada));
    const walked: number[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: { items: { id: number }[]; next: string | null } = await kit.call("changes.list", {
        author: "example.org",
        limit: 1,
        ...(cursor ? { cursor } : {}),
      });
      walked.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    }
    assert.equal(walked, [other, ada]);
  });

  test(`${kind.name}: what a scheduler began is listed, page by page, to those who see something of it`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, hidden } = world;
    const again = await kit.call("schedulers.force", { scheduler: "open-force", branch: "topic", reason: "again" });
    const [newest] = (await kit.call("buildsets.list", { scheduler: "open-force", limit: 1 })).items;
    const { sourceStamps, submittedAt, completeAt, ...facts } = newest;
    const told = await kit.call("buildsets.get", { buildset: again.buildset });
    const { id, scheduler, owner, reason, result } = told;
    assert.equal(facts, { id, scheduler, owner, reason, result });
    assert.equal([submittedAt, completeAt, sourceStamps], [told.submittedAt, told.completeAt, told.sourceStamps]);
    assert.is(sourceStamps[0].branch, "topic");
    const walk = async (params: object, caller?: never) => {
      const walked: number[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const page: { items: { id: number }[]; next: string | null } = await kit.call(
          "buildsets.list",
          { ...params, limit: 1, ...(cursor ? { cursor } : {}) },
          caller,
        );
        walked.push(...page.items.map((one) => one.id));
        cursor = page.next;
      }
      return walked;
    };
    assert.equal(
      await walk({ scheduler: "open-force", order: "id" }),
      [...(await walk({ scheduler: "open-force" }))].reverse(),
    );
    assert.equal((await kit.call("buildsets.list", { scheduler: "nobody" })).items, []);
    const all = await walk({});
    for (const one of [seen.buildset, hidden.buildset, again.buildset]) assert.ok(all.includes(one), String(one));
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], builders: ["open"] });
    const visible = await walk({}, caller as never);
    assert.ok(visible.includes(again.buildset));
    assert.not.ok(visible.includes(hidden.buildset));
    assert.equal(await walk({ scheduler: "covert-force" }, caller as never), []);
  });

  test(`${kind.name}: builds of several builders are found at once, each with its newest, and by the beginning of a revision`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit, seen, hidden, running } = world;
    const ids = async (params: object, caller?: never) =>
      (await kit.call("builds.list", params as never, caller)).items.map(({ id }: { id: number }) => id);
    const builders = ["open", "covert", "running", "nobody"];
    assert.equal(await ids({ builders }), [running.build, hidden.build, seen.build]);
    assert.equal(await ids({ builders, state: "running" }), [running.build]);
    for (const order of ["-finishedAt", "finishedAt"]) {
      const both = [hidden.build, seen.build];
      assert.equal(await ids({ builders, order }), order === "finishedAt" ? both.reverse() : both);
      assert.equal(await ids({ builders: ["open"], order }), [seen.build]);
      assert.equal(await ids({ builders, order, branch: "other" }), []);
    }
    assert.equal(await ids({ builders: ["nobody"], order: "-finishedAt" }), []);
    const { items, next } = await kit.call("builds.list", { builders, order: "-finishedAt", limit: 1 });
    const rest = await kit.call("builds.list", { builders, order: "-finishedAt", limit: 1, cursor: next });
    assert.equal([items[0].id, rest.items[0].id, rest.next], [hidden.build, seen.build, null]);
    const { caller } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
    for (const order of ["-finishedAt", "-id"])
      assert.equal(await ids({ builders: ["open", "covert"], order }, caller as never), [seen.build]);

    const { buildset } = await kit.call("schedulers.force", {
      scheduler: "open-force",
      builders: ["open"],
      branch: "main",
      revision: REVISION,
    });
    await kit.buildsetEnd(buildset);
    assert.equal((await ids({ revisionPrefix: "5f6c835a0b" })).length, 1);
    assert.equal(await ids({ revisionPrefix: "5f6c835b" }), []);
  });

  test(`${kind.name}: in a long queue it is counted how many come first, up to a number that nobody counts on`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { store } = kit.master;
    const { builder_id, buildset_id } = await store.read
      .selectFrom("build_requests")
      .select(["builder_id", "buildset_id"])
      .where("id", "=", world.running.waiting)
      .executeTakeFirstOrThrow();
    const waiting = {
      buildset_id,
      builder_id,
      priority: 0,
      urgency: 0,
      state: "pending",
      submitted_at: 1,
      not_before: 0,
      claimed_at: null,
      complete_at: null,
      result: null,
      retries: 0,
      expires_at: null,
      collapsed_into: null,
      held: null,
      weighed: 0,
    };
    await kit.call("builders.pause", { builder: "running" });
    for (let i = 0; i < 21; i++)
      await store.write(({ db }) =>
        db
          .insertInto("build_requests")
          .values(Array.from({ length: 500 }, () => waiting))
          .execute(),
      );
    const last = (await kit.call("requests.list", { limit: 1 })).items[0].id;
    const ahead = async (request: number) => (await kit.call("requests.why", { request })).ahead;
    assert.equal([await ahead(world.running.waiting), await ahead(world.running.waiting + 7)], [0, 7]);
    assert.is(await ahead(last), 10_000);
    await kit.call("requests.prioritize", { request: last, priority: 1 });
    assert.is(await ahead(last), 0);
    assert.is(await ahead(world.running.waiting), 1);
  });
}

test.run();
