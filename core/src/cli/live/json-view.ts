import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Output } from "../output.ts";
import type { View } from "./view.ts";

/** Every event as a line of JSON, as it is in the event log. */
export class JsonView implements View {
  readonly #out: Output;
  readonly #notes: Output;

  constructor(out: Output, notes: Output) {
    this.#out = out;
    this.#notes = notes;
  }

  async events(events: readonly BelfryEvent[]): Promise<void> {
    for (const event of events) this.#out.line(JSON.stringify(event));
  }

  note(line: string): void {
    this.#notes.line(line);
  }

  end(): void {}
}
