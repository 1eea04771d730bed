import { colourOf256, colourOfRgb } from "./colours.ts";

/** How text looks from some place on, as the sequences before it said. */
export interface Look {
  readonly fg?: number | undefined;
  readonly bg?: number | undefined;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly under?: boolean;
  readonly strike?: boolean;
  readonly inverse?: boolean;
}

export const PLAIN: Look = {};

/** The classes of a look. Inverse text with a colour becomes text on that colour; the stylesheet has the one without. */
export function namesOf({ fg, bg, bold, dim, italic, under, strike, inverse }: Look): string {
  const [front, back] = inverse ? [bg, fg] : [fg, bg];
  return [
    front !== undefined && `fg${front}`,
    back !== undefined && `bg${back}`,
    inverse && front === undefined && back === undefined && "inverse",
    bold && "bold",
    dim && "dim",
    italic && "italic",
    under && "under",
    strike && "strike",
  ]
    .filter(Boolean)
    .join(" ");
}

/** What a sequence of SGR makes of a look. Hidden and blinking text stays as it is: a log hides nothing. */
export function changed(before: Look, codes: string): Look {
  let look: Look = before;
  const list = codes === "" ? ["0"] : codes.split(";");
  for (let i = 0; i < list.length; i++) {
    const [code = 0, ...rest] = (list[i] ?? "").split(":").map(Number);
    if (code === 0) look = PLAIN;
    else if (code === 1) look = { ...look, bold: true };
    else if (code === 2) look = { ...look, dim: true };
    else if (code === 3) look = { ...look, italic: true };
    else if (code === 4) look = { ...look, under: rest[0] !== 0 };
    else if (code === 7) look = { ...look, inverse: true };
    else if (code === 9) look = { ...look, strike: true };
    else if (code === 21) look = { ...look, under: true };
    else if (code === 22) look = { ...look, bold: false, dim: false };
    else if (code === 23) look = { ...look, italic: false };
    else if (code === 24) look = { ...look, under: false };
    else if (code === 27) look = { ...look, inverse: false };
    else if (code === 29) look = { ...look, strike: false };
    else if (code === 39) look = { ...look, fg: undefined };
    else if (code === 49) look = { ...look, bg: undefined };
    else if (code >= 30 && code <= 37) look = { ...look, fg: code - 30 };
    else if (code >= 90 && code <= 97) look = { ...look, fg: code - 82 };
    else if (code >= 40 && code <= 47) look = { ...look, bg: code - 40 };
    else if (code >= 100 && code <= 107) look = { ...look, bg: code - 92 };
    else if (code === 38 || code === 48) {
      const [colour, taken] =
        rest.length > 0 ? [extended(withoutSpace(rest))[0], 0] : extended(list.slice(i + 1, i + 5).map(Number));
      look = code === 38 ? { ...look, fg: colour } : { ...look, bg: colour };
      i += taken;
    }
  }
  return look;
}

/** With colons, a field for the colour space may stand before the three. */
const withoutSpace = ([kind = 0, ...rest]: number[]): number[] => [kind, ...(rest.length > 3 ? rest.slice(1) : rest)];

/** 256 colours and true colour, and how many codes say so. */
function extended([kind, ...rest]: number[]): [number | undefined, number] {
  if (kind === 5) return [colourOf256(rest[0] ?? 0), 2];
  if (kind === 2) return [colourOfRgb(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), 4];
  return [undefined, 0];
}
