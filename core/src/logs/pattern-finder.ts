interface Pattern {
  bytes: Buffer;
}

const hash = (first: number, second: number): number => (first << 8) | second;

/**
 * Finds many patterns at once (Wu and Manber's way): looks at two bytes and skips as far as no pattern can end there, about as
 * far as the shortest pattern is long. Patterns have at least two bytes.
 */
export class PatternFinder {
  readonly #shortest: number;
  readonly #longest: number;
  /** How far to go on after these two bytes; 0 where the first `shortest` bytes of a pattern may end. */
  readonly #shift = new Uint8Array(65_536);
  readonly #ending = new Map<number, Pattern[]>();
  readonly #beginning = new Map<number, Pattern[]>();
  readonly #beginningByte = new Uint8Array(256);
  /** 1 where a pattern begins with these two bytes: spares most of the looking up. */
  readonly #beginningPair = new Uint8Array(65_536);

  constructor(patterns: Iterable<string>) {
    const all = [...patterns].map((text): Pattern => ({ bytes: Buffer.from(text, "latin1") }));
    const lengths = all.map(({ bytes }) => bytes.length);
    this.#longest = lengths.reduce((a, b) => Math.max(a, b), 0);
    this.#shortest = lengths.reduce((a, b) => Math.min(a, b), 255);
    const window = this.#shortest;
    this.#shift.fill(Math.max(1, window - 1));
    for (const pattern of all) {
      const { bytes } = pattern;
      for (let at = 1; at < window; at += 1) {
        const pair = hash(bytes[at - 1] as number, bytes[at] as number);
        this.#shift[pair] = Math.min(this.#shift[pair] as number, window - 1 - at);
      }
      add(this.#ending, hash(bytes[window - 2] as number, bytes[window - 1] as number), pattern);
      add(this.#beginning, hash(bytes[0] as number, bytes[1] as number), pattern);
      this.#beginningByte[bytes[0] as number] = 1;
      this.#beginningPair[hash(bytes[0] as number, bytes[1] as number)] = 1;
    }
  }

  /** Calls `found` with the place and length of the longest pattern at each place where there is one, from left to right. */
  search(bytes: Uint8Array, found: (at: number, length: number) => void): void {
    const window = this.#shortest;
    const shift = this.#shift;
    const begins = this.#beginningPair;
    const end = bytes.length;
    let at = window - 1;
    while (at < end) {
      const pair = ((bytes[at - 1] as number) << 8) | (bytes[at] as number);
      const skip = shift[pair] as number;
      if (skip > 0) {
        at += skip;
        continue;
      }
      const start = at - window + 1;
      if (begins[((bytes[start] as number) << 8) | (bytes[start + 1] as number)] === 1) {
        const length = this.#longestAt(bytes, start, pair);
        if (length > 0) found(start, length);
      }
      at += 1;
    }
  }

  /** Length of the longest end of `bytes` that may be the beginning of a pattern, but is not all of one. */
  unfinished(bytes: Uint8Array): number {
    const end = bytes.length;
    for (let at = Math.max(0, end - this.#longest + 1); at < end; at += 1) {
      if (this.#beginningByte[bytes[at] as number] === 0) continue;
      if (at === end - 1) return 1;
      const patterns = this.#beginning.get(hash(bytes[at] as number, bytes[at + 1] as number));
      for (const pattern of patterns ?? []) {
        if (pattern.bytes.length > end - at && matches(pattern.bytes, bytes, at, end - at)) return end - at;
      }
    }
    return 0;
  }

  #longestAt(bytes: Uint8Array, start: number, pair: number): number {
    let longest = 0;
    for (const { bytes: pattern } of this.#ending.get(pair) ?? []) {
      if (pattern.length <= longest || start + pattern.length > bytes.length) continue;
      if (matches(pattern, bytes, start, pattern.length)) longest = pattern.length;
    }
    return longest;
  }
}

function matches(pattern: Buffer, bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = 0; at < length; at += 1) if (pattern[at] !== bytes[start + at]) return false;
  return true;
}

function add(map: Map<number, Pattern[]>, key: number, pattern: Pattern): void {
  const list = map.get(key);
  if (list) list.push(pattern);
  else map.set(key, [pattern]);
}
