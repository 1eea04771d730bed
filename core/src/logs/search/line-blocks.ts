import type { LogLine, LogReader } from "../../interfaces/log-store.ts";
import { CHANNELS, RUN_BYTES } from "../frame.ts";
import type { LineBlock } from "./line-search.ts";

const LF = 0x0a;
const BLOCK_BYTES = 256 * 1024;
const BLOCK_LINES = 1_024;

/** A block with memory of its own, that can be given away to another thread. */
export interface NumberedBlock extends LineBlock {
  number: number;
}

/**
 * The lines of a log in any store, in blocks: from `first` to the end, then those before. Makes no
 * block before it is asked for.
 */
export async function* lineBlocks(
  reader: LogReader,
  lines: number,
  first: number,
  signal: AbortSignal,
): AsyncGenerator<NumberedBlock> {
  yield* part(reader, first, lines, signal);
  yield* part(reader, 0, Math.min(first, lines), signal);
}

async function* part(reader: LogReader, from: number, to: number, signal: AbortSignal): AsyncGenerator<NumberedBlock> {
  if (from >= to) return;
  for await (const batch of reader.follow(from, signal)) {
    for (let at = 0; at < batch.length; ) {
      const end = cut(batch, at, to);
      if (end > at) yield pack(batch.slice(at, end));
      if (end < batch.length && (batch[end] as LogLine).number >= to) return;
      at = end;
    }
    if ((batch.at(-1)?.number ?? 0) + 1 >= to) return;
  }
}

/** Where a block that begins at `at` ends: when it is full, or before the line `to`. */
function cut(batch: readonly LogLine[], at: number, to: number): number {
  let bytes = 0;
  let end = at;
  while (end < batch.length && end - at < BLOCK_LINES && bytes < BLOCK_BYTES) {
    const line = batch[end] as LogLine;
    if (line.number >= to) break;
    bytes += line.data.length + 1;
    end += 1;
  }
  return end;
}

function pack(lines: readonly LogLine[]): NumberedBlock {
  const text = Buffer.allocUnsafeSlow(lines.reduce((sum, { data }) => sum + data.length + 1, 0));
  const table = Buffer.allocUnsafeSlow(lines.length * RUN_BYTES);
  let at = 0;
  let run = 0;
  for (const { channel, time, data } of lines) {
    text.set(data, at);
    at += data.length;
    text[at] = LF;
    at += 1;
    table.writeUInt32LE((CHANNELS.indexOf(channel) << 24) | (data.length + 1), run);
    table.writeUInt32LE(1, run + 4);
    table.writeDoubleLE(time, run + 8);
    run += RUN_BYTES;
  }
  return { text, table, number: (lines[0] as LogLine).number };
}
