import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";

/** `belfry pause BUILDER`: no more builds of a builder, or none on a worker, till it is resumed. */
const pause: CliCommand = {
  name: "pause",
  summary: "start no more builds of a builder, or none on a worker, until it is resumed",
  define: (command) => {
    command
      .argument("<builder>", "the builder's name; with --worker, the worker's")
      .option("--worker", "pause the worker of this name")
      .option("--reason <text>", "why; others see it");
  },
  async run(session, [given], { reason, worker }) {
    const name = String(given);
    const why: { [key: string]: string } = reason === undefined ? {} : { reason: String(reason) };
    if (worker === true) {
      const answer = await session.call<{ workers: string[]; paused: boolean }>("workers.pause", {
        workers: [name],
        ...why,
      });
      session.print({ ...answer }, () => [`Worker ${oneLine(name)} is paused; what it builds goes on.`]);
      return EXIT.fine;
    }
    const answer = await session.call<{ builder: string; paused: boolean }>("builders.pause", {
      builder: name,
      ...why,
    });
    session.print({ ...answer }, () => [`${oneLine(name)} is paused; what is built goes on, and its requests wait.`]);
    return EXIT.fine;
  },
};

export default pause;
