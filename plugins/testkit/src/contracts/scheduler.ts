import * as assert from "node:assert/strict";
import {
  BelfryError,
  type Change,
  type FinishedBuildset,
  type ForceRequest,
  type Json,
  type Scheduler,
  type SchedulerContext,
  type SchedulerDecision,
  type TriggerRequest,
} from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { rejects, within } from "../waiting.ts";

/** One time that the scheduler is asked. What it remembers is carried from each pass to the next. */
export interface SchedulerPass {
  /** Milliseconds since the pass before. Default 1,000. */
  after?: number;
  changes?: readonly Partial<Change>[];
  finished?: readonly FinishedBuildset[];
}

export interface SchedulerContractOptions {
  /** Makes the scheduler, as core does once per configured scheduler. */
  make(): Scheduler;
  /** News that lead it to at least one buildset. Empty for a scheduler that is only forced. */
  passes: readonly SchedulerPass[];
  /** A wish that it grants, if it can be forced. */
  force?: ForceRequest;
  /** A wish of a step that it grants, if it can be triggered. */
  trigger?: TriggerRequest;
}

const START = 1_700_000_000_000;
const FORCE_CONTEXT = { workers: ["one", "two"] };
const OTHER_BUILDER = "a builder that nobody has configured";

/** What the interface `Scheduler` promises, as checks of one configured scheduler. */
export function schedulerContract(name: string, options: SchedulerContractOptions): Check[] {
  const list = new CheckList(name);

  list.add("lists the builders that it may ask to build, each once", async () => {
    const { builders } = options.make();
    assert.ok(builders.length > 0, "there is no builder");
    assert.equal(new Set(builders).size, builders.length, "a builder is listed twice");
  });

  list.add("gives the same answer to the same question, whichever instance is asked", async () => {
    const used = options.make();
    await replay(options, used, async (question, answer) => {
      assert.deepEqual(await ask(used, question), answer, "asked again, it decides otherwise");
      assert.deepEqual(await ask(options.make(), question), answer, "another instance decides otherwise");
    });
  });

  list.add("remembers only what is in its state, and that survives JSON", async () => {
    const answers = await replay(options, options.make());
    for (const answer of answers) assert.deepEqual(JSON.parse(JSON.stringify(answer)), withoutUndefined(answer));
  });

  list.add("leaves what it is given as it is", async () => {
    await replay(options, options.make(), async (question) => {
      const before = structuredClone({ changes: question.changes, state: question.state });
      await ask(options.make(), question);
      assert.deepEqual({ changes: question.changes, state: question.state }, before);
    });
  });

  list.add("asks for its own builders only, at least one a buildset", async () => {
    const { builders } = options.make();
    for (const { buildsets } of await replay(options, options.make())) {
      for (const buildset of buildsets) {
        assert.ok(buildset.builders.length > 0, "a buildset has no builder");
        const strange = buildset.builders.filter((builder) => !builders.includes(builder));
        assert.deepEqual(strange, [], "a buildset names builders that the scheduler does not list");
        assert.notEqual(buildset.reason.trim(), "", "a buildset has no reason");
      }
    }
  });

  list.add("names as causes only changes that it was told of, none twice in a buildset", async () => {
    const told = new Set(worldOf(options.passes).flatMap(({ changes }) => changes.map(({ id }) => id)));
    for (const { buildsets } of await replay(options, options.make())) {
      for (const { changes = [] } of buildsets) {
        assert.equal(new Set(changes).size, changes.length, "a change is named twice");
        assert.deepEqual(
          changes.filter((id) => !told.has(id)),
          [],
          "it was never told of these changes",
        );
      }
    }
  });

  list.add("wants to be woken later, not at once", async () => {
    await replay(options, options.make(), async (question, { wakeAt }) => {
      if (wakeAt === undefined) return;
      assert.ok(Number.isFinite(wakeAt), `${wakeAt} is no time`);
      assert.ok(wakeAt > question.now, "it would be asked again and again without an end");
    });
  });

  list.add("does not decide again what it has decided", async () => {
    await replay(options, options.make(), async (question, answer) => {
      const state = answer.state === undefined ? question.state : answer.state;
      const again = await ask(options.make(), { ...question, changes: [], finished: [], state });
      assert.deepEqual(again.buildsets, [], "nothing is new, but it decided on a buildset");
    });
  });

  if (options.passes.length > 0) {
    list.add("decides on a buildset", async () => {
      const answers = await replay(options, options.make());
      assert.notEqual(
        answers.flatMap(({ buildsets }) => buildsets).length,
        0,
        "the passes of this contract lead to none",
      );
    });
  }

  list.add("refuses a state of a version that it does not know", async () => {
    let state: Json | undefined;
    await replay(options, options.make(), async (_, answer) => {
      state = answer.state ?? state;
    });
    if (state === undefined || state === null) return;
    assert.ok(typeof state === "object" && !Array.isArray(state), "a state is an object that carries its version");
    assert.equal(typeof state.version, "number", "the state carries no version");
    const foreign = { ...state, version: 999_999_999 };
    const scheduler = options.make();
    const question = questionOf({ now: START, changes: [], finished: [] }, foreign, []);
    await rejects(ask(scheduler, question), "a pass with a state of an unknown version");
  });

  list.add("says what it waits for by its state alone, and the same again", async () => {
    await replay(options, options.make(), async ({ now, state }) => {
      const { waits } = options.make();
      if (waits === undefined) return;
      const said = options.make().waits?.(state, now);
      assert.deepEqual(JSON.parse(JSON.stringify(said)), withoutUndefined(said));
      assert.deepEqual(options.make().waits?.(state, now), said);
    });
  });

  const { trigger } = options;
  if (trigger !== undefined) {
    list.add("grants the wish of a step, twice in the same way and without an effect", async () => {
      const scheduler = options.make();
      const wish = frozen(trigger);
      const granted = scheduler.trigger?.(wish);
      assert.ok(granted !== undefined, "it cannot be triggered");
      assert.deepEqual(options.make().trigger?.(wish), granted);
      assert.deepEqual(JSON.parse(JSON.stringify(granted)), withoutUndefined(granted));
      assert.notEqual(granted.builders.length, 0);
      for (const builder of granted.builders)
        assert.ok(scheduler.builders.includes(builder), `"${builder}" is not its own`);
      for (const [name, value] of Object.entries(trigger.properties))
        assert.deepEqual(granted.properties?.[name], value, `the property "${name}" does not arrive`);
    });
  }

  const { force } = options;
  if (force !== undefined) {
    list.add("grants a wish, twice in the same way and without an effect", async () => {
      const scheduler = options.make();
      const wish = frozen(force);
      const granted = scheduler.force?.(wish, FORCE_CONTEXT);
      assert.ok(granted !== undefined, "it cannot be forced");
      assert.deepEqual(scheduler.force?.(wish, FORCE_CONTEXT), granted);
      assert.deepEqual(options.make().force?.(wish, FORCE_CONTEXT), granted);
      assert.deepEqual(
        JSON.parse(JSON.stringify(granted)),
        withoutUndefined(granted),
        "the buildset does not survive JSON",
      );
      assert.notEqual(granted.builders.length, 0);
      for (const builder of granted.builders)
        assert.ok(scheduler.builders.includes(builder), `"${builder}" is not its own`);
      for (const builder of granted.builders) assert.ok((force.builders ?? scheduler.builders).includes(builder));
    });

    list.add("refuses a wish for a builder that it does not have, in words for the user", async () => {
      assert.throws(
        () => options.make().force?.({ ...force, builders: [OTHER_BUILDER] }, FORCE_CONTEXT),
        (error) => BelfryError.is(error),
        "it should throw a BelfryError",
      );
    });
  }

  return list.checks;
}

interface World {
  now: number;
  changes: Change[];
  finished: readonly FinishedBuildset[];
}

function worldOf(passes: readonly SchedulerPass[]): World[] {
  let now = START;
  let id = 0;
  return passes.map(({ after = 1_000, changes = [], finished = [] }) => {
    now += after;
    const whole = changes.map((change) => {
      id += 1;
      return wholeChange(id, now, change);
    });
    return { now, changes: whole, finished };
  });
}

function wholeChange(id: number, now: number, change: Partial<Change>): Change {
  return {
    id,
    source: "contract",
    key: `change ${id}`,
    author: "Ada <ada@example.org>",
    comments: `change ${id}`,
    files: ["README.md"],
    revision: `r${id}`,
    branch: "main",
    repository: "https://example.org/repository.git",
    codebase: "",
    project: "",
    category: null,
    link: null,
    when: now,
    added: now,
    properties: {},
    ...change,
  };
}

/** Asks for all passes in turn, carrying the state through JSON. `look` sees each question with its answer. */
async function replay(
  options: SchedulerContractOptions,
  scheduler: Scheduler,
  look?: (question: SchedulerContext, answer: SchedulerDecision) => Promise<void>,
): Promise<SchedulerDecision[]> {
  const answers: SchedulerDecision[] = [];
  const known: Change[] = [];
  let state: Json | undefined;
  for (const world of worldOf(options.passes)) {
    known.push(...world.changes);
    const question = questionOf(world, state, [...known]);
    const answer = await ask(scheduler, question);
    await look?.(question, answer);
    answers.push(answer);
    if (answer.state !== undefined) state = JSON.parse(JSON.stringify(answer.state));
  }
  return answers;
}

function questionOf(
  { now, changes, finished }: World,
  state: Json | undefined,
  known: readonly Change[],
): SchedulerContext {
  return {
    now,
    changes: frozen(changes),
    finished: frozen(finished),
    state: frozen(state),
    enabledAt: null,
    signal: new AbortController().signal,
    changesById: async (ids) => structuredClone(known.filter(({ id }) => ids.includes(id))),
  };
}

function ask(scheduler: Scheduler, question: SchedulerContext): Promise<SchedulerDecision> {
  return within(30_000, "a pass", scheduler.process(question));
}

/** A copy whose fields that are `undefined` are left out. Everything else that JSON cannot hold stays. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutUndefined(item)]));
}

/** A copy that cannot be written to, however deep. */
function frozen<T>(value: T): T {
  const copy = structuredClone(value);
  freeze(copy);
  return copy;
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value)) freeze(item);
  Object.freeze(value);
}
