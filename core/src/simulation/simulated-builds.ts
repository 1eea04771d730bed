import type { ConfiguredBuilder, Generation } from "../config/generation.ts";
import { type ConfiguredStep, leafSteps } from "../config/steps.ts";
import type { KeptLease } from "../engine/lease-keeper.ts";
import { limitsOf, needsOf } from "../engine/lock-needs.ts";
import { backOff } from "../engine/loop.ts";
import { renderContextOf, requestInfos } from "../engine/request-infos.ts";
import { messageOf } from "../errors/belfry-error.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import { type BuildKey, finishBuild, finishStep, startStep } from "../store/builds.ts";
import { addBuildset, stampsOf } from "../store/buildsets.ts";
import type { LockNeed } from "../store/lock-book.ts";
import { claimForStep } from "../store/locks.ts";
import { changesOf, requestRow } from "../store/simulated.ts";
import type { Store } from "../store/store.ts";
import type { Tx } from "../store/tx.ts";
import type { BuildModel, DurationSource } from "./build-model.ts";
import type { Beginning } from "./tally.ts";
import { type Appointment, Timetable } from "./timetable.ts";

/** As the real engine pauses before it builds again what ended as retry. */
const RETRY_PAUSE = 1_000;
const LONGEST_RETRY_PAUSE = 300_000;

export interface SimulatedBuildsDeps {
  store: Store;
  clock: Clock;
  lease: KeptLease;
  generation: Generation;
  model: BuildModel;
  /** Told of what goes wrong in a build: locks that cannot be computed, schedulers that refuse to be triggered. */
  note(message: string): void;
}

/** A build whose steps matter: they take locks, or trigger other builds. */
interface SteppedBuild {
  key: BuildKey;
  builder: ConfiguredBuilder;
  /** Its steps, also those of groups, one after the other. */
  steps: readonly ConfiguredStep[];
  worker: string;
  result: Result;
  lengths: readonly Millis[];
  /** The step that is next, runs, or waits for locks; from 0. */
  index: number;
  needs: LockNeed[] | undefined;
  limit: Appointment<Due> | undefined;
  next: Appointment<Due> | undefined;
}

type Due =
  | { kind: "end"; key: BuildKey; result: Result }
  | { kind: "step"; build: SteppedBuild }
  | { kind: "limit"; build: SteppedBuild };

/**
 * Builds that last as long as the model says. Their steps are not run; but a builder whose steps
 * take locks or trigger schedulers goes through them, each for its share of the time.
 */
export class SimulatedBuilds {
  readonly sources = new Map<string, Map<DurationSource, number>>();
  triggered = 0;
  readonly #deps: SimulatedBuildsDeps;
  readonly #timetable = new Timetable<Due>();
  readonly #waiting = new Set<SteppedBuild>();
  readonly #stepped = new Map<string, boolean>();
  readonly #revisions = new Map<number, string | null>();
  #rung = false;

  constructor(deps: SimulatedBuildsDeps) {
    this.#deps = deps;
    deps.store.doorbell.listen("locks", () => {
      this.#rung = true;
    });
  }

  /** When the next one ends or goes on. */
  get next(): Millis | undefined {
    return this.#timetable.next;
  }

  async begin({ id, number, builder: name, worker, request, buildset }: Beginning): Promise<void> {
    const { clock, generation, model } = this.#deps;
    const builder = generation.builders.get(name) as ConfiguredBuilder;
    const revision = model.hasResults(name) ? await this.#revision(buildset) : null;
    let result = model.result(name, revision);
    let { millis, source } = model.duration(name, worker, result);
    this.#count(name, source);
    const key = { id, number, builder: name, project: builder.project, requestId: request, buildsetId: buildset };
    const { maxTime } = builder;
    if (this.#isStepped(builder)) {
      const lengths = model.steps(builder, millis);
      const rest = { index: 0, needs: undefined, limit: undefined, next: undefined };
      const build: SteppedBuild = { key, builder, steps: leafSteps(builder.steps), worker, result, lengths, ...rest };
      if (maxTime !== undefined)
        build.limit = this.#timetable.add(clock.now() + Math.ceil(maxTime), { kind: "limit", build });
      await this.#enter(build);
      return;
    }
    if (maxTime !== undefined && millis > maxTime) [millis, result] = [Math.ceil(maxTime), "failure"];
    this.#timetable.add(clock.now() + millis, { kind: "end", key, result });
  }

  /** Does what is due now. */
  async carryOn(): Promise<void> {
    const now = this.#deps.clock.now();
    const ended: { key: BuildKey; result: Result }[] = [];
    for (;;) {
      const due = this.#timetable.take(now);
      if (!due) break;
      if (due.kind === "end") ended.push(due);
      else if (due.kind === "limit") await this.#finish(due.build, "failure");
      else await this.#leave(due.build);
    }
    if (ended.length > 0)
      await this.#write(async (tx) => {
        for (const { key, result } of ended) await finishBuild(tx, key, result, "");
      });
  }

  /** Lets steps have locks that were given back. True if somebody got some. */
  async takeLocks(): Promise<boolean> {
    if (!this.#rung) return false;
    this.#rung = false;
    let some = false;
    for (const build of [...this.#waiting]) some = (await this.#claim(build)) || some;
    return some;
  }

  async #enter(build: SteppedBuild): Promise<void> {
    const { clock } = this.#deps;
    const step = build.steps[build.index];
    if (!step) return this.#finish(build, build.result);
    if (step.flags.locks !== undefined) {
      try {
        build.needs = await this.#needs(build, step);
      } catch (error) {
        this.#deps.note(`${build.key.builder}: the locks of "${step.name}" cannot be had: ${messageOf(error)}`);
        return this.#finish(build, "exception");
      }
      if (build.needs.length > 0) {
        const number = build.index + 1;
        await this.#write((tx) =>
          startStep(tx, build.key, { step: number, name: step.name, kind: step.kind, parent: null, hidden: false }),
        );
        this.#waiting.add(build);
        await this.#claim(build);
        return;
      }
    }
    this.#run(build, clock.now());
    await this.#trigger(build, step);
  }

  #run(build: SteppedBuild, now: Millis): void {
    build.next = this.#timetable.add(now + (build.lengths[build.index] ?? 0), { kind: "step", build });
  }

  /** Tries to get all locks of the step that is next. True if it runs now, or its build has ended. */
  async #claim(build: SteppedBuild): Promise<boolean> {
    const { clock, generation } = this.#deps;
    const step = build.steps[build.index] as ConfiguredStep;
    const request = await requestRow(this.#deps.store.read, build.key.requestId);
    const claim = {
      build: build.key,
      step: build.index + 1,
      name: step.name,
      urgency: -request.priority,
      needs: build.needs ?? [],
    };
    let state: string;
    try {
      ({ state } = await this.#write((tx) => claimForStep(tx, claim, limitsOf(generation.locks))));
    } catch (error) {
      this.#deps.note(`${build.key.builder}: the locks of "${step.name}" cannot be had: ${messageOf(error)}`);
      await this.#finish(build, "exception");
      return true;
    }
    if (state === "waiting") return false;
    this.#waiting.delete(build);
    if (state === "deadlock") {
      await this.#finish(build, "retry", backOff(request.retries + 1, RETRY_PAUSE, LONGEST_RETRY_PAUSE));
      return true;
    }
    this.#run(build, clock.now());
    await this.#trigger(build, step);
    return true;
  }

  async #leave(build: SteppedBuild): Promise<void> {
    const step = build.steps[build.index] as ConfiguredStep;
    if (build.needs && build.needs.length > 0) {
      const ended = { step: build.index + 1, name: step.name, result: "success" as const, summary: "", error: null };
      await this.#write((tx) => finishStep(tx, build.key, { ...ended, hidden: false }));
    }
    build.needs = undefined;
    build.index += 1;
    await this.#enter(build);
  }

  async #finish(build: SteppedBuild, result: Result, pause = 0): Promise<void> {
    this.#waiting.delete(build);
    for (const appointment of [build.limit, build.next]) if (appointment) appointment.cancelled = true;
    const notBefore = pause === 0 ? 0 : this.#deps.clock.now() + pause;
    await this.#write((tx) => finishBuild(tx, build.key, result, "", { notBefore }));
  }

  async #needs({ key, builder, worker }: SteppedBuild, step: ConfiguredStep): Promise<LockNeed[]> {
    const { store, generation } = this.#deps;
    const [info] = await requestInfos(store.read, [await requestRow(store.read, key.requestId)]);
    if (!info) return [];
    const ctx = renderContextOf(info, worker, builder);
    const build = { ...ctx.build, id: key.id, number: key.number };
    return needsOf(`the step "${step.name}"`, step.flags.locks, worker, generation.locks, { ...ctx, build });
  }

  /** Begins what a step names in its `triggers`, of the build's own code. A build that fails is taken not to get that far. */
  async #trigger(build: SteppedBuild, step: ConfiguredStep): Promise<void> {
    const names = step.step.triggers ?? [];
    if (names.length === 0 || !["success", "warnings"].includes(build.result)) return;
    const { store, generation } = this.#deps;
    const { key } = build;
    const sourceStamps = (await stampsOf(store.read, [key.buildsetId])).get(key.buildsetId) ?? [];
    const changes = await changesOf(store.read, key.buildsetId);
    const reason = `triggered by ${key.builder} ${key.number}`;
    for (const name of new Set(names)) {
      const scheduler = generation.schedulers.find((one) => one.name === name)?.part;
      try {
        const spec = scheduler?.trigger?.({ sourceStamps, changes, properties: {}, reason });
        if (!spec) continue;
        const parent = { build: key.id, step: build.index + 1, endsWithBuild: false };
        await this.#write((tx) => addBuildset(tx, spec, { scheduler: name, parent }));
        this.triggered += 1;
      } catch (error) {
        this.#deps.note(`${key.builder}: "${name}" cannot be triggered: ${messageOf(error)}`);
      }
    }
  }

  #isStepped(builder: ConfiguredBuilder): boolean {
    const known = this.#stepped.get(builder.name);
    if (known !== undefined) return known;
    const stepped = leafSteps(builder.steps).some(
      ({ flags, step }) => flags.locks !== undefined || (step.triggers?.length ?? 0) > 0,
    );
    this.#stepped.set(builder.name, stepped);
    return stepped;
  }

  /** The revision that a buildset builds, if there is one; of several codebases the first. */
  async #revision(buildset: number): Promise<string | null> {
    const known = this.#revisions.get(buildset);
    if (known !== undefined) return known;
    const stamps = await stampsOf(this.#deps.store.read, [buildset]);
    const revision = stamps.get(buildset)?.[0]?.revision ?? null;
    if (this.#revisions.size > 10_000) this.#revisions.clear();
    this.#revisions.set(buildset, revision);
    return revision;
  }

  #count(builder: string, source: DurationSource): void {
    const counts = this.sources.get(builder) ?? new Map<DurationSource, number>();
    counts.set(source, (counts.get(source) ?? 0) + 1);
    this.sources.set(builder, counts);
  }

  #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const { store, lease } = this.#deps;
    return store.write(async (tx) => {
      await tx.requireLease(lease);
      return work(tx);
    });
  }
}
