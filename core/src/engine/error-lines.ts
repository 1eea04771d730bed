import { stripVTControlCharacters, TextDecoder } from "node:util";
import type { LogStore } from "../interfaces/log-store.ts";
import { namesError } from "../logs/search/error-pattern.ts";
import { logSearchOf } from "../logs/search/log-search.ts";

const SMALL = { lines: 2_000, bytes: 256 * 1024 };
const AT_ONCE = 200;
const LONGEST_LINE = 500;
/** Some of the last lines may be Belfry's own. */
const SPARE = 20;

export interface Excerpt {
  /** Whether the lines are such that name an error, or only the log's last ones. */
  of: "errors" | "end";
  lines: { number: number; text: string }[];
}

/** The first lines of a log that name an error, or else its last lines; those of the program, not of Belfry. */
export async function errorLines(store: LogStore, key: string, limit: number, signal: AbortSignal): Promise<Excerpt> {
  await using reader = await store.open(key);
  const info = await reader.info();
  const small = info.lines <= SMALL.lines && info.bytes <= SMALL.bytes;
  const read = (first: number, count: number) => readLines(reader, first, count, signal);
  const found = small
    ? (await read(0, info.lines)).filter(({ text }) => namesError(text))
    : await search(store, key, limit, signal);
  if (found.length > 0) return { of: "errors", lines: found.slice(0, limit) };
  const end = await read(Math.max(0, info.lines - limit - SPARE), limit + SPARE);
  return { of: "end", lines: end.slice(-limit) };
}

type Lines = Excerpt["lines"];

async function search(store: LogStore, key: string, limit: number, signal: AbortSignal): Promise<Lines> {
  const { items } = await logSearchOf(store).search(key, { kind: "errors" }, { first: 0, limit }, signal);
  return items.map(({ number, text }) => ({ number, text: plain(text) }));
}

async function readLines(
  reader: Awaited<ReturnType<LogStore["open"]>>,
  first: number,
  count: number,
  signal: AbortSignal,
): Promise<Lines> {
  const found: Lines = [];
  const decoder = new TextDecoder();
  for (let at = first; at < first + count; ) {
    signal.throwIfAborted();
    const lines = await reader.lines(at, Math.min(AT_ONCE, first + count - at));
    if (lines.length === 0) break;
    for (const { number, channel, data } of lines) {
      if (channel !== "header") found.push({ number, text: plain(decoder.decode(data.subarray(0, 4 * LONGEST_LINE))) });
    }
    at = (lines.at(-1)?.number ?? at) + 1;
    // Others have their turn between two pieces.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
}

function plain(text: string): string {
  return stripVTControlCharacters(text).slice(0, LONGEST_LINE);
}
