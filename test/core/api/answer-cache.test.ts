import { testMaster } from "@belfry/testkit";
import { type Caller, definePlugin, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";
import { apiWorld, tokenCaller } from "./world.ts";

const test = suite("answers that last");

for (const kind of DATABASES) {
  test(`${kind.name}: what was committed is in the next answer, for everybody`, async () => {
    await using database = await kind.open();
    await using world = await apiWorld(database);
    const { kit } = world;
    const { caller: narrow } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
    const { caller: other } = await tokenCaller(kit, "other", { scopes: ["read"], projects: ["hidden"] });
    const last = async (caller: Caller) => (await kit.call("changes.list", { limit: 1 }, caller)).items[0]?.id;
    const [before] = await Promise.all([last(narrow), last(other)]);
    for (let i = 0; i < 5; i += 1) {
      const hidden = await kit.addChange({ key: `h${i}`, project: "hidden" });
      assert.equal([await last(narrow), await last(other)], [before, hidden]);
      assert.equal([await last(narrow), await last(other)], [before, hidden], "also when it is asked again");
    }
    const forced = await kit.call("schedulers.force", { scheduler: "open-force", builders: ["open"] });
    await kit.buildsetEnd(forced.buildset);
    const { items } = await kit.call("builds.list", { builder: "open", include: ["steps"] });
    assert.equal(
      items.map((item: { number: number; result: string }) => [item.number, item.result]),
      [
        [2, "exception"],
        [1, "exception"],
      ],
    );
  });
}

test("a method that says so is called once until somebody commits, once for each sight and for each question", async () => {
  const kind = DATABASES.find(({ name }) => name === "SQLite");
  assert.ok(kind);
  await using database = await kind.open();
  let calls = 0;
  const make = (name: string, lasts?: () => boolean) => ({
    name,
    permission: "read" as const,
    summary: "Counts its calls.",
    params: z.strictObject({ of: z.string().optional() }),
    result: z.object({ calls: z.int() }),
    example: {},
    ...(lasts ? { lasts } : {}),
    call: async () => ({ calls: ++calls }),
  });
  const plugin = definePlugin({
    name: "counts",
    register: (host) => {
      host.methods.add(make("counts.lasting", () => true));
      host.methods.add(make("counts.passing"));
      host.methods.add(make("counts.never", () => false));
    },
  });
  await using kit = await testMaster({ config: { database: database.entry, plugins: [plugin] } });
  const { caller: narrow } = await tokenCaller(kit, "narrow", { scopes: ["read"], projects: ["public"] });
  const made = async (method: string, params = {}, caller?: Caller) => {
    const before = calls;
    await kit.call(method, params, caller);
    return calls - before;
  };
  const { store } = kit.master;
  // Leases are prolonged now and then, which is a commit, too: one round in between is enough.
  for (let round = 0; ; round += 1) {
    assert.ok(round < 100, "there is a pause between commits");
    const committed = store.version();
    const question = { of: `question ${round}` };
    const counts = [
      await made("counts.lasting", question),
      await made("counts.lasting", question),
      await made("counts.lasting", { of: `another ${round}` }),
      await made("counts.lasting", question, narrow),
      await made("counts.lasting", question, narrow),
      await made("counts.passing", question),
      await made("counts.passing", question),
      await made("counts.never", question),
      await made("counts.never", question),
    ];
    if (committed !== store.version()) continue;
    assert.equal(counts, [1, 0, 1, 1, 0, 1, 1, 1, 1]);
    break;
  }
  await made("counts.lasting");
  await kit.addChange();
  assert.is(await made("counts.lasting"), 1);
});

test.run();
