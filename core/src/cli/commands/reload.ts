import type { Reloaded } from "../../config/difference.ts";
import type { CliCommand } from "../cli-command.ts";
import { differenceLines } from "../difference-lines.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";

/** `belfry reload`: the master loads its configuration again. */
const reload: CliCommand = {
  name: "reload",
  summary: "make the master load its configuration again; what did not change goes on",
  define: () => undefined,
  async run(session) {
    const answer = await session.call<Reloaded>("config.reload");
    session.print({ ...answer, items: answer.items.map((item) => ({ ...item })) }, () => [
      answer.items.length === 0
        ? "The configuration was loaded again; nothing changed."
        : session.out.paint.green("The configuration was loaded again:"),
      ...differenceLines(answer.items, session.out.paint),
      ...(answer.draining.length === 0
        ? []
        : [`  Builds still run on ${answer.draining.map((name) => oneLine(name)).join(", ")}.`]),
    ]);
    return EXIT.fine;
  },
};

export default reload;
