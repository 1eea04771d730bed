import { messageOf } from "../errors/belfry-error.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Millis } from "../interfaces/values.ts";
import { backOff } from "./loop.ts";

const TIME_LIMIT = 10_000;
/** A question that was answered is not put again at once, however often somebody rings. */
const KEPT = 1_000;
const LONGEST_PAUSE = 60_000;
const MOST_ANSWERS = 10_000;

export interface Trouble {
  hook: string;
  error: string;
  since: Millis;
}

export type Answer<T> = { state: "answer"; value: T } | { state: "asking" } | { state: "failed" };

interface Question {
  builder: string;
  hook: string;
  answer: Answer<unknown>;
  at: Millis;
}

interface Failing {
  trouble: Trouble;
  failures: number;
  until: Millis;
}

/**
 * Asks the functions of builders. Nobody waits for one: what is not answered at once is answered
 * when the question is put again, after a ring.
 */
export class HookKeeper {
  readonly #clock: Clock;
  readonly #ring: () => void;
  readonly #questions = new Map<string, Question>();
  readonly #failing = new Map<string, Failing>();

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** What went wrong with a builder's functions, as long as it has not gone well again. */
  trouble(builder: string): Trouble | undefined {
    return this.#failing.get(builder)?.trouble;
  }

  /** Drops what is known of a builder whose failing function is no longer configured. */
  forget(builder: string): void {
    this.#failing.delete(builder);
  }

  /** Forgets what functions said that are not in force any more; what they have yet to say counts for nothing. */
  drop(isGone: (builder: string, hook: string) => boolean): void {
    for (const [key, { builder, hook }] of this.#questions) if (isGone(builder, hook)) this.#questions.delete(key);
    for (const [builder, { trouble }] of this.#failing) {
      if (isGone(builder, trouble.hook)) this.#failing.delete(builder);
    }
  }

  /** When a builder whose function failed may be asked again; `undefined` if it may now. */
  pausedTill(builder: string): Millis | undefined {
    const failing = this.#failing.get(builder);
    return failing && failing.until > this.#clock.now() ? failing.until : undefined;
  }

  /** Puts a question; `check` makes the answer's value of what came back, or throws. */
  async ask<T>(
    builder: string,
    hook: string,
    about: string,
    call: () => unknown,
    check: (value: unknown) => T,
  ): Promise<Answer<T>> {
    const key = JSON.stringify([builder, hook, about]);
    const known = this.#questions.get(key);
    const now = this.#clock.now();
    if (known && (known.answer.state === "asking" || now - known.at < KEPT)) return known.answer as Answer<T>;
    this.#forget(now);
    const question: Question = { builder, hook, answer: { state: "asking" }, at: now };
    this.#questions.set(key, question);
    let over = false;
    let late = false;
    const end = (answer: Answer<T>, error?: unknown) => {
      if (over) return;
      over = true;
      timer.cancel();
      question.answer = answer;
      question.at = this.#clock.now();
      if (this.#questions.get(key) !== question) return;
      if (answer.state === "failed") this.#fail(builder, hook, error);
      else if (this.#failing.get(builder)?.trouble.hook === hook) this.#failing.delete(builder);
      if (late) this.#ring();
    };
    const timer = this.#clock.setTimer(TIME_LIMIT, () =>
      end({ state: "failed" }, new Error(`it took longer than ${TIME_LIMIT / 1_000} s`)),
    );
    const answered = (async () => check(await call()))().then(
      (value) => end({ state: "answer", value }),
      (error) => end({ state: "failed" }, error),
    );
    // What computes nothing but its answer has it now.
    await Promise.race([answered, new Promise((resolve) => setImmediate(resolve))]);
    late = true;
    return question.answer as Answer<T>;
  }

  #fail(builder: string, hook: string, error: unknown): void {
    const before = this.#failing.get(builder);
    const failures = (before?.trouble.hook === hook ? before.failures : 0) + 1;
    const now = this.#clock.now();
    const message = messageOf(error).slice(0, 500);
    const since = before?.trouble.hook === hook ? before.trouble.since : now;
    const until = now + backOff(failures, KEPT, LONGEST_PAUSE);
    this.#failing.set(builder, { trouble: { hook, error: message, since }, failures, until });
  }

  #forget(now: Millis): void {
    if (this.#questions.size < MOST_ANSWERS) return;
    for (const [key, { answer, at }] of this.#questions)
      if (answer.state !== "asking" && now - at >= KEPT) this.#questions.delete(key);
  }
}
