import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listener, type TestMaster, testMaster, until } from "@belfry/testkit";
import type { BelfryEvent, StatusListener } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("durable listeners");

async function rowOf(kit: TestMaster, name: string) {
  return kit.master.store.read.selectFrom("listeners").selectAll().where("name", "=", name).executeTakeFirstOrThrow();
}
const parkedOf = (kit: TestMaster) =>
  kit.master.store.read.selectFrom("parked_events").selectAll().orderBy("listener").orderBy("seq").execute();

/** The events that are there and stay the same ones when asked again. */
async function settled(kit: TestMaster): Promise<string[]> {
  return (await kit.events()).map((event: BelfryEvent) => event.position);
}

for (const kind of DATABASES) {
  test(`${kind.name}: invariant 6: every event is told at least once and in order, over restarts in the middle`, async () => {
    await using database = await kind.open();
    const folder = await mkdtemp(join(tmpdir(), "belfry-listener-"));
    const lives: string[][] = [];
    let overlapping = 0;
    let most = 0;
    const config = () => {
      const told: string[] = [];
      lives.push(told);
      const scribe: StatusListener = {
        from: "start",
        async handle({ position }) {
          overlapping += 1;
          most = Math.max(most, overlapping);
          await new Promise((resolve) => setImmediate(resolve));
          told.push(position);
          overlapping -= 1;
        },
      };
      return { database: database.entry, listeners: [listener({ name: "scribe", listener: scribe })] };
    };
    try {
      for (let life = 0; life < 3; life += 1) {
        await using kit = await testMaster({ config: config(), folder });
        for (let i = 0; i < 150; i += 1) await kit.addChange({ key: `${life}-${i}` });
        await until(() => (lives[life]?.length ?? 0) > 60, "some events told");
        if (life < 2) continue;
        const all = await settled(kit);
        assert.ok(all.length > 450);
        await until(() => lives[2]?.at(-1) === all.at(-1), "the last event");
        const heard = new Set(lives.flat());
        assert.equal(
          all.filter((position) => !heard.has(position)),
          [],
          "none is missing",
        );
        for (const told of lives) {
          assert.ok(
            told.every((position, i) => i === 0 || Number(position) > Number(told[i - 1])),
            "within a life each comes once, in order",
          );
        }
        const repeated = lives.flat().length - heard.size;
        assert.ok(repeated <= 2 * 50, `only what lies behind the cursor is told again, not ${repeated}`);
        assert.is(most, 1, "one at a time");
        const newest = Number(all.at(-1));
        await until(async () => newest - (await rowOf(kit, "scribe")).cursor < 50, "the cursor");
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test(`${kind.name}: an event that fails for ever is parked after its tries and told of, and the listener goes on`, async () => {
    await using database = await kind.open();
    const tries: number[] = [];
    const told: string[] = [];
    const picky: StatusListener = {
      types: ["change."],
      attempts: 3,
      async handle(event, { attempt }) {
        if (event.data.revision === "bad") {
          tries.push(attempt);
          throw Object.assign(new Error("cannot post this"), { code: "E_POST" });
        }
        told.push(String(event.data.revision));
      },
    };
    const others: string[] = [];
    const other: StatusListener = { types: ["listener.parked"], handle: async (event) => void others.push(event.type) };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        listeners: [listener({ name: "picky", listener: picky }), listener({ name: "other", listener: other })],
      },
    });
    for (const revision of ["a", "bad", "b", "c"]) await kit.addChange({ revision });
    await until(async () => (await rowOf(kit, "picky")).attempts >= 1, "the first failure");
    assert.equal(JSON.parse((await rowOf(kit, "picky")).error ?? "null"), {
      message: "cannot post this",
      code: "E_POST",
    });
    await until(() => told.length === 3, "the events behind it");
    assert.equal(tries, [1, 2, 3]);
    assert.equal(told, ["a", "b", "c"]);
    const [parked, ...more] = await parkedOf(kit);
    assert.is(more.length, 0);
    const bad = (await kit.events()).find((event) => event.data.revision === "bad");
    assert.equal([parked?.listener, String(parked?.seq), parked?.attempts], ["picky", bad.position, 3]);
    assert.match(parked?.error ?? "", "cannot post this");
    const { data } = await kit.event("listener.parked");
    assert.equal(data, { listener: "picky", position: bad.position, attempts: 3 });
    await until(() => others.length === 1, "the one who watches");
    assert.is((await rowOf(kit, "picky")).error, null, "what works again is not shown as failing");
  });

  test(`${kind.name}: a listener that fails at everything does not make events without end`, async () => {
    await using database = await kind.open();
    const failing: StatusListener = {
      attempts: 1,
      handle: async () => {
        throw new Error("no");
      },
    };
    await using kit = await testMaster({
      config: {
        database: database.entry,
        listeners: [listener({ name: "one", listener: failing }), listener({ name: "two", listener: failing })],
      },
    });
    for (let i = 0; i < 5; i += 1) await kit.addChange();
    const changes = async () => (await kit.events()).filter((event) => event.type === "change.added").length;
    await until(async () => {
      const newest = (await kit.events()).at(-1)?.position;
      return Number(newest) <= Math.min((await rowOf(kit, "one")).cursor, (await rowOf(kit, "two")).cursor);
    }, "both to have failed at everything");
    const before = (await kit.events()).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.is((await kit.events()).length, before);
    assert.is(await changes(), 5);
    assert.ok((await parkedOf(kit)).length >= 10);
  });

  test(`${kind.name}: a new listener begins with what happens from now on, or with everything kept`, async () => {
    await using database = await kind.open();
    const folder = await mkdtemp(join(tmpdir(), "belfry-listener-"));
    try {
      await using first = await testMaster({ config: { database: database.entry }, folder });
      const old = await first.addChange({ revision: "old" });
      await first.close();
      const seen: Record<string, unknown[]> = { now: [], start: [] };
      const from = (begin: "now" | "start") =>
        listener({
          name: begin,
          listener: {
            from: begin,
            types: ["change.added"],
            handle: async (event: BelfryEvent) => void seen[begin]?.push(event.data.change),
          },
        });
      await using kit = await testMaster({
        config: { database: database.entry, listeners: [from("now"), from("start")] },
        folder,
      });
      const fresh = await kit.addChange({ revision: "new" });
      await until(() => seen.now?.includes(fresh) === true && seen.start?.includes(fresh) === true, "the new change");
      assert.equal(seen, { now: [fresh], start: [old, fresh] });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test("a listener that never answers does not keep the master from stopping, and is told again at the next start", async () => {
  const folder = await mkdtemp(join(tmpdir(), "belfry-listener-"));
  const told: string[] = [];
  let deaf = true;
  const hanging: StatusListener = {
    types: ["change.added"],
    async handle(event) {
      told.push(event.position);
      if (deaf) await new Promise(() => undefined);
    },
  };
  const config = { listeners: [listener({ name: "hanging", listener: hanging })] };
  try {
    const kit = await testMaster({ config, folder });
    await kit.addChange();
    await until(() => told.length === 1, "the event");
    await kit.close();
    deaf = false;
    await using again = await testMaster({ config, folder });
    await until(() => told.length === 2, "the event, once more");
    assert.is(told[0], told[1]);
    await again.addChange();
    await until(() => told.length === 3, "the next event");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
