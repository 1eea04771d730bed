import type { Output } from "../output.ts";
import { fit, widthOf } from "../plain-text.ts";

export interface TerminalSize {
  columns: number;
  rows: number;
}

/**
 * The lower end of a terminal: a few lines that are drawn again and again, and lines that leave
 * them upwards for good.
 */
export class Screen {
  readonly #out: Output;
  readonly #size: () => TerminalSize;
  /** Widths of the lines that are there now. */
  #drawn: number[] = [];

  constructor(out: Output, size: () => TerminalSize) {
    this.#out = out;
    this.#size = size;
  }

  /** Puts lines above, and the area anew below them, in one write. */
  draw(above: readonly string[], area: readonly string[]): void {
    const { columns, rows } = this.#size();
    const most = Math.max(1, rows - 1);
    const cut = area.length > most ? [...area.slice(0, most - 1), `… ${area.length - most + 1} more lines`] : area;
    const lines = cut.map((line) => fit(line, columns - 1));
    // A terminal that became narrower has wrapped what was there.
    const up = this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    const all = [...above, ...lines].map((line) => `${line}\u001b[K\n`).join("");
    this.#out.write(`\u001b[?2026h\r${up > 0 ? `\u001b[${Math.min(up, rows)}A` : ""}${all}\u001b[J\u001b[?2026l`);
    this.#drawn = lines.map(widthOf);
  }
}
