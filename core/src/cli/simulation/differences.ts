import type { BuilderOutcome, Outcome, WorkerOutcome } from "../../simulation/outcome.ts";

/** What one has; null where its configuration has none of the name. */
export interface Pair<T> {
  name: string;
  before: T | null;
  after: T | null;
}

export interface Differences {
  builders: Pair<BuilderOutcome>[];
  workers: Pair<WorkerOutcome>[];
}

/** Builders and workers with which it went otherwise, in the order of the configurations. */
export function differencesOf(before: Outcome, after: Outcome): Differences {
  return {
    builders: pairs(before.builders, after.builders, ({ builder }) => builder).filter(differ),
    workers: pairs(before.workers, after.workers, ({ worker }) => worker).filter(differ),
  };
}

function pairs<T>(before: readonly T[], after: readonly T[], nameOf: (one: T) => string): Pair<T>[] {
  const found = new Map<string, Pair<T>>(
    before.map((one) => [nameOf(one), { name: nameOf(one), before: one, after: null }]),
  );
  for (const one of after) {
    const name = nameOf(one);
    found.set(name, { name, before: found.get(name)?.before ?? null, after: one });
  }
  return [...found.values()];
}

function differ({ before, after }: Pair<unknown>): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}
