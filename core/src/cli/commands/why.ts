import type { WaitReason } from "../../engine/waiting.ts";
import type { ListAnswer, RequestAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNumber } from "../options.ts";
import { oneLine } from "../plain-text.ts";
import { hourText } from "../time-text.ts";

interface WhyAnswer {
  request: number;
  state: RequestAnswer["state"];
  reasons: WaitReason[];
  ahead: number;
}

/** `belfry why`: what holds a request. */
const why: CliCommand = {
  name: "why",
  summary: "tell why requests wait",
  define: (command) => {
    command
      .argument("[request]", "a request's number; default: all that wait", wholeNumber("The request", 1))
      .option("-n, --limit <count>", "how many requests at most", wholeNumber("--limit", 1, 500), 50);
  },
  async run(session, [request], { limit }) {
    const asked = request as unknown as number | undefined;
    const requests =
      asked === undefined
        ? (await session.call<ListAnswer<RequestAnswer>>("requests.list", { order: "queue", limit: limit as number }))
            .items
        : [await session.call<RequestAnswer>("requests.get", { request: asked })];
    const answers: (WhyAnswer & { builder: string })[] = [];
    for (const { id, builder } of requests) {
      answers.push({ ...(await session.call<WhyAnswer>("requests.why", { request: id })), builder });
    }
    session.print(
      { items: answers.map((answer) => ({ ...answer, reasons: answer.reasons.map((reason) => ({ ...reason })) })) },
      () => (answers.length === 0 ? ["No request waits."] : answers.flatMap(sentences)),
    );
    return EXIT.fine;
  },
};

export default why;

function sentences({ request, builder, state, reasons }: WhyAnswer & { builder: string }): string[] {
  const head = `Request ${request} for ${oneLine(builder)}`;
  if (state === "claimed") return [`${head} is being built.`];
  if (state === "complete") return [`${head} has ended.`];
  if (reasons.length === 0) return [`${head} is given to a worker at once.`];
  return [`${head} waits:`, ...reasons.map((reason) => `  - ${sentence(reason)}`)];
}

function sentence(reason: WaitReason): string {
  const names = (list: readonly string[]) => list.map((name) => oneLine(name, 60)).join(", ");
  switch (reason.reason) {
    case "no-distributor":
      return "No master gives out work now.";
    case "builder-not-configured":
      return `The running configuration has no builder ${oneLine(reason.builder)}.`;
    case "builder-paused":
      return `The builder ${oneLine(reason.builder)} is paused.`;
    case "retry-delay":
      return `It is built again after ${hourText(reason.until)}${reason.retries > 0 ? `; its last build ended as retry (${reason.retries} so far)` : ""}.`;
    case "no-worker-configured":
      return `None of its workers is part of a running master: ${names(reason.workers)}.`;
    case "no-worker-connected":
      return `None of its workers is connected: ${names(reason.workers)}.`;
    case "workers-busy":
      return `All its workers are busy: ${reason.workers
        .map(
          ({ name, slots, builds }) =>
            `${oneLine(name, 60)} (${slots} at a time${builds.length > 0 ? `; builds ${builds.join(", ")}` : ""})`,
        )
        .join(", ")}.`;
    case "behind-others":
      return `${reason.ahead} other request${reason.ahead === 1 ? "" : "s"} for this builder come${reason.ahead === 1 ? "s" : ""} first.`;
    default:
      return oneLine(JSON.stringify(reason));
  }
}
