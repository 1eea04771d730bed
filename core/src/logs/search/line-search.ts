import { isAscii } from "node:buffer";
import { channelOf, RUN_BYTES, RUN_LENGTH, RUN_OPEN } from "../frame.ts";
import { countLines } from "../line-count.ts";
import type { LineMatcher } from "./line-matcher.ts";
import type { FoundLine, SearchRange } from "./query.ts";

const LF = 0x0a;
/** Of a line's text, in an answer. */
export const MOST_TEXT = 2_000;
/** Of all texts of an answer together. */
const MOST_TEXTS = 1_000_000;
/** No character takes more bytes. */
const BYTES_A_CHARACTER = 4;
/** After so many bytes it is asked whether to go on. */
const LOOK_EVERY = 16 * 1024;

/** Lines in the form that a frame has: a table of runs, and their text. */
export interface LineBlock {
  table: Buffer;
  text: Buffer;
}

/** Looks through blocks of lines, one after the other. */
export class LineSearch {
  readonly #matcher: LineMatcher;
  readonly #range: SearchRange;
  readonly #stopped: () => boolean;
  #items: FoundLine[] = [];
  #kept = 0;
  #texts = 0;
  /** How many lines match. */
  count = 0;
  /** How many of them are before the first that is wanted, and the last of these. */
  before = 0;
  previous: number | null = null;
  /** The line that is looked at. */
  #number = 0;
  /** After the end of the log, its beginning is looked at. */
  #wrapped = false;
  /** The first line that matches and found no room among the items. */
  surplus: number | null = null;

  /** `stopped` is asked often; once it says so, nothing more is looked at. */
  constructor(matcher: LineMatcher, range: SearchRange, stopped: () => boolean) {
    this.#matcher = matcher;
    this.#range = range;
    this.#stopped = stopped;
  }

  /** What was found since the last call. */
  take(): FoundLine[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** The line to go on with if it ends here; `null` if only lines are left that are not wanted. */
  get next(): number | null {
    if (this.surplus !== null) return this.surplus;
    return this.#wrapped ? null : Math.max(this.#number, this.#range.first);
  }

  /** Looks through lines of which the first has this number. False if it was stopped before their end. */
  add(block: LineBlock, number: number): boolean {
    if (number < this.#number) this.#wrapped = true;
    this.#number = number;
    if (this.#stopped()) return false;
    const { bytes, lower, words } = this.#matcher;
    const { text } = block;
    if (bytes) return this.#hits(block, (from) => text.indexOf(bytes, from), bytes.length);
    if (words) {
      // Bytes of longer characters become others than those of ASCII, and each is one still.
      const lowered = text.toString("latin1").toLowerCase();
      const find = (from: number) => {
        words.lastIndex = from;
        return words.exec(lowered)?.index ?? -1;
      };
      return this.#hits(block, find, 1, true);
    }
    if (lower !== undefined && isAscii(text)) {
      const lowered = text.toString("latin1").toLowerCase();
      return this.#hits(block, (from) => lowered.indexOf(lower, from), lower.length);
    }
    return this.#lines(block);
  }

  /** From one place where it may be to the next, without a look at the lines between; such lines are tested if `unsure`. */
  #hits(block: LineBlock, find: (from: number) => number, size: number, unsure = false): boolean {
    const { text } = block;
    const run = new Run(block.table);
    let looked = 0;
    /** The line that begins at `at`, and how many are left in the run from there on. */
    let at = 0;
    let left = 0;
    for (let hit = find(0); hit !== -1; ) {
      while (hit >= run.end) {
        this.#number += left;
        run.next();
        at = run.start;
        left = run.lines;
      }
      const passed = countLines(text, at, hit);
      if (passed > 0) {
        this.#number += passed;
        left -= passed;
        at = text.lastIndexOf(LF, hit - 1) + 1;
      }
      const feed = text.indexOf(LF, hit);
      const end = feed === -1 ? run.end : Math.min(feed, run.end);
      // What begins in a line that was left open and ends in the next one is in neither.
      const within = hit + size <= end;
      if (within && (!unsure || this.#matcher.test(text.toString("utf8", at, end)))) this.#found(run, text, at, end);
      if (unsure && end - looked >= LOOK_EVERY) {
        looked = end;
        if (this.#stopped()) return false;
      }
      hit = find(within ? end : hit + 1);
    }
    return true;
  }

  #lines(block: LineBlock): boolean {
    const { text } = block;
    const whole = isAscii(text) ? text.toString("latin1") : undefined;
    const run = new Run(block.table);
    let looked = 0;
    while (run.next()) {
      let at = run.start;
      for (let left = run.lines; left > 0; left -= 1) {
        const open = run.open && left === 1;
        const end = open ? run.end : text.indexOf(LF, at);
        if (this.#matcher.test(whole?.slice(at, end) ?? text.toString("utf8", at, end)))
          this.#found(run, text, at, end);
        at = end + 1;
        this.#number += 1;
        if (at - looked < LOOK_EVERY) continue;
        looked = at;
        if (this.#stopped()) return false;
      }
    }
    return true;
  }

  #found(run: Run, text: Buffer, from: number, to: number): void {
    if (this.#matcher.skipsHeader && run.channel === "header") return;
    this.count += 1;
    const number = this.#number;
    if (number < this.#range.first) {
      this.before += 1;
      this.previous = Math.max(number, this.previous ?? number);
    }
    if (number < this.#range.first || this.surplus !== null) return;
    if (this.#kept === this.#range.limit || this.#texts >= MOST_TEXTS) {
      this.surplus = number;
      return;
    }
    const item = { number, channel: run.channel, time: run.time, text: beginning(text, from, to) };
    this.#items.push(item);
    this.#kept += 1;
    this.#texts += item.text.length;
  }
}

/** Walks over the runs of a block. */
class Run {
  readonly #table: Buffer;
  #at = -RUN_BYTES;
  start = 0;
  end = 0;
  lines = 0;

  constructor(table: Buffer) {
    this.#table = table;
  }

  next(): boolean {
    this.#at += RUN_BYTES;
    if (this.#at >= this.#table.length) return false;
    this.start = this.end;
    this.end += this.#word & RUN_LENGTH;
    this.lines = this.#table.readUInt32LE(this.#at + 4);
    return true;
  }

  /** True if the last line has no line feed. */
  get open(): boolean {
    return (this.#word & RUN_OPEN) !== 0;
  }

  get channel() {
    return channelOf(this.#word);
  }

  get time(): number {
    return this.#table.readDoubleLE(this.#at + 8);
  }

  get #word(): number {
    return this.#table.readUInt32LE(this.#at);
  }
}

function beginning(text: Buffer, from: number, to: number): string {
  const decoded = text.toString("utf8", from, Math.min(to, from + MOST_TEXT * BYTES_A_CHARACTER));
  if (decoded.length <= MOST_TEXT) return decoded;
  const inPair = decoded.charCodeAt(MOST_TEXT - 1) >>> 10 === 0x36;
  return decoded.slice(0, inPair ? MOST_TEXT - 1 : MOST_TEXT);
}
