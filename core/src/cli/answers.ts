import type { z } from "zod";
import type {
  builderShape,
  buildShape,
  buildsetShape,
  changeShape,
  lineShape,
  logShape,
  requestShape,
  stepShape,
} from "../api/shapes.ts";
import type { SOURCE_HEALTH } from "../engine/source-health.ts";
import type { BelfryEvent } from "../interfaces/status-listener.ts";
import type { Result } from "../interfaces/values.ts";

/** What the methods of the API answer, as far as the program uses it. */
export type BuildAnswer = z.output<typeof buildShape>;
export type BuildDetails = BuildAnswer & { reason: string; usualMillis: number | null };
export type BuilderAnswer = z.output<typeof builderShape>;
export type BuildsetAnswer = z.output<typeof buildsetShape>;
export type ChangeAnswer = z.output<typeof changeShape>;
export type RequestAnswer = z.output<typeof requestShape>;
export type StepAnswer = z.output<typeof stepShape>;
export type LogAnswer = z.output<typeof logShape>;
export type LineAnswer = z.output<typeof lineShape>;

export interface ListAnswer<T> {
  items: T[];
  next: string | null;
}

export interface EventsAnswer {
  items: BelfryEvent[];
  next: string;
  gap: boolean;
}

export interface LogPage {
  items: LineAnswer[];
  next: number;
  lines: number;
  finished: boolean;
  truncated: boolean;
}

export interface WorkerAnswer {
  name: string;
  connected: boolean;
  slots: number;
  info: Record<string, string>;
  seenAt: number;
  builds: number[];
  builders: string[];
  paused: boolean;
  pausedReason: string | null;
}

export interface SourceAnswer {
  name: string;
  kind: string;
  polledAt: number | null;
  nextPollAt: number | null;
  lastSuccessAt: number | null;
  pollingSince: number | null;
  doing: string | null;
  health: (typeof SOURCE_HEALTH)[number];
  healthText: string | null;
  error: { message: string; code: string | null } | null;
  failures: number;
}

interface LockClaim {
  builder: string;
  request: number;
  build: number | null;
  number: number | null;
  step: number | null;
  mode: "counting" | "exclusive";
  count: number;
  since: number;
}

export interface LockAnswer {
  name: string;
  kind: "master" | "worker";
  worker: string | null;
  maxCount: number;
  holders: LockClaim[];
  queue: LockClaim[];
}

export interface PluginAnswer {
  name: string;
  version: string | null;
  kinds: { point: string; kind: string }[];
  methods: string[];
  commands: string[];
}

/** A build that runs now. */
export interface RunningBuild {
  id: number;
  number: number;
  builder: string;
  worker: string;
  startedAt: number | null;
  reason: string;
  branch: string | null;
  revision: string | null;
  result: Result;
  stopping: boolean;
  stepCount: number;
  usualMillis: number | null;
  steps: {
    step: number;
    name: string;
    startedAt: number;
    finishedAt: number | null;
    result: Result | null;
    summary: string;
  }[];
}

export interface StatusAnswer {
  title: string;
  master: string;
  version: string;
  startedAt: number;
  now: number;
  pending: number;
  builds: RunningBuild[];
  workers: { name: string; connected: boolean; slots: number; busy: number }[];
  loops: { name: string; running: boolean; failures: number; error: string | null; wakeAt: number | null }[];
}
