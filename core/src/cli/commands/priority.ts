import { faults } from "../../errors/catalogue.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { readRequest } from "../request-ref.ts";

/** `belfry priority REQUEST NUMBER`: another priority for a request that waits. */
const priority: CliCommand = {
  name: "priority",
  summary: "give a request that waits another priority; higher comes first",
  define: (command) => {
    command
      .argument("<request>", "the request's number, as `belfry requests` shows it")
      .argument("<priority>", "a whole number; put -- before the request if it is below 0");
  },
  async run(session, [request, wanted]) {
    const id = readRequest("priority", String(request));
    if (!/^[+-]?\d{1,10}$/.test(String(wanted)))
      throw faults.usage("`belfry priority` needs a whole number as the priority.");
    const answer = await session.call<{ request: number; priority: number }>("requests.prioritize", {
      request: id,
      priority: Number(wanted),
    });
    session.print({ ...answer }, () => [`The request ${id} has the priority ${answer.priority} now.`]);
    return EXIT.fine;
  },
};

export default priority;
