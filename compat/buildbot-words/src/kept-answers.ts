import { createHash } from "node:crypto";
import { type Api, type Caller, rightsKey } from "belfry";
import { SharedWork } from "./shared-work.ts";

/** An answer as it is sent. */
export interface Kept {
  readonly body: Buffer;
  /** Differs between callers, too. */
  readonly etag: string;
}

export interface Made {
  text: string;
  /** For how many milliseconds it holds while nothing happens; for what changes by itself, as times left do. */
  lasts?: number;
}

export interface KeptLimits {
  entries: number;
  bytes: number;
}

interface Entry extends Kept {
  /** The newest event when it was made. */
  readonly position: string;
  readonly until: number;
  readonly size: number;
}

/** The longest that an answer is kept, for the few things that change without an event. */
const LONGEST = 5_000;
const HASHED_AT_ONCE = 1_048_576;

/**
 * Answers that are given out again until something happens at the master. For each caller and
 * question at most one answer is made at a time; who asks meanwhile gets the next one, together with
 * all others, so that what it says is never older than the question.
 */
export class KeptAnswers {
  readonly #api: Api;
  readonly #limits: KeptLimits;
  readonly #entries = new Map<string, Entry>();
  readonly #works = new Map<string, SharedWork<Kept>[]>();
  #bytes = 0;

  constructor(api: Api, limits: KeptLimits = { entries: 500, bytes: 33_554_432 }) {
    this.#api = api;
    this.#limits = limits;
  }

  /**
   * The answer to a question. `make` is given a signal that aborts when nobody waits for it any more.
   * Rejects with what `make` rejects with, and for a caller who may not read with `BELFRY_FORBIDDEN`.
   */
  async get(
    question: string,
    caller: Caller,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<Made>,
  ): Promise<Kept> {
    const key = `${whoIs(caller)}\0${question}`;
    const works = this.#works.get(key) ?? [];
    let work = works.find(({ open }) => open);
    if (work === undefined) {
      const kept = works.length === 0 ? await this.#fresh(key, caller, signal) : undefined;
      if (kept !== undefined) return kept;
      work = this.#begin(key, caller, make);
    }
    return work.wait(signal);
  }

  #begin(key: string, caller: Caller, make: (signal: AbortSignal) => Promise<Made>): SharedWork<Kept> {
    const works = this.#works.get(key) ?? [];
    const waiting = works.find(({ open }) => open);
    if (waiting !== undefined) return waiting;
    const before = works.at(-1)?.result;
    const work = new SharedWork<Kept>(before, async (signal) => {
      const fresh = before === undefined ? undefined : await this.#fresh(key, caller, signal);
      return fresh ?? (await this.#make(key, caller, signal, make));
    });
    this.#works.set(key, [...works, work]);
    const ended = () => {
      const left = (this.#works.get(key) ?? []).filter((other) => other !== work);
      if (left.length === 0) this.#works.delete(key);
      else this.#works.set(key, left);
    };
    work.result.then(ended, ended);
    return work;
  }

  async #fresh(key: string, caller: Caller, signal: AbortSignal): Promise<Kept | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined || performance.now() >= entry.until) return undefined;
    if ((await this.#position(caller, signal)) !== entry.position) return undefined;
    if (this.#entries.delete(key)) this.#entries.set(key, entry);
    return entry;
  }

  async #make(
    key: string,
    caller: Caller,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<Made>,
  ): Promise<Kept> {
    const begun = performance.now();
    const position = await this.#position(caller, signal);
    const { text, lasts = LONGEST } = await make(signal);
    const body = Buffer.from(text);
    const etag = await tag(`${whoIs(caller)}\0`, body);
    this.#keep(key, { body, etag, position, until: begun + Math.min(lasts, LONGEST), size: body.length + key.length });
    return { body, etag };
  }

  #keep(key: string, entry: Entry): void {
    this.#drop(key);
    if (entry.size > this.#limits.bytes / 4) return;
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.size ?? 0;
    this.#entries.delete(key);
  }

  async #position(caller: Caller, signal: AbortSignal): Promise<string> {
    const { next } = (await this.#api.call("events.since", { limit: 1 }, caller, signal)) as { next: string };
    return next;
  }
}

/** Callers of one name may see different things. */
function whoIs(caller: Caller): string {
  return `${caller.kind}\0${caller.name}\0${rightsKey(caller)}`;
}

async function tag(caller: string, body: Buffer): Promise<string> {
  const hash = createHash("sha256").update(caller);
  for (let at = 0; at < body.length; at += HASHED_AT_ONCE) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    hash.update(body.subarray(at, at + HASHED_AT_ONCE));
  }
  return `"${hash.digest("base64url").slice(0, 27)}"`;
}

/** Whether a header `If-None-Match` has this tag. */
export function isKnown(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}
