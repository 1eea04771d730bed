import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { StatusAnswer } from "../answers.ts";
import type { Output } from "../output.ts";
import { panel } from "./build-panel.ts";
import type { EventLines } from "./event-lines.ts";
import type { Ask } from "./follow.ts";
import { Screen } from "./screen.ts";
import type { View } from "./view.ts";

/** Between two drawings, so that there are at most ten a second. */
const DRAW_PAUSE = 100;
/** Between two drawings while only the time goes on. */
const TICK = 250;
/** Between two looks at what runs, while nothing happens but steps telling how far they are. */
const MOST_WAITING = 5_000;
const LOOK_PAUSE = 1_000;
const LOOK_PAUSE_NEWS = 200;

export interface TerminalViewOptions {
  out: Output;
  ask: Ask;
  lines: EventLines;
  /** Only builds of this builder. */
  builder?: string;
}

/** A terminal that shows what runs now, below the lines of what has happened. */
export class TerminalView implements View {
  readonly #options: TerminalViewOptions;
  readonly #screen: Screen;
  readonly #onResize = () => this.#want(0);
  #status: StatusAnswer | undefined;
  #statusAt = 0;
  #above: string[] = [];
  #leftOut = 0;
  #drawTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #drawnAt = 0;
  #lookedAt = 0;
  #looking = false;
  #ended = false;

  constructor(options: TerminalViewOptions) {
    this.#options = options;
    this.#screen = new Screen(options.out, size);
    process.stdout.on("resize", this.#onResize);
    this.#lookSoon(0);
  }

  async events(events: readonly BelfryEvent[]): Promise<void> {
    for (const event of events) {
      this.#push(await this.#options.lines.of(event));
      if (event.type === "build.finished") this.#forget(Number(event.data["build"]));
    }
    this.#lookSoon(LOOK_PAUSE_NEWS);
    this.#want(0);
  }

  note(line: string): void {
    this.#push([line]);
    this.#want(0);
  }

  /** What is told to be over is not shown as running until the next look. */
  #forget(build: number): void {
    if (this.#status) this.#status = { ...this.#status, builds: this.#status.builds.filter(({ id }) => id !== build) };
  }

  /** A terminal that was stopped must not fill the memory. */
  #push(lines: readonly string[]): void {
    if (this.#above.length < MOST_WAITING) this.#above.push(...lines);
    else this.#leftOut += lines.length;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#drawTimer);
    clearTimeout(this.#lookTimer);
    process.stdout.off("resize", this.#onResize);
    this.#screen.draw(this.#above, []);
    this.#above = [];
  }

  /** Draws after `delay`, and not before the pause since the last drawing is over. */
  #want(delay: number): void {
    if (this.#ended) return;
    clearTimeout(this.#drawTimer);
    const earliest = this.#drawnAt + DRAW_PAUSE - performance.now();
    this.#drawTimer = setTimeout(() => this.#draw(), Math.max(delay, earliest));
  }

  #draw(): void {
    this.#drawnAt = performance.now();
    const status = this.#status;
    // While the last drawing is not out yet, another one would only queue up behind it.
    if (this.#options.out.pending === 0) {
      const now = status === undefined ? 0 : status.now + performance.now() - this.#statusAt;
      const { paint } = this.#options.out;
      this.#screen.draw(this.#above, status === undefined ? [] : panel(status, { paint, now, rows: size().rows }));
      this.#above = this.#leftOut > 0 ? [`… ${this.#leftOut} lines are left out here`] : [];
      this.#leftOut = 0;
    }
    if (this.#above.length > 0) this.#want(DRAW_PAUSE);
    else if ((status?.builds.length ?? 0) > 0) this.#want(TICK);
  }

  #lookSoon(pause: number): void {
    if (this.#ended || this.#looking) return;
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => void this.#look(), Math.max(0, this.#lookedAt + pause - performance.now()));
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const { ask, builder } = this.#options;
    try {
      const status = await ask<StatusAnswer>("status.now");
      this.#status =
        builder === undefined
          ? status
          : { ...status, builds: status.builds.filter((build) => build.builder === builder) };
      this.#statusAt = performance.now();
      this.#want(0);
    } catch {
      // The master stops, or is gone; whoever follows its events says so.
    }
    this.#looking = false;
    this.#lookedAt = performance.now();
    if ((this.#status?.builds.length ?? 0) > 0 || (this.#status?.pending ?? 0) > 0) this.#lookSoon(LOOK_PAUSE);
  }
}

function size() {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
