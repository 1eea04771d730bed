import type { Result } from "../interfaces/values.ts";

/** Colours for a terminal, or the same functions without any effect. */
export interface Paint {
  readonly on: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  /** A text in the colour of a result. */
  result(result: Result | null, text?: string): string;
}

export function makePaint(on: boolean): Paint {
  const with_ = (open: number, close: number) => (text: string) =>
    on ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  const paint = {
    on,
    bold: with_(1, 22),
    dim: with_(2, 22),
    red: with_(31, 39),
    green: with_(32, 39),
    yellow: with_(33, 39),
    cyan: with_(36, 39),
  };
  const colours: Record<Result, (text: string) => string> = {
    success: paint.green,
    warnings: paint.yellow,
    failure: paint.red,
    skipped: paint.dim,
    exception: paint.red,
    retry: paint.cyan,
    cancelled: paint.dim,
  };
  return { ...paint, result: (result, text = result ?? "") => (result === null ? text : colours[result](text)) };
}

/** Whether a stream gets colours: only a terminal, and only if nobody objects (https://no-color.org). */
export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
