import type { RequestAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNumber } from "../options.ts";
import { listed } from "../pages.ts";
import type { Paint } from "../paint.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { dayText, timeText } from "../time-text.ts";

/** `belfry requests`: build requests as a table. */
const requests: CliCommand = {
  name: "requests",
  summary: "list build requests, newest first",
  define: (command) => {
    command
      .argument("[builder]", "only requests for this builder")
      .option("-n, --limit <count>", "how many at most", wholeNumber("--limit", 1, 100_000), 20)
      .option("--waiting", "those that wait, in the order in which they will be built");
  },
  async run(session, [builder], options) {
    const { limit, waiting } = options as { limit: number; waiting?: boolean };
    if (typeof builder === "string") await session.call("builders.get", { builder });
    const filter = {
      ...(typeof builder === "string" ? { builder } : {}),
      ...(waiting ? { order: "queue" } : {}),
    };
    const { items, next } = await listed<RequestAnswer>(session, "requests.list", filter, limit);
    session.print({ items: items.map((item) => ({ ...item })), next }, () =>
      items.length === 0
        ? [waiting ? "No request waits." : "There are no such requests."]
        : table(
            HEADINGS,
            items.map((request) => row(request, session.out.paint)),
            session.columns,
          ),
    );
    return EXIT.fine;
  },
};

export default requests;

const HEADINGS = ["ID", "BUILDER", "STATE", "BUILDSET", "PRIORITY", "SUBMITTED", "WAITED"];

function row(request: RequestAnswer, paint: Paint): string[] {
  const { state, result, submittedAt, claimedAt } = request;
  return [
    String(request.id),
    oneLine(request.builder, 40),
    result === null ? paint.bold(state === "pending" ? "waits" : "is built") : paint.result(result),
    String(request.buildset),
    String(request.priority),
    dayText(submittedAt),
    timeText((claimedAt ?? request.completeAt ?? Date.now()) - submittedAt),
  ];
}
