import type { WebAnswer } from "./answering.ts";

interface Entry {
  answer: WebAnswer;
  /** The newest event when it was made. */
  position: string;
  until: number;
  size: number;
}

const ENTRIES = 500;
const BYTES = 33_554_432;
/** For the few things that change without an event, such as what a worker is. */
const LONGEST = 2_000;

/** Answers that are given again until something happens at the master: what a crowd, or a crawler, asks for costs little. */
export class KeptAnswers {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  get(key: string, position: string): WebAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.position !== position || performance.now() >= entry.until) {
      this.#drop(key);
      return undefined;
    }
    // The one that was asked for last is dropped last.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.answer;
  }

  put(key: string, position: string, answer: WebAnswer): void {
    this.#drop(key);
    if (typeof answer.body !== "string" || answer.status !== 200) return;
    const size = 2 * (answer.body.length + key.length);
    if (size > BYTES / 8) return;
    this.#entries.set(key, { answer, position, until: performance.now() + LONGEST, size });
    this.#bytes += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES && this.#bytes <= BYTES) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.size ?? 0;
    this.#entries.delete(key);
  }
}
