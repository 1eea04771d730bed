import type { Difference, Effect } from "../config/difference.ts";
import type { Paint } from "./paint.ts";
import { oneLine } from "./plain-text.ts";

const EFFECTS: Record<Effect, string> = {
  started: "started",
  stopped: "stopped",
  restarted: "restarted",
  drained: "its running builds end first",
  "next-builds": "for builds that begin from now on",
  "at-once": "at once",
  "needs-restart": "only by a restart of the master",
};

/** What is different between two configurations, a line each. */
export function differenceLines(items: readonly Difference[], paint: Paint): string[] {
  return items.map(({ change, list, name, paths, effect }) => {
    const sign = change === "added" ? paint.green("+") : change === "removed" ? paint.red("-") : paint.yellow("~");
    const where =
      paths.length === 0 || paths[0] === "value" ? "" : `: ${paths.map((path) => oneLine(path, 120)).join(", ")}`;
    const gone = change === "removed" && list === "builders" ? "its requests wait" : EFFECTS[effect];
    return `  ${sign} ${list} ${oneLine(name)} (${change}; ${gone})${where}`;
  });
}
