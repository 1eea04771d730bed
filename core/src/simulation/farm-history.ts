import type { Generation } from "../config/generation.ts";
import { leafSteps } from "../config/steps.ts";
import { systemClock } from "../engine/system-clock.ts";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { Database } from "../interfaces/database.ts";
import type { Millis, Result } from "../interfaces/values.ts";
import {
  forcedBuildsets,
  knownBuilders,
  recentBuilds,
  recordedChanges,
  recordedResults,
  recordedSteps,
} from "../store/recorded.ts";
import { Store } from "../store/store.ts";
import { type BuilderHistory, median } from "./build-model.ts";
import type { TimedChange } from "./change-file.ts";

const RECENT = 100;
const STEPS_OF = 20;

/** What a master has recorded, as far as a simulation wants it. */
export class FarmHistory implements AsyncDisposable {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  /** Opens the database of a master for reading; the master may run. */
  static async open(
    database: Database,
    folder: string,
    signal: AbortSignal,
    note: (message: string) => void,
  ): Promise<FarmHistory> {
    let store: Store;
    try {
      store = new Store(await database.open({ folder, signal, note, readOnly: true }), systemClock);
    } catch (error) {
      signal.throwIfAborted();
      throw faults.simulationHistory(messageOf(error), error);
    }
    try {
      const { pending, unknown } = await store.migrations();
      if (unknown.length > 0) throw faults.databaseNewer(unknown);
      if (pending.length > 0)
        throw faults.simulationHistory("It was made by an older Belfry, and no newer master has used it yet.");
      return new FarmHistory(store);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async changes(from: Millis, until: Millis): Promise<TimedChange[]> {
    const found: TimedChange[] = [];
    for await (const { id: _, added, source, ...change } of recordedChanges(this.#store.read, from, until))
      found.push({ at: added, source, change });
    return found;
  }

  /** What is known of the builders of these configurations. */
  async builders(
    generations: readonly Generation[],
    from: Millis,
    until: Millis,
  ): Promise<Map<string, BuilderHistory>> {
    const db = this.#store.read;
    const results = new Map<string, Map<string, Result>>();
    for await (const { builder, revision, result } of recordedResults(db, from, until)) {
      const known = results.get(builder) ?? new Map<string, Result>();
      if (!known.has(revision)) known.set(revision, result);
      results.set(builder, known);
    }
    // A builder all of whose builds went well needs no look at their revisions.
    for (const [builder, known] of results)
      if ([...known.values()].every((result) => result === "success")) results.delete(builder);
    const found = new Map<string, BuilderHistory>();
    for (const { id, name } of await knownBuilders(db)) {
      const configured = generations.map(({ builders }) => builders.get(name)).filter((one) => one !== undefined);
      if (configured.length === 0) continue;
      const builds = await recentBuilds(db, id, RECENT);
      const stepped = configured.some(({ steps }) =>
        leafSteps(steps).some(({ flags, step }) => flags.locks || step.triggers),
      );
      const good = builds.filter(({ result }) => result !== "failure").map((build) => build.id);
      const steps = new Map<string, Millis>();
      if (stepped) {
        const all = await recordedSteps(db, good.slice(0, STEPS_OF));
        for (const [step, rows] of Map.groupBy(all, (row) => row.name))
          steps.set(step, median(rows.map(({ millis }) => millis)));
      }
      found.set(name, { builds, steps, results: results.get(name) ?? new Map() });
    }
    return found;
  }

  forced(from: Millis, until: Millis): Promise<number> {
    return forcedBuildsets(this.#store.read, from, until);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }
}
