import { BelfryError } from "belfry";
import type { Caller } from "./caller.ts";

/** Whoever meddles: cancels requests, changes priorities, pauses and resumes builders. */
export class Meddler {
  /** Requests that somebody tried to cancel; true if it was acknowledged before any build of it was to be stopped. */
  readonly cancelled = new Map<number, boolean>();
  readonly #caller: Caller;
  readonly #builders: readonly string[];
  readonly #random: () => number;
  readonly #paused = new Set<string>();

  constructor(caller: Caller, builders: readonly string[], random: () => number) {
    this.#builders = builders;
    this.#caller = caller;
    this.#random = random;
  }

  async act(): Promise<void> {
    const dice = this.#random();
    try {
      if (dice < 0.25) await this.#pauseOrResume();
      else {
        const state = this.#random() < 0.6 ? "pending" : "claimed";
        const page = await this.#caller.once("requests.list", { state, limit: 50 });
        const request = page?.items[Math.floor(this.#random() * page.items.length)]?.id;
        if (request === undefined) return;
        if (dice < 0.45) await this.#cancel(request);
        else {
          const priority = Math.floor(this.#random() * 5) - 2;
          await this.#caller.once("requests.prioritize", { request, priority });
        }
      }
    } catch (error) {
      if (!BelfryError.is(error)) throw error;
    }
  }

  async resumeAll(): Promise<void> {
    for (const builder of this.#builders) await this.#caller.surely("builders.resume", { builder });
  }

  async #pauseOrResume(): Promise<void> {
    const builder = this.#builders[Math.floor(this.#random() * this.#builders.length)] as string;
    // Never many at once, so that there is always something to be killed.
    const resumed = this.#paused.has(builder) ? builder : this.#paused.size > 1 ? [...this.#paused][0] : undefined;
    if (resumed !== undefined) {
      if ((await this.#caller.once("builders.resume", { builder: resumed })) !== undefined)
        this.#paused.delete(resumed);
      return;
    }
    this.#paused.add(builder);
    await this.#caller.once("builders.pause", { builder, reason: "chaos" });
  }

  async #cancel(request: number): Promise<void> {
    this.cancelled.set(request, false);
    const answer = await this.#caller.once("requests.cancel", { request, reason: "chaos" });
    if (answer?.stopping.length === 0) this.cancelled.set(request, true);
  }
}
