import type { ConfiguredBuilder } from "../config/generation.ts";
import { leafSteps } from "../config/steps.ts";
import type { Millis, Result } from "../interfaces/values.ts";

/** What is taken where nothing is known of a builder. */
export const DEFAULT_MILLIS = 300_000;
/** So many builds on one worker tell what is usual there. */
const ENOUGH = 3;

/** What is known of the builds of one builder. */
export interface BuilderHistory {
  /** Recent ones that were built to an end. */
  builds: readonly { worker: string; millis: Millis; result: Result }[];
  /** Median lengths of its steps by name. */
  steps: ReadonlyMap<string, Millis>;
  /** How builds of a revision ended in the time that is simulated. */
  results: ReadonlyMap<string, Result>;
}

/** Lengths that somebody wrote down: by worker, or `*` for every other one; by builder, or `*` for every other one. */
export type WrittenDurations = ReadonlyMap<string, ReadonlyMap<string, Millis>>;

/** From where a length is known. */
export type DurationSource = "file" | "worker" | "builder" | "default";

/** How long simulated builds last, and how they end. */
export class BuildModel {
  readonly #history: ReadonlyMap<string, BuilderHistory>;
  readonly #written: WrittenDurations;
  readonly #known = new Map<string, { millis: Millis; source: DurationSource }>();

  constructor(history: ReadonlyMap<string, BuilderHistory> = new Map(), written: WrittenDurations = new Map()) {
    this.#history = history;
    this.#written = written;
  }

  /** Of a build that ends well, or of one that does not. */
  duration(builder: string, worker: string, result: Result): { millis: Millis; source: DurationSource } {
    const good = isGood(result);
    const key = JSON.stringify([builder, worker, good]);
    const known = this.#known.get(key) ?? this.#find(builder, worker, good);
    this.#known.set(key, known);
    return known;
  }

  /** How a build of this revision ended when it was really built; `success` where that is not known. */
  result(builder: string, revision: string | null): Result {
    return (revision !== null && this.#history.get(builder)?.results.get(revision)) || "success";
  }

  /** True if how builds of this builder end depends on their revision. */
  hasResults(builder: string): boolean {
    return (this.#history.get(builder)?.results.size ?? 0) > 0;
  }

  /** How a build of this length is shared among the builder's steps. */
  steps({ name, steps }: Pick<ConfiguredBuilder, "name" | "steps">, millis: Millis): Millis[] {
    const known = this.#history.get(name)?.steps;
    const shares = leafSteps(steps).map((step) => known?.get(step.name));
    const given = shares.filter((share) => share !== undefined);
    // A step that was never seen takes as long as the others do on average.
    const usual = given.length === 0 ? 1 : given.reduce((sum, share) => sum + share, 0) / given.length;
    const weights = shares.map((share) => Math.max(share ?? usual, 0));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let done = 0;
    let begun = 0;
    return weights.map((weight) => {
      done += total === 0 ? 1 / weights.length : weight / total;
      const end = Math.round(done * millis);
      const length = end - begun;
      begun = end;
      return length;
    });
  }

  #find(builder: string, worker: string, good: boolean): { millis: Millis; source: DurationSource } {
    for (const name of [builder, "*"]) {
      const row = this.#written.get(name);
      const millis = row?.get(worker) ?? row?.get("*");
      if (millis !== undefined) return { millis: atLeast(millis), source: "file" };
    }
    const builds = this.#history.get(builder)?.builds ?? [];
    const same = builds.filter(({ result }) => isGood(result) === good);
    const all = same.length > 0 ? same : builds;
    const there = all.filter((build) => build.worker === worker);
    if (there.length >= ENOUGH) return { millis: atLeast(median(there.map(({ millis }) => millis))), source: "worker" };
    if (all.length > 0) return { millis: atLeast(median(all.map(({ millis }) => millis))), source: "builder" };
    return { millis: DEFAULT_MILLIS, source: "default" };
  }
}

function isGood(result: Result): boolean {
  return result === "success" || result === "warnings";
}

/** A build that took no time could begin and end for ever at one moment. */
function atLeast(millis: Millis): Millis {
  return Math.max(1, Math.round(millis));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
