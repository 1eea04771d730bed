import type { BelfryEvent } from "../../interfaces/status-listener.ts";

/** How a master's doings are shown while they happen. */
export interface View {
  /** Shows what happened. Awaited, so that a slow reader slows the reading of events down. */
  events(events: readonly BelfryEvent[]): Promise<void>;
  /** Shows a line of its own, such as a warning of the master. */
  note(line: string): void;
  /** Ends it; what is on the screen stays there. */
  end(): void;
}
