import { setTimeout as sleep } from "node:timers/promises";
import { lockHolder } from "../../engine/state-lock.ts";
import { faults } from "../../errors/catalogue.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";

const LOOK_EVERY = 100;
/** Milliseconds that nobody may be there, between two lives. */
const GONE_FOR = 30_000;

interface Answer {
  builds: number;
  resumable: number;
  startedAt: number;
}

/** `belfry restart`: has the master start again, and waits until it has. */
const restart: CliCommand = {
  name: "restart",
  summary: "start the master again; builds whose steps are resumable go on",
  define: (command) => {
    command.option("--after-builds", "let the builds that could not go on end first");
  },
  async run(session, _positional, { afterBuilds }) {
    const when = afterBuilds ? "after-builds" : "now";
    const { builds, resumable, startedAt } = await session.call<Answer>("master.restart", { when });
    const others = builds - resumable;
    if (!session.json && builds > 0) {
      const rest = afterBuilds ? "waited for" : "built again";
      session.err.line(
        `Of ${builds} running builds ${resumable} can go on where nothing they are made by has changed; ${others} will be ${rest}.`,
      );
    }
    session.close();
    let seen = performance.now();
    for (;;) {
      await sleep(LOOK_EVERY, undefined, { signal: session.signal });
      if ((await lockHolder(session.stateFolder)) !== undefined) seen = performance.now();
      else if (performance.now() - seen > GONE_FOR) throw faults.restartFailed();
      const now = await session.call<{ startedAt: number }>("status.now", {}).catch(() => undefined);
      if (now && now.startedAt !== startedAt) break;
      session.close();
    }
    session.print({ restarted: true, builds, resumable }, () => ["The master has started again."]);
    return EXIT.fine;
  },
};

export default restart;
