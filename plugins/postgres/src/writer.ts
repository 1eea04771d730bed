import { setTimeout as sleep } from "node:timers/promises";
import type { CommitKey, CommitKeys } from "./commit-keys.ts";
import type { AnyKysely } from "./direct-kysely.ts";
import { faults } from "./errors.ts";
import { isConflict } from "./failures.ts";
import type { Link } from "./link.ts";
import { MOST_LOSSES, type Server } from "./server.ts";
import { Attempt, type Outcome } from "./transaction.ts";
import { backOff } from "./waiting.ts";

const MOST_CONFLICTS = 10;

/** Runs transactions until their outcome is known. */
export class Writer {
  readonly #server: Server;
  readonly #keys: CommitKeys;
  readonly #slowLimit: number;

  constructor(server: Server, keys: CommitKeys, slowLimit: number) {
    this.#server = server;
    this.#keys = keys;
    this.#slowLimit = slowLimit;
  }

  write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    return this.#server.place(() => this.#write(work));
  }

  async #write<T>(work: (trx: AnyKysely) => Promise<T>): Promise<T> {
    const begun = performance.now();
    let deadline: number | undefined;
    let stale: Link["process"] | undefined;
    for (let losses = 0, conflicts = 0; ; ) {
      const link = await this.#server.connect(deadline ?? this.#server.deadline());
      if (stale) await link.end(stale);
      const outcome = await this.#attempt(work, link);
      stale = outcome.state === "failed" && outcome.lost ? link.process : undefined;
      if (outcome.state === "committed") return outcome.value;
      if (outcome.state === "unknown") throw faults.commitUnknown(this.#server.where, outcome.error);
      const { error, server, lost } = outcome;
      if (isConflict(server) && conflicts < MOST_CONFLICTS) {
        await sleep(Math.random() * 5 * 2 ** Math.min(conflicts, 6));
        conflicts += 1;
      } else if (lost) {
        // The whole time away counts, not that since the last attempt.
        deadline ??= this.#server.deadline();
        if (performance.now() >= deadline || losses >= MOST_LOSSES || this.#server.leaving.aborted) {
          throw faults.unreachable(this.#server.where, performance.now() - begun, server);
        }
        await backOff(losses, this.#server.leaving);
        losses += 1;
      } else throw error;
    }
  }

  async #attempt<T>(work: (trx: AnyKysely) => Promise<T>, link: Link): Promise<Outcome<T>> {
    const key = this.#keys.take();
    const attempt = new Attempt(link, this.#keys, key);
    let outcome = await attempt.run(work, this.#slowLimit);
    const lost = outcome.state === "unknown" || link.broken !== undefined;
    link.release(lost ? true : undefined);
    if (outcome.state === "unknown") outcome = await this.#settle(outcome, key, link.process);
    // A slot whose server process may still be at work is not used again: its row may be locked.
    if (!lost) this.#keys.give(key);
    return outcome;
  }

  /** Finds out whether a transaction was committed whose answer was lost. Stays `unknown` only when the server stays away. */
  async #settle<T>(
    outcome: Extract<Outcome<T>, { state: "unknown" }>,
    key: CommitKey,
    process: Link["process"],
  ): Promise<Outcome<T>> {
    const { value, error } = outcome;
    const deadline = this.#server.deadline();
    for (let attempt = 0; performance.now() < deadline; attempt += 1) {
      let link: Link;
      try {
        link = await this.#server.connect(deadline);
      } catch {
        return outcome;
      }
      try {
        await link.end(process);
        const committed = await this.#keys.settle(link, key);
        link.release();
        return committed ? { state: "committed", value } : { state: "failed", error, server: error, lost: true };
      } catch (reason) {
        link.release(reason);
      }
      if (this.#server.leaving.aborted) return outcome;
      await backOff(attempt, this.#server.leaving);
    }
    return outcome;
  }
}
