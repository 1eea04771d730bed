import { relative } from "node:path";
import { Option } from "commander";
import { internal } from "../../api/callers.ts";
import { loadFresh } from "../../config/load.ts";
import { messageOf } from "../../errors/belfry-error.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Json } from "../../interfaces/values.ts";
import type { Master } from "../../master.ts";
import { version } from "../../version.ts";
import type { CliCommand } from "../cli-command.ts";
import { differenceLines } from "../difference-lines.ts";
import { AGAIN, EXIT } from "../exit-code.ts";
import { failureText } from "../failure-report.ts";
import { askFacts, type FindFacts } from "../live/build-facts.ts";
import { EventLines } from "../live/event-lines.ts";
import { type Ask, follow } from "../live/follow.ts";
import { JsonView } from "../live/json-view.ts";
import { PlainView } from "../live/plain-view.ts";
import { TerminalView } from "../live/terminal-view.ts";
import type { View } from "../live/view.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";
import { FirstBuildset } from "../start/first-buildset.ts";
import { LEVELS, type LogLevel, type MasterLog, openMasterLog } from "../start/master-log.ts";
import { type Stop, StopWish } from "../start/stop-wish.ts";
import { holdRoomForYoungObjects } from "../start/young-objects.ts";
import { hourText, timeText } from "../time-text.ts";

/** The API's answer to a wish to stop has to be out before the socket closes. */
const ANSWER_FIRST = 50;

interface StartOptions {
  once?: boolean;
  plain?: boolean;
  roles: "engine" | "api" | "engine,api";
  logLevel: LogLevel;
}

/** `belfry start`: runs the master in the foreground. */
const start: CliCommand = {
  name: "start",
  refusal: EXIT.unusable,
  summary: "run the master in the foreground; Ctrl-C stops it",
  define: (command) => {
    command
      .option("--once", "leave when the first buildset is finished: 0 for success or warnings, 1 otherwise")
      .option("--plain", "print plain lines with times, also in a terminal")
      .addOption(
        new Option("--roles <roles>", "what this process does: the engine, or the web beside another process's engine")
          .choices(["engine", "api", "engine,api"])
          .default("engine,api"),
      )
      .addOption(new Option("--log-level <level>", "what goes to master.log").choices(LEVELS).default("info"));
  },
  async run(session, _positional, options) {
    if (options["once"] && options["roles"] === "api")
      throw faults.usage("`--once` needs a process that has the engine.");
    const wish = new StopWish();
    wish.listen(() => process.exit(EXIT.interrupted));
    return new MasterRun(session, options as unknown as StartOptions, wish).carryOut();
  },
};

export default start;

/** One life of a master, from the command line to the exit code. */
class MasterRun {
  readonly #session: Session;
  readonly #options: StartOptions;
  readonly #wish: StopWish;
  /** Ends the reading of events. */
  readonly #over = new AbortController();
  #view: View | undefined;

  constructor(session: Session, options: StartOptions, wish: StopWish) {
    this.#session = session;
    this.#options = options;
    this.#wish = wish;
  }

  async carryOut(): Promise<number> {
    const begun = performance.now();
    const letYoungObjectsHaveRoom = holdRoomForYoungObjects();
    const { stateFolder, configFile } = this.#session;
    const [{ Master }, loaded] = await Promise.all([import("../../master.ts"), loadFresh(configFile)]);
    const log = await openMasterLog(
      stateFolder,
      this.#options.logLevel,
      (line, isError) => this.#warn(line, isError),
      this.#options.roles === "api" ? { name: "api.log" } : {},
    );
    this.#catchStrays(log);
    try {
      const master = new Master(loaded.value, {
        folder: loaded.folder,
        role: this.#options.roles === "engine,api" ? "all" : this.#options.roles,
        stateFolder,
        loaded,
        load: () => loadFresh(configFile),
        logger: log.logger,
        onStopWanted: (when, restart) => setTimeout(() => this.#wish.want({ by: "call", when, restart }), ANSWER_FIRST),
      });
      await master.start();
      letYoungObjectsHaveRoom();
      log.logger.info({ version, config: configFile }, "the master has started");
      this.#greet(master, log, performance.now() - begun);
      this.#wish.onHangUp(() => void this.#reload(master));
      const stop = await this.#live(master);
      return await this.#end(master, stop, log);
    } finally {
      this.#over.abort();
      this.#view?.end();
      await log.close();
    }
  }

  /** SIGHUP asks for it, and nobody is there to be answered. */
  async #reload(master: Master): Promise<void> {
    try {
      const { items } = await master.reload();
      this.#say(
        items.length === 0
          ? "The configuration was loaded again; nothing changed."
          : "The configuration was loaded again:",
      );
      for (const line of differenceLines(items, this.#session.out.paint)) this.#say(line);
    } catch (error) {
      if (!this.#wish.isWanted) this.#say(failureText(error, this.#session.out.paint));
    }
  }

  /** Shows what happens until somebody wants the end. */
  async #live(master: Master): Promise<Stop> {
    const ask: Ask = <T>(method: string, params: Json = {}, signal?: AbortSignal) =>
      master.api.call(method, params, internal, signal) as Promise<T>;
    this.#view = this.#makeView(ask, master);
    const pollable = master.generation.sources.filter(({ part }) => part.poll !== undefined).map(({ name }) => name);
    const first = this.#options.once ? new FirstBuildset(ask, pollable) : undefined;
    this.#show(ask, master.began, first).catch((error) => this.#failed("events can no longer be shown", error));
    if (first) {
      first
        .watch(this.#over.signal)
        .catch((error) => this.#failed("whether there is something to build cannot be seen", error));
      void first.outcome.then(({ good, message }) => {
        this.#say(message);
        this.#wish.want({ by: "once", when: "now", code: good ? EXIT.fine : EXIT.bad });
      });
    }
    return this.#wish.wanted;
  }

  async #show(ask: Ask, since: string, first: FirstBuildset | undefined): Promise<void> {
    for await (const events of follow(ask, { since }, this.#over.signal)) {
      // That workers go when the master stops is no news.
      await this.#view?.events(
        this.#wish.isWanted ? events.filter(({ type }) => type !== "worker.disconnected") : events,
      );
      first?.see(events);
    }
  }

  async #end(master: Master, stop: Stop, log: MasterLog): Promise<number> {
    this.#wish.onHurry(() => void master.stop("now", { restart: this.#wish.restarts }).catch(() => undefined));
    const running = master.status.builds().length;
    const builds = `${running} running build${running === 1 ? "" : "s"}`;
    if (this.#wish.restarts) this.#say("Starting again …");
    else if (running > 0) {
      this.#say(
        stop.when === "after-builds"
          ? `Stopping after ${builds} …`
          : `Stopping; ${builds} end${running === 1 ? "s" : ""} as retry and will be built again at the next start …`,
      );
    } else if (stop.by !== "once") this.#say("Stopping …");
    try {
      await master.stop(stop.when, { restart: this.#wish.restarts });
    } catch (err) {
      // A part that does not end well is no reason to stay away.
      if (!this.#wish.restarts) throw err;
      log.logger.error({ err }, "not everything stopped cleanly; the master starts again all the same");
    }
    // Whoever wanted the end meanwhile gets it.
    const restarts = this.#wish.decide();
    log.logger.info({ by: stop.by, restarts }, "the master has stopped");
    if (restarts) {
      this.#over.abort();
      this.#view?.end();
      return AGAIN;
    }
    const code = this.#codeOf(stop);
    this.#over.abort();
    this.#view?.end();
    if (this.#session.json) this.#session.out.line(JSON.stringify({ type: "stopped", by: stop.by, code }));
    else this.#session.out.line("The master has stopped.");
    return code;
  }

  #codeOf(stop: Stop): number {
    if (stop.by === "once") return stop.code;
    if (stop.by === "fault") return EXIT.internal;
    return stop.by === "signal" && this.#options.once ? EXIT.interrupted : EXIT.fine;
  }

  #makeView(ask: Ask, master: Master): View {
    const { out, err, json } = this.#session;
    if (json) return new JsonView(out, err);
    // Builds that run are asked for without a query; a fast farm starts a hundred of them a second.
    const askMore = askFacts(ask);
    const facts: FindFacts = async (build) =>
      master.status.build(build) ?? (out.isTerminal ? askMore(build) : undefined);
    const live = out.isTerminal && !this.#options.plain && process.env["TERM"] !== "dumb";
    const lines = new EventLines({ ask, facts, paint: out.paint, steps: !live });
    return live ? new TerminalView({ out, ask, lines }) : new PlainView(out, lines);
  }

  #greet(master: Master, log: MasterLog, millis: number): void {
    const { out, json, cwd } = this.#session;
    const services = master.describe();
    const { title, masterName } = master.generation;
    if (json) {
      out.line(
        JSON.stringify({
          type: "started",
          version,
          master: masterName,
          pid: process.pid,
          socket: master.socketPath,
          services,
          log: log.file,
        }),
      );
      return;
    }
    out.line(`${out.paint.bold(oneLine(title))} has started (Belfry ${version}, ${timeText(millis)}).`);
    for (const line of services) out.line(`  ${oneLine(line)}`);
    out.line(out.paint.dim(`  Its log is ${relative(cwd, log.file) || log.file}; Ctrl-C stops it.`));
  }

  #say(line: string): void {
    if (this.#session.json) this.#session.err.line(line);
    else if (this.#view) this.#view.note(line);
    else this.#session.out.line(line);
  }

  #warn(line: string, isError: boolean): void {
    const { err, out } = this.#session;
    const view = this.#view instanceof TerminalView ? this.#view : undefined;
    const { paint } = view ? out : err;
    const text = `${paint.dim(hourText(Date.now()))} ${isError ? paint.red("error:") : paint.yellow("warning:")} ${line}`;
    if (view) view.note(text);
    else err.line(text);
  }

  #failed(what: string, error: unknown): void {
    if (!this.#over.signal.aborted && !this.#wish.isWanted) this.#warn(`${what}: ${messageOf(error)}`, true);
  }

  /** A plugin's stray failure is written down; it must not take the builds of all others down with it. */
  #catchStrays({ logger }: MasterLog): void {
    process.on("unhandledRejection", (err) =>
      logger.error({ err }, "a promise was rejected, and nobody dealt with it"),
    );
    process.on("uncaughtException", (err) => {
      logger.error({ err }, "an error was thrown where nobody could catch it; the master stops");
      this.#wish.want({ by: "fault", when: "now" });
    });
  }
}
