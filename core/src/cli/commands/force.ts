import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Result } from "../../interfaces/values.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { askFacts } from "../live/build-facts.ts";
import { EventLines } from "../live/event-lines.ts";
import { type Ask, follow, newest } from "../live/follow.ts";
import { collect, readProperties } from "../options.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

interface ForceOptions {
  scheduler?: string;
  branch?: string;
  revision?: string;
  property?: string[];
  reason?: string;
  wait?: boolean;
}

interface Forced {
  buildset: number;
  requests: { id: number; builder: string }[];
}

/** `belfry force`: builds now. */
const force: CliCommand = {
  name: "force",
  summary: "ask a scheduler to build now",
  define: (command) => {
    command
      .argument("[builder...]", "which builders; default: all of the scheduler")
      .option("--scheduler <name>", "default: the only one that can be forced")
      .option("--branch <name>", "what to build")
      .option("--revision <revision>", "what to build; default: the branch's newest")
      .option("--property <name=value>", "a property of the builds; may be given again", collect)
      .option("--reason <text>", "why")
      .option("--wait", "follow the builds to their end: 0 for success or warnings, 1 otherwise");
  },
  async run(session, [builders], options) {
    const { scheduler, branch, revision, property = [], reason, wait } = options as ForceOptions;
    const since = wait ? await newest((method, params) => session.call(method, params)) : undefined;
    const forced = await session.call<Forced>("schedulers.force", {
      ...(Array.isArray(builders) && builders.length > 0 ? { builders } : {}),
      ...(scheduler === undefined ? {} : { scheduler }),
      ...(branch === undefined ? {} : { branch }),
      ...(revision === undefined ? {} : { revision }),
      ...(reason === undefined ? {} : { reason }),
      ...(property.length === 0 ? {} : { properties: readProperties(property) }),
    });
    if (since === undefined) {
      session.print({ ...forced }, () =>
        forced.requests.map(({ id, builder }) => `Request ${id}: ${oneLine(builder)} will be built.`),
      );
      return EXIT.fine;
    }
    const result = await waitFor(session, forced, since);
    if (result === undefined) return EXIT.interrupted;
    session.print({ ...forced, result }, () => [
      `Buildset ${forced.buildset} has ended: ${session.out.paint.result(result)}.`,
    ]);
    return result === "success" || result === "warnings" ? EXIT.fine : EXIT.bad;
  },
};

export default force;

/** Shows the builds of a buildset until it has ended; `undefined` when the user does not wait for it. */
async function waitFor(session: Session, forced: Forced, since: string): Promise<Result | undefined> {
  const { signal, out, json } = session;
  const ask: Ask = (method, params) => session.call(method, params);
  const lines = new EventLines({ ask, facts: askFacts(ask), paint: out.paint, steps: true });
  const requests = new Set(forced.requests.map(({ id }) => id));
  const builds = new Set<number>();
  const isOurs = ({ type, data }: BelfryEvent) => {
    if (type === "build.assigned" && requests.has(Number(data["request"]))) builds.add(Number(data["build"]));
    return data["build"] !== undefined && builds.has(Number(data["build"]));
  };
  for await (const events of follow(ask, { since }, signal)) {
    for (const event of events) {
      if (event.type === "buildset.finished" && event.data["buildset"] === forced.buildset)
        return event.data["result"] as Result;
      if (isOurs(event) && !json) for (const line of await lines.of(event)) out.line(line);
    }
  }
  return undefined;
}
