import type { Generation } from "../config/generation.ts";
import type { ApiMethod, Caller } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";
import type { Store } from "../store/store.ts";
import { rightsKey } from "./callers.ts";

const MOST_ANSWERS = 100;
const LONGEST_KEY = 2_000;

interface Answer {
  version: number;
  value: Json;
}

/**
 * Answers that hold until somebody commits, for methods that say so of theirs. A page that is asked
 * for again and again while nothing happens costs no query. Only where the database tells cheaply
 * whether anything was committed.
 */
export class AnswerCache {
  readonly #store: Store;
  readonly #generation: () => Generation;
  // Ordered by last use: the first entry is the one to go.
  readonly #answers = new Map<string, Answer>();
  #of: Generation | undefined;

  constructor(store: Store, generation: () => Generation) {
    this.#store = store;
    this.#generation = generation;
  }

  /** What `call` answers, or answered when nothing was committed since. */
  async of(method: ApiMethod, params: unknown, caller: Caller, call: () => Promise<Json>): Promise<Json> {
    const key = method.lasts && keyOf(method, params, caller);
    // Before the call: what is committed during it makes the answer one of the past.
    const version = key ? this.#store.version() : undefined;
    if (!key || version === undefined) return call();
    const generation = this.#generation();
    if (generation !== this.#of) {
      this.#answers.clear();
      this.#of = generation;
    }
    const known = this.#answers.get(key);
    this.#answers.delete(key);
    if (known?.version === version) {
      this.#answers.set(key, known);
      return known.value;
    }
    const value = await call();
    // A reload that came in between may have changed what this caller may see.
    if (generation !== this.#generation() || !method.lasts?.(value as never)) return value;
    this.#answers.set(key, { version, value });
    if (this.#answers.size > MOST_ANSWERS) this.#answers.delete(this.#answers.keys().next().value as string);
    return value;
  }
}

/** `undefined` for callers whose sight is known by nothing but a function of theirs. */
function keyOf(method: ApiMethod, params: unknown, caller: Caller): string | undefined {
  const { kind, name, visible } = caller;
  if (visible !== null && (kind === "internal" || kind === "socket")) return undefined;
  const who = visible === null ? "everything" : `${kind} ${name} ${rightsKey(caller)}`;
  const key = `${method.name} ${who} ${JSON.stringify(params ?? {})}`;
  return key.length > LONGEST_KEY ? undefined : key;
}
