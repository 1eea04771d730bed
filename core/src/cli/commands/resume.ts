import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";

/** `belfry resume BUILDER`: lets a paused builder, or worker, go on. */
const resume: CliCommand = {
  name: "resume",
  summary: "let a builder or worker that was paused go on",
  define: (command) => {
    command
      .argument("<builder>", "the builder's name; with --worker, the worker's")
      .option("--worker", "resume the worker of this name");
  },
  async run(session, [given], { worker }) {
    const name = String(given);
    if (worker === true) {
      const answer = await session.call<{ workers: string[]; paused: boolean }>("workers.resume", { workers: [name] });
      session.print({ ...answer }, () => [`Worker ${oneLine(name)} builds again.`]);
      return EXIT.fine;
    }
    const answer = await session.call<{ builder: string; paused: boolean }>("builders.resume", { builder: name });
    session.print({ ...answer }, () => [`${oneLine(answer.builder)} builds again.`]);
    return EXIT.fine;
  },
};

export default resume;
