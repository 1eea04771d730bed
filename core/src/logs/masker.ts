import { PatternFinder } from "./pattern-finder.ts";
import { secretForms } from "./secret-forms.ts";

const STARS = "****";
const STAR_BYTES = Buffer.from(STARS);
const NOTHING = Buffer.alloc(0);
const DEEPEST = 200;

/**
 * The secrets of one build, which may grow while logs are written. Everything that is stored or sent passes through it. Secrets
 * of fewer than 3 characters are ignored.
 */
export interface SecretSet {
  add(secret: string): void;
  readonly empty: boolean;
  /** For one stream of bytes, such as a channel of a log. */
  masker(): Masker;
  /** For a message that is whole. */
  text(text: string): string;
  /** Every string in a JSON value, keys too. Gives the value itself if there is nothing to mask; numbers stay. */
  json<T>(value: T): T;
}

/**
 * Puts `****` in the place of every secret in a stream, also when it is split over chunks, stands alone on a line of several,
 * or is base64-, percent- or JSON-encoded. Where secrets overlap, all that they cover becomes one `****`.
 */
export interface Masker {
  add(secret: string): void;
  readonly empty: boolean;
  /**
   * Takes the next chunk and gives what can be passed on: the very same chunk if there is nothing to mask. Holds back an end
   * that may be the beginning of a secret, and no byte more. The chunk is not kept.
   */
  mask(chunk: Uint8Array): Uint8Array;
  /** The stream ends: what was held back. */
  flush(): Uint8Array;
  text(text: string): string;
}

/** A masker with secrets of its own. */
export function createMasker(): Masker {
  return createSecretSet().masker();
}

export function createSecretSet(): SecretSet {
  return new Secrets();
}

class Secrets implements SecretSet {
  readonly #forms = new Set<string>();
  #finder: PatternFinder | undefined;

  get empty(): boolean {
    return this.#forms.size === 0;
  }

  /** Made anew after `add`. Undefined if there are no secrets. */
  get finder(): PatternFinder | undefined {
    if (!this.#finder && this.#forms.size > 0) this.#finder = new PatternFinder(this.#forms);
    return this.#finder;
  }

  add(secret: string): void {
    const before = this.#forms.size;
    for (const form of secretForms(secret)) this.#forms.add(form);
    if (this.#forms.size > before) this.#finder = undefined;
  }

  masker(): Masker {
    return new StreamMasker(this);
  }

  text(text: string): string {
    if (this.empty || text.length === 0) return text;
    const bytes = Buffer.from(text);
    const masked = new StreamMasker(this).all(bytes);
    return masked === bytes ? text : masked.toString();
  }

  json<T>(value: T): T {
    return this.empty ? value : (this.#deep(value, 0) as T);
  }

  #deep(value: unknown, depth: number): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth > DEEPEST) return STARS;
    if (Array.isArray(value)) {
      const masked = value.map((item) => this.#deep(item, depth + 1));
      return masked.some((item, index) => item !== value[index]) ? masked : value;
    }
    const entries = Object.entries(value);
    const masked = entries.map(([key, item]) => [this.text(key), this.#deep(item, depth + 1)] as const);
    const same = masked.every(([key, item], index) => key === entries[index]?.[0] && item === entries[index]?.[1]);
    return same ? value : Object.fromEntries(masked);
  }
}

class StreamMasker implements Masker {
  readonly #secrets: Secrets;
  /** The end of what came, still looked at. */
  #carry = NOTHING;
  /** So many bytes of it are behind stars that were given already. */
  #covered = 0;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
  }

  get empty(): boolean {
    return this.#secrets.empty;
  }

  add(secret: string): void {
    this.#secrets.add(secret);
  }

  text(text: string): string {
    return this.#secrets.text(text);
  }

  mask(chunk: Uint8Array): Uint8Array {
    return this.#mask(chunk, false);
  }

  flush(): Uint8Array {
    return this.#mask(NOTHING, true);
  }

  /** A message that is whole. */
  all(bytes: Buffer): Buffer {
    return this.#mask(bytes, true) as Buffer;
  }

  #mask(chunk: Uint8Array, last: boolean): Uint8Array {
    const { finder } = this.#secrets;
    if (!finder) return chunk;
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    const output: Uint8Array[] = [];
    // All bytes before it are given, or behind stars.
    let done = this.#covered;
    const held = last ? 0 : finder.unfinished(bytes);
    const end = bytes.length - held;
    finder.search(bytes, (at, length) => {
      // What begins in the part held back is found again: a longer secret may begin before it.
      if (at >= end || at + length <= done) return;
      if (at >= done) {
        if (at > done) output.push(bytes.subarray(done, at));
        output.push(STAR_BYTES);
      }
      done = at + length;
    });
    if (done === 0 && held === 0 && bytes === chunk) return chunk;
    if (end > done) output.push(bytes.subarray(done, end));
    this.#carry = held === 0 ? NOTHING : Buffer.from(bytes.subarray(end));
    this.#covered = Math.max(0, done - end);
    return output.length === 1 ? (output[0] as Uint8Array) : Buffer.concat(output);
  }
}
