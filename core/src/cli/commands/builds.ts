import type { Result } from "../../interfaces/values.ts";
import type { BuildAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { readResult, wholeNumber } from "../options.ts";
import { listed } from "../pages.ts";
import type { Paint } from "../paint.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { clockText, dayText, timeText } from "../time-text.ts";

/** `belfry builds`: the newest builds as a table. */
const builds: CliCommand = {
  name: "builds",
  summary: "list builds, newest first",
  define: (command) => {
    command
      .argument("[builder]", "only builds of this builder")
      .option("-n, --limit <count>", "how many at most", wholeNumber("--limit", 1, 100_000), 20)
      .option("--branch <name>", "only builds of this branch")
      .option("--result <result>", "only builds that ended so", readResult);
  },
  async run(session, [builder], options) {
    const { limit, branch, result } = options as { limit: number; branch?: string; result?: Result };
    if (typeof builder === "string") await session.call("builders.get", { builder });
    const filter = {
      ...(typeof builder === "string" ? { builder } : {}),
      ...(branch === undefined ? {} : { branch }),
      ...(result === undefined ? {} : { result }),
    };
    const { items, next } = await listed<BuildAnswer>(session, "builds.list", filter, limit);
    session.print({ items: items.map((item) => ({ ...item })), next }, () =>
      items.length === 0
        ? ["There are no such builds."]
        : table(
            HEADINGS,
            items.map((build) => row(build, session.out.paint)),
            session.columns,
          ),
    );
    return EXIT.fine;
  },
};

export default builds;

const HEADINGS = ["ID", "BUILD", "RESULT", "SOURCE", "STARTED", "TOOK", "SUMMARY"];

function row(build: BuildAnswer, paint: Paint): string[] {
  const { startedAt, finishedAt, result } = build;
  return [
    String(build.id),
    `${oneLine(build.builder, 40)} #${build.number}`,
    result === null ? paint.bold(build.state) : paint.result(result),
    oneLine([build.branch, build.revision?.slice(0, 10)].filter((part) => part != null).join(" "), 50),
    startedAt === null ? "" : dayText(startedAt),
    startedAt === null
      ? ""
      : finishedAt === null
        ? clockText(Date.now() - startedAt)
        : timeText(finishedAt - startedAt),
    oneLine(build.summary, 200),
  ];
}
