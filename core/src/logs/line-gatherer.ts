import { type LogChannel, MAX_LINE_BYTES } from "../interfaces/log-store.ts";
import { CHANNELS } from "./frame.ts";
import { countLines } from "./line-count.ts";

const LF = 0x0a;
const LINE_FEED = Buffer.from([LF]);

/** Takes a run of whole lines, or one line that has no line feed (`open`). `source` is only lent. */
export type RunSink = (
  channel: number,
  time: number,
  source: Buffer,
  from: number,
  to: number,
  lines: number,
  open: boolean,
) => void;

/** The beginning of a line whose end has not come. */
interface Begun {
  bytes: Buffer;
  length: number;
  time: number;
  /** Order of first bytes over all channels. */
  turn: number;
  /** A flush has ended the line before its line feed came; if that comes next, it makes no line of its own. */
  cut: boolean;
}

/** Makes lines of the pieces in which bytes arrive: each channel's own, handed on as they are complete. */
export class LineGatherer {
  readonly #sink: RunSink;
  readonly #begun: Begun[] = [];
  #turns = 0;

  constructor(sink: RunSink) {
    this.#sink = sink;
  }

  /** Takes at most 64 KiB at once, so that no line within it can be too long. */
  take(channel: LogChannel, data: Buffer, time: number): void {
    const code = CHANNELS.indexOf(channel);
    const begun = this.#begun[code];
    let at = 0;
    if (begun?.cut) {
      begun.cut = false;
      if (data[0] === LF) {
        this.#sink(code, time, LINE_FEED, 0, 1, 0, false);
        at = 1;
      }
    }
    if (begun !== undefined && begun.length > 0) {
      const end = data.indexOf(LF);
      this.#add(begun, code, data, at, end === -1 ? data.length : end, time);
      if (end === -1) return;
      this.#complete(begun, code);
      at = end + 1;
    }
    const last = data.lastIndexOf(LF);
    if (last >= at) {
      this.#sink(code, time, data, at, last + 1, countLines(data, at, last + 1), false);
      at = last + 1;
    }
    if (at < data.length) this.#add(begun ?? this.#begin(code), code, data, at, data.length, time);
  }

  /** Ends the lines that were begun, in the order of their first bytes: each is a line now, as it is. */
  cut(withLineFeed = false): void {
    const open = this.#begun.map((begun, code) => ({ begun, code })).filter(({ begun }) => begun?.length > 0);
    for (const { begun, code } of open.sort((a, b) => a.begun.turn - b.begun.turn)) {
      if (withLineFeed) this.#complete(begun, code);
      else {
        this.#sink(code, begun.time, begun.bytes, 0, begun.length, 1, true);
        begun.length = 0;
        begun.cut = true;
      }
    }
  }

  #begin(code: number): Begun {
    const begun: Begun = { bytes: Buffer.allocUnsafe(256), length: 0, time: 0, turn: 0, cut: false };
    this.#begun[code] = begun;
    return begun;
  }

  #add(begun: Begun, code: number, data: Buffer, from: number, to: number, time: number): void {
    let at = from;
    while (at < to) {
      if (begun.length === MAX_LINE_BYTES) {
        this.#sink(code, begun.time, begun.bytes, 0, begun.length, 1, true);
        begun.length = 0;
      }
      if (begun.length === 0) {
        begun.time = time;
        begun.turn = this.#turns++;
      }
      const count = Math.min(to - at, MAX_LINE_BYTES - begun.length);
      // One byte more than the longest line: room for its line feed.
      if (begun.length + count >= begun.bytes.length) {
        const larger = Buffer.allocUnsafe(Math.min(Math.max((begun.length + count) * 2, 1024), MAX_LINE_BYTES + 1));
        begun.bytes.copy(larger, 0, 0, begun.length);
        begun.bytes = larger;
      }
      data.copy(begun.bytes, begun.length, at, at + count);
      begun.length += count;
      at += count;
    }
  }

  #complete(begun: Begun, code: number): void {
    begun.bytes[begun.length] = LF;
    this.#sink(code, begun.time, begun.bytes, 0, begun.length + 1, 1, false);
    begun.length = 0;
  }
}
