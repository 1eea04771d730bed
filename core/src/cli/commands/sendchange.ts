import { faults } from "../../errors/catalogue.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { collect, readProperties } from "../options.ts";
import { oneLine } from "../plain-text.ts";
import { commitOf } from "../work-tree.ts";

interface SendOptions {
  repository?: string;
  branch?: string;
  revision?: string;
  author?: string;
  comments?: string;
  file?: string[];
  property?: string[];
  codebase?: string;
  project?: string;
  category?: string;
  link?: string;
  key?: string;
}

/** `belfry sendchange`: tells a master of a change. */
const sendchange: CliCommand = {
  name: "sendchange",
  summary: "tell of a change; by default of the git work tree's HEAD",
  define: (command) => {
    command
      .option("--repository <address>", "where the code is; with it, nothing is asked of the work tree")
      .option("--branch <name>", "default: the work tree's")
      .option("--revision <revision>", "default: HEAD")
      .option("--author <name>", "default: the commit's, or the caller")
      .option("--comments <text>", "default: the commit's message")
      .option("--file <path>", "a file that changed; may be given again; default: the commit's", collect)
      .option("--property <name=value>", "a property of the change; may be given again", collect)
      .option("--codebase <name>", "which part of a build with several repositories it is")
      .option("--project <name>", "the project it belongs to")
      .option("--category <name>", "for schedulers that tell changes apart by it")
      .option("--link <url>", "a page about it")
      .option("--key <text>", "names it for ever: sent again it is stored once; default: branch and revision");
  },
  async run(session, _positional, options) {
    const { repository, file, property, key, ...given } = options as SendOptions;
    const found = repository === undefined ? await commitOf(session.cwd, given.revision) : undefined;
    if (repository === undefined && found === undefined)
      throw faults.usage("This is no git work tree, so --repository is needed.");
    const { codebase, project, category, link } = given;
    const branch = given.branch ?? found?.branch ?? null;
    const revision = found?.revision ?? given.revision ?? null;
    const author = given.author ?? found?.author;
    const comments = given.comments ?? found?.comments;
    const files = file ?? found?.files;
    const name = key ?? (revision === null ? undefined : `${branch ?? ""}:${revision}`);
    const answer = await session.call<{ change: number; added: boolean }>("changes.add", {
      repository: repository ?? found?.repository ?? "",
      branch,
      revision,
      ...(author === undefined ? {} : { author }),
      ...(comments === undefined ? {} : { comments }),
      ...(files === undefined ? {} : { files }),
      ...(found && Number.isSafeInteger(found.when) ? { when: found.when } : {}),
      ...(property === undefined ? {} : { properties: readProperties(property) }),
      ...(codebase === undefined ? {} : { codebase }),
      ...(project === undefined ? {} : { project }),
      ...(category === undefined ? {} : { category }),
      ...(link === undefined ? {} : { link }),
      ...(name === undefined ? {} : { key: name }),
    });
    const what = oneLine(
      [revision?.slice(0, 10), branch === null ? undefined : `on ${branch}`].filter(Boolean).join(" "),
    );
    session.print({ ...answer }, () => [
      `Change ${answer.change} ${answer.added ? "is stored" : "was known"}${what === "" ? "" : `: ${what}`}.`,
    ]);
    return EXIT.fine;
  },
};

export default sendchange;
