import { crc32, zstdDecompress } from "node:zlib";
import type { LogChannel } from "../interfaces/log-store.ts";
import type { Compressor } from "./compressor.ts";
import { logFaults } from "./errors.ts";

/*
 * A segment's file: a head of 16 bytes (magic, fence), frames, and once it is finished an end.
 *
 *   frame  header of 32 bytes, body. The body is the frame's runs (16 bytes each: length, channel and
 *          whether the last line is left open; number of lines; time), then their text, line feeds
 *          and all. It is stored as it is, or as one zstd frame.
 *   end    header, body (totals, then size and lines of each frame), its own size, magic. So a
 *          finished file is read from its end, and one whose writer died from its beginning.
 *
 * Numbers are little-endian. Header and body each have a checksum.
 */

export const HEAD_BYTES = 16;
export const HEADER_BYTES = 32;
export const RUN_BYTES = 16;
export const TAIL_BYTES = 8;
/** The text of a frame is no longer than this. */
export const FRAME_TEXT = 256 * 1024;
/** Nor has it more runs than this. */
export const FRAME_RUNS = 4096;
/** Bodies from this size on are worth compressing. */
export const WORTH_PACKING = 4096;

const HEAD_MAGIC = Buffer.from("BELFLOG1");
const TAIL_MAGIC = 0x444e4542;
const MAX_BODY = 64 * 1024 * 1024;

export const STORED = 0x53524642;
export const PACKED = 0x5a524642;
export const END = 0x45524642;

export const TRUNCATED = 1;
export const ALL_PACKED = 2;

export const CHANNELS: readonly LogChannel[] = ["stdout", "stderr", "header"];
export const RUN_LENGTH = 0xffffff;
export const RUN_OPEN = 0x10000000;
export const channelOf = (word: number): LogChannel => CHANNELS[(word >>> 24) & 3] as LogChannel;

export interface FrameHeader {
  kind: number;
  bodyBytes: number;
  rawBytes: number;
  lines: number;
  runs: number;
  flags: number;
  crc: number;
}

/** A frame in memory, ready to be written. */
export interface SealedFrame {
  header: Buffer;
  /** Runs and text, or both packed, in one or more buffers. */
  body: Buffer[];
  /** Of header and body. */
  size: number;
  lines: number;
  /** Length of the text. */
  bytes: number;
  truncated: boolean;
}

/** A frame as it was read. */
export interface Frame {
  /** All of it: table and text. */
  raw: Buffer;
  runs: number;
  table: Buffer;
  text: Buffer;
  lines: number;
}

export interface SegmentTotals {
  lines: number;
  bytes: number;
  truncated: boolean;
}

export interface SegmentEnd extends SegmentTotals {
  packed: boolean;
  /** Size in the file and number of lines of each frame. */
  frames: { size: number; lines: number }[];
}

export function encodeHead(fence: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  HEAD_MAGIC.copy(head);
  head.writeDoubleLE(fence, 8);
  return head;
}

/** The fence, or undefined if this is no head. */
export function decodeHead(head: Buffer): number | undefined {
  if (head.length < HEAD_BYTES || HEAD_MAGIC.compare(head, 0, HEAD_MAGIC.length) !== 0) return undefined;
  return head.readDoubleLE(8);
}

function encodeHeader(header: FrameHeader): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES);
  bytes.writeUInt32LE(header.kind, 0);
  bytes.writeUInt32LE(header.bodyBytes, 4);
  bytes.writeUInt32LE(header.rawBytes, 8);
  bytes.writeUInt32LE(header.lines, 12);
  bytes.writeUInt32LE(header.runs, 16);
  bytes.writeUInt32LE(header.flags, 20);
  bytes.writeUInt32LE(header.crc, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
  return bytes;
}

/** Undefined where no whole and sound header is. */
export function decodeHeader(bytes: Buffer, at: number): FrameHeader | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined;
  const header: FrameHeader = {
    kind: bytes.readUInt32LE(at),
    bodyBytes: bytes.readUInt32LE(at + 4),
    rawBytes: bytes.readUInt32LE(at + 8),
    lines: bytes.readUInt32LE(at + 12),
    runs: bytes.readUInt32LE(at + 16),
    flags: bytes.readUInt32LE(at + 20),
    crc: bytes.readUInt32LE(at + 24),
  };
  if (header.kind !== STORED && header.kind !== PACKED && header.kind !== END) return undefined;
  if (header.bodyBytes > MAX_BODY || header.rawBytes > MAX_BODY) return undefined;
  if (header.runs * RUN_BYTES > header.rawBytes) return undefined;
  return crc32(bytes.subarray(at, at + 28)) === bytes.readUInt32LE(at + 28) ? header : undefined;
}

export function textBytes(header: FrameHeader): number {
  return header.rawBytes - header.runs * RUN_BYTES;
}

export function sealFrame(table: Buffer, text: Buffer, lines: number, truncated: boolean): SealedFrame {
  const rawBytes = table.length + text.length;
  const header = encodeHeader({
    kind: STORED,
    bodyBytes: rawBytes,
    rawBytes,
    lines,
    runs: table.length / RUN_BYTES,
    flags: truncated ? TRUNCATED : 0,
    crc: crc32(text, crc32(table)),
  });
  return { header, body: [table, text], size: HEADER_BYTES + rawBytes, lines, bytes: text.length, truncated };
}

/** What a frame is made of: runs and text in one piece. */
export interface FrameContent {
  raw: Buffer;
  runs: number;
  lines: number;
  truncated: boolean;
}

/** The frame compressed; stored as it is if it would not become smaller, `raw` its body. Otherwise `raw` is only lent. */
export async function packFrame(content: FrameContent, compressor: Compressor): Promise<SealedFrame> {
  const { raw, runs, lines, truncated } = content;
  const packed = raw.length < WORTH_PACKING ? undefined : await compressor.compress(raw);
  const smaller = packed !== undefined && sizeOf(packed) < raw.length;
  const body = smaller ? packed : [raw];
  const bodyBytes = sizeOf(body);
  const header = encodeHeader({
    kind: smaller ? PACKED : STORED,
    bodyBytes,
    rawBytes: raw.length,
    lines,
    runs,
    flags: truncated ? TRUNCATED : 0,
    crc: body.reduce((crc, part) => crc32(part, crc), 0),
  });
  return { header, body, size: HEADER_BYTES + bodyBytes, lines, bytes: raw.length - runs * RUN_BYTES, truncated };
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/**
 * Reads the frame that begins at `at`. Rejects with `BELFRY_LOG_DAMAGED` if it is not whole and sound. One that is
 * stored as it is, is a view into `bytes`.
 */
export async function readFrame(bytes: Buffer, at: number): Promise<Frame> {
  const header = decodeHeader(bytes, at);
  const body = header && bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + header.bodyBytes);
  if (!body || body.length !== header.bodyBytes || header.kind === END || crc32(body) !== header.crc) {
    throw logFaults.logDamaged("A chunk of lines");
  }
  const raw = header.kind === STORED ? body : await unpack(body, header.rawBytes);
  const tableBytes = header.runs * RUN_BYTES;
  const { runs, lines } = header;
  return { raw, runs, table: raw.subarray(0, tableBytes), text: raw.subarray(tableBytes), lines };
}

async function unpack(body: Buffer, rawBytes: number): Promise<Buffer> {
  const raw = await new Promise<Buffer | undefined>((resolve) => {
    // The output in one chunk that fits, instead of in many that are put together.
    const options = { maxOutputLength: Math.max(rawBytes, 1), chunkSize: Math.max(rawBytes + 1, 64) };
    zstdDecompress(body, options, (error, result) => resolve(error ? undefined : result));
  });
  if (raw?.length !== rawBytes) throw logFaults.logDamaged("A packed chunk of lines");
  return raw;
}

const TOTALS_BYTES = 24;
const ENTRY_BYTES = 8;

export function encodeEnd(end: SegmentEnd): Buffer {
  const body = Buffer.allocUnsafe(TOTALS_BYTES + end.frames.length * ENTRY_BYTES);
  body.writeDoubleLE(end.lines, 0);
  body.writeDoubleLE(end.bytes, 8);
  body.writeUInt32LE((end.truncated ? TRUNCATED : 0) | (end.packed ? ALL_PACKED : 0), 16);
  body.writeUInt32LE(end.frames.length, 20);
  let at = TOTALS_BYTES;
  for (const frame of end.frames) {
    body.writeUInt32LE(frame.size, at);
    body.writeUInt32LE(frame.lines, at + 4);
    at += ENTRY_BYTES;
  }
  const header = encodeHeader({
    kind: END,
    bodyBytes: body.length,
    rawBytes: body.length,
    lines: 0,
    runs: 0,
    flags: 0,
    crc: crc32(body),
  });
  const tail = Buffer.allocUnsafe(TAIL_BYTES);
  tail.writeUInt32LE(HEADER_BYTES + body.length + TAIL_BYTES, 0);
  tail.writeUInt32LE(TAIL_MAGIC, 4);
  return Buffer.concat([header, body, tail]);
}

/** The size of the end of a finished file, from the file's last bytes; undefined if it has none. */
export function endSize(last: Buffer): number | undefined {
  const at = last.length - TAIL_BYTES;
  if (at < 0 || last.readUInt32LE(at + 4) !== TAIL_MAGIC) return undefined;
  return last.readUInt32LE(at);
}

/** Undefined if no whole and sound end is there. */
export function decodeEnd(bytes: Buffer, at: number): SegmentEnd | undefined {
  const header = decodeHeader(bytes, at);
  if (header?.kind !== END) return undefined;
  const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + header.bodyBytes);
  if (body.length !== header.bodyBytes || body.length < TOTALS_BYTES || crc32(body) !== header.crc) return undefined;
  const count = body.readUInt32LE(20);
  if (body.length !== TOTALS_BYTES + count * ENTRY_BYTES) return undefined;
  const frames = Array.from({ length: count }, (_, index) => ({
    size: body.readUInt32LE(TOTALS_BYTES + index * ENTRY_BYTES),
    lines: body.readUInt32LE(TOTALS_BYTES + index * ENTRY_BYTES + 4),
  }));
  const flags = body.readUInt32LE(16);
  return {
    lines: body.readDoubleLE(0),
    bytes: body.readDoubleLE(8),
    truncated: (flags & TRUNCATED) !== 0,
    packed: (flags & ALL_PACKED) !== 0,
    frames,
  };
}
