import { anyBranch } from "@belfry/schedulers";
import { createPart } from "@belfry/testkit";
import type { Change } from "belfry";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DrivenScheduler } from "./driven-scheduler.ts";

const test = suite("treeStableTimer, by any interleaving");
const TIMER = 100;
const BRANCHES = ["main", "feature/x", null];
const REPOSITORIES = ["one", "two"];

type Move =
  | { do: "change"; branch: number; repository: number; important: boolean }
  | { do: "wait"; millis: number }
  | { do: "pass"; crash: boolean };

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      branch: fc.nat(BRANCHES.length - 1),
      repository: fc.nat(REPOSITORIES.length - 1),
      important: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      millis: fc.oneof(fc.nat(30), fc.constant(TIMER), fc.nat(250)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), crash: fc.boolean() }) },
);

/** What Buildbot's documentation says, in the plainest form: a list a branch. */
class Model {
  readonly branches = new Map<string, { ids: number[]; newest: Map<string, Change>; until: number | null }>();
  /** The newest change of each codebase on its own branch; that is none here. */
  readonly seen = new Map<string, Change>();
  readonly onlyImportant: boolean;
  readonly together: boolean;

  /** With `together`, the repositories are codebases, and a branch is one in both. */
  constructor(onlyImportant: boolean, together: boolean) {
    this.onlyImportant = onlyImportant;
    this.together = together;
  }

  pass(changes: readonly Change[], now: number): { ids: number[]; revisions: (string | null)[] }[] {
    for (const change of changes) {
      if (change.branch === null) this.seen.set(change.repository, change);
      const important = isImportant(change);
      if (!important && this.onlyImportant) continue;
      const key = this.together ? String(change.branch) : `${change.branch} ${change.repository}`;
      const fresh = { ids: [] as number[], newest: new Map<string, Change>(), until: null as number | null };
      const branch = this.branches.get(key) ?? fresh;
      branch.ids.push(change.id);
      branch.newest.set(change.repository, change);
      if (important) branch.until = now + TIMER;
      this.branches.set(key, branch);
    }
    const fired = [...this.branches].filter(([, { until }]) => until !== null && until <= now);
    for (const [key] of fired) this.branches.delete(key);
    return fired.map(([, { ids, newest }]) => {
      const all = REPOSITORIES.map((name) => (newest.get(name) ?? this.seen.get(name))?.revision ?? null);
      return { ids, revisions: this.together ? all : [...newest.values()].map(({ revision }) => revision) };
    });
  }

  get wakeAt(): number | undefined {
    const times = [...this.branches.values()].flatMap(({ until }) => until ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }
}

const isImportant = (change: Change) => change.files[0] === "src/x";
const byFirst = (a: { ids: number[] }, b: { ids: number[] }) => (a.ids[0] ?? 0) - (b.ids[0] ?? 0);

test("builds what the model builds, when the model does; each change once, and no branch before it was quiet", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(move, { maxLength: 60 }),
      fc.boolean(),
      fc.boolean(),
      async (moves, onlyImportant, together) => {
        const codebases = Object.fromEntries(REPOSITORIES.map((name) => [name, { repository: name }]));
        const options = {
          builders: ["unit"],
          treeStableTimer: TIMER,
          paths: "src/**",
          onlyImportant,
          ...(together ? { codebases } : {}),
        };
        const core = new DrivenScheduler(() => createPart(anyBranch, options, { name: "each" }));
        const model = new Model(onlyImportant, together);
        let waiting: Change[] = [];
        const builtAt = new Map<number, number>();

        const pass = async (crash: boolean) => {
          const news = waiting;
          waiting = [];
          if (crash)
            assert.equal(await core.ask(news), await core.ask(news), "asked again after a crash, it decides otherwise");
          const wanted = model.pass(news, core.now);
          const buildsets = await core.pass(...news);
          const got = buildsets.map(({ changes = [], sourceStamps }) => ({
            ids: changes,
            revisions: sourceStamps.map(({ revision }) => revision),
          }));
          assert.equal(got.sort(byFirst), wanted.sort(byFirst));
          assert.is(core.wakeAt, model.wakeAt);
          for (const { changes = [] } of buildsets) {
            for (const id of changes) {
              assert.not.ok(builtAt.has(id), `change ${id} is built twice`);
              builtAt.set(id, core.now);
              const change = core.known[id - 1];
              if (change !== undefined && isImportant(change))
                assert.ok(core.now - change.added >= TIMER, `change ${id} is built too early`);
            }
          }
        };

        for (const step of moves) {
          if (step.do === "wait") core.now += step.millis;
          else if (step.do === "pass") await pass(step.crash);
          else {
            const { branch, repository, important } = step;
            waiting.push(
              core.change({
                branch: BRANCHES[branch] ?? null,
                repository: REPOSITORIES[repository] ?? "",
                codebase: together ? (REPOSITORIES[repository] ?? "") : "",
                files: [important ? "src/x" : "docs/x"],
              }),
            );
          }
        }
        await pass(false);
        core.now += TIMER;
        await pass(false);
        for (const change of core.known) {
          if (isImportant(change)) assert.ok(builtAt.has(change.id), `change ${change.id} is lost`);
          else if (onlyImportant) assert.not.ok(builtAt.has(change.id));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("asked at its wakeAt and at every change, it builds each branch exactly when it has been quiet for so long", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(250), fc.nat(2)), { maxLength: 40 }), async (arrivals) => {
      const core = new DrivenScheduler(() =>
        createPart(anyBranch, { builders: ["unit"], treeStableTimer: TIMER }, { name: "each" }),
      );
      const got: [at: number, ids: number[]][] = [];
      const wakeUntil = async (end: number) => {
        while (core.wakeAt !== undefined && core.wakeAt <= end) {
          core.now = core.wakeAt;
          for (const { changes = [] } of await core.pass()) got.push([core.now, changes]);
        }
        core.now = end;
      };
      for (let at = 0; at < arrivals.length; ) {
        const delay = arrivals[at]?.[0] ?? 0;
        // Changes that arrive at the very moment of a deadline are seen in the same pass.
        await wakeUntil(core.now + delay - (delay > 0 ? 1 : 0));
        if (delay > 0) core.now += 1;
        const together: Change[] = [];
        do together.push(core.change({ branch: `b${arrivals[at]?.[1]}` }));
        while (arrivals[++at]?.[0] === 0);
        for (const { changes = [] } of await core.pass(...together)) got.push([core.now, changes]);
      }
      await wakeUntil(core.now + 10 * TIMER);
      const wanted: [number, number[]][] = [];
      for (const name of ["b0", "b1", "b2"]) {
        let open: number[] = [];
        const mine = core.known.filter(({ branch }) => branch === name);
        for (const [i, change] of mine.entries()) {
          open.push(change.id);
          const next = mine[i + 1];
          if (next !== undefined && next.added <= change.added + TIMER) continue;
          wanted.push([change.added + TIMER, open]);
          open = [];
        }
      }
      const order = (list: [number, number[]][]) => list.sort((a, b) => (a[1][0] ?? 0) - (b[1][0] ?? 0));
      assert.equal(order(got), order(wanted));
    }),
    { numRuns: 300 },
  );
});

test.run();
