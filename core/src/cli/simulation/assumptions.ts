import { DEFAULT_MILLIS } from "../../simulation/build-model.ts";
import type { Outcome } from "../../simulation/outcome.ts";
import { oneLine } from "../plain-text.ts";
import { timeText } from "../time-text.ts";

const MOST_NAMES = 5;

/** What a reader has to know of what was simulated and what was not. */
export function assumptions(
  outcomes: readonly Outcome[],
  known: { history: boolean; problem: string | undefined; forced: number; results: boolean },
): string[] {
  const unknown = new Set<string>();
  for (const { builders } of outcomes)
    for (const { builder, durations } of builders) if (durations.default) unknown.add(builder);
  const triggered = Math.max(...outcomes.map((outcome) => outcome.triggered));
  return [
    "It begins with an idle farm: no request waits, all workers are connected, no builder is paused, no scheduler is disabled or remembers anything.",
    ...(known.problem === undefined ? [] : [`There is no history: ${known.problem}`]),
    ...(unknown.size === 0
      ? []
      : [
          `No build of ${namesOf([...unknown])} is on record: each is taken to last ${timeText(DEFAULT_MILLIS)}; --durations may say better.`,
        ]),
    known.results
      ? "Builds end as those did that were recorded of the same builder and revision, else as success."
      : "All builds end as success, but for those that take longer than their builder's maxTime.",
    ...(known.forced === 0
      ? []
      : [
          `${known.forced} ${known.forced === 1 ? "buildset" : "buildsets"} of that time that people or programs asked for ${known.forced === 1 ? "is" : "are"} left out.`,
        ]),
    `Steps are not run. ${
      triggered === 0
        ? "None triggered other builds."
        : `Those that name schedulers triggered ${triggered} ${triggered === 1 ? "buildset" : "buildsets"}, of their build's code, without the properties that they compute, and did not wait.`
    }`,
  ];
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).map((name) => oneLine(name, 60));
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more === 0 ? "" : ` and ${more} other${more === 1 ? "" : "s"}`}`;
}
