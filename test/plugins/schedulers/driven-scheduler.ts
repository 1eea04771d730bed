import type { BuildsetSpec, Change, Json, Scheduler, SchedulerContext, SchedulerDecision } from "belfry";

export const START = 1_000_000;

export function makeChange(id: number, change: Partial<Change> = {}): Change {
  return {
    id,
    source: "test",
    key: `key ${id}`,
    author: "Ada <ada@example.org>",
    comments: `change ${id}`,
    files: ["src/main.ts"],
    revision: `r${id}`,
    branch: "main",
    repository: "https://example.org/a.git",
    codebase: "",
    project: "",
    category: null,
    link: null,
    when: START,
    added: START,
    properties: {},
    ...change,
  };
}

/** Core's side of one scheduler: hands it news, keeps its state as JSON, tells the time. */
export class DrivenScheduler {
  now = START;
  state: Json | undefined;
  wakeAt: number | undefined;
  enabledAt: number | null = null;
  signal = new AbortController().signal;
  readonly known: Change[] = [];
  readonly #make: () => Scheduler;

  constructor(make: () => Scheduler) {
    this.#make = make;
  }

  /** A change of the next id. */
  change(change: Partial<Change> = {}): Change {
    const made = makeChange(this.known.length + 1, { added: this.now, ...change });
    this.known.push(made);
    return made;
  }

  question(changes: readonly Change[]): SchedulerContext {
    return {
      changes,
      finished: [],
      state: this.state,
      now: this.now,
      enabledAt: this.enabledAt,
      signal: this.signal,
      changesById: async (ids) => this.known.filter(({ id }) => ids.includes(id)).reverse(),
    };
  }

  ask(changes: readonly Change[]): Promise<SchedulerDecision> {
    return this.#make().process(this.question(changes));
  }

  /** One pass, by an instance of its own; its decision is carried out. */
  async pass(...changes: readonly Change[]): Promise<BuildsetSpec[]> {
    const decision = await this.ask(changes);
    if (decision.state !== undefined) this.state = JSON.parse(JSON.stringify(decision.state));
    this.wakeAt = decision.wakeAt;
    return decision.buildsets;
  }
}
