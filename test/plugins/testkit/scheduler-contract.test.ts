import { type SchedulerContractOptions, schedulerContract } from "@belfry/testkit";
import { BelfryError, type BuildsetSpec, type Scheduler, type SchedulerContext, type SchedulerDecision } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";

const test = suite("schedulerContract");
const buildset = (changes: number[], more: Partial<BuildsetSpec> = {}): BuildsetSpec => ({
  builders: ["unit"],
  sourceStamps: [],
  changes,
  reason: "a test",
  ...more,
});

type Process = (ctx: SchedulerContext) => SchedulerDecision | Promise<SchedulerDecision>;
const passes: SchedulerContractOptions["passes"] = [{ changes: [{}, {}] }, {}, { changes: [{}] }];

async function broken(
  process: Process,
  more: Partial<Scheduler> = {},
  options: Partial<SchedulerContractOptions> = {},
) {
  const make = () => ({ builders: ["unit"], process: async (ctx: SchedulerContext) => process(ctx), ...more });
  return brokenPromises(schedulerContract("x", { make, passes, ...options }));
}

/** Counts the changes that it saw, and builds each. */
const good = ({ changes, state }: SchedulerContext): SchedulerDecision => {
  const read = (state ?? { version: 1, seen: 0 }) as { version: number; seen: number };
  if (read.version !== 1) throw new Error("unknown state");
  return {
    buildsets: changes.map(({ id }) => buildset([id], { externalId: undefined as never })),
    state: { version: 1, seen: read.seen + changes.length },
  };
};

test("a scheduler that keeps its promises passes", async () => {
  assert.equal(await broken(good), []);
});

test("finds builders that are missing or listed twice", async () => {
  assert.equal(await broken(good, { builders: ["unit", "unit"] }), [
    "lists the builders that it may ask to build, each once",
  ]);
  assert.ok((await broken(good, { builders: [] })).includes("lists the builders that it may ask to build, each once"));
});

test("finds an answer that depends on something else than the question", async () => {
  let calls = 0;
  const counting: Process = (ctx) => {
    calls += 1;
    return { ...good(ctx), buildsets: ctx.changes.map(({ id }) => buildset([id], { priority: calls })) };
  };
  assert.equal(await broken(counting), ["gives the same answer to the same question, whichever instance is asked"]);
});

test("finds what JSON would lose", async () => {
  const dated: Process = (ctx) => ({
    ...good(ctx),
    state: { version: 1, seen: 0, at: new Date(ctx.now) as never },
  });
  assert.ok((await broken(dated)).includes("remembers only what is in its state, and that survives JSON"));
});

test("finds a scheduler that changes what it is given", async () => {
  const sorting: Process = (ctx) => {
    (ctx.changes as unknown[]).reverse();
    return good(ctx);
  };
  assert.ok((await broken(sorting)).includes("leaves what it is given as it is"));
});

test("finds buildsets for foreign builders, for none, and without a reason", async () => {
  const title = "asks for its own builders only, at least one a buildset";
  for (const bad of [{ builders: ["deploy"] }, { builders: [] }, { reason: " " }]) {
    const process: Process = ({ changes }) => ({ buildsets: changes.map(({ id }) => buildset([id], bad)) });
    assert.equal(await broken(process), [title]);
  }
});

test("finds causes that it was never told of, or names twice", async () => {
  const title = "names as causes only changes that it was told of, none twice in a buildset";
  for (const ids of [[99], [1, 1]]) {
    const process: Process = ({ changes }) => ({ buildsets: changes.length > 0 ? [buildset(ids)] : [] });
    assert.equal(await broken(process), [title]);
  }
});

test("finds a scheduler that would be asked again and again", async () => {
  for (const wakeAt of [0, Number.NaN]) {
    const titles = await broken((ctx) => ({ buildsets: ctx.changes.map(({ id }) => buildset([id])), wakeAt }));
    assert.ok(titles.includes("wants to be woken later, not at once"));
  }
});

test("finds a scheduler that decides again what it has decided", async () => {
  const forgetful: Process = ({ changes, state }) => {
    const pending = [...((state as { pending?: number[] } | undefined)?.pending ?? []), ...changes.map(({ id }) => id)];
    if (state !== undefined && (state as { version: number }).version !== 1) throw new Error("unknown state");
    return { buildsets: pending.map((id) => buildset([id])), state: { version: 1, pending } };
  };
  assert.equal(await broken(forgetful), ["does not decide again what it has decided"]);
});

test("finds a contract whose passes lead to nothing", async () => {
  assert.equal(await broken(() => ({ buildsets: [] })), ["decides on a buildset"]);
});

test("finds a state without a version, and a scheduler that guesses", async () => {
  const title = "refuses a state of a version that it does not know";
  const build = ({ changes }: SchedulerContext) => changes.map(({ id }) => buildset([id]));
  assert.equal(await broken((ctx) => ({ buildsets: build(ctx), state: { seen: 1 } })), [title]);
  assert.equal(await broken((ctx) => ({ buildsets: build(ctx), state: [1] })), [title]);
  assert.equal(await broken((ctx) => ({ buildsets: build(ctx), state: { version: 1 } })), [title]);
});

test("finds what is wrong with a scheduler that is forced", async () => {
  const quiet: Process = () => ({ buildsets: [] });
  const options = { passes: [], force: { owner: "ada", builders: ["unit"] } };
  const grants = "grants a wish, twice in the same way and without an effect";
  const refuses = "refuses a wish for a builder that it does not have, in words for the user";
  const refusal = new BelfryError("X", { what: "No.", why: "No.", fix: "No." });
  const checked = ({ builders = ["unit"] }: { builders?: string[] }): string[] => {
    if (builders.some((builder) => builder !== "unit")) throw refusal;
    return builders;
  };
  assert.equal(await broken(quiet, { force: (wish) => buildset([], { builders: checked(wish) }) }, options), []);
  assert.equal(await broken(quiet, {}, options), [grants, refuses]);
  assert.equal(await broken(quiet, { force: ({ builders = [] }) => buildset([], { builders }) }, options), [refuses]);
  let count = 0;
  const counting = { force: (wish: object) => buildset([], { builders: checked(wish), priority: count++ }) };
  assert.equal(await broken(quiet, counting, options), [grants]);
  const plain = {
    force: (wish: { builders?: string[] }) => {
      if (wish.builders?.[0] !== "unit") throw new Error("no");
      return buildset([]);
    },
  };
  assert.equal(await broken(quiet, plain, options), [refuses]);
});

test.run();
