import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step } from "@belfry/testkit";
import type { BuilderConfig, Config, LockUse } from "belfry";
import { type BuilderHistory, BuildModel } from "../../../core/src/simulation/build-model.ts";
import type { TimedChange } from "../../../core/src/simulation/change-file.ts";
import type { Outcome } from "../../../core/src/simulation/outcome.ts";
import { type SimulationOptions, simulate } from "../../../core/src/simulation/simulation.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const START = Date.UTC(2026, 0, 5);

/** A step that must never run: a simulation runs none. */
export const untouchable = (title = "never", locks?: LockUse) =>
  step({
    title,
    ...(locks === undefined ? {} : { locks }),
    run: () => {
      throw new Error("a step was run");
    },
  });

export function builder(name: string, more: Partial<BuilderConfig> = {}): BuilderConfig {
  return { name, workers: ["w"], steps: [untouchable()], ...more };
}

export function change(at: number, more: Partial<TimedChange["change"]> = {}): TimedChange {
  const rest = { author: "ada", comments: "", files: [], revision: `r${at}`, branch: "main", repository: "r" };
  return { at, source: "written", change: { key: `${at} ${JSON.stringify(more)}`, ...rest, ...more } };
}

/** Lengths in minutes, by builder or `*`. */
export function lasting(
  minutes: Record<string, number>,
  history: ReadonlyMap<string, BuilderHistory> = new Map(),
): BuildModel {
  const written = Object.entries(minutes).map(([name, length]): [string, Map<string, number>] => [
    name,
    new Map([["*", length * MINUTE]]),
  ]);
  return new BuildModel(history, new Map(written));
}

export function play(
  config: Omit<Config, "database"> & Partial<Pick<Config, "database">>,
  more: Partial<Omit<SimulationOptions, "config">> = {},
): Promise<Outcome> {
  return simulate({
    config: {
      value: { database: sqlite(), workers: [fakeWorker({ name: "w" })], ...config },
      folder: "/nowhere",
      stateFolder: "/nowhere/.belfry",
    },
    from: START,
    until: START + DAY,
    changes: [],
    model: lasting({ "*": 10 }),
    signal: new AbortController().signal,
    ...more,
  });
}

/** When what was built where, in minutes from the start: "b on w 0-10". */
export function shown({ builds, from }: Outcome): string[] {
  const minutes = (at: number | null) => (at === null ? "" : String(Math.round(((at - from) / MINUTE) * 100) / 100));
  return builds.map(
    ({ builder, worker, startedAt, finishedAt }) =>
      `${builder} on ${worker} ${minutes(startedAt)}-${minutes(finishedAt)}`,
  );
}
