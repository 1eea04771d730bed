import type { ChangeAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNumber } from "../options.ts";
import { listed } from "../pages.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { dayText } from "../time-text.ts";

/** `belfry changes`: the newest changes as a table. */
const changes: CliCommand = {
  name: "changes",
  summary: "list changes, newest first",
  define: (command) => {
    command
      .option("-n, --limit <count>", "how many at most", wholeNumber("--limit", 1, 100_000), 20)
      .option("--branch <name>", "only changes of this branch")
      .option("--revision <revision>", "only changes of this revision");
  },
  async run(session, _positional, options) {
    const { limit, branch, revision } = options as { limit: number; branch?: string; revision?: string };
    const filter = { ...(branch === undefined ? {} : { branch }), ...(revision === undefined ? {} : { revision }) };
    const { items, next } = await listed<ChangeAnswer>(session, "changes.list", filter, limit);
    const rows = items.map((change) => [
      String(change.id),
      dayText(change.added),
      oneLine(change.source, 30),
      oneLine(change.branch ?? "", 40),
      oneLine(change.revision?.slice(0, 10) ?? "", 10),
      oneLine(change.author, 40),
      oneLine(change.comments.split("\n", 1)[0] ?? "", 200),
    ]);
    session.print({ items: items.map((item) => ({ ...item })), next }, () =>
      items.length === 0 ? ["There are no such changes."] : table(HEADINGS, rows, session.columns),
    );
    return EXIT.fine;
  },
};

export default changes;

const HEADINGS = ["ID", "STORED", "SOURCE", "BRANCH", "REVISION", "AUTHOR", "COMMENTS"];
