import { type Html, html } from "../html.ts";

interface Look {
  fg?: number | undefined;
  bg?: number | undefined;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  under?: boolean;
}

/** Control sequences: CSI, OSC with its end, other escapes of two characters. */
const SEQUENCE =
  /\u001b(?:\[([0-?]*)[ -/]*([@-~])|\](?:[^\u0007\u001b]*)(?:\u0007|\u001b\\|$)|[PX^_](?:[^\u001b]*)(?:\u001b\\|$)|[ -/]*[0-~]?)/g;
/** What has no place in a line: other control characters, and those that turn the direction of what follows. */
const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A line of a log with its colours. Sequences that move, hide or link do nothing. Every line begins
 * plain, so that a line looks the same wherever reading begins.
 */
export function ansiText(line: string): Html {
  if (!line.includes("\u001b")) return shown(line);
  const pieces: Html[] = [];
  let look: Look = {};
  let at = 0;
  const add = (text: string) => {
    if (text !== "") pieces.push(dressed(shown(text), look));
  };
  for (const match of line.matchAll(SEQUENCE)) {
    add(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") look = changed(look, match[1] ?? "");
  }
  add(line.slice(at));
  return pieces;
}

/** Without colours: for titles and plain text. */
export function plainText(line: string): string {
  return shown(line.replace(SEQUENCE, ""));
}

// A lone carriage return overwrites: what was there last is what a terminal shows.
function shown(text: string): string {
  const last = text.replace(/\r+$/, "");
  return last.slice(last.lastIndexOf("\r") + 1).replace(UNSHOWN, "\ufffd");
}

function dressed(text: string, { fg, bg, bold, dim, italic, under }: Look): Html {
  const names = [
    fg !== undefined && `fg${fg}`,
    bg !== undefined && `bg${bg}`,
    bold && "bold",
    dim && "dim",
    italic && "italic",
    under && "under",
  ].filter(Boolean);
  return names.length === 0 ? text : html`<span class=${names.join(" ")}>${text}</span>`;
}

function changed(before: Look, codes: string): Look {
  let look = { ...before };
  const list = codes === "" ? [0] : codes.split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i++) {
    const code = list[i] ?? 0;
    if (code === 0) look = {};
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.under = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.under = false;
    else if (code === 39) look.fg = undefined;
    else if (code === 49) look.bg = undefined;
    else if (code >= 30 && code <= 37) look.fg = code - 30;
    else if (code >= 90 && code <= 97) look.fg = code - 82;
    else if (code >= 40 && code <= 47) look.bg = code - 40;
    else if (code >= 100 && code <= 107) look.bg = code - 92;
    else if (code === 38 || code === 48) {
      const [colour, taken] = extended(list.slice(i + 1));
      if (code === 38) look.fg = colour;
      else look.bg = colour;
      i += taken;
    }
  }
  return look;
}

/** 256 colours and true colour, as the nearest of the sixteen that the stylesheet has. */
function extended([kind, ...rest]: number[]): [number | undefined, number] {
  if (kind === 5) return [rest[0] !== undefined && rest[0] < 16 ? rest[0] : fromCube(rest[0] ?? 0), 2];
  if (kind === 2) return [nearest(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), 4];
  return [undefined, 0];
}

function fromCube(index: number): number {
  if (index >= 232) return index < 240 ? 8 : index < 250 ? 7 : 15;
  const n = index - 16;
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  return nearest(level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6));
}

function nearest(r: number, g: number, b: number): number {
  const top = Math.max(r, g, b);
  if (top < 50) return 0;
  const bits = (r > top / 2 ? 1 : 0) + (g > top / 2 ? 2 : 0) + (b > top / 2 ? 4 : 0);
  return bits + (top > 190 ? 8 : 0);
}
