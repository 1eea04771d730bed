import type { SourceAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { dayText } from "../time-text.ts";

/** `belfry sources`: the change sources, and how they are. */
const sources: CliCommand = {
  name: "sources",
  summary: "list the change sources, with how they are: 1 if one is not well",
  define: () => undefined,
  async run(session) {
    const { items } = await session.call<{ items: SourceAnswer[] }>("sources.list");
    const { paint } = session.out;
    const isWell = ({ health }: SourceAnswer) => health === "well" || health === "new";
    const rows = items.map((source) => [
      oneLine(source.name, 40),
      oneLine(source.kind, 40),
      isWell(source) ? source.health : paint.yellow(source.health),
      source.lastSuccessAt === null ? "" : dayText(source.lastSuccessAt),
      source.nextPollAt === null ? "" : dayText(source.nextPollAt),
      oneLine(source.healthText ?? source.doing ?? "", 300),
    ]);
    session.print({ items: items.map((item) => ({ ...item })) }, () =>
      items.length === 0 ? ["There are no change sources."] : table(HEADINGS, rows, session.columns),
    );
    return items.every(isWell) ? EXIT.fine : EXIT.bad;
  },
};

export default sources;

const HEADINGS = ["SOURCE", "KIND", "HEALTH", "LAST SUCCESS", "NEXT", "WHAT"];
