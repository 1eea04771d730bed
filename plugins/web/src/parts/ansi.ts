import { type Html, html } from "../html.ts";
import { outside } from "../urls.ts";
import { changed, type Look, namesOf, PLAIN } from "./looks.ts";

export interface AnsiLine {
  body: Html;
  /** How many elements it is made of. */
  nodes: number;
  /** What the next line of the same channel begins with. */
  look: Look;
}

export interface AnsiOptions {
  /** What the line begins with. Default: plain. */
  look?: Look;
  /** Text to be marked, whatever its case. */
  mark?: string | undefined;
}

/** So many pieces of one line have a look of their own; what follows is one piece. */
const MOST_PIECES = 40;
const LONGEST_TITLE = 500;
const LONGEST_LOOK = 5_000;

/** Control sequences: CSI, OSC, strings of other kinds, other escapes of two characters. One without its end hides nothing. */
const SEQUENCE =
  /\u001b(?:\[([0-?]*)[ -/]*([@-~])|\]([^\u0007\u001b]*)(?:\u0007|\u001b\\)|[PX^_][^\u001b]*\u001b\\|[ -/]*[0-~]?)/g;
/** What has no place in a line: other control characters, and those that turn the direction of what follows. */
const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f]+/gi;

interface Piece {
  text: string;
  /** Classes of the stylesheet. */
  names: string;
  /** Where it leads, as a sequence said. */
  href?: string | undefined;
}

/**
 * A line of a log with its colours and links. Sequences that move, erase, hide or name windows do nothing;
 * those that link do so to `http:`, `https:` and `mailto:` only, and it is shown where to. What a lone
 * carriage return has overwritten is told, not shown.
 */
export function ansiLine(line: string, { look = PLAIN, mark }: AnsiOptions = {}): AnsiLine {
  const read = piecesOf(line, look);
  const body: Html[] = [];
  let nodes = 0;
  for (const [made, size] of limited(read.pieces).map((piece) => dressed(piece, mark))) {
    body.push(made);
    nodes += size;
  }
  if (read.redrawn.length > 0) {
    const said = `redrawn ${read.redrawn.length}×`;
    body.push(html`<i class="redrawn" title=${read.redrawn.join("\n").slice(-LONGEST_TITLE)}>${said}</i>`);
    nodes += 1;
  }
  return { body, nodes, look: read.look };
}

export function ansiText(line: string): Html {
  return ansiLine(line).body;
}

/** How the line after this one begins. Of a long line only the end is looked at. */
export function lookAfter(line: string, look: Look): Look {
  if (!line.includes("\u001b[")) return look;
  // What was before the last reset does not matter.
  const from = Math.max(0, line.lastIndexOf("\u001b[0m"), line.lastIndexOf("\u001b[m"), line.length - LONGEST_LOOK);
  let last = look;
  for (const [, codes, end] of line.slice(from).matchAll(SEQUENCE)) if (end === "m") last = changed(last, codes ?? "");
  return last;
}

/** Without colours: for titles and plain text. */
export function plainText(line: string): string {
  const text = withoutEnd(line.replace(SEQUENCE, ""), "\r");
  return clean(text.slice(text.lastIndexOf("\r") + 1));
}

function piecesOf(line: string, before: Look): { pieces: Piece[]; redrawn: string[]; look: Look } {
  const drawn: Piece[][] = [[]];
  let look = before;
  let names = namesOf(look);
  let href: string | undefined;
  const add = (text: string) => {
    if (text === "") return;
    const pieces = drawn.at(-1) as Piece[];
    const last = pieces.at(-1);
    if (last !== undefined && last.names === names && last.href === href) last.text += text;
    else pieces.push({ text, names, href });
  };
  const take = (text: string) => {
    for (const [i, part] of text.split("\r").entries()) {
      // A lone carriage return overwrites: what was there last is what a terminal shows.
      if (i > 0 && drawn.at(-1)?.length !== 0) drawn.push([]);
      add(clean(part));
    }
  };
  const whole = withoutEnd(line, "\r");
  let at = 0;
  if (whole.includes("\u001b"))
    for (const match of whole.matchAll(SEQUENCE)) {
      take(whole.slice(at, match.index));
      at = match.index + match[0].length;
      if (match[2] === "m") {
        look = changed(look, match[1] ?? "");
        names = namesOf(look);
      } else if (match[3] !== undefined) href = linkOf(match[3], href);
    }
  take(whole.slice(at));
  if (drawn.length > 1 && drawn.at(-1)?.length === 0) drawn.pop();
  const pieces = drawn.pop() ?? [];
  return { pieces, redrawn: drawn.map(textOf), look };
}

/** Without these characters at its end. A pattern for it would look at a long run of them again from each of them. */
function withoutEnd(text: string, signs: string): string {
  let end = text.length;
  while (end > 0 && signs.includes(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}

const clean = (text: string): string => text.replace(UNSHOWN, "\ufffd");

/** What a sequence `OSC 8 ; parameters ; address` links to from here on. */
function linkOf(command: string, before: string | undefined): string | undefined {
  const address = /^8;[^;]*;(.*)$/s.exec(command)?.[1];
  return address === undefined ? before : outside(address);
}

function limited(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.length <= MOST_PIECES) return pieces;
  return [...pieces.slice(0, MOST_PIECES), { text: textOf(pieces.slice(MOST_PIECES)), names: "" }];
}

const textOf = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join("");

function dressed({ text, names, href }: Piece, mark: string | undefined): [Html, number] {
  const [inner, nodes] = href === undefined ? linked(text, mark) : marked(text, mark);
  const dress = names === "" ? inner : html`<span class=${names}>${inner}</span>`;
  const size = nodes + (names === "" ? 0 : 1);
  return href === undefined ? [dress, size] : [link(href, dress, text), size + 1];
}

/** A link that somebody else wrote, with where it leads when its text is another. */
function link(href: string, body: Html, text: string): Html {
  const { host, protocol, pathname } = new URL(href);
  const where = text === href ? undefined : host || `${protocol}${pathname}`;
  return html`<a href=${href} data-host=${where} title=${href} rel="noreferrer nofollow ugc">${body}</a>`;
}

/** Text with its addresses as links. */
function linked(text: string, mark: string | undefined): [Html, number] {
  if (!text.includes("://")) return marked(text, mark);
  const pieces: Html[] = [];
  let nodes = 0;
  let at = 0;
  const add = (part: string) => {
    const [made, size] = marked(part, mark);
    pieces.push(made);
    nodes += size;
  };
  for (const match of text.matchAll(ADDRESS)) {
    if (pieces.length >= 2 * MOST_PIECES) break;
    const address = withoutEnd(match[0], ".,;:!?*)]}");
    const safe = outside(address);
    if (safe === undefined) continue;
    add(text.slice(at, match.index));
    const [made, size] = marked(address, mark);
    pieces.push(html`<a href=${safe} rel="noreferrer nofollow ugc">${made}</a>`);
    nodes += size + 1;
    at = match.index + address.length;
  }
  add(text.slice(at));
  return [pieces, nodes];
}

function marked(text: string, mark: string | undefined): [Html, number] {
  if (mark === undefined || mark === "") return [text, 0];
  const lower = text.toLowerCase();
  // Where lower case has another length, places in it are none in the text.
  const wanted = mark.toLowerCase();
  if (lower.length !== text.length || !lower.includes(wanted)) return [text, 0];
  const pieces: Html[] = [];
  let nodes = 0;
  let at = 0;
  for (
    let hit = lower.indexOf(wanted);
    hit !== -1 && nodes < MOST_PIECES;
    hit = lower.indexOf(wanted, hit + wanted.length)
  ) {
    pieces.push(text.slice(at, hit), html`<mark>${text.slice(hit, hit + wanted.length)}</mark>`);
    at = hit + wanted.length;
    nodes += 1;
  }
  pieces.push(text.slice(at));
  return [pieces, nodes];
}
