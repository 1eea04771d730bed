import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";

/** `belfry resume BUILDER`: lets a paused builder go on. */
const resume: CliCommand = {
  name: "resume",
  summary: "let a builder that was paused go on",
  define: (command) => {
    command.argument("<builder>", "the builder's name");
  },
  async run(session, [builder]) {
    const answer = await session.call<{ builder: string; paused: boolean }>("builders.resume", {
      builder: String(builder),
    });
    session.print({ ...answer }, () => [`${oneLine(answer.builder)} builds again.`]);
    return EXIT.fine;
  },
};

export default resume;
