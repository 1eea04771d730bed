import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Output } from "../output.ts";
import type { EventLines } from "./event-lines.ts";
import type { View } from "./view.ts";

/** Plain lines with times, for files, pipes and patient eyes. */
export class PlainView implements View {
  readonly #out: Output;
  readonly #lines: EventLines;

  constructor(out: Output, lines: EventLines) {
    this.#out = out;
    this.#lines = lines;
  }

  async events(events: readonly BelfryEvent[]): Promise<void> {
    for (const event of events) for (const line of await this.#lines.of(event)) this.#out.line(line);
  }

  note(line: string): void {
    this.#out.line(line);
  }

  end(): void {}
}
