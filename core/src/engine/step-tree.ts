import { type ConfiguredGroup, type ConfiguredNode, countSteps, isGroup } from "../config/steps.ts";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { BuildScope } from "./build-scope.ts";
import { Interruption } from "./interruption.ts";
import { isLeaseLost } from "./lease-keeper.ts";
import { beginStep, endStep, isHidden, type StepPlace } from "./step-row.ts";
import { type EndedStep, isWanted, runStep, timeLimit } from "./step-run.ts";
import { Tally } from "./tally.ts";

const MOST_ADDED = 1_000;

/** A step or group with its number; a group's members have the numbers behind it. */
interface Numbered {
  node: ConfiguredNode;
  number: number;
}

/** What the steps of one list share. */
interface Level {
  parent: number | null;
  tally: Tally;
  stops: readonly AbortSignal[];
}

/**
 * Runs a build's steps and groups. Numbers follow the order in which steps stand in the configuration,
 * also for those that are left out; steps that are added get the numbers that come next.
 */
export class StepTree {
  readonly #scope: BuildScope;
  #next = 1;
  #added = 0;

  constructor(scope: BuildScope) {
    this.#scope = scope;
  }

  /** Runs the steps of a build. Afterwards the tally says what they came to. */
  async run(nodes: readonly ConfiguredNode[], tally: Tally): Promise<void> {
    const { stop } = this.#scope;
    const level: Level = { parent: null, tally, stops: [stop] };
    for (const node of nodes) await this.#branch({ node, number: this.#take([node]) }, level);
    // A stop counts for the build, whatever the flags of the step that it met say.
    if (stop.aborted) this.#stopped(level);
  }

  #take(nodes: readonly ConfiguredNode[]): number {
    const first = this.#next;
    this.#next += countSteps(nodes);
    return first;
  }

  /** Runs a step or group, and then whatever it has added. */
  async #branch(first: Numbered, level: Level): Promise<void> {
    const { hard, view, past, frozen } = this.#scope;
    const queue = [first];
    for (let next = queue.shift(); next; next = queue.shift()) {
      if (frozen()) await new Promise(() => {});
      if (hard.aborted) throw hard.reason;
      if (!level.tally.halted) this.#stopped(level);
      const { node, number } = next;
      // What ran when the master was restarted goes on, whatever has failed beside it.
      const begun = past(number) !== undefined;
      if (level.tally.halted && !node.flags.alwaysRun && !begun) continue;
      const stops = begun && !node.flags.alwaysRun ? level.stops : level.stops.filter((stop) => !stop.aborted);
      const ended = this.#before(node, number) ?? (await this.#node(node, { ...level, number, stops }));
      level.tally.add(node.name, ended, node.flags);
      if (level.parent === null) view.result = level.tally.result;
      queue.unshift(...ended.added.map((added) => ({ node: added, number: this.#take([added]) })));
    }
  }

  /** How a step or group ended before the master was restarted. */
  #before(node: ConfiguredNode, number: number): EndedStep | undefined {
    const { view, past } = this.#scope;
    const ended = past(number);
    if (!ended || ended.finishedAt === null || ended.result === null) return undefined;
    for (let step = number; step < number + countSteps([node]); step += 1) {
      const known = past(step);
      if (!known) continue;
      const { name, parent, startedAt, finishedAt, result, summary } = known;
      view.steps.push({ step, parent, name, startedAt, finishedAt, result, summary });
    }
    const { result, summary } = ended;
    return { result, summary, added: [] };
  }

  /** Notes a stop, or that the time of a group is over: only steps that always run are left. */
  #stopped({ parent, tally, stops }: Level): void {
    const { reason } = stops.find((stop) => stop.aborted) ?? {};
    if (reason === undefined) return;
    tally.fail(reason, this.#scope.secrets.text(messageOf(reason)));
    if (parent === null) this.#scope.view.result = tally.result;
  }

  async #node(node: ConfiguredNode, place: StepPlace): Promise<EndedStep> {
    if (isGroup(node)) return this.#group(node, place);
    const ended = await runStep(this.#limited(), node, place);
    this.#scope.view.stepCount += countSteps(ended.added);
    return ended;
  }

  /** The scope in which no more steps can be added than a build may have. */
  #limited(): BuildScope {
    return {
      ...this.#scope,
      makeSteps: (nodes) => {
        const made = this.#scope.makeSteps(nodes);
        this.#added += countSteps(made);
        if (this.#added <= MOST_ADDED) return made;
        throw faults.stepsRefused([
          { path: "steps", message: `a build has at most ${MOST_ADDED} steps that were added` },
        ]);
      },
    };
  }

  async #group(group: ConfiguredGroup, place: StepPlace): Promise<EndedStep> {
    const { clock } = this.#scope;
    const { name, flags } = group;
    const { number: step } = place;
    const view = await beginStep(this.#scope, group, place);
    using time = timeLimit(clock, flags.maxTime, {
      text: "its group took longer than",
      since: this.#scope.past(step)?.startedAt,
    });
    const level: Level = { parent: step, tally: new Tally(place.tally), stops: [...place.stops, time.signal] };
    const begun = this.#scope.past(step + 1) !== undefined;
    const wanted = begun || (await this.#wanted(group, level, place));
    if (wanted && (begun || !level.tally.halted)) await this.#members(group, step, level);
    this.#stopped(level);
    const { result, summary } = wanted ? level.tally : ({ result: "skipped", summary: "not needed" } as const);
    Object.assign(view, { finishedAt: clock.now(), result, summary });
    const hidden = isHidden(this.#scope, flags, { result, summary });
    await endStep(this.#scope, place, { step, name, result, summary, error: null, hidden });
    return { result, summary, added: [] };
  }

  /** Whether a group's `doStepIf` lets it run. A throw of it makes the group what it would make a step. */
  async #wanted({ name, flags }: ConfiguredGroup, { tally, stops }: Level, place: StepPlace): Promise<boolean> {
    const { hard, secrets } = this.#scope;
    const signal = AbortSignal.any([hard, ...stops]);
    try {
      return await isWanted(this.#scope, flags, this.#scope.info(place.tally.sofar), signal, name);
    } catch (error) {
      if (isLeaseLost(error) || isLeaseLost(hard.reason)) throw error;
      tally.fail(error, secrets.text(messageOf(error)));
      return true;
    }
  }

  async #members({ steps, limit }: ConfiguredGroup, parent: number, level: Level): Promise<void> {
    let number = parent + 1;
    const waiting = steps.map((node): Numbered => {
      const own = number;
      number += countSteps([node]);
      return { node, number: own };
    });
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await this.#branch(next, level);
    };
    const workers = Array.from({ length: Math.min(limit, waiting.length) }, () =>
      work().catch((error) => {
        waiting.length = 0;
        throw error;
      }),
    );
    const thrown = (await Promise.allSettled(workers)).find((end) => end.status === "rejected")?.reason;
    // The master goes away: what began has ended as `retry`.
    if (thrown instanceof Interruption) level.tally.fail(thrown);
    else if (thrown !== undefined) throw thrown;
  }
}
