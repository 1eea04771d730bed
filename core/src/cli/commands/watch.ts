import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { askFacts } from "../live/build-facts.ts";
import { EventLines } from "../live/event-lines.ts";
import { type Ask, follow } from "../live/follow.ts";
import { JsonView } from "../live/json-view.ts";
import { PlainView } from "../live/plain-view.ts";
import { TerminalView } from "../live/terminal-view.ts";
import type { View } from "../live/view.ts";
import type { Session } from "../session.ts";

/** `belfry watch`: shows what a running master does, until Ctrl-C. */
const watch: CliCommand = {
  name: "watch",
  summary: "show what happens, live, until Ctrl-C",
  define: (command) => {
    command
      .argument("[builder]", "only this builder")
      .option("--plain", "print plain lines with times, also in a terminal");
  },
  async run(session, [builder], { plain }) {
    const only = typeof builder === "string" ? { builder } : {};
    const ask: Ask = (method, params) => session.call(method, params);
    await (only.builder === undefined ? ask("status.now") : ask("builders.get", only));
    const view = makeView(session, ask, only, plain === true);
    const interrupted = new Promise<void>((resolve) =>
      session.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    const showing = (async () => {
      for await (const events of follow(ask, only, session.signal)) {
        await view.events(events);
        await session.out.room();
      }
    })();
    try {
      await Promise.race([showing, interrupted]);
      showing.catch(() => undefined);
    } finally {
      view.end();
    }
    return EXIT.fine;
  },
};

export default watch;

function makeView(session: Session, ask: Ask, only: { builder?: string }, plain: boolean): View {
  const { out, err, json } = session;
  if (json) return new JsonView(out, err);
  const live = out.isTerminal && !plain && process.env["TERM"] !== "dumb";
  const lines = new EventLines({ ask, facts: askFacts(ask), paint: out.paint, steps: !live });
  return live ? new TerminalView({ out, ask, lines, ...only }) : new PlainView(out, lines);
}
