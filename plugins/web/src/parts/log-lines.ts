import type { CoreMethods } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { search } from "../urls.ts";
import { ansiLine, lookAfter } from "./ansi.ts";
import type { LogPlace } from "./log-place.ts";
import { type Look, PLAIN } from "./looks.ts";

export type Lines = CoreMethods["logs.read"]["result"];
type Line = Lines["items"][number];

/** So many lines are on a page, or fewer if they are made of many pieces. */
export const MOST_LINES = 500;
/** Elements that the lines of a page are made of, at most; the script keeps no more than 2,000. */
const MOST_NODES = 1_900;
const NODES_A_LINE = 3;
/** What a page shows of one line; the download has all of it. */
const MOST_OF_A_LINE = 10_000;
/** A colour that was set before the first line is looked for in so many lines. */
const LOOK_BACK = 500;
/** Milliseconds of work at a time. */
const SLICE = 5;

export interface LinesWanted {
  /** Counted from 0; from the end if negative. */
  first: number;
  count?: number;
  /** So many lines before are looked at for colours that go on. */
  back?: number;
  /** If not all lines have room, those at the end are wanted. */
  end?: boolean;
  /** Text to be marked. */
  mark?: string | undefined;
  /** The line that the page is about. */
  picked?: number | undefined;
}

export interface LinesShown {
  body: Html;
  /** The first line, the one after the last, and how many the log has. */
  first: number;
  next: number;
  lines: number;
  finished: boolean;
}

/** Lines of a log as items of a list, each with its colours as they came to be in the lines before. */
export async function logLines(view: View, at: LogPlace, wanted: LinesWanted): Promise<LinesShown> {
  const { mark, picked } = wanted;
  const { before, items, first, lines, finished } = await readLines(view, at, wanted);
  const looks = new Map<Line["channel"], Look>();
  const lookOf = (line: Line) => (line.channel === "header" ? PLAIN : (looks.get(line.channel) ?? PLAIN));
  const turn = turns();
  for (const line of before) {
    looks.set(line.channel, lookAfter(line.text, lookOf(line)));
    await turn();
  }
  const url = view.url("log", at);
  const permalink = (number: number) => `${url}${search({ from: first === 0 ? undefined : first + 1 })}#L${number + 1}`;
  const made: { item: Html; nodes: number }[] = [];
  const fromEnd = wanted.end === true || wanted.first < 0;
  let sum = 0;
  for (const line of items) {
    if (sum > MOST_NODES && !fromEnd) break;
    await turn();
    const { number, channel, time, text, continues } = line;
    const part = partOf(text, mark);
    const { body, nodes, look } = ansiLine(part.text, { look: lookOf(line), mark });
    looks.set(channel, part.of === 0 ? look : lookAfter(text, lookOf(line)));
    sum += nodes + NODES_A_LINE;
    const iso = new Date(time).toISOString();
    const rest =
      part.of > 0 &&
      html` <a href=${view.url("log.raw", at, { from: number + 1, lines: 1 })}>… ${part.text.length} of ${part.of} characters; all of them</a>`;
    const on = continues && html` <i>goes on in the next line</i>`;
    const names = number === picked ? "picked" : undefined;
    made.push({
      item: html`<li id=${`L${number + 1}`} class=${names} data-time=${iso.slice(11, 23)}><a class="number" href=${permalink(number)} title=${`${iso} ${channel}`}>${number + 1}</a><code class=${channel} dir="auto">${body}${rest}${on}</code></li>`,
      nodes: nodes + NODES_A_LINE + (rest ? 1 : 0) + (on ? 1 : 0),
    });
  }
  const [from, to] = roomFor(made, fromEnd);
  const shown = { first: first + from, next: first + to, lines, finished };
  return { ...shown, body: made.slice(from, to).map(({ item }) => item) };
}

/** Gives others their turn now and then: lines may be long and full of sequences. */
function turns(): () => Promise<void> | undefined {
  let until = performance.now() + SLICE;
  return () => {
    if (performance.now() < until) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        until = performance.now() + SLICE;
        resolve();
      }),
    );
  };
}

/** The wanted lines, and some before them, in one question if they are not too long. */
async function readLines(view: View, at: LogPlace, { first, count = MOST_LINES, back = LOOK_BACK }: LinesWanted) {
  const ask = (from: number, many: number) => view.ask("logs.read", { ...at, first: from, count: many });
  const start = first < 0 ? first - back : Math.max(0, first - back);
  const answer = await ask(start, count + back);
  const { lines, finished } = answer;
  const begin = first < 0 ? Math.max(0, lines + first) : first;
  const before = answer.items.filter(({ number }) => number < begin);
  let items = answer.items.filter(({ number }) => number >= begin).slice(0, count);
  if (items.length === 0 && begin < lines) items = (await ask(begin, count)).items;
  return { before, items, first: begin, lines, finished };
}

/** Which of them have room, from the beginning or up to the end; one has always. */
function roomFor(made: readonly { nodes: number }[], end: boolean): [from: number, to: number] {
  let nodes = 0;
  let many = 0;
  for (const { nodes: size } of end ? made.toReversed() : made) {
    nodes += size;
    if (nodes > MOST_NODES && many > 0) break;
    many += 1;
  }
  return end ? [made.length - many, made.length] : [0, many];
}

/** What is shown of a line; `of` is its length if that is not all. With a text to be marked, the part that has it. */
function partOf(text: string, mark: string | undefined): { text: string; of: number } {
  if (text.length <= MOST_OF_A_LINE) return { text, of: 0 };
  const hit = mark === undefined ? -1 : text.toLowerCase().indexOf(mark.toLowerCase());
  const from = hit + (mark?.length ?? 0) <= MOST_OF_A_LINE ? 0 : Math.max(0, hit - MOST_OF_A_LINE / 2);
  return { text: text.slice(from, from + MOST_OF_A_LINE).toWellFormed(), of: text.length };
}
