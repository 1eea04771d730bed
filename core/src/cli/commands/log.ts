import { setTimeout as sleep } from "node:timers/promises";
import { faults } from "../../errors/catalogue.ts";
import type { BuildAnswer, LogAnswer, LogPage, StepAnswer } from "../answers.ts";
import { readBuildRef } from "../build-ref.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { failedStep } from "../live/log-tail.ts";
import { wholeNumber } from "../options.ts";
import { logLine, oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

const PAGE = 1_000;
const WAIT_SECONDS = 20;
const LOOK_EVERY = 250;

interface LogOptions {
  follow?: boolean;
  lines?: number;
  raw?: boolean;
}

/** `belfry log`: prints a log, and what is still to come of it. */
const log: CliCommand = {
  name: "log",
  summary: "print a log of a build, also while it is written",
  define: (command) => {
    command
      .argument(
        "<build...>",
        "BUILDER NUMBER, BUILDER last or a build's id; then, if wanted, step and log, by number or name",
      )
      .option("-f, --follow", "go on with what is still to come; without a step, with all steps of the build")
      .option("-n, --lines <count>", "only so many lines, from the end", wholeNumber("--lines", 1))
      .option("--raw", "print lines as they are, with everything that a terminal would obey")
      .addHelpText(
        "after",
        "\nWithout a step, the log is that of the step that failed, or else of the newest step. Without a log, it is the\nstep's first. Each line is a JSON object with --json.",
      );
  },
  async run(session, [words], options) {
    const { ref, rest } = readBuildRef(words as string[]);
    if (rest.length > 2)
      throw faults.usage(`"${rest[2]?.slice(0, 100)}" is one word too many: a build, a step and a log are wanted.`);
    const build = await session.call<BuildAnswer>("builds.get", ref);
    const printer = new LogPrinter(session, build.id, options as LogOptions);
    const [step, name] = rest;
    if (step === undefined && (options as LogOptions).follow) return printer.followAll();
    await printer.print(await printer.step(step), name);
    return EXIT.fine;
  },
};

export default log;

class LogPrinter {
  readonly #session: Session;
  readonly #build: number;
  readonly #options: LogOptions;

  constructor(session: Session, build: number, options: LogOptions) {
    this.#session = session;
    this.#build = build;
    this.#options = options;
  }

  /** The step of this number or name; without either, the one to look at first. */
  async step(wanted: string | undefined): Promise<StepAnswer> {
    const steps = await this.#steps();
    if (wanted !== undefined) {
      const found = steps.find((step) => String(step.step) === wanted) ?? steps.find((step) => step.name === wanted);
      if (found) return found;
      throw faults.notFound("step", `"${oneLine(wanted, 100)}" in this build`);
    }
    const step = failedStep(steps) ?? steps.at(-1);
    if (step) return step;
    throw faults.notFound("step", "in this build yet");
  }

  /** Prints one log of a step. */
  async print(step: StepAnswer, wanted: string | undefined): Promise<void> {
    const { signal } = this.#session;
    const log = await this.#find(step, wanted);
    if (!log) {
      if (wanted !== undefined) throw faults.notFound("log", `"${oneLine(wanted, 100)}" of step ${step.step}`);
      return;
    }
    const { follow, lines } = this.#options;
    let first = lines === undefined ? 0 : -lines;
    while (!signal.aborted) {
      const page = await this.#session.call<LogPage>("logs.read", {
        build: this.#build,
        step: step.step,
        log: log.log,
        first,
        count: PAGE,
        ...(follow ? { waitSeconds: WAIT_SECONDS } : {}),
      });
      for (const line of page.items) this.#line(step, log, line);
      await this.#session.out.room();
      first = page.next;
      if (page.next >= page.lines && (page.finished || !follow)) return;
    }
  }

  /** Prints the first log of each step as they come, until the build has ended. */
  async followAll(): Promise<number> {
    const { signal, out } = this.#session;
    let last = 0;
    while (!signal.aborted) {
      const { state } = await this.#session.call<BuildAnswer>("builds.get", { build: this.#build });
      const steps = (await this.#steps()).filter(({ step }) => step > last);
      for (const step of steps) {
        last = step.step;
        if (!this.#session.json) out.line(out.paint.bold(`== step ${step.step}: ${oneLine(step.name)} ==`));
        await this.print(step, undefined);
      }
      if (state === "finished" && steps.length === 0) return EXIT.fine;
      if (steps.length === 0) await sleep(LOOK_EVERY, undefined, { signal }).catch(() => undefined);
    }
    return EXIT.interrupted;
  }

  #line(step: StepAnswer, log: LogAnswer, line: LogPage["items"][number]): void {
    const { out, json } = this.#session;
    if (json) out.line(JSON.stringify({ build: this.#build, step: step.step, log: log.name, ...line }));
    else if (this.#options.raw) out.line(line.text);
    else {
      const text = logLine(line.text, out.paint.on);
      out.line(line.channel === "header" ? out.paint.dim(text) : text);
    }
  }

  async #steps(): Promise<StepAnswer[]> {
    return (await this.#session.call<{ items: StepAnswer[] }>("builds.steps", { build: this.#build })).items;
  }

  /** A log of a step; while it runs, logs that are still to come are waited for. */
  async #find(step: StepAnswer, wanted: string | undefined): Promise<LogAnswer | undefined> {
    const { signal } = this.#session;
    for (;;) {
      // Asked before the logs: a short step ends, and its log is there, in one and the same moment.
      const ended = (await this.#steps()).find((other) => other.step === step.step)?.finishedAt !== null;
      const { items } = await this.#session.call<{ items: LogAnswer[] }>("logs.list", {
        build: this.#build,
        step: step.step,
      });
      const found =
        wanted === undefined ? items[0] : items.find(({ log, name }) => String(log) === wanted || name === wanted);
      if (found || ended || !this.#options.follow || signal.aborted) return found;
      await sleep(LOOK_EVERY, undefined, { signal }).catch(() => undefined);
    }
  }
}
