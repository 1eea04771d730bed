import { faults } from "../../errors/catalogue.ts";
import { readBuildRef } from "../build-ref.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import { readRequest } from "../request-ref.ts";

/** `belfry cancel REQUEST` or `belfry cancel BUILDER NUMBER`. */
const cancel: CliCommand = {
  name: "cancel",
  summary: "cancel a request, or stop a build",
  define: (command) => {
    command
      .argument("<what...>", "the request's number, or a builder and its build's number or `last`")
      .option("--reason <text>", "why; others see it");
  },
  async run(session, [what], { reason }) {
    const words = what as string[];
    const why: Record<string, string> = reason === undefined ? {} : { reason: String(reason) };
    if (words.length === 1) {
      const request = readRequest("cancel", words[0]);
      const answer = await session.call<{ request: number; stopping: number[] }>("requests.cancel", {
        request,
        ...why,
      });
      const stopping = answer.stopping.length === 0 ? "" : "; its build is told to stop";
      session.print({ ...answer }, () => [`The request ${request} is cancelled${stopping}.`]);
      return EXIT.fine;
    }
    const { ref, rest } = readBuildRef(words);
    if (!("builder" in ref) || rest.length > 0)
      throw faults.usage("`belfry cancel` needs a request's number, or a builder and the number of its build.");
    const answer = await session.call<{ build: number }>("builds.stop", { ...ref, ...why });
    const which = ref.number === -1 ? "The last build" : `Build ${ref.number}`;
    session.print({ ...answer }, () => [`${which} of ${oneLine(ref.builder)} is told to stop.`]);
    return EXIT.fine;
  },
};

export default cancel;
