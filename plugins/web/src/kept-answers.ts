import type { WebAnswer } from "./answering.ts";

interface Entry {
  answer: WebAnswer;
  /** The newest event when it was made. */
  position: string;
  until: number;
  size: number;
}

/** An answer that is being made, for all who ask for it meanwhile. */
interface Making {
  answer: Promise<WebAnswer>;
  /** Who waits for it; when all have gone, it is given up. */
  waiting: number;
  readonly abort: AbortController;
}

const ENTRIES = 500;
const BYTES = 33_554_432;
/** For the few things that change without an event, such as what a worker is. */
const LONGEST = 2_000;

/** Answers that are made once, and given again until something happens at the master: what a crowd, or a crawler, asks for costs little. */
export class KeptAnswers {
  readonly #entries = new Map<string, Entry>();
  readonly #making = new Map<string, Making>();
  readonly #bytes = new WeakMap<WebAnswer, WebAnswer>();
  #size = 0;
  #sweep: NodeJS.Timeout | undefined;

  async answer(
    key: string,
    position: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<WebAnswer>,
  ): Promise<WebAnswer> {
    const kept = this.#get(key, position);
    if (kept !== undefined) return kept;
    const asked = `${position} ${key}`;
    let making = this.#making.get(asked);
    const first = making === undefined;
    if (making === undefined) {
      making = this.#make(asked, make);
      making.answer.then(
        (answer) => this.#put(key, position, answer),
        () => {},
      );
    }
    const answer = await whileWanted(making, signal);
    if (!isForOne(answer)) return first ? answer : this.#inBytes(answer);
    if (!first) return make(signal);
    signal.addEventListener("abort", () => making.abort.abort(signal.reason), { once: true });
    return answer;
  }

  #make(asked: string, make: (signal: AbortSignal) => Promise<WebAnswer>): Making {
    const abort = new AbortController();
    const forget = () => {
      if (this.#making.get(asked)?.abort === abort) this.#making.delete(asked);
    };
    const answer = make(abort.signal).finally(forget);
    const making = { answer, waiting: 0, abort };
    this.#making.set(asked, making);
    // Who comes after it was given up, as a reader who loads the page again does, must not share its end.
    abort.signal.addEventListener("abort", forget, { once: true });
    return making;
  }

  #get(key: string, position: string): WebAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.position !== position || performance.now() >= entry.until) {
      this.#drop(key);
      return undefined;
    }
    // The one that was asked for last is dropped last.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.answer = this.#inBytes(entry.answer);
    return entry.answer;
  }

  /**
   * For who is not the first: to make bytes of a text takes longer than all the rest of giving it, so that is done once.
   * What is given once, as all that a crawler sees, stays a text, which is free sooner.
   */
  #inBytes(answer: WebAnswer): WebAnswer {
    if (typeof answer.body !== "string") return answer;
    const known = this.#bytes.get(answer) ?? { ...answer, body: Buffer.from(answer.body) };
    this.#bytes.set(answer, known);
    return known;
  }

  #put(key: string, position: string, answer: WebAnswer): void {
    this.#drop(key);
    if (isForOne(answer) || answer.status !== 200) return;
    const { body } = answer as { body: string | Buffer };
    const size = body.length * (typeof body === "string" ? 2 : 1) + 2 * key.length;
    if (size > BYTES / 8) return;
    this.#entries.set(key, { answer, position, until: performance.now() + LONGEST, size });
    this.#size += size;
    this.#sweep ??= setTimeout(() => this.#dropOld(), 2 * LONGEST).unref();
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES && this.#size <= BYTES) break;
      this.#drop(oldest);
    }
  }

  /** What nobody asks for any more is not kept until others need its room. */
  #dropOld(): void {
    const now = performance.now();
    for (const [key, { until }] of this.#entries) if (now >= until) this.#drop(key);
    this.#sweep = this.#entries.size === 0 ? undefined : setTimeout(() => this.#dropOld(), 2 * LONGEST).unref();
  }

  #drop(key: string): void {
    this.#size -= this.#entries.get(key)?.size ?? 0;
    this.#entries.delete(key);
  }
}

/** A stream can be read once, and some answers are for nobody else. */
function isForOne({ body, fresh }: WebAnswer): boolean {
  return fresh === true || (typeof body === "object" && "pipe" in body);
}

async function whileWanted(making: Making, signal: AbortSignal): Promise<WebAnswer> {
  making.waiting += 1;
  const leave = () => {
    making.waiting -= 1;
    if (making.waiting === 0) making.abort.abort(signal.reason);
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  try {
    return await making.answer;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
