import { closeSync, openSync } from "node:fs";

/** Why a master shall stop, and how. */
export type Stop =
  | { by: "signal"; when: "now" }
  | { by: "call"; when: "now" | "after-builds"; restart: boolean }
  | { by: "once"; when: "now"; code: number }
  /** Something was thrown where nobody could catch it. */
  | { by: "fault"; when: "now" };

/** A second signal counts only after this time: `npm start` hands the terminal's Ctrl-C on, so that it arrives twice. */
const ONE_KEYSTROKE = 300;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** True while this process has a terminal that it belongs to. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** Waits for somebody to want the master's end: the user, a program, or `--once`. */
export class StopWish {
  readonly #wanted: Promise<Stop>;
  #resolve: (stop: Stop) => void = () => undefined;
  #first: Stop | undefined;
  #signalledAt: number | undefined;
  #restarts = true;
  #starts = false;
  #hurry: () => void = () => undefined;
  #reload: () => void = () => undefined;

  constructor() {
    this.#wanted = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The first wish. */
  get wanted(): Promise<Stop> {
    return this.#wanted;
  }

  get isWanted(): boolean {
    return this.#first !== undefined;
  }

  /** True as long as everybody who wanted the end wants the master to start again afterwards. */
  get restarts(): boolean {
    return this.#first !== undefined && this.#restarts;
  }

  /** Says whether it starts again, once it has stopped. If so, a signal ends the process at once from then on. */
  decide(): boolean {
    this.#starts = this.restarts;
    return this.#starts;
  }

  /** `hurry` is called when, after a wish to wait for builds, somebody wants the end now. */
  onHurry(hurry: () => void): void {
    this.#hurry = hurry;
  }

  want(stop: Stop): void {
    this.#restarts &&= stop.by === "call" && stop.restart;
    if (this.#first === undefined) {
      this.#first = stop;
      this.#resolve(stop);
    } else if (this.#first.when === "after-builds" && stop.when === "now") {
      this.#hurry();
    }
  }

  /** `reload` is called at SIGHUP, unless it says that the terminal is gone. */
  onHangUp(reload: () => void): void {
    this.#reload = reload;
  }

  /**
   * Listens to signals: the first stops the master in order, the second calls `leave`. A SIGHUP asks for a reload,
   * or, when it comes because the terminal was closed, for the end.
   */
  listen(leave: () => void): void {
    const onSignal = () => {
      if (this.#starts) return leave();
      const now = performance.now();
      this.#signalledAt ??= now;
      if (this.#signalledAt === now) this.want({ by: "signal", when: "now" });
      else if (now - this.#signalledAt > ONE_KEYSTROKE) leave();
    };
    for (const name of SIGNALS) process.on(name, onSignal);
    const inTerminal = hasTerminal();
    process.on("SIGHUP", () => {
      if (inTerminal && !hasTerminal()) onSignal();
      else if (!this.isWanted) this.#reload();
    });
  }
}
