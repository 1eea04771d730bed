import type { Part } from "../config/generation.ts";
import type { ConfiguredNode } from "../config/steps.ts";
import type { BuildInfo, LastGood, StepNode } from "../interfaces/build-step.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Result } from "../interfaces/values.ts";
import type { WorkerSession } from "../interfaces/worker.ts";
import type { SecretSet } from "../logs/masker.ts";
import type { UnfinishedBuild } from "../store/builds.ts";
import type { PastStep } from "../store/resuming.ts";
import type { Store } from "../store/store.ts";
import type { BuildProperties } from "./build-properties.ts";
import type { BuildWriter } from "./build-writer.ts";
import type { Locks } from "./lock-needs.ts";
import type { RunningBuildView } from "./running-build.ts";
import type { StepLogs } from "./step-logs.ts";

/** A step that runs, for whoever has to let go of it. */
export interface RunningStep {
  readonly resumable: boolean;
  readonly logs: StepLogs;
  /** While its end, or that of an attempt, is written down: resolves when that is done. */
  ending?: Promise<void>;
}

/** What the steps of one running build share. */
export interface BuildScope {
  readonly build: UnfinishedBuild;
  readonly store: Store;
  readonly clock: Clock;
  readonly logStore: LogStore;
  readonly logCap: number;
  /** As they are configured now. */
  locks(): Locks;
  readonly writer: BuildWriter;
  readonly secrets: SecretSet;
  readonly properties: BuildProperties;
  readonly session: WorkerSession;
  /** The environment of worker and builder, not yet rendered. */
  readonly env: Record<string, unknown>;
  readonly view: RunningBuildView;
  /** Aborts when the build is over at once, whatever runs. */
  readonly hard: AbortSignal;
  /** Aborts when the build was stopped or its time is over. */
  readonly stop: AbortSignal;
  /** Steps that run now, by number. */
  readonly steps: Map<number, RunningStep>;
  /** What an earlier life of the master has written of a step or group. */
  past(step: number): PastStep | undefined;
  /** True once the master lets go of the build: nothing that its steps do has an effect any more. */
  frozen(): boolean;
  /** Ends the build as `retry`. */
  giveUp(why: string): void;
  /** Names of the data that its steps kept with the build. */
  readonly data: Set<string>;
  /** What is known of the build, with the result so far of the place that asks. */
  info(result: Result): BuildInfo;
  /** The scheduler that a step may trigger. */
  scheduler(name: string): Part<"scheduler"> | undefined;
  /** Makes steps that a step adds; throws `BELFRY_STEPS_REFUSED`. */
  makeSteps(nodes: readonly StepNode[]): ConfiguredNode[];
  /** The figures of the step of this name in the last good build of the same branch. */
  lastGood(step: string): Promise<LastGood | undefined>;
  /** A secret's value, from now on masked in everything that the build writes. */
  secret(name: string, signal: AbortSignal): Promise<string>;
  onError(message: string, error: unknown): void;
}
