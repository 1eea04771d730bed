import type { WaitReason } from "../../engine/waiting.ts";
import type { Millis } from "../../interfaces/values.ts";
import type { ListAnswer, RequestAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { wholeNumber } from "../options.ts";
import { oneLine } from "../plain-text.ts";
import { hourText, timeText } from "../time-text.ts";

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
  const list = reasons.map((reason) => `  - ${sentence(reason)}`);
  if (state === "claimed") return [`${head} is being built${list.length > 0 ? "; a step waits:" : "."}`, ...list];
  if (state === "complete") return [`${head} has ended${list.length > 0 ? ":" : "."}`, ...list];
  if (reasons.length === 0) return [`${head} is given to a worker at once.`];
  return [`${head} waits:`, ...list];
}

/** What a reason says; lengths of time are those up to `now`. */
export function sentence(reason: WaitReason, now: Millis = Date.now()): string {
  const names = (list: readonly string[]) => list.map((name) => oneLine(name, 60)).join(", ");
  switch (reason.reason) {
    case "no-distributor":
      return "No master gives out work now.";
    case "builder-not-configured":
      return `The running configuration has no builder ${oneLine(reason.builder)}.`;
    case "builder-paused":
      return `The builder ${oneLine(reason.builder)} is paused${reason.by === null ? "" : ` by ${oneLine(reason.by, 60)}`}${reason.why ? `: ${oneLine(reason.why)}` : ""}.`;
    case "retry-delay":
      return `It is built again after ${hourText(reason.until)}${reason.retries > 0 ? `; its last build ended as retry (${reason.retries} so far)` : ""}.`;
    case "no-worker-configured":
      return `None of its workers is part of a running master: ${names(reason.workers)}.`;
    case "no-worker-connected":
      return `None of its workers is connected: ${names(reason.workers)}.`;
    case "workers-paused":
      return `Its workers are paused: ${reason.workers
        .map(
          ({ name, by, why }) => `${oneLine(name, 60)} by ${oneLine(by ?? "", 60)}${why ? ` (${oneLine(why)})` : ""}`,
        )
        .join(", ")}.`;
    case "workers-busy":
      return `All its workers are busy: ${reason.workers
        .map(
          ({ name, slots, builds }) =>
            `${oneLine(name, 60)} (${slots} at a time${builds.length > 0 ? `; builds ${builds.join(", ")}` : ""})`,
        )
        .join(", ")}.`;
    case "behind-others":
      return `${reason.ahead} other request${reason.ahead === 1 ? "" : "s"} for this builder come${reason.ahead === 1 ? "s" : ""} first.`;
    case "lock":
      return lockSentence(reason, now);
    case "hook-failed":
      return `The builder's ${oneLine(reason.hook, 40)} fails: ${oneLine(reason.error)}.`;
    case "can-start":
      return `The builder's canStart says no${reason.text === "" ? "" : `: ${oneLine(reason.text)}`}.`;
    case "next-worker":
      return "The builder's nextWorker wants none of the free workers.";
    case "next-build":
      return "The builder's nextBuild wants none of its requests.";
    case "collapsed":
      return `It is built with request ${reason.into}.`;
    case "expired":
      return "It had waited for as long as it may.";
    default:
      return oneLine(JSON.stringify(reason));
  }
}

function lockSentence(reason: Extract<WaitReason, { reason: "lock" }>, now: Millis): string {
  const what = `${reason.step === null ? "" : `Step ${reason.step}: `}the lock ${oneLine(reason.lock, 60)}`;
  const where = reason.worker === null ? "" : ` of ${oneLine(reason.worker, 60)}`;
  const holders = reason.holders.map(
    ({ builder, number, since }) =>
      `${oneLine(builder, 60)} #${number}${since === null ? "" : ` for ${timeText(Math.max(0, now - since))}`}`,
  );
  const held = holders.length === 0 ? "" : ` is held by ${holders.join(", ")}`;
  const others = `${reason.ahead} other${reason.ahead === 1 ? "" : "s"}`;
  const ahead = reason.ahead === 0 ? "" : `${held === "" ? " is wanted by" : "; ahead of it:"} ${others}`;
  const text = `${what}${where}${held}${ahead}${held + ahead === "" ? " is not free" : ""}.`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
