import { setTimeout as sleep } from "node:timers/promises";
import { lockHolder } from "../../engine/state-lock.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";

const LOOK_EVERY = 50;

/** `belfry stop`: tells the master to stop, and waits until it is gone. */
const stop: CliCommand = {
  name: "stop",
  summary: "stop the master and wait until it is gone",
  define: (command) => {
    command.option("--after-builds", "let the builds that run end first");
  },
  async run(session, _positional, { afterBuilds }) {
    const when = afterBuilds ? "after-builds" : "now";
    const folder = session.stateFolder;
    const answer = await session.call<{ builds: number }>("master.stop", { when });
    if (answer.builds > 0 && !session.json) {
      const builds = `${answer.builds} running build${answer.builds === 1 ? "" : "s"}`;
      session.err.line(afterBuilds ? `Waiting for ${builds} …` : `${builds} will be built again at the next start.`);
    }
    while ((await lockHolder(folder)) !== undefined) await sleep(LOOK_EVERY, undefined, { signal: session.signal });
    session.print({ stopped: true, builds: answer.builds }, () => ["The master has stopped."]);
    return EXIT.fine;
  },
};

export default stop;
