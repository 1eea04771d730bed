import type { StepLike } from "@belfry/buildbot-words";
import type { Api, Json, Result } from "belfry";
import type { CallContext } from "../methods/family.ts";

/** A build as `builds.list` tells of it, as far as it is needed here. */
export interface BuildItem {
  id: number;
  builder: string;
  number: number;
  worker: string;
  branch: string | null;
  assignedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  result: Result | null;
  properties: Record<string, { value: Json; source: string }>;
  steps: StepItem[];
}

export interface FinishedBuild extends BuildItem {
  finishedAt: number;
  result: Result;
}

export interface StepItem extends StepLike {
  step: number;
}

export interface LogItem {
  step: number;
  log: number;
  name: string;
  lines: number;
}

/** A build as `builds.get` tells of it. */
export interface WholeBuild extends BuildItem {
  reason: string;
  logs: LogItem[];
}

interface Page<T> {
  items: T[];
  next: string | null;
}

/** Calls of the API, as the one who asks. */
export class Asking {
  readonly #api: Api;
  readonly #context: CallContext;

  constructor(api: Api, context: CallContext) {
    this.#api = api;
    this.#context = context;
  }

  async get<T>(method: string, params: Json): Promise<T> {
    const { caller, signal } = this.#context;
    return (await this.#api.call(method, params, caller, signal)) as T;
  }

  /** All items of a list, page by page; others get a turn after each page. */
  async *list<T>(method: string, params: Record<string, Json>): AsyncGenerator<T> {
    let cursor: string | null = null;
    do {
      const page: Page<T> = await this.get(method, cursor === null ? params : { ...params, cursor });
      yield* page.items;
      cursor = page.next;
      await this.#context.turns.next();
    } while (cursor !== null);
  }
}

export function hasEnded(build: BuildItem): build is FinishedBuild {
  return build.finishedAt !== null && build.result !== null;
}
