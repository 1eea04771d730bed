import { stripVTControlCharacters, TextDecoder } from "node:util";
import type { LogStore } from "../interfaces/log-store.ts";
import { logSearchOf } from "../logs/search/log-search.ts";

/** Where a word begins, also behind a colour; and where a line does. */
const WORD = String.raw`(?:\b|\dm)`;
const LINE = String.raw`^(?:\s|\x1b\[[\d;]*m)*`;

/** What lines of programs look like that say what went wrong; in a syntax that RE2 understands too. */
const ERRORS = [
  String.raw`${WORD}error\s*(\[\w+\])?:`,
  String.raw`${WORD}error [A-Z]{1,4}\d+\b`,
  String.raw`${WORD}(fatal|panic|panicked)\b( error)?( at\b|:)`,
  String.raw`${LINE}(error|fail(ed|ure)?|fatal)\b[^,]*$`,
  String.raw`${LINE}[\w.]*(error|exception)\b( \[\w+\])?:`,
  String.raw`${LINE}traceback \(most recent call last\)`,
  String.raw`${LINE}not ok \d`,
  `${LINE}--- fail:`,
  String.raw`\.\.\. failed$`,
  String.raw`${WORD}assert(ion)?(error)?\b.*\bfailed\b`,
  String.raw`${WORD}undefined reference to\b`,
  String.raw`${WORD}segmentation fault\b`,
  ": command not found$",
  ": no such file or directory$",
  ": permission denied$",
  String.raw`\*\*\* .*\bstop\.$`,
];

const PATTERN = ERRORS.join("|");
const MATCHER = new RegExp(PATTERN, "i");

const SMALL = { lines: 2_000, bytes: 256 * 1024 };
const AT_ONCE = 200;
const LONGEST_LINE = 500;
/** Header lines match now and then, since a command may hold any word. */
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
    ? (await read(0, info.lines)).filter(({ text }) => MATCHER.test(text))
    : await search(store, key, limit, signal);
  if (found.length > 0) return { of: "errors", lines: found.slice(0, limit) };
  const end = await read(Math.max(0, info.lines - limit - SPARE), limit + SPARE);
  return { of: "end", lines: end.slice(-limit) };
}

type Lines = Excerpt["lines"];

async function search(store: LogStore, key: string, limit: number, signal: AbortSignal): Promise<Lines> {
  const query = { kind: "pattern", wanted: PATTERN, ignoreCase: true } as const;
  const { items } = await logSearchOf(store).search(key, query, { first: 0, limit: limit + SPARE }, signal);
  return items.filter(({ channel }) => channel !== "header").map(({ number, text }) => ({ number, text: plain(text) }));
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
