import type { WorkerAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { dayText } from "../time-text.ts";

/** `belfry workers`: the workers, and what they build now. */
const workers: CliCommand = {
  name: "workers",
  summary: "list the workers, with what they build now",
  define: () => undefined,
  async run(session) {
    const { items } = await session.call<{ items: WorkerAnswer[] }>("workers.list");
    const { paint } = session.out;
    const rows = items.map(({ name, connected, slots, builds, builders, info, seenAt, paused, pausedReason }) => [
      oneLine(name, 40),
      `${connected ? "connected" : paint.yellow("away")}${paused ? paint.yellow(`, paused${pausedReason ? `: ${oneLine(pausedReason, 40)}` : ""}`) : ""}`,
      `${builds.length} of ${slots}`,
      dayText(seenAt),
      oneLine(builds.join(", "), 40),
      oneLine(builders.join(", "), 40),
      oneLine(Object.values(info).join(", "), 100),
    ]);
    session.print({ items: items.map((item) => ({ ...item })) }, () =>
      items.length === 0 ? ["There are no workers."] : table(HEADINGS, rows, session.columns),
    );
    return EXIT.fine;
  },
};

export default workers;

const HEADINGS = ["WORKER", "STATE", "BUSY", "SEEN", "BUILDS", "BUILDERS", "SYSTEM"];
