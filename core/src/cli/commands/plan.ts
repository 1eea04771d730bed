import type { Difference } from "../../config/difference.ts";
import type { CliCommand } from "../cli-command.ts";
import { differenceLines } from "../difference-lines.ts";
import { EXIT } from "../exit-code.ts";

/** `belfry plan`: what a reload would change. */
const plan: CliCommand = {
  name: "plan",
  summary: "show what a reload would change, and change nothing",
  define: () => undefined,
  async run(session) {
    const { items } = await session.call<{ items: Difference[] }>("config.plan");
    const refused = items.some(({ effect }) => effect === "needs-restart");
    session.print({ items: items.map((item) => ({ ...item })) }, () => [
      items.length === 0 ? "A reload would change nothing." : "A reload would change:",
      ...differenceLines(items, session.out.paint),
      ...(refused ? [session.out.paint.red("It would be refused: the master has to be stopped and started.")] : []),
    ]);
    return refused ? EXIT.bad : EXIT.fine;
  },
};

export default plan;
