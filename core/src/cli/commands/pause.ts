import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";

/** `belfry pause BUILDER`: no more builds of a builder till it is resumed. */
const pause: CliCommand = {
  name: "pause",
  summary: "start no more builds of a builder, until it is resumed",
  define: (command) => {
    command.argument("<builder>", "the builder's name").option("--reason <text>", "why; others see it");
  },
  async run(session, [builder], { reason }) {
    const name = String(builder);
    const answer = await session.call<{ builder: string; paused: boolean }>("builders.pause", {
      builder: name,
      ...(reason === undefined ? {} : { reason: String(reason) }),
    });
    session.print({ ...answer }, () => [`${oneLine(name)} is paused; what is built goes on, and its requests wait.`]);
    return EXIT.fine;
  },
};

export default pause;
