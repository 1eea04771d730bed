import { TextDecoder } from "node:util";
import type { StepCommand } from "../interfaces/build-step.ts";

const LONGEST_LINE = 4_096;

type OnLine = NonNullable<StepCommand["onLine"]>;
type Channel = Parameters<OnLine>[1];

/** Cuts a command's output into lines and tells of each; holds no more than the line that is under way. */
export class OutputLines {
  readonly #onLine: OnLine;
  readonly #streams = new Map<Channel, { decoder: TextDecoder; line: string }>();
  /** What the telling threw; after that nobody is told any more. */
  error: unknown;

  constructor(onLine: OnLine) {
    this.#onLine = onLine;
  }

  add(channel: Channel, data: Uint8Array): void {
    const stream = this.#streams.get(channel) ?? { decoder: new TextDecoder(), line: "" };
    this.#streams.set(channel, stream);
    const lines = stream.decoder.decode(data, { stream: true }).split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) {
      this.#tell(stream.line + line, channel);
      stream.line = "";
    }
    if (stream.line.length < LONGEST_LINE) stream.line += last.slice(0, LONGEST_LINE);
  }

  /** The output is over: tells of lines without an end. */
  end(): void {
    for (const [channel, { decoder, line }] of this.#streams) {
      const rest = line + decoder.decode();
      if (rest !== "") this.#tell(rest, channel);
    }
    this.#streams.clear();
  }

  #tell(line: string, channel: Channel): void {
    if (this.error !== undefined) return;
    try {
      this.#onLine(line.slice(0, LONGEST_LINE).replace(/\r$/, ""), channel);
    } catch (error) {
      this.error = error ?? new Error("onLine failed");
    }
  }
}
