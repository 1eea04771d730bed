import type { Part } from "../config/generation.ts";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { TriggeredBuild, TriggeredBuildset, TriggerOutcome, TriggerWish } from "../interfaces/build-step.ts";
import { type Clock, sleep } from "../interfaces/clock.ts";
import type { Result } from "../interfaces/values.ts";
import type { BuildKey } from "../store/builds.ts";
import { type AddedBuildset, addBuildset, type FullStamp } from "../store/buildsets.ts";
import { requireEnabled } from "../store/schedulers.ts";
import type { Store } from "../store/store.ts";
import { buildsetByExternalId, buildsOf, cancelBuildset } from "../store/triggered.ts";
import type { Tx } from "../store/tx.ts";
import { Interruption } from "./interruption.ts";

/** A ring may be lost; then the end is seen this much later. */
const LOOK_AGAIN = 30_000;

export interface TriggerDeps {
  store: Store;
  clock: Clock;
  build: BuildKey;
  step: number;
  /** Counts what the step asks for, over all of its attempts. */
  calls: { triggers: number };
  signal: AbortSignal;
  sourceStamps: readonly FullStamp[];
  scheduler(name: string): Part<"scheduler"> | undefined;
  /** Writes under the master's lease, and tries again for a while if that fails. */
  persist<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Throws once the step is over. */
  check(): void;
}

/** What one step triggers, each call once. */
export class StepTriggers {
  readonly #deps: TriggerDeps;

  constructor(deps: TriggerDeps) {
    this.#deps = deps;
  }

  async trigger(wish: TriggerWish): Promise<TriggeredBuildset> {
    const { build, step, signal, scheduler, check } = this.#deps;
    check();
    signal.throwIfAborted();
    this.#deps.calls.triggers += 1;
    const externalId = `trigger/${build.id}/${step}/${this.#deps.calls.triggers}`;
    const found = scheduler(wish.scheduler);
    if (!found) throw faults.notFound("scheduler", `"${wish.scheduler}"`);
    if (!found.part.trigger) throw faults.schedulerCannotTrigger(found.name);
    const request = {
      sourceStamps: structuredClone(wish.sourceStamps ?? this.#deps.sourceStamps),
      changes: wish.changes ?? (await this.#changes()),
      properties: structuredClone(wish.properties ?? {}),
      reason: wish.reason ?? `triggered by ${build.builder} ${build.number}`,
      ...(wish.priority === undefined ? {} : { priority: wish.priority }),
    };
    const spec = { ...found.part.trigger(request), externalId };
    const parent = { build: build.id, step, endsWithBuild: wish.endsWithBuild === true };
    const added = await this.#deps.persist(async (tx): Promise<AddedBuildset | BelfryError> => {
      // There, if an earlier attempt was committed and nobody learned of it, or if the step is run again.
      const known = await buildsetByExternalId(tx, externalId);
      if (known) return known;
      try {
        await requireEnabled(tx.db, found.name);
        return await addBuildset(tx, spec, { scheduler: found.name, parent });
      } catch (error) {
        // No attempt will fare better.
        if (BelfryError.is(error)) return error;
        throw error;
      }
    });
    if (BelfryError.is(added)) throw added;
    return this.#handle(added as AddedBuildset, parent.endsWithBuild);
  }

  #handle({ id, requests }: AddedBuildset, endsWithBuild: boolean): TriggeredBuildset {
    const { store, check } = this.#deps;
    return {
      id,
      requests,
      builds: async () => {
        check();
        return buildsOf(store.read, id);
      },
      ended: async () => {
        check();
        return this.#ended(id, endsWithBuild);
      },
      cancel: async (reason) => {
        check();
        await this.#cancel(id, reason);
      },
    };
  }

  async #ended(id: number, endsWithBuild: boolean): Promise<TriggerOutcome> {
    const { store, signal, clock, build } = this.#deps;
    const bell = new Bell(store, "scheduling:finished");
    try {
      for (;;) {
        signal.throwIfAborted();
        const rung = bell.next();
        const row = await store.read.selectFrom("buildsets").select("result").where("id", "=", id).executeTakeFirst();
        if (row?.result) return outcome(row.result as Result, await buildsOf(store.read, id));
        const woken = new AbortController();
        try {
          const wait = AbortSignal.any([signal, woken.signal]);
          await Promise.race([rung, sleep(clock, LOOK_AGAIN, wait)]);
        } finally {
          woken.abort();
        }
      }
    } catch (error) {
      // The end of the build does this too, if this does not succeed; but steps that always run may come first.
      if (endsWithBuild && signal.aborted && signal.reason instanceof Interruption)
        await this.#cancel(id, `${build.builder} ${build.number}, which waited for it: ${signal.reason.message}`).catch(
          () => undefined,
        );
      throw error;
    } finally {
      bell.close();
    }
  }

  #cancel(id: number, reason: string): Promise<void> {
    return this.#deps.persist((tx) => cancelBuildset(tx, id, reason.slice(0, 500)));
  }

  async #changes(): Promise<number[]> {
    const { store, build } = this.#deps;
    const rows = await store.read
      .selectFrom("buildset_changes")
      .select("change_id")
      .where("buildset_id", "=", build.buildsetId)
      .orderBy("change_id")
      .execute();
    return rows.map((row) => row.change_id);
  }
}

function outcome(result: Result, builds: TriggeredBuild[]): TriggerOutcome {
  return { result, builds, retries: builds.filter((build) => build.result === "retry").length };
}

/** Tells of the next ring of a topic. */
class Bell {
  readonly #stop: () => void;
  #ring: () => void = () => undefined;

  constructor(store: Store, topic: string) {
    this.#stop = store.doorbell.listen(topic, () => this.#ring());
  }

  /** Resolves at the next ring after this call. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = resolve;
    });
  }

  close(): void {
    this.#stop();
  }
}
