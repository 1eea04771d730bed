import type { BuilderAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { listed } from "../pages.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";

/** `belfry builders`: the builders of the running configuration. */
const builders: CliCommand = {
  name: "builders",
  summary: "list the builders of the running configuration",
  define: () => undefined,
  async run(session) {
    const filter = { configured: true };
    const { items } = await listed<BuilderAnswer>(session, "builders.list", filter, Number.POSITIVE_INFINITY);
    const rows = items.map(({ name, workers, tags, paused, pausedReason, description }) => [
      oneLine(name, 60),
      oneLine(workers.join(", "), 40),
      oneLine(tags.join(", "), 40),
      oneLine(
        [paused ? `(paused${pausedReason ? `: ${pausedReason}` : ""})` : "", description]
          .filter((part) => part !== "")
          .join(" "),
      ),
    ]);
    session.print({ items: items.map((item) => ({ ...item })) }, () =>
      items.length === 0
        ? ["There are no builders."]
        : table(["BUILDER", "WORKERS", "TAGS", "DESCRIPTION"], rows, session.columns),
    );
    return EXIT.fine;
  },
};

export default builders;
