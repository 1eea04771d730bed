import type { LogChannel } from "../../../core/src/interfaces/log-store.ts";
import type { PlainLine } from "./log-world.ts";

const MAX = 64 * 1024;

interface Begun {
  text: string;
  time: number;
  turn: number;
}

/** The log store's rules, written down in the simplest way: strings (latin1), byte by byte. */
export class LogModel {
  readonly lines: PlainLine[] = [];
  raw = "";
  truncated = false;
  readonly #cap: number;
  #kept = 0;
  #turns = 0;
  #rawOpen: LogChannel | undefined;
  readonly #begun = new Map<LogChannel, Begun>();
  readonly #cut = new Set<LogChannel>();

  constructor(cap = Number.POSITIVE_INFINITY) {
    this.#cap = cap;
  }

  append(channel: LogChannel, text: string, time: number): void {
    for (const char of text) {
      if (this.truncated) return;
      if (this.#kept === this.#cap) {
        this.#endAll((one, begun) => this.#line(one, begun.time, begun.text, "\n"));
        this.#line("header", time, `log is full: ${this.#kept} bytes kept, the rest was thrown away`, "\n");
        this.truncated = true;
        return;
      }
      this.#kept += 1;
      const wasCut = this.#cut.delete(channel);
      let begun = this.#begun.get(channel);
      if (char === "\n") {
        if (!begun && wasCut) this.#write(channel, "\n");
        else this.#line(channel, begun?.time ?? time, begun?.text ?? "", "\n");
        this.#begun.delete(channel);
        continue;
      }
      if (begun?.text.length === MAX) {
        this.#line(channel, begun.time, begun.text, "");
        begun = undefined;
      }
      if (!begun) this.#begun.set(channel, { text: char, time, turn: this.#turns++ });
      else begun.text += char;
    }
  }

  flush(): void {
    this.#endAll((channel, begun) => {
      this.#line(channel, begun.time, begun.text, "");
      this.#cut.add(channel);
    });
  }

  #endAll(end: (channel: LogChannel, begun: Begun) => void): void {
    const begun = [...this.#begun].sort(([, a], [, b]) => a.turn - b.turn);
    this.#begun.clear();
    for (const [channel, one] of begun) end(channel, one);
  }

  #line(channel: LogChannel, time: number, text: string, end: string): void {
    this.lines.push([channel, time, text]);
    this.#write(channel, text + end);
  }

  #write(channel: LogChannel, text: string): void {
    if (this.#rawOpen !== undefined && this.#rawOpen !== channel) this.raw += "\n";
    this.raw += text;
    this.#rawOpen = text.endsWith("\n") ? undefined : channel;
  }
}
