import { setTimeout as sleep } from "node:timers/promises";
import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Result } from "../../interfaces/values.ts";
import type { BuildAnswer, BuildsetAnswer, ListAnswer, StatusAnswer } from "../answers.ts";
import { type Ask, newest } from "../live/follow.ts";
import { oneLine } from "../plain-text.ts";

const LOOK_EVERY = 250;
/** Nothing may happen for this long before it counts as "nothing to build". */
const QUIET = 1_000;
const PATIENCE_WITH_SOURCES = 30_000;
const PATIENCE_WITH_SCHEDULERS = 600_000;

interface SourceAnswer {
  name: string;
  polledAt: number | null;
  error: { message: string } | null;
  failures: number;
}

/** How `--once` ends. */
export interface OnceOutcome {
  good: boolean;
  message: string;
}

/** Waits for the first buildset that ends, or for certainty that there is none to come. */
export class FirstBuildset {
  readonly outcome: Promise<OnceOutcome>;
  readonly #ask: Ask;
  /** Names of the sources that look by themselves. */
  readonly #sources: readonly string[];
  #resolve: (outcome: OnceOutcome) => void = () => undefined;

  constructor(ask: Ask, sources: readonly string[]) {
    this.#ask = ask;
    this.#sources = sources;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  see(events: readonly BelfryEvent[]): void {
    const finished = events.find((event) => event.type === "buildset.finished");
    if (!finished) return;
    const result = finished.data["result"] as Result;
    this.#resolve({ good: isGood(result), message: `The first buildset has ended: ${result}.` });
  }

  /** Looks now and then whether anything is still to come. */
  async watch(signal: AbortSignal): Promise<void> {
    const begun = performance.now();
    await this.#pollSources(begun);
    let position = "";
    let quietSince = performance.now();
    while (!signal.aborted) {
      await sleep(LOOK_EVERY, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const [status, at, settled] = await Promise.all([
        this.#ask<StatusAnswer>("status.now"),
        newest(this.#ask),
        this.#settled(begun),
      ]);
      if (at !== position || status.pending > 0 || status.builds.length > 0 || !settled) {
        position = at;
        quietSince = performance.now();
      } else if (performance.now() - quietSince >= QUIET) {
        this.#resolve(await this.#nothing());
        return;
      }
    }
  }

  /** Sources that looked shortly before this run began would wait for their next turn. */
  async #pollSources(_begun: number): Promise<void> {
    const { startedAt } = await this.#ask<StatusAnswer>("status.now");
    const { items } = await this.#ask<{ items: SourceAnswer[] }>("sources.list");
    for (const { name, polledAt } of items) {
      if (this.#sources.includes(name) && polledAt !== null && polledAt < startedAt)
        await this.#ask("sources.poll", { source: name });
    }
  }

  /** Whether every source has looked and every scheduler is done with what they found. */
  async #settled(begun: number): Promise<boolean> {
    const { startedAt, now } = await this.#ask<StatusAnswer>("status.now");
    const { items: sources } = await this.#ask<{ items: SourceAnswer[] }>("sources.list");
    const impatient = performance.now() - begun > PATIENCE_WITH_SOURCES;
    const looked = sources
      .filter(({ name }) => this.#sources.includes(name))
      .every(
        ({ polledAt, error, failures }) =>
          polledAt !== null && polledAt >= startedAt && (error === null || failures >= 3 || impatient),
      );
    const { items: schedulers } = await this.#ask<{ items: { wakeAt: number | null }[] }>("schedulers.list");
    return looked && schedulers.every(({ wakeAt }) => wakeAt === null || wakeAt > now + PATIENCE_WITH_SCHEDULERS);
  }

  async #nothing(): Promise<OnceOutcome> {
    const { items } = await this.#ask<{ items: SourceAnswer[] }>("sources.list");
    const failing = items.find((source) => source.error !== null);
    if (failing) {
      return {
        good: false,
        message: `There is nothing to build: the source ${oneLine(failing.name)} cannot look: ${oneLine(failing.error?.message ?? "")}`,
      };
    }
    const { items: builds } = await this.#ask<ListAnswer<BuildAnswer>>("builds.list", { limit: 1 });
    const last = builds[0];
    if (!last)
      return {
        good: false,
        message: "There is nothing to build: no source found a change that a scheduler wants built.",
      };
    const { result } = await this.#ask<BuildsetAnswer>("buildsets.get", { buildset: last.buildset });
    return { good: isGood(result), message: `There is nothing new to build; the last buildset ended as ${result}.` };
  }
}

function isGood(result: Result | null): boolean {
  return result === "success" || result === "warnings";
}
